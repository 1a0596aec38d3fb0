"""Claims put to the test, each found once: what is there already is not run again.

Those of arithmetic and of time run one after another in this process; those that train share one pool.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from opsin import __version__, files
from opsin.claims import record
from opsin.claims.claim import Claim, Finding, Part, Verdict, beside
from opsin.claims.trials import work as trials
from opsin.claims.trials.images import MOST, size_of, write_images
from opsin.claims.trials.results import Lost, Results
from opsin.claims.trials.work import Store, Wish
from opsin.costs import machine
from opsin.costs.others import Others
from opsin.data.scan import scan
from opsin.data.sources import load
from opsin.data.threads import cores
from opsin.errors import OpsinError
from opsin.launch.local import Pool
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


@dataclass(frozen=True)
class Work:
    """Who trains, which decides nothing: processes (one for each core where None), or a cluster's address; and where
    copies of named sets lie."""

    workers: int | None = None
    cluster: str | None = None
    root: Path | None = None


NOTHING = Asked()
PROCESSES, IMAGES, PIXELS = 2, 1297, 64
"""For which the minutes of claims that train are measured: processes, images of digits to train on, pixels of each."""
PIXEL = 0.008
"""So much longer, of the time with digits, a convolutional network's step takes for each further pixel of an image."""


@dataclass(frozen=True)
class Tier:
    """How large the test of a claim that trains is.

    Attributes:
        data: the images, where none are named.
        images: of their training part, at most; None for all.
        scale: of the networks' widths.
        device: that trains.
    """

    data: str
    images: int | None = MOST
    scale: int = 1
    device: str = "cpu"


TIERS = {"quick": Tier("digits"), "standard": Tier("cifar10"), "full": Tier("cifar10", None, 4, "cuda")}


@dataclass(frozen=True)
class Plan:
    """What is to be done.

    Attributes:
        todo: claims to be run.
        there: records that are there for the same definition and images, of times only where these decided.
        waiting: claims that have no test, for the reason in `waits`.
        each: minutes that each of `todo` takes, in its order; where claims share trials, less. NaN where not known.
    """

    todo: tuple[Claim, ...]
    there: dict[str, Record]
    waiting: tuple[Claim, ...]
    each: tuple[float, ...]

    @property
    def minutes(self) -> float:
        """About how long it takes, at most."""
        return sum(self.each)


def own(claim: Claim, asked: Asked) -> Asked:
    """What is asked of this claim: nothing of one that trains no network."""
    if claim.experiment is None:
        return NOTHING
    return Asked(asked.tier, asked.data or TIERS[asked.tier].data, asked.seeds or claim.experiment.seeds)


def definition(claim: Claim, asked: Asked) -> str:
    """Stands for the claim, for what is asked of it, for this version, and for the machine where time is measured."""
    here: Record = {"opsin": __version__} | asdict(own(claim, asked))
    if claim.experiment:
        here |= {"experiment": claim.experiment.facts()}
    if claim.kind == "cost":
        here |= {"machine": at_work()}
    return record.definition(claim, here)


def at_work(device: str = "cpu") -> Record:
    """The machine, and how much of it computes here."""
    return machine.describe(torch.device(device)) | {"threads": torch.get_num_threads()}


def plan(claims: Sequence[Claim], folder: Path, asked: Asked = NOTHING, work: Work | None = None) -> Plan:
    """Sorts claims: those to be run, those whose records are in `folder`, those that have no test.

    Raises OpsinError where there is no GPU for a tier that needs one, and for images that are to be trained on and
    cannot be had.
    """
    tested = [claim for claim in claims if claim.tested]
    found = {c.id: record.read(path) for c in tested if (path := record.place(folder, c.id)).exists()}
    for claim in tested:
        check_place(claim, found.get(claim.id), folder, asked)
    there = {
        claim.id: found[claim.id] for claim in tested if claim.id in found and stands(claim, found[claim.id], asked)
    }
    if any(claim.experiment for claim in tested if claim.id in there):
        now = fingerprint(asked, work or Work())
        there = {id: own for id, own in there.items() if own["images"] in (None, now)}
    todo = [claim for claim in tested if claim.id not in there]
    trains = any(claim.experiment for claim in todo)
    if trains and TIERS[asked.tier].device == "cuda" and not (torch.cuda.is_available() or (work and work.cluster)):
        raise OpsinError(f"the tier {asked.tier} trains on a GPU, and there is none here: take standard")
    larger = times_digits(asked, work or Work()) if trains else 1.0
    each = {claim.id: expected(claim, asked, work or Work(), larger) for claim in todo}
    todo.sort(key=lambda claim: each[claim.id])
    waiting = tuple(claim for claim in claims if not claim.tested)
    return Plan(tuple(todo), there, waiting, tuple(each[claim.id] for claim in todo))


