"""Labels that a quick learner doubts, when it has learned from all images but the one in question.

The learner is a kernel ridge regression on `patches.seen`, for which leaving images out has a closed form: one inverse
gives the predictions of as many fits as there are images. What is doubted follows confident learning (Northcutt, Jiang
and Chuang 2021): an image that is as sure to be of another class as the images of that class are on average.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from opsin.data.counted import epoch_order
from opsin.data.doctor.patches import seen
from opsin.data.images import quiet
from opsin.data.preprocess import Preprocess
from opsin.data.scan import Scan
from opsin.data.stratify import units
from opsin.data.threads import in_threads

SIDE, BLOCK = 32, 4000
"""Pixels at which images are looked at, at most; how many are learned at once, which bounds memory and time."""
WIDTH, RIDGE = 0.5, 0.1
"""Of the kernel, exp(-WIDTH * squared distance / its median); what is added to its diagonal."""
SHARPNESS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""Factors by which answers may become probabilities; the one with the least cross-entropy is taken."""
LEAST = 5
"""Images that a class needs to be learned from, and that a source needs for each of its classes."""


@dataclass(frozen=True)
class Doubts:
    """What the learner doubts.

    Attributes:
        rows: of the doubted images, the most doubtful first.
        believed: the class that each is taken for.
        sure: probability of that class, and of the given one, [n, 2].
        accuracy: share of all images whose label the learner finds.
        looked_at: how many images it has judged.
    """

    rows: np.ndarray
    believed: np.ndarray
    sure: np.ndarray
    accuracy: float
    looked_at: int


def find_doubts(
    scan: Scan,
    alike: tuple[tuple[int, ...], ...] = (),
    seconds: float = np.inf,
    progress: Callable[[int, int], None] | None = None,
    workers: int | None = None,
) -> Doubts:
    """The doubtful labels of a source; images of one set of `alike`, identical ones and groups are left out together.

    Where images are many they are judged in blocks of 4,000, one after another in an order drawn by chance, until
    `seconds` have passed; the first block always is.
    """
    from threadpoolctl import threadpool_limits

    source, began = scan.source, time.monotonic()
    unit = units(len(source), source.groups, [*scan.duplicates, *alike])
    n_classes = len(source.classes)
    found: list[tuple[np.ndarray, np.ndarray]] = []
    done = 0
    for block in blocks(unit):
        if found and time.monotonic() - began + (time.monotonic() - began) / len(found) > seconds:
            break
        pixels = _pixels(scan, block, workers)
        with threadpool_limits(workers):
            answers = left_out(seen(pixels), source.labels[block], unit[block], n_classes)
        found.append((block, answers))
        done += len(block)
        if progress:
            progress(done, len(source))
    rows = np.concatenate([block for block, _ in found])
    answers = np.concatenate([part for _, part in found])
    return judged(rows, source.labels[rows], answers)


def blocks(unit: np.ndarray, size: int = BLOCK) -> Iterator[np.ndarray]:
    """The rows [n], by chance and in blocks of about `size` at most, those of one unit in one block."""
    count = -(-len(unit) // size)
    order = epoch_order(0, 0, int(unit.max()) + 1)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    rows = np.argsort(place[unit], kind="stable")
    ends = np.flatnonzero(np.diff(unit[rows], append=-1)) + 1
    cuts = [ends[np.searchsorted(ends, len(unit) * k / count)] for k in range(1, count)]
    yield from filter(len, np.split(rows, cuts))


def left_out(features: np.ndarray, labels: np.ndarray, unit: np.ndarray, n_classes: int) -> np.ndarray:
    """Answers [n, K] of kernel ridge regressions: for each unit one that has learned from all images but its own.

    With A the inverse of kernel and ridge and y the targets, what image i is predicted without its unit u is
    y - inverse(A[u, u]) (A y)[u].
    """
    from scipy.linalg import get_lapack_funcs

    squares = (features**2).sum(1)
    far = np.maximum(squares[:, None] + squares - 2 * features @ features.T, 0)
    middle = float(np.median(far[:: max(1, len(far) // 500)])) or 1.0
    kernel = np.exp(-WIDTH / middle * far, out=far)
    kernel[np.diag_indices_from(kernel)] += RIDGE
    factorise, invert = get_lapack_funcs(("potrf", "potri"), (kernel,))
    factor, _ = factorise(kernel.T, lower=1, overwrite_a=1)
    inverse, _ = invert(factor, lower=1, overwrite_c=1)
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    share = np.bincount(labels, minlength=n_classes) / len(labels)
    targets = np.eye(n_classes)[labels] - share
    weights = inverse @ targets
    left = weights / inverse.diagonal()[:, None]
    for one in np.flatnonzero(np.bincount(unit) > 1):
        rows = np.flatnonzero(unit == one)
        left[rows] = np.linalg.solve(inverse[np.ix_(rows, rows)].astype(np.float64), weights[rows])
    return targets - left + share


def judged(rows: np.ndarray, labels: np.ndarray, answers: np.ndarray) -> Doubts:
    """The doubtful among `rows`, by confident learning."""
    n, n_classes = answers.shape
    right = np.arange(n), labels
    likely = min((_softmax(s * answers) for s in SHARPNESS), key=lambda p: -np.log(p[right]).mean())
    usual = np.full(n_classes, np.inf)  # a class without images is never believed
    for c in np.unique(labels):
        usual[c] = likely[labels == c, c].mean()
    sure = np.where(likely >= usual, likely, 0.0)
    sure[right] = 0.0
    believed = sure.argmax(1)
    doubted = np.flatnonzero((sure.max(1) > likely[right]) & (likely[right] < usual[labels]))
    margin = likely[right] - sure.max(1)
    doubted = doubted[np.argsort(margin[doubted], kind="stable")]
    both = np.stack([likely[doubted, believed[doubted]], likely[right][doubted]], axis=1)
    accuracy = float((answers.argmax(1) == labels).mean())
    return Doubts(rows[doubted], believed[doubted], both, accuracy, n)


def _pixels(scan: Scan, rows: np.ndarray, workers: int | None) -> np.ndarray:
    """Images at a small size: uint8 [n, C, S, S]."""
    side = min(SIDE, int(np.median(scan.sizes.min(1))))
    preprocess = Preprocess(size=side, channels=scan.channels)
    pixels = np.empty((len(rows), scan.channels, side, side), np.uint8)
    with quiet():
        images = in_threads(lambda k: preprocess.pixels(scan.source.image(int(rows[k]))), len(rows), workers=workers)
        for k, image in enumerate(images):
            pixels[k] = image
    return pixels


def _softmax(values: np.ndarray) -> np.ndarray:
    powers = np.exp(values - values.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)
