"""Claims put to the test, and their records written.

Those of arithmetic run one after another in this process, those of time in processes of their own, and those that train
share one pool.
"""

import importlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import torch

from opsin import __version__, files
from opsin.claims import record
from opsin.claims.claim import Claim, Finding, Part, Verdict, beside
from opsin.claims.plan import (
    NOTHING,
    TIERS,
    Asked,
    Plan,
    Record,
    Work,
    asked_of,
    at_work,
    check_place,
    command,
    definition,
    disturbed,
)
from opsin.claims.trials import work as trials
from opsin.claims.trials.images import write_images
from opsin.claims.trials.results import Lost, Results
from opsin.claims.trials.work import Store, Wish
from opsin.costs.others import Others
from opsin.data.threads import cores
from opsin.errors import OpsinError
from opsin.launch.local import Pool, Task
from opsin.watch import Watch

SEED = 0
"""Where the random numbers of each test begin."""
DISTURBED = "Other work took {:.1f} cores meanwhile, so these times decide nothing; by the rule they would say: {}."

Ended = Callable[..., None]
Tried = tuple[Finding, float, float | None]
"""What a test has found, the minutes that it took, and the cores that other work took meanwhile."""


def run(
    plan: Plan,
    folder: Path,
    asked: Asked = NOTHING,
    watch: Watch | None = None,
    *,
    work: Work | None = None,
    told: Callable[[Record], None] = lambda record: None,
) -> dict[str, Record]:
    """Runs what a plan has to do, what trains last, and writes each record as soon as it is there.

    What stops it (Ctrl-C) leaves the records and the trials that are done.

    Args:
        folder: for the records, a file each, and the trials; it is made where it is not there.
        told: hears of each record as it is written.

    Returns:
        the records by their claims' ids, those that were there with them.

    Raises:
        OpsinError: for a folder that cannot be written, or that another process works in; for images that cannot be
            had.
    """
    watch = watch or Watch()
    files.check_writable(folder / "claim.json")
    records = dict(plan.there)

    def ended(claim: Claim, finding: Finding, minutes: float, machine: Record, images: str | None = None) -> None:
        machine = at_work() | machine
        ran = record.Circumstances(
            round(minutes, 4),
            machine,
            {"opsin": __version__, "torch": machine["torch"]},
            definition(claim, asked),
            command(claim, asked),
            images=images,
            **asdict(asked_of(claim, asked)),
        )
        records[claim.id] = record.to_dict(claim, finding, ran)
        record.write(folder, records[claim.id])
        told(records[claim.id])

    with files.locked(folder / ".lock", "run of claims"):
        for claim in plan.todo:  # another process may have ended since the plan was made
            if (path := record.place(folder, claim.id)).exists():
                check_place(claim, record.read(path), folder, asked)
        alone = [claim for claim in plan.todo if claim.test and not claim.experiment]
        each = {claim.id: minutes for claim, minutes in zip(plan.todo, plan.each, strict=True)}
        watch.stage("claims", sum(each[claim.id] for claim in alone))
        for _, claims in groupby(sorted(alone, key=lambda claim: claim.shares), lambda claim: claim.shares or claim.id):
            with bench() as test:
                for claim in claims:
                    watch.started(f"{claim.id} {claim.title}", 1)
                    finding, minutes, others = test(claim)
                    ended(claim, judged(claim, finding, others), minutes, {"others": others})
                    watch.ended(f"{claim.id} {claim.title}", "ok")
                    watch.advance(each[claim.id])
        train([claim for claim in plan.todo if claim.experiment], folder, asked, work or Work(), watch, ended)
    return records


def train(claims: Sequence[Claim], folder: Path, asked: Asked, work: Work, watch: Watch, ended: Ended) -> None:
    """Trains the trials of claims on one pool, and judges each claim as soon as its own are known."""
    if not claims:
        return
    tier = TIERS[asked.tier]
    data = asked.data or tier.data
    watch.stage("reading images")
    images = write_images(data, folder / "images", work.root, most=tier.images)
    store = Store(folder / "trials", images, tier.device)
    wishes = {
        claim.id: Wish(claim.experiment.scaled(tier.scale), asked.seeds or claim.experiment.seeds)
        for claim in claims
        if claim.experiment
    }
    by_id = {claim.id: claim for claim in claims}
    with pool_of(work, folder, gpu=tier.device != "cpu") as pool:
        for id in trials.train(wishes, store, pool, watch):
            results = Results(wishes[id].experiment, store, wishes[id].seeds, data, images)
            try:
                finding = wishes[id].experiment.judge(results)
            except Lost as lost:
                finding = Finding(Verdict.UNDECIDED, (Part("what was to be looked at", str(lost)),))
            if by_id[id].test:
                with bench() as test:
                    finding = beside(test(by_id[id])[0], finding)
            ended(by_id[id], finding, results.minutes, {"threads": 1} | results.machine, images.fingerprint)


def pool_of(work: Work, folder: Path, gpu: bool) -> Pool:
    """Processes of one thread each, here or on a cluster."""
    if work.cluster is None:
        return Pool(work.workers or cores())
    from opsin.launch.cluster import connect
    from opsin.launch.ray import ClusterPool

    return ClusterPool(connect(work.cluster), folder, work.workers, gpu)


def judged(claim: Claim, finding: Finding, cores: float | None) -> Finding:
    """The finding; undecided where times were measured while other work took so many cores."""
    if finding.verdict == Verdict.NOT_RUN or not disturbed(claim, cores):
        return finding
    note = DISTURBED.format(cores, finding.verdict)
    return replace(finding, verdict=Verdict.UNDECIDED, notes=(*finding.notes, note))


@contextmanager
def bench() -> Iterator[Callable[[Claim], Tried]]:
    """What puts claims to the test: in this process, but in one other where times decide them.

    What ran before in a process changes where its memory lies, and with it times; so claims share a bench where they
    share what they measure, and what disturbed that disturbed them all. The test raises OpsinError for a claim that has
    none, and where that other process fails.
    """
    taken: list[float] = []

    def test(claim: Claim) -> Tried:
        if claim.test is None:
            raise OpsinError(claim.without_test)
        if not claim.timed:
            return tried(claim.test)
        pool.submit(Task(claim.id, f"{__name__}:measure", (claim.test.__module__, claim.test.__qualname__)))
        *_, last = pool.events()
        if last.kind == "failed":
            raise OpsinError(f"{claim.id} could not be measured: {last.value['message'] or last.value['type']}")
        finding, minutes, cores = last.value
        taken.extend([] if cores is None else [cores])
        return finding, minutes, max(taken, default=None)

    with Pool(1, torch.get_num_threads()) as pool:
        yield test


def measure(test: tuple[str, str], report: Callable[[Any], None]) -> Tried:
    """A worker's task: runs a test, a function of a module. It has nothing to report before it ends."""
    module, name = test
    return tried(getattr(importlib.import_module(module), name))


def tried(test: Callable[[], Finding]) -> Tried:
    """Runs a test in this process."""
    torch.manual_seed(SEED)
    others, start = Others(), time.perf_counter()
    finding = test()
    minutes, cores = (time.perf_counter() - start) / 60, others.cores()
    return finding, minutes, cores and round(cores, 2)
