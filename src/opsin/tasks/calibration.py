"""Whether probabilities can be believed: log loss, Brier score, reliability, calibration error."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from opsin.tasks import metrics

BINS = 15
_CELLS = 4_000_000  # numbers held at once

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Bin:
    """Images whose answer has a probability above `low` and at most `high` (the first bin holds 0 too).

    `confidence` is the mean of these probabilities and `accuracy` the share of right answers; None without an image.
    """

    low: float
    high: float
    n: int
    confidence: float | None
    accuracy: float | None


def log_losses(logits: NDArray[np.floating], truth: NDArray[np.integer]) -> Floats:
    """-log of the right class's probability, in nats: logits [n, K], truth [n] -> [n]."""
    parts = [-chances[np.arange(len(own)), own] for chances, own in _log_chances(logits, truth)]
    return np.concatenate(parts)


def brier_scores(logits: NDArray[np.floating], truth: NDArray[np.integer]) -> Floats:
    """Squared distance from the probabilities to 1 for the right class and 0 for the others (Brier 1950), 0 to 2."""
    parts = []
    for chances, own in _log_chances(logits, truth):
        off = np.exp(chances)
        off[np.arange(len(own)), own] -= 1
        parts.append((off**2).sum(1))
    return np.concatenate(parts)


def likeliest(logits: NDArray[np.floating], k: int) -> tuple[NDArray[np.int64], Floats]:
    """The k likeliest classes, the first the answer, and their probabilities: logits [n, K] -> [n, k] and [n, k].

    Of equal logits the lower class stands first.
    """
    classes, values = np.empty((len(logits), k), np.int64), np.empty((len(logits), k))
    at = 0
    for chances, own in _log_chances(logits, np.zeros(len(logits), np.int64)):
        rows = np.arange(len(own))
        for j in range(k):
            best = chances.argmax(1)
            classes[at + rows, j], values[at + rows, j] = best, np.exp(chances[rows, best])
            chances[rows, best] = -np.inf
        at += len(own)
    return classes, values


def reliability(confidence: Floats, right: NDArray[np.bool_], bins: int = BINS) -> tuple[Bin, ...]:
    """Bins of equal width over the probability of the answer: confidence [n] and right [n]."""
    at = _bins_of(confidence, bins)
    n = np.bincount(at, minlength=bins)
    sure, hits = np.bincount(at, confidence, bins), np.bincount(at, right, bins)
    return tuple(
        Bin(k / bins, (k + 1) / bins, int(n[k]), *((sure[k] / n[k], hits[k] / n[k]) if n[k] else (None, None)))
        for k in range(bins)
    )


def calibration_error(bins: tuple[Bin, ...]) -> float:
    """The expected calibration error (Naeini, Cooper, Hauskrecht 2015): |accuracy - confidence|, mean over images."""
    off = [(b.n, abs(b.accuracy - b.confidence)) for b in bins if b.accuracy is not None and b.confidence is not None]
    return sum(n * gap for n, gap in off) / sum(n for n, _ in off)


def error_by_chance(confidence: Floats, bins: int = BINS) -> float:
    """About the calibration error that these answers would show if they were right just as often as they say.

    It is not 0, since a bin's accuracy is that of a few images: each bin's deviation is taken as a normal one.
    """
    at = _bins_of(confidence, bins)
    variance = np.bincount(at, confidence * (1 - confidence), bins)
    return float(np.sqrt(2 / math.pi * variance).sum() / len(confidence))


def _bins_of(confidence: Floats, bins: int) -> NDArray[np.int64]:
    return np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)


def _log_chances(logits: NDArray[np.floating], truth: NDArray[np.integer]) -> Iterator[tuple[Floats, NDArray]]:
    """Logarithms of the probabilities, float64, some rows at a time, with their classes."""
    truth = np.asarray(truth)
    metrics.check(truth, logits.shape[1])
    step = max(1, _CELLS // logits.shape[1])
    for at in range(0, len(logits), step):
        rows = logits[at : at + step].astype(np.float64)
        rows -= rows.max(1, keepdims=True)
        yield rows - np.log(np.exp(rows).sum(1, keepdims=True)), truth[at : at + step]
