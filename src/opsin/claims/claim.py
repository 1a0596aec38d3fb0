"""What a claim is: a statement of the history that can be put to the test, with all that decides the test."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from opsin.cards import Paper
from opsin.claims.chart import Chart

if TYPE_CHECKING:
    from opsin.claims.trials.experiment import Experiment

Kind = Literal["exact", "cost", "training"]
Checked = Literal["paper", "arithmetic", "memory"]
"""How sure what a paper measured is: read there; counted anew here; written down from memory and not compared since."""

ARTICLES = {
    "A": "History of Neural Networks, a forum's edition of D",
    "B": "The Architecture of Neural Networks, 2017, a paraphrase of D",
    "C": "Neural Network Architectures, a web edition of D",
    "D": "E. Culurciello, Neural Network Architectures, 2016",
    "E": "The History of Convolutional Neural Networks for Image Classification (1989 - Today)",
}
"""The articles whose statements are put to the test."""


class Verdict(StrEnum):
    """What came out, always of the place where it was tried: these data, sizes, seeds, this machine."""

    HOLDS = "holds"
    PARTLY = "holds partly"
    NOT_HERE = "does not hold here"
    UNDECIDED = "undecided"
    NOT_RUN = "not run"


Mark = bool | Literal["open"] | None
"""Right, wrong, not decided, or of no weight."""


@dataclass(frozen=True)
class Part:
    """One thing that a statement says, and what it comes to.

    Attributes:
        says: in our words, with the figure that is claimed.
        found: in words, with its unit.
        holds: whether they agree, or "open" where that is not decided; None where it is told beside the others and
            decides nothing.
    """

    says: str
    found: str
    holds: Mark = None


@dataclass(frozen=True)
class Effect:
    """The one contrast that a claim is judged by, over seeds.

    Attributes:
        what: in words, such as "test error with tanh less that with ReLU".
        unit: "points", "times" (a ratio), "layers" ...
        mean: over the seeds; of a ratio the median.
        low, high: its 95 % interval; a bound that is not known is None.
        n: seeds.
        p: of the exact sign-flip test, two-sided; None where the rule has none.
        values: of each seed, in order; None for one that reached no value.
        decides: seeds that would decide, where these do not; None where they do, or no number would.
        bound: "at least" or "at most" where `mean` is a bound of it alone.
        over: what the interval is over.
    """

    what: str
    unit: str
    mean: float
    low: float | None
    high: float | None
    n: int
    p: float | None = None
    values: tuple[float | None, ...] = ()
    decides: int | None = None
    bound: str = ""
    over: str = "seeds"


@dataclass(frozen=True)
class Finding:
    """What a test of a claim has found.

    Attributes:
        verdict: by the claim's rule.
        parts: what it was decided by, and what was told beside it.
        charts: that show the effect.
        notes: a line each, of what a reader must know to believe it.
        effect: what the verdict was read off, where seeds were run.
    """

    verdict: Verdict
    parts: tuple[Part, ...]
    charts: tuple[Chart, ...] = ()
    notes: tuple[str, ...] = ()
    effect: Effect | None = None


@dataclass(frozen=True)
class Claim:
    """A statement, where it stands, what its paper measured, and the test, all fixed before the test is run.

    Attributes:
        id: such as "X04".
        title: of a few words.
        statement: in our words.
        quote: a few words of the article, as they stand there.
        articles: that have it, letters of `ARTICLES`.
        paper: which it is about.
        measured: what that paper measured or printed, and where.
        checked: how sure `measured` is.
        kind: "exact" is arithmetic or structure; "cost" is measured on this machine; "training" trains networks.
        rule: what decides, in words.
        test: runs it, where it trains nothing.
        experiment: is trained, and judges; where there is a test, too, that one decides, and what was trained is told
            beside it. A claim with neither is listed and not run, for the reason in `waits`.
        clocked: whether an exact claim has a part that is a time.
        shares: names what it measures in common with other claims, if anything: one process measures that once.
        errs: where the article is wrong; empty where it is not.
        waits: why it has no test, or what of it is not tested yet.
        full: the test at full size, for a GPU, in words.
        minutes: that the test takes on two cores, as measured, with all that it shares.
        trains: minutes that its training takes with digits, ten seeds and two processes; NaN where not measured yet.
    """

    id: str
    title: str
    statement: str
    quote: str
    articles: str
    paper: Paper
    measured: str
    checked: Checked
    kind: Kind
    rule: str
    test: Callable[[], Finding] | None = None
    experiment: "Experiment | None" = None
    clocked: bool = False
    shares: str = ""
    errs: str = ""
    waits: str = ""
    full: str = ""
    minutes: float = 0.03
    trains: float = math.nan

    @property
    def takes(self) -> float:
        """Minutes in all, NaN where they are not known."""
        return self.minutes if self.experiment is None else self.minutes + self.trains

    @property
    def timed(self) -> bool:
        """Whether it is judged by times, which are a machine's, and worth nothing where other work disturbs them."""
        return self.kind == "cost" or self.clocked

    @property
    def tested(self) -> bool:
        """Whether it can be put to the test."""
        return self.test is not None or self.experiment is not None

    @property
    def without_test(self) -> str:
        """Why it has none, in a line."""
        return f"{self.id} cannot be run: {self.waits[:1].lower()}{self.waits[1:]}"

    @property
    def year(self) -> int:
        return self.paper.year


def beside(decided: Finding, told: Finding) -> Finding:
    """What a test has found, and beside it, deciding nothing, what was trained."""
    parts = tuple(replace(part, holds=None) for part in told.parts)
    notes = tuple(f"What was trained: {note}" for note in told.notes)
    return replace(
        decided,
        parts=decided.parts + parts,
        charts=decided.charts + told.charts,
        notes=decided.notes + notes,
        effect=told.effect,
    )


def weigh(*parts: Part, charts: tuple[Chart, ...] = (), notes: tuple[str, ...] = ()) -> Finding:
    """The finding where each part is plainly right or wrong: all right, some, or none.

    Where parts are open it is undecided, unless the others decide without them: one right and one wrong.
    """
    marks = {part.holds for part in parts} - {None}
    if not marks:
        raise ValueError("no part decides")
    if marks >= {True, False}:
        verdict = Verdict.PARTLY
    elif "open" in marks:
        verdict = Verdict.UNDECIDED
    else:
        verdict = Verdict.HOLDS if True in marks else Verdict.NOT_HERE
    return Finding(verdict, parts, charts, notes)


def every(marks: Iterable[Mark]) -> Mark:
    """Whether all are right: wrong where one is, else open where one is."""
    found = set(marks)
    return False if False in found else "open" if "open" in found else True


def gap(off: float) -> str:
    """A largest difference in words: "by nothing", "by at most 7e-07"."""
    return f"by at most {off:.0e}" if off else "by nothing"


def about(said: float, found: float, share: float = 0.05) -> bool:
    """Whether a number in words ("about", "almost") is the one that was found: within a twentieth."""
    return abs(found - said) <= share * said
