"""How a claim is put to the test by training: arms, their rates, their trials, and what comes of them.

An experiment is data, fixed before it runs. Each arm's learning rate is tuned on seeds that are not reported, over a
grid that is extended where the best rate lies at its edge; then the arm is trained on the seeds that are.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opsin.claims.claim import Finding
from opsin.claims.intervals import Mean, independent, resplit
from opsin.claims.trials.images import Images, Part
from opsin.claims.trials.trial import Trial
from opsin.engine.optimizers import SGD
from opsin.engine.recipe import Recipe
from opsin.engine.schedules import Cosine, Schedule

TUNING = (1000, 1001, 1002)
"""The seeds on which rates are tuned."""
FURTHER = 6
"""Rates by which a grid is extended at most, on either side."""
DELTA = {"digits": 1.0, "mnist": 0.1, "fashion-mnist": 0.5, "cifar10": 0.5}
"""The smallest effect of interest on an error, in points, by the set; of others a point."""

Known = Callable[[Trial], dict[str, Any] | None]
"""What is known of a trial: what stands in its file, or None."""


def recipe(epochs: int, schedule: Schedule | None = None) -> Recipe:
    """Plain SGD with momentum 0.9 on batches of 64, no augmentation and no regularisation; the rate is each arm's.

    The rate falls as a cosine where no other schedule is given.
    """
    return Recipe(
        "claim",
        epochs=epochs,
        batch_size=64,
        optimizer=SGD(),
        weight_decay=0.0,
        warmup=0.0,
        schedule=schedule or Cosine(),
        label_smoothing=0.0,
        clip_norm=None,
        augment="none",
    )


@dataclass(frozen=True)
class Arm:
    """One side of a contrast.

    Attributes:
        name: as tables have it.
        network: a name of `opsin.claims.trials.networks.NETWORKS`.
        arguments: of its constructor.
        part: what it takes of the images.
        rate: the learning rate; None where it is tuned; or the name of the arm whose rate it takes.
        recipe: what of the experiment's is another for this arm.
        seeds: reported ones at most, where a network is dear.
        probes: names of `opsin.claims.trials.probes.PROBES`.
    """

    name: str
    network: str
    arguments: Mapping[str, Any]
    part: Part = field(default_factory=Part)
    rate: float | str | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)
    seeds: int | None = None
    probes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Experiment:
    """Arms, and how they are trained and judged.

    Attributes:
        arms: in the order of tables.
        recipe: of all arms, but for the rate.
        rates: the grid on which an arm's rate is tuned, ascending, each a multiple of the one before.
        judge: reads the verdict off the results.
        by: what of a trial is tuned for, and least where it is best: see `score`.
        every: as of `Trial`.
        target: the training error, as a share, to which steps are counted.
        seeds: that are reported by default.
    """

    arms: tuple[Arm, ...]
    recipe: Recipe
    rates: tuple[float, ...]
    judge: Callable[["Results"], Finding]
    by: str = "test_error"
    every: int = 0
    target: float | None = None
    seeds: int = 10

    def trial(self, arm: Arm, rate: float, seed: int) -> Trial:
        """The trial of an arm at a rate; one that only tunes has no probes."""
        own = replace(self.recipe, learning_rate=rate, **arm.recipe)
        probes = arm.probes if seed not in TUNING else ()
        arguments = tuple(sorted(arm.arguments.items()))
        return Trial(arm.network, arguments, own, seed, arm.part, self.every, probes)

    def arm(self, name: str) -> Arm:
        return next(arm for arm in self.arms if arm.name == name)


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
    """What a trial is tuned for: an error, or the steps to its target (where it is not reached, more than any)."""
    if experiment.by == "steps":
        assert experiment.target is not None
        steps = steps_to(found, experiment.target)
        return 1e9 * (1 + found["train_error"]) if steps is None or found["status"] != "ok" else steps
    return found[experiment.by]


def tuned(experiment: Experiment, arm: Arm, known: Known) -> tuple[float | None, list[Trial]]:
    """An arm's best rate, once it is known; and the trials that are still needed to know it."""
    if isinstance(arm.rate, str):
        return tuned(experiment, experiment.arm(arm.rate), known)
    if arm.rate is not None:
        return arm.rate, []
    rates, factor = list(experiment.rates), experiment.rates[1] / experiment.rates[0]
    while True:
        trials = {rate: [experiment.trial(arm, rate, seed) for seed in TUNING] for rate in rates}
        needed = [trial for own in trials.values() for trial in own if known(trial) is None]
        if needed:
            return None, needed
        middle = {
            rate: float(np.median([score(experiment, found) for t in own if (found := known(t)) is not None]))
            for rate, own in trials.items()
        }
        best = min(rates, key=lambda rate: (middle[rate], rate))
        extended = len(rates) - len(experiment.rates)
        if best == rates[0] and extended < FURTHER:
            rates.insert(0, best / factor)
        elif best == rates[-1] and extended < FURTHER:
            rates.append(best * factor)
        else:
            return best, []


