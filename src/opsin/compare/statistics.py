"""The paired bootstrap: how far the scores of networks would move with other images and other seeds.

One set of resamples serves all networks. In each, images are drawn with replacement (whole groups of them where the
images come in groups), and, apart from that, seeds; a network's score is its metric on the drawn images, averaged over
the drawn seeds. As every network meets the same draw, a difference of two networks is paired in images and in seeds.

A network that lacks a seed (a run failed) is averaged over those of its seeds that were drawn, and over all of its own
where none was; networks are thus paired on the seeds that they share, and no run is thrown away.

What the intervals are worth is measured by simulation: docs/pick.md.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import ndtr, ndtri

from opsin.tasks import metrics

RESAMPLES = 1000
SAME = 1e-9  # scores nearer than this are equal: they differ by rounding alone
_CELLS = 4_000_000  # numbers held at once while resamples are scored (32 MB)

Predictions = Mapping[str, Mapping[int, NDArray[np.integer]]]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A 95 % interval; `over` says what was resampled: "images and seeds", "images", "images by group" ..."""

    low: float
    high: float
    over: str


@dataclass(frozen=True)
class Resampled:
    """Scores of networks, as observed and in each resample.

    Attributes:
        metric: name of the metric.
        models: the networks in order of name; everything below is in this order.
        by_seed: score of each run, by network and seed.
        observed: mean over seeds of each network, [M].
        draws: the same in each resample, [B, M].
        units: what was drawn: images, or groups of images.
        images: number of images.
        grouped: whether the units are groups.
    """

    metric: str
    models: tuple[str, ...]
    by_seed: dict[str, dict[int, float]]
    observed: Floats
    draws: Floats
    units: int
    images: int
    grouped: bool

    def over(self, *models: str) -> str:
        """What the resamples of these networks vary: seeds only where one of them has two or more."""
        units = "images by group" if self.grouped else "images"
        return f"{units} and seeds" if any(len(self.by_seed[m]) > 1 for m in models) else units

    def interval(self, model: str) -> Interval:
        """The 95 % interval of a network's mean over seeds.

        Bias-corrected and accelerated. Where every answer is right (or wrong) no resample differs, and the interval is
        the exact binomial one; with fewer than two images or groups nothing is known, and it is 0 to 1.
        """
        at = self.models.index(model)
        draws, observed = self.draws[:, at], float(self.observed[at])
        low, high = bounds(draws, observed, (0.025, 0.975))
        if np.ptp(draws) < SAME and observed > 1 - SAME:
            low = 0.025 ** (1 / self.units)
        if np.ptp(draws) < SAME and observed < SAME:
            high = 1 - 0.025 ** (1 / self.units)
        if self.units < 2:
            low, high = 0.0, 1.0
        return Interval(float(min(low, observed)), float(max(high, observed)), self.over(model))

    def gain(self, model: str, base: str) -> tuple[float, Interval]:
        """How far a network lies above another, and the 95 % interval of that, paired in images and seeds."""
        return self.contrast({model: 1.0, base: -1.0} if model != base else {})

    def contrast(self, weights: Mapping[str, float]) -> tuple[float, Interval]:
        """A sum of networks' scores, each times its weight, and the 95 % interval of that, paired in images and seeds.

        Weights that add up to zero, the positive ones to one at most, as those of a difference of two means do; with
        fewer than two images or groups nothing is known, and the interval is -1 to 1.
        """
        at, factors = [self.models.index(model) for model in weights], np.array(list(weights.values()))
        # no matrix product: its last bits are the processor's own, and equal scores would not always cancel out
        observed, draws = float((self.observed[at] * factors).sum()), (self.draws[:, at] * factors).sum(axis=1)
        low, high = bounds(draws, observed, (0.025, 0.975))
        if self.units < 2:
            low, high = -1.0, 1.0
        return observed, Interval(float(min(low, observed)), float(max(high, observed)), self.over(*weights))


