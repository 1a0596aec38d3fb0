"""What a quick learner sees of small images, after Coates and Ng (2011): how much each part looks like known patches.

The patches are taken from the images themselves and whitened; the answers of all places in a quarter are averaged.
Nothing is trained. Images of fewer than 16 pixels a side are taken as they are.
"""

import numpy as np

from opsin.data.counted import key

PATCH, KNOWN, DRAWN = 6, 200, 20_000
"""The side of a patch; patches that images are compared with; patches by which all are whitened."""
LEAST, AT_ONCE = 16, 16
QUIET, SOFT, DEAF = 10.0, 0.1, 0.5
"""Variance of the pixels that counts as none; the same after scaling, when whitening; answers that count as none."""


def seen(images: np.ndarray, seed: int = 0) -> np.ndarray:
    """Features float32 [n, D] of images uint8 [n, C, S, S], each of mean 0 and variance 1 / D."""
    found = _compared(images, seed) if images.shape[-1] >= LEAST else images.reshape(len(images), -1)
    found = found.astype(np.float32)
    found -= found.mean(0)
    found /= found.std(0) + 1e-3 * found.std() + 1e-12
    return found / np.sqrt(found.shape[1])


def _compared(images: np.ndarray, seed: int) -> np.ndarray:
    """Answers to patches and to their negatives in each quarter: float32 [n, 4 * 2 * KNOWN]."""
    n, _, side, _ = images.shape
    places = side - PATCH + 1
    draws = np.random.default_rng(key(seed, n, side))
    image, y, x = draws.integers(0, n, DRAWN), draws.integers(0, places, DRAWN), draws.integers(0, places, DRAWN)
    drawn = _even(_patches(images)[image, y, x].reshape(DRAWN, -1).astype(np.float32))
    middle = drawn.mean(0)
    spread, axes = np.linalg.eigh(np.cov(drawn - middle, rowvar=False))
    whiten = (axes / np.sqrt(spread + SOFT)) @ axes.T
    known = (drawn[:KNOWN] - middle) @ whiten
    known /= np.linalg.norm(known, axis=1, keepdims=True) + 1e-9
    weights = (whiten @ known.T).astype(np.float32)  # [C * PATCH * PATCH, KNOWN]
    offsets = middle @ weights
    halves = [slice(0, places // 2), slice(places // 2, places)]
    answers = np.empty((n, 4, 2 * KNOWN), np.float32)
    for start in range(0, n, AT_ONCE):
        patches = _patches(images[start : start + AT_ONCE])
        values = _even(patches.reshape(-1, weights.shape[0]).astype(np.float32)) @ weights - offsets
        loud = np.concatenate([np.maximum(values - DEAF, 0), np.maximum(-values - DEAF, 0)], axis=1)
        loud = loud.reshape(len(patches), places, places, 2 * KNOWN)
        for quarter, (rows, columns) in enumerate((a, b) for a in halves for b in halves):
            answers[start : start + AT_ONCE, quarter] = loud[:, rows, columns].mean((1, 2))
    return answers.reshape(n, -1)


def _patches(images: np.ndarray) -> np.ndarray:
    """A view of every patch: [n, C, S, S] -> [n, places, places, C, PATCH, PATCH]."""
    view = np.lib.stride_tricks.sliding_window_view(images, (PATCH, PATCH), axis=(2, 3))
    return view.transpose(0, 2, 3, 1, 4, 5)


def _even(patches: np.ndarray) -> np.ndarray:
    """Patches [m, D], each without its mean brightness and of one contrast."""
    patches = patches - patches.mean(1, keepdims=True)
    return patches / np.sqrt(patches.var(1, keepdims=True) + QUIET)
