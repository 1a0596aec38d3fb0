"""The rules that read a verdict off an interval, and how many seeds would decide what these seeds did not.

A rule is fixed before a claim is tested. It names conditions in order; the first that is met is the verdict, and where
none is met the verdict is "undecided". An effect is positive on the side that is claimed. What the rules are worth is
measured by simulation: docs/claims.md.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from opsin.claims.claim import Effect, Verdict
from opsin.claims.intervals import Mean
from opsin.claims.medians import Median

ONE_SIDED = 0.92  # level of the interval whose ends are tested alone; nominally 4 %, they err in 5 % at most
LEAST = 6  # seeds: with fewer a sign-flip test has no p under .05, and a median no 95 % interval
MOST = 200  # seeds: more are not asked for
SEEN = (Verdict.HOLDS, Verdict.PARTLY)
"""Verdicts of an effect that is surely on the claimed side."""
_REPEATS = 2000

Conditions = dict[Verdict, NDArray[np.bool_]]
Found = TypeVar("Found", Mean, Median)
Rule = Callable[[Found], Conditions]


@dataclass(frozen=True)
class Better:
    """An arm is better, and by no less than matters: `delta`.

    Holds: the 95 % interval lies above zero, the sign-flip p is under .05, and the mean is at least `delta`. Holds
    partly: the same with a lesser mean. Does not hold here: two one-sided tests put the mean within +-`delta`, or the
    95 % interval lies below zero. Fewer than `LEAST` seeds never hold: their p is .0625 or more.
    """

    delta: float

    def __call__(self, found: Mean) -> Conditions:
        low, high = found.bounds(0.95)
        inner_low, inner_high = found.bounds(ONE_SIDED)
        sure = (low > 0) & (found.p < 0.05 if found.flips else True)
        return {
            Verdict.HOLDS: sure & (found.mean >= self.delta),
            Verdict.PARTLY: sure,
            Verdict.NOT_HERE: ((inner_low > -self.delta) & (inner_high < self.delta)) | (high < 0),
        }


@dataclass(frozen=True)
class NoWorse:
    """An arm is not worse by `margin` or more, by a one-sided test; or is, by another, and it does not hold here."""

    margin: float

    def __call__(self, found: Mean | Median) -> Conditions:
        low, high = found.bounds(ONE_SIDED)
        return {Verdict.HOLDS: low > -self.margin, Verdict.NOT_HERE: high < -self.margin}


@dataclass(frozen=True)
class Same:
    """Two arms differ by less than `margin`, by two one-sided tests; or by more, and it does not hold here."""

    margin: float

    def __call__(self, found: Mean | Median) -> Conditions:
        low, high = found.bounds(ONE_SIDED)
        return {
            Verdict.HOLDS: (low > -self.margin) & (high < self.margin),
            Verdict.NOT_HERE: (low > self.margin) | (high < -self.margin),
        }


@dataclass(frozen=True)
class Beyond:
    """The 95 % interval against thresholds.

    Holds: it begins at `holds` or above. Holds partly: it begins above `partly`. Does not hold here: it ends below
    `fails`. No threshold, no such verdict.
    """

    holds: float
    partly: float | None = None
    fails: float | None = None

    def __call__(self, found: Mean | Median) -> Conditions:
        low, high = found.bounds(0.95)
        conditions: Conditions = {Verdict.HOLDS: low >= self.holds}
        if self.partly is not None:
            conditions[Verdict.PARTLY] = low > self.partly
        if self.fails is not None:
            conditions[Verdict.NOT_HERE] = high < self.fails
        return conditions


def faster(factor: float) -> Beyond:
    """An arm is `factor` times faster, for the logarithm of the ratio of speeds.

    Holds: the interval begins at factor / 1.25 or above (at 1.2 at least, which is what counts as faster at all). Holds
    partly: it begins above 1. Does not hold here: it ends below 1.2.
    """
    return Beyond(float(np.log(max(factor / 1.25, 1.2))), 0.0, float(np.log(1.2)))


def judge(found: Found, rule: Rule[Found]) -> Verdict:
    """The verdict of one estimate."""
    return next((verdict for verdict, met in rule(found).items() if met), Verdict.UNDECIDED)


def shares(found: Found, rule: Rule[Found]) -> dict[Verdict, float]:
    """How often each verdict comes out over the estimates of the leading axis; undecided included."""
    conditions = rule(found)
    first = np.select(list(conditions.values()), list(range(len(conditions))), len(conditions))
    return {verdict: float(np.mean(first == at)) for at, verdict in enumerate([*conditions, Verdict.UNDECIDED])}


def power(found: Found, rule: Rule[Found], n: int) -> dict[Verdict, float]:
    """How often n fresh seeds would come to each verdict, were the effect and the noise those found here.

    By 2,000 redrawn estimates, always the same ones; the table of power in docs/claims.md is made by this.
    """
    return shares(found.redraw(n, _REPEATS), rule)


def seeds_to_decide(found: Found, rule: Rule[Found], sure: float = 0.8, most: int = MOST) -> int | None:
    """The least number of seeds, of more than were found, that would come to a verdict in a share of `sure`.

    None where `most` would not.
    """

    def decide(n: int) -> bool:
        return 1 - power(found, rule, n)[Verdict.UNDECIDED] >= sure

    few, many = found.n, most
    if few >= many or not decide(many):
        return None
    while many - few > 1:
        between = (few + many) // 2
        few, many = (few, between) if decide(between) else (between, many)
    return many


def effect(found: Found, rule: Rule[Found], what: str, unit: str = "points") -> Effect:
    """What the verdict was read off, as the claims' page shows it; medians are of logarithms, and shown as ratios."""
    low, high = (float(end) for end in found.bounds(0.95))
    undecided = judge(found, rule) is Verdict.UNDECIDED
    decides = seeds_to_decide(found, rule) if undecided and found.n > 1 else None
    if isinstance(found, Mean):
        p = float(found.p) if isinstance(rule, Better) else None
        values = tuple(found.values.tolist())
        return Effect(what, unit, float(found.mean), low, high, found.n, p, values, decides, over=found.over)
    bound, middle = found.estimate
    pairs = zip(found.lows.tolist(), found.highs.tolist(), strict=True)
    values = tuple(float(np.exp(value)) if value == bound else None for value, bound in pairs)
    low, high = (float(np.exp(end)) if np.isfinite(end) else None for end in (low, high))
    return Effect(what, unit, float(np.exp(middle)), low, high, found.n, None, values, decides, bound, found.over)


def advice(found: Found, rule: Rule[Found]) -> str:
    """A line on what would decide where nothing is decided yet; empty where it is."""
    if judge(found, rule) is not Verdict.UNDECIDED:
        return ""
    if found.n < 2:
        return f"one seed shows no noise: run {LEAST} at least"
    if isinstance(found, Median) and (found.lows != found.highs).any():
        return f"not decided at {found.n} seeds, some of which did not reach the target in the steps that they have"
    enough = seeds_to_decide(found, rule)
    if enough is not None:
        return f"not decided at {found.n} seeds; {enough} would decide in 4 of 5 cases, were the truth what they show"
    line = f"not decided at {found.n} seeds, and {MOST} would not decide either, were the truth what they show"
    if isinstance(found, Mean) and found.shared > 0:
        limit = float(np.sqrt(found.shared))
        line += f": the test images' own share of the standard error, {limit:.2f}, does not shrink with seeds"
    return line