def stands(claim: Claim, found: Record, asked: Asked) -> bool:
    """Whether a record is of this definition, and needs no other try: times that were disturbed do."""
    again = [Verdict.NOT_RUN, *([Verdict.UNDECIDED] if claim.kind == "cost" else [])]
    return found["definition"] == definition(claim, asked) and found["verdict"] not in again


def check_place(claim: Claim, found: Record | None, folder: Path, asked: Asked) -> None:
    """Raises OpsinError where the folder has a record of the claim with other images, or of another tier."""
    now = own(claim, asked)
    if claim.experiment and found and (found["tier"], found["data"]) != (now.tier, now.data):
        raise OpsinError(
            f"{folder} has {claim.id} with {found['data']}, tier {found['tier']}: give --out another folder for "
            f"{now.data}, tier {now.tier}"
        )


def fingerprint(asked: Asked, work: Work) -> str:
    """What stands for the images that are asked for."""
    return scan(load(asked.data or TIERS[asked.tier].data, root=work.root)).fingerprint


def expected(claim: Claim, asked: Asked, work: Work, larger: float) -> float:
    """About the minutes that a claim takes.

    Of one that trains by its seeds and processes, and by how many times as long a trial takes as with digits.
    """
    if claim.experiment is None:
        return claim.minutes
    seeds = (asked.seeds or claim.experiment.seeds) / claim.experiment.seeds
    return claim.takes * seeds * larger * PROCESSES / (work.workers or cores())


def times_digits(asked: Asked, work: Work) -> float:
    """How many times as long a trial takes with the images that are asked for as with digits; NaN on a GPU."""
    tier = TIERS[asked.tier]
    if tier.device != "cpu":
        return math.nan
    data = asked.data or tier.data
    if (data, tier) == ("digits", TIERS["quick"]):
        return 1.0
    images, pixels = size_of(data, work.root, tier.images)
    return images / IMAGES * max(1.0, 1 + PIXEL * (pixels - PIXELS))


def run(
    plan: Plan,
    folder: Path,
    asked: Asked = NOTHING,
    watch: Watch | None = None,
    *,
    work: Work | None = None,
    told: Callable[[Record], None] = lambda record: None,
) -> dict[str, Record]:
    """Runs what a plan has to do, the quickest first, and writes each record as soon as it is there.

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

    def ended(
        claim: Claim, finding: Finding, minutes: float, load: Record | None = None, images: str | None = None
    ) -> None:
        ran = record.Circumstances(
            round(minutes, 4),
            at_work("cpu" if claim.experiment is None else TIERS[asked.tier].device) | (load or {}),
            {"opsin": __version__, "torch": torch.__version__},
            definition(claim, asked),
            images=images,
            **asdict(own(claim, asked)),
        )
        records[claim.id] = record.to_dict(claim, finding, ran)
        record.write(folder, records[claim.id])
        told(records[claim.id])

    with files.locked(folder / ".lock", "run of claims"):
        alone = [claim for claim in plan.todo if claim.test and not claim.experiment]
        watch.stage("claims", sum(claim.minutes for claim in alone))
        for claim in alone:
            watch.started(f"{claim.id} {claim.title}", 1)
            others = Others()
            finding, minutes = tested(claim)
            cores_taken = others.cores()
            ended(
                claim, judged(claim, finding, cores_taken), minutes, {"others": cores_taken and round(cores_taken, 2)}
            )
            watch.ended(f"{claim.id} {claim.title}", "ok")
            watch.advance(claim.minutes)
        train([claim for claim in plan.todo if claim.experiment], folder, asked, work or Work(), watch, ended)
    return records


Ended = Callable[..., None]


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
                finding = beside(tested(by_id[id])[0], finding)
            ended(by_id[id], finding, results.minutes, images=images.fingerprint)


def pool_of(work: Work, folder: Path, gpu: bool) -> Pool:
    """Processes of one thread each, here or on a cluster."""
    if work.cluster is None:
        return Pool(work.workers or cores())
    from opsin.launch.cluster import connect
    from opsin.launch.ray import ClusterPool

    return ClusterPool(connect(work.cluster), folder, work.workers, gpu)


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
