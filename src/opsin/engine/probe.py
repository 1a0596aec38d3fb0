"""A linear probe: a regularised logistic regression on what a frozen network sees.

Its strength is chosen by cross-validation inside the training part, or, where images are many, on the validation part.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""The C of scikit-learn, the weight of the images against that of the penalty, weakest fit first."""
STEPS = 200
FOLDS, FEW = 5, 3000
"""Folds by default, and below how many training images they are taken."""


@dataclass(frozen=True)
class Probe:
    """Logits = embeddings @ weight.T + bias.

    Attributes:
        weight: [K, D].
        bias: [K].
        strength: the chosen one of `STRENGTHS`.
        losses: cross-entropy in nats of each strength, on the images left out.
        how: what they were left out of: "5 folds", "validation part".
    """

    weight: Floats
    bias: Floats
    strength: float
    losses: dict[float, float]
    how: str

    def logits(self, embeddings: NDArray) -> Floats:
        return embeddings @ self.weight.T + self.bias


def fit(
    train: NDArray,
    labels: NDArray,
    n_classes: int,
    val: tuple[NDArray, NDArray],
    *,
    folds: int | None = None,
    groups: NDArray | None = None,
    seed: int = 0,
) -> Probe:
    """Fits a probe on `train` [n, D] and `labels` [n].

    Args:
        val: embeddings and labels of the validation part, which chooses the strength where there are no folds.
        folds: of cross-validation, stratified; 0 for none; by default 5 below 3,000 images. There are fewer where no
            class has so many images, or where there are fewer groups.
        groups: [n]; images of one group lie in one fold.

    One thread, so that the result does not depend on the cores.
    """
    import sklearn.linear_model  # noqa: F401  before the limit, which binds only the libraries that are loaded
    from threadpoolctl import threadpool_limits

    mean, deviation = train.mean(0, dtype=np.float64), train.std(0, dtype=np.float64)
    deviation[deviation <= 1e-6 * np.abs(mean)] = np.inf  # what never varies says nothing
    x, x_val = (((part - mean) / deviation).astype(np.float32) for part in (train, val[0]))
    splits, how = _splits(x, labels, x_val, val[1], folds, groups, seed)
    losses = dict.fromkeys(STRENGTHS, 0.0)
    with threadpool_limits(1):
        for fitted, left_out in splits:
            for strength, weight, bias in _path(*fitted, n_classes):
                losses[strength] += _loss(left_out[0] @ weight.T + bias, left_out[1])
        seen = sum(len(left_out[1]) for _, left_out in splits)
        losses = {strength: loss / max(1, seen) for strength, loss in losses.items()}
        chosen = min(losses, key=lambda strength: (losses[strength], strength))
        _, weight, bias = list(_path(x, labels, n_classes, chosen))[-1]
    weight = weight / deviation
    return Probe(weight, bias - weight @ mean, chosen, losses, how)


def _splits(x: NDArray, y: NDArray, x_val: NDArray, y_val: NDArray, folds, groups, seed):
    """((x, y) to fit, (x, y) left out) for each split, and what the images were left out of.

    An image whose class is not among those to fit says nothing of a strength, and is not among those left out either.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    if folds is None:
        folds = FOLDS if len(x) < FEW else 0
    folds = min(folds, np.bincount(y).max())  # no class needs to be in more folds than it has images
    if groups is not None:
        folds = min(folds, len(np.unique(groups)))
    known = np.isin(y_val, y)
    on_val = [((x, y), (x_val[known], y_val[known]))], "validation part"
    if folds < 2 or len(x) < 2 * folds:
        return on_val
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a class with fewer images than folds is left out of some
        rows = list(kind(folds, shuffle=True, random_state=seed).split(x, y, groups))
    rows = [(a, b[np.isin(y[b], y[a])]) for a, b in rows]
    splits = [((x[a], y[a]), (x[b], y[b])) for a, b in rows if len(b)]
    return (splits, f"{folds} folds") if splits else on_val


def _path(
    x: NDArray, y: NDArray, n_classes: int, last: float = STRENGTHS[-1]
) -> Iterator[tuple[float, Floats, Floats]]:
    """(strength, weight, bias) from the strongest penalty to that of `last`, each fit going on from the one before."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model: Any = LogisticRegression(max_iter=STEPS, tol=1e-3, warm_start=True)
    present = np.unique(y)
    for strength in STRENGTHS:
        weight, bias = np.zeros((n_classes, x.shape[1])), np.full(n_classes, -1e3)  # a class without images: never
        if len(present) == 1:
            bias[present] = 0.0
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                model.set_params(C=strength).fit(x, y)
            rows, offsets = model.coef_, model.intercept_
            if len(present) == 2:  # scikit-learn has one row for two classes
                rows, offsets = np.concatenate([-rows, rows]) / 2, np.concatenate([-offsets, offsets]) / 2
            weight[present], bias[present] = rows, offsets
        yield strength, weight, bias
        if strength == last:
            return


def _loss(logits: Floats, labels: NDArray) -> float:
    """Cross-entropy in nats, summed."""
    from scipy.special import logsumexp

    return float((np.asarray(logsumexp(logits, axis=1)) - logits[np.arange(len(labels)), labels]).sum())
