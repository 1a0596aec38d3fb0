"""What an experiment has found: errors and answers by arm and seed, and contrasts of them with their noise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opsin.claims.intervals import Mean, independent, resplit
from opsin.claims.trials.experiment import Experiment
from opsin.claims.trials.images import Images
from opsin.claims.trials.rates import Grid, Known, grid, reported, steps_to, tuned
from opsin.claims.trials.trial import MACHINE, Trial

DELTA = {"digits": 1.0, "mnist": 0.1, "fashion-mnist": 0.5, "cifar10": 0.5}
"""The smallest effect of interest on an error, in points, by the set; of others a point."""


class Lost(Exception):
    """A network diverged that was to be looked at: its claim is undecided."""


@dataclass(frozen=True)
class Results:
    """What an experiment has found, when all its trials are known.

    Attributes:
        data: the name of the set.
    """

    experiment: Experiment
    known: Known
    seeds: int
    data: str
    images: Images

    @property
    def delta(self) -> float:
        """The smallest effect of interest on an error, in points."""
        return DELTA.get(self.data, 1.0)

    def rate(self, name: str) -> float:
        """The rate that an arm is reported at."""
        return self.trials(name)[0].recipe.learning_rate

    def trials(self, name: str) -> list[Trial]:
        """The reported trials of an arm, by seed."""
        own, needed = reported(self.experiment, self.experiment.arm(name), self.known, self.seeds)
        assert not needed
        return own

    def runs(self, name: str) -> list[dict[str, Any]]:
        """What is reported of an arm, by seed."""
        return [found for trial in self.trials(name) if (found := self.known(trial)) is not None]

    def probed(self, name: str, probe: str) -> list[Any]:
        """What a probe found, by seed. Raises `Lost` where a run diverged, and there is nothing to look at."""
        runs = self.runs(name)
        if lost := [run["status"] for run in runs if run["status"] != "ok"]:
            raise Lost(f"{name}: {len(lost)} of {len(runs)} networks could not be looked at: {lost[0]}")
        return [run["probes"][probe] for run in runs]

    def grid(self, name: str) -> Grid | None:
        """All that was tried to find an arm's rate; None where its rate was given."""
        arm = self.experiment.arm(name)
        if arm.rate is not None:
            return None
        found = grid(self.experiment, arm, self.known, tuned(arm, self.seeds))
        return found if isinstance(found, Grid) else None

    @property
    def all_runs(self) -> list[dict[str, Any]]:
        """What stands in all its trials, each once: the reported ones, and those by which rates were chosen."""
        trials: dict[Trial, None] = {}
        for arm in self.experiment.arms:
            trials |= dict.fromkeys(self.trials(arm.name))
            if found := self.grid(arm.name):
                for part in (found.whole, found.again):
                    trials |= {self.experiment.trial(arm, r, s): None for r in part.rates for s in range(part.seeds)}
        return [found for trial in trials if (found := self.known(trial)) is not None]

    @property
    def minutes(self) -> float:
        """Of one process, for all trials, one after the other."""
        return sum(run["seconds"] for run in self.all_runs) / 60

    @property
    def machine(self) -> dict[str, Any]:
        """What trained: of several processors, GPUs or versions of PyTorch all are named."""
        told = [run["machine"] for run in self.all_runs]
        return {key: " and ".join(sorted({own[key] for own in told if own[key]})) or None for key in MACHINE}

    @property
    def budget(self) -> int:
        """Steps of a run, by the last look at one."""
        return max(run["curve"][-1][0] for arm in self.experiment.arms for run in self.runs(arm.name) if run["curve"])

    def contrast(self, weights: Mapping[str, float]) -> Mean:
        """A sum of arms' test errors in points, each times its weight, paired by seed and by image."""
        if len(self.runs(next(iter(weights)))) < 2:  # nothing to see of either's noise
            return independent(np.sum([weight * self.points(name) for name, weight in weights.items()], axis=0))
        total, tests = np.zeros((0, 0)), np.zeros((0, 0), bool)
        for name, weight in weights.items():
            wrong, tests = self.wrong(name)
            total = weight * wrong if not total.size else total + weight * wrong
        if not (tests.sum(axis=0) > 1).any():  # so few images that no two seeds have one in common
            return independent(100 * total.sum(axis=1) / tests.sum(axis=1))
        return resplit(total, tests)

    def points(self, name: str, which: str = "test_error") -> NDArray[np.float64]:
        """An error of an arm in points, by seed."""
        return np.array([100 * run[which] for run in self.runs(name)])

    def wrong(self, name: str) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which images of the set an arm gets wrong, and which ones it was tested on: bool [seeds, images]."""
        runs = self.runs(name)
        wrong, tests = np.zeros((2, len(runs), self.images.shape[0]), bool)
        for row, run in enumerate(runs):
            wrong[row, run["wrong"]] = True
            tests[row, run["test"] or self.images.test] = True
        return wrong, tests

    def steps(self, name: str, target: float | Sequence[float], which: int = 1) -> list[float | None]:
        """The steps to an error, the same for all seeds or one for each, by seed; None where it is not reached."""
        runs = self.runs(name)
        targets = np.broadcast_to(target, len(runs)).tolist()
        return [
            steps_to(run, own, which) if run["status"] == "ok" else None for run, own in zip(runs, targets, strict=True)
        ]

    def by_rate(self, name: str) -> tuple[tuple[float, float], ...]:
        """The median score of an arm at every rate that was tried, on the seeds that all of them have."""
        found = self.grid(name)
        if found is None:
            return ()
        middles = np.median(found.whole.scores, axis=1).tolist()
        return tuple(zip(found.whole.rates, middles, strict=True))


def mean_curve(runs: Sequence[dict[str, Any]], which: int) -> tuple[tuple[float, float], ...]:
    """The mean over seeds of a curve of errors, in points, at the steps that all have."""
    tables = [{look[0]: look[which] for look in run["curve"]} for run in runs]
    shared = sorted(set.intersection(*(set(table) for table in tables))) if tables else []
    return tuple((float(step), 100 * float(np.mean([table[step] for table in tables]))) for step in shared)