def wanted(experiment: Experiment, known: Known, seeds: int) -> list[Trial]:
    """The trials that can be begun now, for so many reported seeds; none where the experiment has ended."""
    trials: dict[Trial, None] = {}
    for arm in experiment.arms:
        rate, needed = tuned(experiment, arm, known)
        if rate is not None:
            of = range(min(seeds, arm.seeds or seeds))
            needed = [t for seed in of if known(t := experiment.trial(arm, rate, seed)) is None]
        trials |= dict.fromkeys(needed)
    return list(trials)


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
        rate, _ = tuned(self.experiment, self.experiment.arm(name), self.known)
        assert rate is not None
        return rate

    def runs(self, name: str) -> list[dict[str, Any]]:
        """What is reported of an arm, by seed."""
        arm, rate = self.experiment.arm(name), self.rate(name)
        found = [
            self.known(self.experiment.trial(arm, rate, seed)) for seed in range(min(self.seeds, arm.seeds or 999))
        ]
        return [each for each in found if each is not None]

    @property
    def minutes(self) -> float:
        """Of one process, for all trials, those by which rates were tuned with them."""
        return sum(found["seconds"] for found in self.trials()) / 60

    def trials(self) -> list[dict[str, Any]]:
        """All that was trained, once each."""
        trials: dict[Trial, None] = {}
        for arm in self.experiment.arms:
            tried = [self.experiment.trial(arm, rate, seed) for rate in self.tried(arm) for seed in TUNING]
            reported = [self.experiment.trial(arm, self.rate(arm.name), seed) for seed in range(self.seeds)]
            trials |= dict.fromkeys(tried + reported)
        return [found for trial in trials if (found := self.known(trial)) is not None]

    def tried(self, arm: Arm) -> list[float]:
        """The rates that may have been tried for an arm."""
        if arm.rate is not None:
            return []
        factor = self.experiment.rates[1] / self.experiment.rates[0]
        return [self.experiment.rates[0] * factor**k for k in range(-FURTHER, len(self.experiment.rates) + FURTHER)]

    @property
    def budget(self) -> int:
        """Steps of a run, by the last look at one."""
        return max(run["curve"][-1][0] for arm in self.experiment.arms for run in self.runs(arm.name) if run["curve"])

    def contrast(self, weights: Mapping[str, float]) -> Mean:
        """A sum of arms' test errors in points, each times its weight, paired by seed and, where known, by image."""
        if not self.images.divided_anew:
            return independent(np.sum([weight * self.points(name) for name, weight in weights.items()], axis=0))
        total, tests = np.zeros((0, 0)), np.zeros((0, 0), bool)
        for name, weight in weights.items():
            wrong, tests = self.wrong(name)
            total = weight * wrong if not total.size else total + weight * wrong
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
            tests[row, run["test"]] = True
        return wrong, tests

    def steps(self, name: str, target: float, which: int = 1) -> list[float | None]:
        """The steps to an error, by seed; None where it is not reached."""
        return [None if run["status"] != "ok" else steps_to(run, target, which) for run in self.runs(name)]

    def by_rate(self, name: str) -> dict[float, float]:
        """The score of an arm at every rate that was tried (the median over the tuning seeds): the whole curve."""
        arm = self.experiment.arm(name)
        found = {
            rate: [self.known(self.experiment.trial(arm, rate, seed)) for seed in TUNING] for rate in self.tried(arm)
        }
        scores = {
            rate: float(np.median([score(self.experiment, run) for run in runs if run is not None]))
            for rate, runs in found.items()
            if all(run is not None for run in runs)
        }
        return {rate: value for rate, value in scores.items() if math.isfinite(value)}


def mean_curve(runs: Sequence[dict[str, Any]], which: int) -> tuple[tuple[float, float], ...]:
    """The mean over seeds of a curve of errors, in points, at the steps that all have."""
    tables = [{look[0]: look[which] for look in run["curve"]} for run in runs]
    shared = sorted(set.intersection(*(set(table) for table in tables))) if tables else []
    return tuple((float(step), 100 * float(np.mean([table[step] for table in tables]))) for step in shared)
