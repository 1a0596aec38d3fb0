"""Which rate an arm is reported at, and which of an experiment's trials can be begun.

Each arm is trained at every rate of a grid, and the grid is extended where the best rate lies at its edge. With the
best rate it is trained on as many other seeds, and they alone are reported: what a choice owes to luck is left behind.
(Three seeds to choose by were too few, and to choose each seed's rate by the other reported ones is worse:
docs/claims.md.)
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opsin.claims.trials.experiment import REPORTED, Arm, Experiment
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
class Grid:
    """The scores of an arm and the training losses it ended with, [rates, seeds], when all are known."""

    rates: tuple[float, ...]
    scores: NDArray[np.float64]
    losses: NDArray[np.float64]

    @property
    def best(self) -> float:
        """The rate with the least mean score; of equals (rates at which all is learned) the one with the least loss.

        (The least of equal rates is one at which a network has just been trained, and the grid would be extended to it:
        docs/claims.md.)
        """
        scores, losses = (each.mean(axis=1).round(9) for each in (self.scores, self.losses))
        return self.rates[int(np.lexsort((losses, scores))[0])]


def grid(experiment: Experiment, arm: Arm, known: Known, seeds: int) -> Grid | list[Trial]:
    """The grid of an arm whose best rate lies inside of it; or the trials that are still needed to know it."""
    rates, factor = list(experiment.rates), experiment.rates[1] / experiment.rates[0]
    while True:
        trials = [[experiment.trial(arm, rate, seed) for seed in range(seeds)] for rate in rates]
        found = [[known(trial) for trial in row] for row in trials]
        if needed := [
            t for row, of in zip(trials, found, strict=True) for t, own in zip(row, of, strict=True) if own is None
        ]:
            return needed
        ended = [[own for own in row if own is not None] for row in found]
        scores = np.array([[score(experiment, own) for own in row] for row in ended])
        losses = np.array([[own["losses"][-1] if own["losses"] else np.inf for own in row] for row in ended])
        whole = Grid(tuple(rates), scores, losses)
        best, extended = whole.best, len(rates) - len(experiment.rates)
        if best not in (rates[0], rates[-1]) or extended == FURTHER:
            return whole
        rates = [best / factor, *rates] if best == rates[0] else [*rates, best * factor]


def of(arm: Arm, seeds: int) -> int:
    """How many seeds of an arm are reported."""
    return min(seeds, arm.seeds or seeds)


def tuned(arm: Arm, seeds: int) -> int:
    """On how many seeds its rate is chosen: as many as are reported, 100 at most, and none of these."""
    return min(REPORTED, of(arm, seeds))


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
