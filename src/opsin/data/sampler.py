"""The order in which an epoch visits the training images."""

from typing import Literal

import numpy as np

from opsin.data.counted import epoch_order, hashes, key

Balance = Literal["none", "weights", "sampling"]
_CLASSES = 3  # tells its numbers from those of counted.epoch_order


def visits(seed: int, epoch: int, rows: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
    """The images of an epoch in their order: int64 [n], `rows` permuted by (seed, epoch) alone.

    With their `labels`, int64 [n], as many images, of every class equally many to within one: those of a large class
    are left out by turns, epoch after epoch, those of a small class come several times.
    """
    if labels is None:
        return rows[epoch_order(seed, epoch, len(rows))]
    found, n = np.unique(labels), len(rows)
    turn = epoch_order(seed, epoch, len(found))  # which classes have one image more
    share = np.full(len(found), n // len(found)) + (np.argsort(turn) < n % len(found))
    chosen = []
    for label, count in zip(found.tolist(), share.tolist(), strict=True):
        own = rows[labels == label]
        places = epoch * (n // len(found)) + np.arange(count)
        rounds, at = places // len(own), places % len(own)
        for again in np.unique(rounds).tolist():
            order = np.argsort(hashes(key(_CLASSES, seed, label, again), np.arange(len(own))), kind="stable")
            chosen.append(own[order[at[rounds == again]]])
    every = np.concatenate(chosen)
    return every[epoch_order(seed, epoch, n)]


def class_weights(labels: np.ndarray, n_classes: int) -> tuple[float, ...]:
    """What an image of each class counts so that all classes count the same: n / (K n_c); 0 for an absent class."""
    counts = np.bincount(labels, minlength=n_classes)
    present = counts > 0
    return tuple(np.where(present, len(labels) / (present.sum() * counts.clip(1)), 0.0).tolist())
