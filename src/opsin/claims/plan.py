"""What is to be done to put claims to the test: which are, where, with which images, and in about what time.

Nothing is run twice: a record of the same definition and images stands.
"""

import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from opsin import __version__
from opsin.claims import clock, record
from opsin.claims.claim import Claim, Verdict
from opsin.claims.trials.images import MOST, size_of
from opsin.claims.trials.rates import of
from opsin.costs import machine
from opsin.data.scan import scan
from opsin.data.sources import load
from opsin.data.threads import cores
from opsin.errors import OpsinError

Record = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """What is asked of claims that train; the others have none of it.

    Attributes:
        tier: how large the test is: "quick", "standard" or "full".
        data: the images, in place of the claim's own.
        seeds: runs of each arm, in place of each experiment's own.
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
BUSY = 0.5
"""Cores that other work may take, on average, while a claim about time is tried."""
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


def asked_of(claim: Claim, asked: Asked) -> Asked:
    """What is asked of this claim, its seeds those of the arm that has most: nothing of one that trains no network."""
    if claim.experiment is None:
        return NOTHING
    seeds = max(of(arm, asked.seeds or claim.experiment.seeds) for arm in claim.experiment.arms)
    return Asked(asked.tier, asked.data or TIERS[asked.tier].data, seeds)


def command(claim: Claim, asked: Asked) -> str:
    """What puts the claim to this test again, wherever copies of the images lie."""
    words = ["opsin", "claims", "run", claim.id]
    if claim.experiment:
        own = asdict(NOTHING) | {"data": TIERS[asked.tier].data, "seeds": claim.experiment.seeds}
        given = {key: value for key, value in asdict(asked).items() if value not in (None, own[key])}
        words += [word for key, value in given.items() for word in (f"--{key}", str(value))]
    return shlex.join(words)


def definition(claim: Claim, asked: Asked) -> str:
    """Stands for the claim, what is asked of it, and this version; of times for the machine, and how they are taken."""
    here: Record = {"opsin": __version__} | asdict(asked_of(claim, asked))
    if claim.experiment:
        here |= {"experiment": claim.experiment.facts()}
    if claim.timed:
        here |= {"machine": at_work(), "clock": clock.FACTS}
    return record.definition(claim, here)


def at_work() -> Record:
    """The machine, and how much of it computes here."""
    return machine.describe(torch.device("cpu")) | {"threads": torch.get_num_threads()}


def plan(claims: Sequence[Claim], folder: Path, asked: Asked = NOTHING, work: Work | None = None) -> Plan:
    """Sorts claims: those to be run, those whose records are in `folder`, those that have no test.

    Raises OpsinError where there is no GPU for a tier that needs one, for images that are to be trained on and cannot
    be had, and where a record in `folder` would be written over by one of images of another name, or of fewer seeds.
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
    todo.sort(key=lambda claim: (math.isnan(each[claim.id]), each[claim.id]))
    waiting = tuple(claim for claim in claims if not claim.tested)
    return Plan(tuple(todo), there, waiting, tuple(in_turn(todo, each)))


def in_turn(todo: Sequence[Claim], each: Mapping[str, float]) -> Iterator[float]:
    """The minutes of claims behind one another, the quicker first: what they share is measured by the first."""
    before: dict[str, float] = {}
    for claim in todo:
        yield each[claim.id] - before.get(claim.shares, 0.0)
        if claim.shares:
            before[claim.shares] = each[claim.id]


def stands(claim: Claim, found: Record, asked: Asked) -> bool:
    """Whether a record is of this definition, and needs no other try: times that were disturbed do."""
    again = found["verdict"] == Verdict.NOT_RUN or disturbed(claim, (found["machine"] or {}).get("others"))
    return found["definition"] == definition(claim, asked) and not again


def disturbed(claim: Claim, others: float | None) -> bool:
    """Whether times decide a claim, and other work took too many cores while they were measured."""
    return claim.timed and others is not None and others > BUSY


def check_place(claim: Claim, found: Record | None, folder: Path, asked: Asked) -> None:
    """Raises OpsinError where the folder has a record of the claim with images of another name, or of another tier, or
    of more seeds."""
    now = asked_of(claim, asked)
    if not claim.experiment or not found:
        return
    if (found["tier"], found["data"]) != (now.tier, now.data):
        raise OpsinError(
            f"{folder} has {claim.id} with {found['data']}, tier {found['tier']}: give --out another folder for "
            f"{now.data}, tier {now.tier}"
        )
    if found["seeds"] and now.seeds and found["seeds"] > now.seeds:
        raise OpsinError(
            f"{folder} has {claim.id} with {found['seeds']} seeds: give as many, or --out another folder for "
            f"{now.seeds}"
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