def resample(
    predictions: Predictions,
    truth: NDArray[np.integer],
    n_classes: int,
    metric: str = "top1",
    groups: Sequence | NDArray | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Resampled:
    """Scores every network in the same `resamples` draws of images (or groups) and seeds.

    `predictions` holds class numbers [n] by network and seed, `truth` is [n], `groups` names the group of each image.
    The same call gives the same numbers, whatever the order of the networks. Raises OpsinError for an unknown metric,
    ValueError where arrays do not fit together or a network has no run.
    """
    truth = np.asarray(truth)
    metrics.check(truth, n_classes)
    models = tuple(sorted(predictions))
    if not models or not all(predictions[model] for model in models):
        raise ValueError("a network without a run has no score: leave it out")
    places = [(model, seed) for model in models for seed in sorted(predictions[model])]
    runs = np.stack([np.asarray(predictions[model][seed]) for model, seed in places])  # J n
    unit = np.arange(len(truth)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    if runs.shape[1:] != truth.shape or unit.shape != truth.shape:
        raise ValueError(f"{len(truth)} images, but predictions {list(runs.shape)} and groups {list(unit.shape)}")
    metrics.check(runs.ravel(), n_classes)

    score = _Scorer(truth, runs, unit, n_classes, metric)
    each = score(np.ones((1, score.units)))[0]  # J
    by_run = np.concatenate([score(weights) for weights in _image_draws(score, resamples, seed)])  # B J
    seeds = sorted({seed for _, seed in places})
    drawn = _seed_draws(len(seeds), resamples, seed)  # B S
    observed, draws = np.empty(len(models)), np.empty((resamples, len(models)))
    for at, model in enumerate(models):
        mine = [j for j, place in enumerate(places) if place[0] == model]
        weights = drawn[:, [seeds.index(places[j][1]) for j in mine]].astype(float)
        weights[weights.sum(1) == 0] = 1.0
        observed[at] = each[mine].mean()
        draws[:, at] = (by_run[:, mine] * weights).sum(1) / weights.sum(1)
    by_seed: dict[str, dict[int, float]] = {model: {} for model in models}
    for (model, run_seed), value in zip(places, each, strict=True):
        by_seed[model][run_seed] = float(value)
    return Resampled(metric, models, by_seed, observed, draws, score.units, len(truth), groups is not None)


class _Scorer:
    """Scores J runs under weights of units [c, U] -> [c, J], by products with the counts of each unit."""

    def __init__(self, truth: NDArray, runs: NDArray, unit: NDArray, n_classes: int, metric: str):
        self.metric = metrics.find(metric)
        right = runs == truth  # J n
        if metric == "top1":  # needs no more than the total over classes
            truth, n_classes = np.zeros_like(truth), 1
        self.runs, self.classes, self.units = len(runs), n_classes, int(unit.max()) + 1
        first = np.arange(len(runs))[:, None] * n_classes  # J 1
        units = np.broadcast_to(unit, runs.shape)
        self.hits = self._count(units[right], (first + truth)[right], len(runs))
        self.actual = self._count(unit, truth, 1)
        self.predicted = self.hits  # which metrics other than F1 do not look at
        if metric == "macro_f1":
            self.predicted = self._count(units.ravel(), (first + runs).ravel(), len(runs))

    def _count(self, unit: NDArray, column: NDArray, runs: int) -> NDArray | sparse.csr_array:
        """How often each unit and column meet, [U, runs * K]; dense where there is one column a run."""
        shape = (self.units, runs * self.classes)
        counts = sparse.coo_array((np.ones(len(unit)), (unit, column)), shape=shape)
        return counts.toarray() if self.classes == 1 else counts.tocsr()

    def __call__(self, weights: Floats) -> Floats:
        def by_class(counts: NDArray | sparse.csr_array) -> Floats:
            return np.asarray(weights @ counts).reshape(len(weights), -1, self.classes)  # c J K

        hits, actual = by_class(self.hits), by_class(self.actual)
        return self.metric(hits, actual, hits if self.predicted is self.hits else by_class(self.predicted))


def _image_draws(score: _Scorer, resamples: int, seed: int) -> Iterator[Floats]:
    """How often each unit was drawn, in blocks [c, U] that hold the memory down."""
    rng = _generator(seed, 0)
    block = max(1, _CELLS // (score.units + 3 * score.runs * score.classes))
    for start in range(0, resamples, block):
        weights = np.empty((min(block, resamples - start), score.units))
        for row in weights:
            row[:] = np.bincount(rng.integers(score.units, size=score.units), minlength=score.units)
        yield weights


def _seed_draws(seeds: int, resamples: int, seed: int) -> NDArray[np.int64]:
    """How often each seed was drawn, [B, S]."""
    drawn = _generator(seed, 1).integers(seeds, size=(resamples, seeds))
    return (drawn[:, :, None] == np.arange(seeds)).sum(1)


def _generator(seed: int, stream: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, stream])))


def bounds(draws: Floats, observed: float, levels: Sequence[float]) -> Floats:
    """Bias-corrected and accelerated quantiles of `draws` [B] around `observed`, one for each level.

    The acceleration is a sixth of the draws' skewness, which it equals for a mean, whatever was resampled. Both
    corrections are bounded, so that the levels keep their order.
    """
    if np.ptp(draws) < SAME:
        return np.full(len(levels), observed)
    below = np.mean(draws < observed - SAME) + 0.5 * np.mean(np.abs(draws - observed) <= SAME)
    bias = np.clip(ndtri(below), -1.0, 1.0)
    centred = draws - draws.mean()
    skewness = np.mean(centred**3) / np.mean(centred**2) ** 1.5
    acceleration = np.clip(skewness / 6, -0.2, 0.2)
    shifted = bias + ndtri(np.asarray(levels))
    return np.quantile(draws, ndtr(bias + shifted / (1 - acceleration * shifted)))
