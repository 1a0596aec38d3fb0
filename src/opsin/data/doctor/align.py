"""Whether two pictures show the same, but for size, compression and a slight crop.

The method is that of Lucas and Kanade (1981): by Gauss-Newton steps the one picture is moved and stretched, and its
brightness and contrast matched, until the squared difference is least.
"""

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

SIDE = 64
ALIKE, PATCH, OVERLAP = 0.97, 30.0, 0.6
"""Least correlation; greatest difference in grey levels, root mean square around any place; least common share."""
STEPS, STRETCH, SHIFT = 15, 0.3, 0.2
"""Steps at most; the greatest stretch, and the greatest shift as a share of the side."""


def small(image: Image.Image) -> np.ndarray:
    """What is compared of an image: greys, uint8 [64, 64], whatever its proportions."""
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=3.0).convert("L"))


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    """The correlation of two pictures, uint8 [64, 64], aligned as well as they can be; 0 where they differ."""
    fitted = align(_smooth(one), _smooth(other))
    if fitted is None:
        return 0.0
    a, b = (values - values.mean() for values in fitted)
    spread = float((a * a).mean() * (b * b).mean()) ** 0.5
    if spread < 1.0:
        return 0.0
    correlation = float((a * b).mean()) / spread
    left = a - (a * b).mean() / (b * b).mean() * b
    local = float(gaussian_filter(left * left, 4.0).max()) ** 0.5
    return correlation if correlation >= ALIKE and local <= PATCH else 0.0


def align(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """The part of `one` that `other` covers too, and `other` as it fits there; None where they do not fit."""
    n = len(one)
    at = np.arange(n) - (n - 1) / 2
    slope_y, slope_x = np.gradient(other)
    y = x = np.array([1.0, 0.0])  # stretch and shift
    for _ in range(STEPS):
        cover = _Cover(y, x, n)
        if cover.share < OVERLAP:
            return None
        moved, dy, dx = (cover(values) for values in (other, slope_y, slope_x))
        down, across = at[cover.rows][:, None], at[cover.columns]
        columns = [dy * down, dy, dx * across, dx, moved, np.ones_like(moved)]
        design = np.stack([values.ravel() for values in columns], axis=1)
        normal = design.T @ design
        normal[np.diag_indices(6)] *= 1.001
        normal[np.diag_indices(6)] += 1e-6
        step = np.linalg.solve(normal, design.T @ (one[cover.inside] - moved).ravel())
        step = step[:4] / max(0.3, 1 + step[4])
        y, x = y + step[:2], x + step[2:]
        if max(abs(y[0] - 1), abs(x[0] - 1)) > STRETCH or max(abs(y[1]), abs(x[1])) > SHIFT * n:
            return None
        if np.abs(step[[1, 3]]).max() < 0.02 and np.abs(step[[0, 2]]).max() < 0.001:
            break
    cover = _Cover(y, x, n)
    return (one[cover.inside], cover(other)) if cover.share >= OVERLAP else None


class _Cover:
    """A stretch and shift of each axis about the middle, and where the moved picture has pixels."""

    def __init__(self, y: np.ndarray, x: np.ndarray, n: int):
        self.down, self.rows = _interpolation(y[0], y[1], n)
        self.across, self.columns = _interpolation(x[0], x[1], n)
        self.inside = np.ix_(self.rows, self.columns)
        self.share = self.rows.mean() * self.columns.mean()

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        return (self.down @ picture @ self.across.T)[self.inside]


def _interpolation(stretch: float, shift: float, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Linear interpolation along an axis as a matrix [n, n], and bool [n]: which places lie inside."""
    middle, rows = (n - 1) / 2, np.arange(n)
    at = stretch * (rows - middle) + middle + shift
    below = np.clip(np.floor(at).astype(int), 0, n - 2)
    share = np.clip(at - below, 0, 1)
    weights = np.zeros((n, n))
    weights[rows, below], weights[rows, below + 1] = 1 - share, share
    return weights, (at >= 0) & (at <= n - 1)


def _smooth(picture: np.ndarray) -> np.ndarray:
    return gaussian_filter(picture.astype(np.float64), 1.0)
