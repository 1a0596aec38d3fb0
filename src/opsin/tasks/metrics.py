"""Metrics of classification: accuracy, balanced accuracy and macro F1, each a function of counts by class.

Three counts by class are all that these metrics need: how many images of a class were recognised (`hits`), how many
there are (`actual`), and how many answers named it (`predicted`). Counts may be weighted and stacked, [..., K], so that
a thousand resamples are scored at once.

A class without an image has no recall, so it is left out of both means: the average runs over the classes present in
the truth. An answer that names an absent class still counts against the class that the image is of.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from opsin.errors import unknown

Counts = NDArray[np.floating | np.integer]
Metric = Callable[[Counts, Counts, Counts], NDArray[np.float64]]


def top1(hits: Counts, actual: Counts, predicted: Counts) -> NDArray[np.float64]:
    """Share of images recognised: counts [..., K] -> [...]."""
    return hits.sum(-1) / actual.sum(-1)


def balanced(hits: Counts, actual: Counts, predicted: Counts) -> NDArray[np.float64]:
    """Mean recall over the classes present: counts [..., K] -> [...]."""
    return _mean_over_present(hits, actual, actual)


def macro_f1(hits: Counts, actual: Counts, predicted: Counts) -> NDArray[np.float64]:
    """Mean F1 over the classes present: counts [..., K] -> [...]."""
    return _mean_over_present(2 * hits, actual + predicted, actual)


def _mean_over_present(part: Counts, whole: Counts, actual: Counts) -> NDArray[np.float64]:
    present = np.broadcast_to(actual > 0, np.broadcast_shapes(part.shape, actual.shape))
    ratio = np.zeros(present.shape)
    np.divide(part, whole, out=ratio, where=present)
    return ratio.sum(-1) / present.sum(-1)


METRICS: dict[str, Metric] = {"top1": top1, "balanced": balanced, "macro_f1": macro_f1}
WORDS = {"top1": "accuracy", "balanced": "balanced accuracy", "macro_f1": "macro F1"}


def find(metric: str) -> Metric:
    """The metric of that name. Raises OpsinError where there is none."""
    if metric not in METRICS:
        raise unknown("metric", metric, METRICS)
    return METRICS[metric]


def confusion(truth: NDArray, predicted: NDArray, n_classes: int) -> NDArray[np.int64]:
    """Counts [K, K] of truth [n] (rows) and predicted [n] (columns), both in 0..K-1.

    Raises ValueError where there is no image, the lengths differ or a class lies outside.
    """
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    check(truth, n_classes)
    check(predicted, n_classes)
    if truth.shape != predicted.shape:
        raise ValueError(f"{len(truth)} images but {len(predicted)} predictions")
    cells = truth.astype(np.int64) * n_classes + predicted
    return np.bincount(cells, minlength=n_classes**2).reshape(n_classes, n_classes)


def check(classes: NDArray, n_classes: int) -> None:
    """Raises ValueError unless `classes` is [n], n at least 1, of whole numbers in 0..n_classes-1."""
    if classes.ndim != 1 or len(classes) == 0 or not np.issubdtype(classes.dtype, np.integer):
        raise ValueError(f"classes must be whole numbers [n], not {classes.dtype} {list(classes.shape)}")
    if classes.min() < 0 or classes.max() >= n_classes:
        raise ValueError(f"class {classes.min()} to {classes.max()} among {n_classes} classes")


def of_confusion(metric: str, counts: Counts) -> NDArray[np.float64]:
    """A metric of confusion counts [..., K, K] (rows truth, columns predicted), plain or weighted -> [...]."""
    counts = np.asarray(counts)
    return find(metric)(np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(-1), counts.sum(-2))


def scores(truth: NDArray, predicted: NDArray, n_classes: int) -> dict[str, float]:
    """Every metric by name, in 0..1, of truth [n] and predicted [n]; errors as `confusion`."""
    counts = confusion(truth, predicted, n_classes)
    return {metric: float(of_confusion(metric, counts)) for metric in METRICS}


@dataclass(frozen=True)
class ByClass:
    """What a class fares like: of its `support` images the share recognised is its recall, of the `predicted` answers
    that name it the share that is right its precision. None for what is not defined: a class without an image has no
    figure, and one that is never named no precision.
    """

    support: int
    predicted: int
    hits: int

    @property
    def recall(self) -> float | None:
        return self.hits / self.support if self.support else None

    @property
    def precision(self) -> float | None:
        return self.hits / self.predicted if self.support and self.predicted else None

    @property
    def f1(self) -> float | None:
        return 2 * self.hits / (self.support + self.predicted) if self.support else None


def by_class(counts: NDArray[np.int64]) -> tuple[ByClass, ...]:
    """Each class of confusion counts [K, K]."""
    rows = zip(counts.sum(1).tolist(), counts.sum(0).tolist(), np.diagonal(counts).tolist(), strict=True)
    return tuple(ByClass(*row) for row in rows)


def wilson(hits: int, n: int) -> tuple[float, float]:
    """The 95 % score interval of a share, hits of n (Wilson 1927): over other images, drawn one by one."""
    z, share = 1.959963984540054, hits / n
    middle = share + z**2 / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    low, high = ((middle + side * half) / (1 + z**2 / n) for side in (-1, 1))
    return max(0.0, low) if hits else 0.0, min(1.0, high) if hits < n else 1.0
