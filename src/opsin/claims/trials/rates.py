"""Which rate an arm is reported at, and which of an experiment's trials can be begun.

Each arm is trained at every rate of a grid, and the grid is extended where the best rate lies at its edge. Rates that
are near the best are tried on as many seeds again. With the best rate an arm is trained on other seeds, and they alone
are reported: what a choice owes to luck is left behind. (Fewer seeds to choose by were too few, and to choose each
seed's rate by the other reported ones is worse: docs/claims.md.)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opsin.claims.trials.experiment import NEAR, REPORTED, Arm, Experiment
from opsin.claims.trials.trial import Trial

FURTHER = 6
"""Rates by which a grid is extended at most."""

Known = Callable[[Trial], dict[str, Any] | None]
"""What is known of a trial: what stands in its file, or None."""


def steps_to(found: dict[str, Any], target: float, which: int = 1) -> float | None:
    """The step at which the training error (`which` 1) or the test error (2) first is at the target, between looks.

    None where it never is.
    """
    before = (0, 1.0, 1.0)
    for look in found["curve"]:
        if look[which] <= target:
            share = (before[which] - target) / max(1e-12, before[which] - look[which])
            return before[0] + share * (look[0] - before[0])
        before = look
    return None


def score(experiment: Experiment, found: dict[str, Any]) -> float:
    """What a trial is tuned for: an error; that on the way, on average; or the steps to a target, many if never.

    The test error where other seeds have other test images; where all share them, that on images kept for the choice.
    """
    if experiment.by == "curve":
        return float(np.mean([look[2] for look in found["curve"]])) if found["status"] == "ok" else 1.0
    if experiment.by == "steps":
        assert experiment.target is not None
        steps = steps_to(found, experiment.target)
        return 1e9 * (1 + found["train_error"]) if steps is None or found["status"] != "ok" else steps
    if experiment.by == "test_error" and found["choice_error"] is not None:
        return found["choice_error"]
    return found[experiment.by]


@dataclass(frozen=True)
class Tried:
    """The scores of some rates of an arm, and the training losses they ended with, [rates, seeds]."""

    rates: tuple[float, ...]
    scores: NDArray[np.float64]
    losses: NDArray[np.float64]

    @property
    def seeds(self) -> int:
        return self.scores.shape[1]

    @property
    def best(self) -> float:
        """The rate with the least mean score; of equals (rates at which all is learned) the one with the least loss.

        (The least of equal rates is one at which a network has just been trained, and the grid would be extended to it:
        docs/claims.md.)
        """
        scores, losses = (each.mean(axis=1).round(9) for each in (self.scores, self.losses))
        return self.rates[int(np.lexsort((losses, scores))[0])]

    @property
    def near(self) -> tuple[float, ...]:
        """The best rate, and those that are worse by less than NEAR standard errors of the paired difference."""
        worse = self.scores - self.scores[self.rates.index(self.best)]
        error = worse.std(axis=1, ddof=1) / np.sqrt(self.seeds) if self.seeds > 1 else np.zeros(len(worse))
        near = worse.mean(axis=1) < NEAR * error
        return tuple(rate for rate, so in zip(self.rates, near, strict=True) if so or rate == self.best)


@dataclass(frozen=True)
class Grid:
    """All rates that were tried to find an arm's, its best inside of them; and those near it, on twice as many seeds.

    `again` is `whole` where no other rate is near the best.
    """

    whole: Tried
    again: Tried

    @property
    def best(self) -> float:
        return self.again.best


def tried(experiment: Experiment, arm: Arm, known: Known, rates: Sequence[float], seeds: int) -> Tried | list[Trial]:
    """An arm at some rates, on the first seeds; or the trials that are still needed to know it."""
    trials = [[experiment.trial(arm, rate, seed) for seed in range(seeds)] for rate in rates]
    if needed := [trial for row in trials for trial in row if known(trial) is None]:
        return needed
    ended = [[found for trial in row if (found := known(trial)) is not None] for row in trials]
    scores = np.array([[score(experiment, own) for own in row] for row in ended])
    losses = np.array([[own["losses"][-1] if own["losses"] else np.inf for own in row] for row in ended])
    return Tried(tuple(rates), scores, losses)


def grid(experiment: Experiment, arm: Arm, known: Known, seeds: int) -> Grid | list[Trial]:
    """The grid of an arm whose best rate lies inside of it; or the trials that are still needed to know it."""
    rates, factor = list(experiment.rates), experiment.rates[1] / experiment.rates[0]
    while True:
        whole = tried(experiment, arm, known, rates, seeds)
        if isinstance(whole, list):
            return whole
        best, widest = whole.best, len(rates) - len(experiment.rates) == FURTHER
        if widest or best not in (rates[0], rates[-1]):
            again = tried(experiment, arm, known, whole.near, 2 * seeds) if len(whole.near) > 1 else whole
            if isinstance(again, list):
                return again
            best = again.best
            if widest or best not in (rates[0], rates[-1]):
                return Grid(whole, again)
        rates = [best / factor, *rates] if best == rates[0] else [*rates, best * factor]


def of(arm: Arm, seeds: int) -> int:
    """How many seeds of an arm are reported."""
    return min(seeds, arm.seeds or seeds)


def tuned(arm: Arm, seeds: int) -> int:
    """On how many seeds its rates are tried first: as many as are reported, and at most half of those before them."""
    return min(REPORTED // 2, of(arm, seeds))


def chosen(experiment: Experiment, arm: Arm, known: Known, seeds: int) -> float | list[Trial]:
    """The rate of an arm; or the trials that are still needed to know it."""
    if isinstance(arm.rate, str):
        return chosen(experiment, experiment.arm(arm.rate), known, seeds)
    if arm.rate is not None:
        return float(arm.rate)
    found = grid(experiment, arm, known, tuned(arm, seeds))
    return found.best if isinstance(found, Grid) else found


def reported(experiment: Experiment, arm: Arm, known: Known, seeds: int) -> tuple[list[Trial], list[Trial]]:
    """The reported trials of an arm, and those that are still needed to know which these are."""
    rate = chosen(experiment, arm, known, seeds)
    if isinstance(rate, list):
        return [], rate
    return [experiment.trial(arm, rate, REPORTED + seed, True) for seed in range(of(arm, seeds))], []


def wanted(experiment: Experiment, known: Known, seeds: int) -> list[Trial]:
    """The trials that can be begun now, for so many reported seeds; none where the experiment has ended."""
    trials: dict[Trial, None] = {}
    for arm in experiment.arms:
        own, needed = reported(experiment, arm, known, seeds)
        trials |= dict.fromkeys([*needed, *(trial for trial in own if known(trial) is None)])
    return list(trials)
