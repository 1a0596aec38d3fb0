"""Claims put to the test one after another, each found once: what is there already is not run again."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from opsin import __version__, files
from opsin.claims import record
from opsin.claims.claim import Claim, Finding, Verdict
from opsin.costs import machine
from opsin.costs.others import Others
from opsin.errors import OpsinError
from opsin.watch import Watch

Record = dict[str, Any]
SEED = 0
"""Where the random numbers of each test begin."""
BUSY = 0.5
"""Cores that other work may take, on average, while a claim about time is tried."""
DISTURBED = "Other work took {:.1f} cores meanwhile, so these times decide nothing; by the rule they would say: {}."


@dataclass(frozen=True)
class Asked:
    """What is asked of claims that train; the others have none of it.

    Attributes:
        tier: how large the test is: "quick", "standard" or "full".
        data: the images, in place of the claim's own.
        seeds: runs of each arm, in place of the tier's.
    """

    tier: str = "quick"
    data: str | None = None
    seeds: int | None = None


NOTHING = Asked()


@dataclass(frozen=True)
class Plan:
    """What is to be done.

    Attributes:
        todo: claims to be run.
        there: records that are there for the same definition, of times only where these decided.
        waiting: claims that have no test, for the reason in `waits`.
    """

    todo: tuple[Claim, ...]
    there: dict[str, Record]
    waiting: tuple[Claim, ...]

    @property
    def minutes(self) -> float:
        """About how long it takes."""
        return sum(claim.minutes for claim in self.todo)


def own(claim: Claim, asked: Asked) -> Asked:
    """What is asked of this claim: nothing of one that trains no network."""
    return asked if claim.kind == "training" else NOTHING


def definition(claim: Claim, asked: Asked) -> str:
    """Stands for the claim, for what is asked of it, for this version, and for the machine where time is measured."""
    here = {"opsin": __version__} | asdict(own(claim, asked))
    if claim.kind == "cost":
        here |= {"machine": at_work()}
    return record.definition(claim, here)


def at_work() -> Record:
    """The machine, and how much of it computes here."""
    return machine.describe(torch.device("cpu")) | {"threads": torch.get_num_threads()}


def plan(claims: Sequence[Claim], folder: Path, asked: Asked = NOTHING) -> Plan:
    """Sorts claims: those to be run, those whose records are in `folder`, those that have no test."""
    tested = [claim for claim in claims if claim.test is not None]
    found = {c.id: record.read(path) for c in tested if (path := record.place(folder, c.id)).exists()}
    there = {
        claim.id: found[claim.id]
        for claim in tested
        if claim.id in found
        and found[claim.id]["definition"] == definition(claim, asked)
        and found[claim.id]["verdict"] not in (Verdict.NOT_RUN, *([Verdict.UNDECIDED] if claim.kind == "cost" else []))
    }
    todo = sorted((claim for claim in tested if claim.id not in there), key=lambda claim: claim.minutes)
    return Plan(tuple(todo), there, tuple(claim for claim in claims if claim.test is None))


def run(
    plan: Plan,
    folder: Path,
    asked: Asked = NOTHING,
    watch: Watch | None = None,
    *,
    told: Callable[[Record], None] = lambda record: None,
) -> dict[str, Record]:
    """Runs what a plan has to do, the quickest first, and writes each record as soon as it is there.

    What stops it (Ctrl-C) leaves the records that are done.

    Args:
        folder: for the records, a file each; it is made where it is not there.
        told: hears of each record as it is written.

    Returns:
        the records by their claims' ids, those that were there with them.

    Raises:
        OpsinError: for a folder that cannot be written, or that another process works in.
    """
    watch = watch or Watch()
    files.check_writable(folder / "claim.json")
    records = dict(plan.there)
    with files.locked(folder / ".lock", "run of claims"):
        watch.stage("claims", plan.minutes)
        for claim in plan.todo:
            watch.started(f"{claim.id} {claim.title}", 1)
            others = Others()
            finding, minutes = tested(claim)
            cores = others.cores()
            ran = record.Circumstances(
                round(minutes, 4),
                at_work() | {"others": cores and round(cores, 2)},
                {"opsin": __version__, "torch": torch.__version__},
                definition(claim, asked),
                **asdict(own(claim, asked)),
            )
            records[claim.id] = record.to_dict(claim, judged(claim, finding, cores), ran)
            record.write(folder, records[claim.id])
            watch.ended(f"{claim.id} {claim.title}", "ok")
            watch.advance(claim.minutes)
            told(records[claim.id])
    return records


def judged(claim: Claim, finding: Finding, cores: float | None) -> Finding:
    """The finding; undecided where times were measured while other work took so many cores."""
    if claim.kind != "cost" or finding.verdict == Verdict.NOT_RUN or cores is None or cores <= BUSY:
        return finding
    note = DISTURBED.format(cores, finding.verdict)
    return replace(finding, verdict=Verdict.UNDECIDED, notes=(*finding.notes, note))


def tested(claim: Claim) -> tuple[Finding, float]:
    """The finding of a claim's test, and the minutes that it took."""
    if claim.test is None:
        raise OpsinError(f"{claim.id} has no test: {claim.waits}")
    torch.manual_seed(SEED)
    start = time.perf_counter()
    return claim.test(), (time.perf_counter() - start) / 60
