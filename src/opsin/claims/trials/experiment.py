"""How a claim is put to the test by training: arms, their rates, their trials, and what comes of them.

An experiment is data, fixed before it runs. Each arm is trained at every rate of a grid on ten seeds, and the grid is
extended where the best rate lies at its edge. With the best rate on these it is trained on other seeds, and they alone
are reported: what a choice owes to luck is left behind. (Three seeds to choose by were too few, and to choose each
seed's rate by the other reported ones is worse: docs/claims.md.)
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
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

RATES = tuple(2.0**power for power in range(-6, -2))
"""The grid on which an arm's rate is looked for, where an experiment has no other."""
FURTHER = 6
"""Rates by which a grid is extended at most."""
TUNED, REPORTED = 10, 100
"""Seeds on which a rate is chosen, from 0, at most so many; and the first of those that are reported."""
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

    def scaled(self, times: int) -> "Experiment":
        """The same with networks so many times as wide."""
        if times == 1:
            return self
        arms = (replace(arm, arguments={**arm.arguments, "scale": times}) for arm in self.arms)
        return replace(self, arms=tuple(arms))

    def facts(self) -> dict[str, Any]:
        """All that decides its trials, as JSON has it."""
        facts = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "judge"}
        of_seeds = {"tuned": TUNED, "reported": REPORTED}
        return facts | of_seeds | {"arms": [asdict(arm) for arm in self.arms], "recipe": self.recipe.to_dict()}

    def trial(self, arm: Arm, rate: float, seed: int, reported: bool = False) -> Trial:
        """The trial of an arm at a rate; what its probes measure is asked of the reported one alone."""
        own = replace(self.recipe, learning_rate=rate, **arm.recipe)
        probes = arm.probes if reported else ()
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
    """The scores of an arm, [rates, seeds], when all are known."""

    rates: tuple[float, ...]
    scores: NDArray[np.float64]

    @property
    def best(self) -> float:
        """The rate with the least mean score; the least of equals."""
        return self.rates[int(np.argmin(self.scores.mean(axis=1)))]


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
        scores = np.array([[score(experiment, own) for own in row if own is not None] for row in found])
        whole = Grid(tuple(rates), scores)
        best, extended = whole.best, len(rates) - len(experiment.rates)
        if best not in (rates[0], rates[-1]) or extended == FURTHER:
            return whole
        rates = [best / factor, *rates] if best == rates[0] else [*rates, best * factor]


def of(arm: Arm, seeds: int) -> int:
    """How many seeds of an arm are reported."""
    return min(seeds, arm.seeds or seeds)


def tuned(arm: Arm, seeds: int) -> int:
    """On how many seeds its rate is chosen."""
    return min(TUNED, of(arm, seeds))


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
    def minutes(self) -> float:
        """Of one process, for all trials, each once."""
        trials: dict[Trial, None] = {}
        for arm in self.experiment.arms:
            seeds, tried = range(tuned(arm, self.seeds)), self.grid(arm.name)
            trials |= dict.fromkeys(self.trials(arm.name))
            trials |= {self.experiment.trial(arm, r, s): None for r in (tried.rates if tried else ()) for s in seeds}
        return sum(found["seconds"] for trial in trials if (found := self.known(trial)) is not None) / 60

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
        """The median score of an arm at every rate that was tried."""
        tried = self.grid(name)
        if tried is None:
            return ()
        return tuple(
            (rate, float(middle)) for rate, middle in zip(tried.rates, np.median(tried.scores, axis=1), strict=True)
        )


def mean_curve(runs: Sequence[dict[str, Any]], which: int) -> tuple[tuple[float, float], ...]:
    """The mean over seeds of a curve of errors, in points, at the steps that all have."""
    tables = [{look[0]: look[which] for look in run["curve"]} for run in runs]
    shared = sorted(set.intersection(*(set(table) for table in tables))) if tables else []
    return tuple((float(step), 100 * float(np.mean([table[step] for table in tables]))) for step in shared)
