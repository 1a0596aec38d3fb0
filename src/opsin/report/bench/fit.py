"""How well one figure predicts another: least squares, as it stands and on logarithms."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Fit:
    """A line through points: `r2` is the share of the variation that it explains; `slope` that of the line."""

    slope: float
    intercept: float
    r2: float
    n: int


def fit(x: Sequence[float], y: Sequence[float], log: bool = False) -> Fit | None:
    """A straight line by least squares, on logarithms where `log`; None for fewer than three different x."""
    if len(set(x)) < 3:
        return None
    xs, ys = np.array(x, float), np.array(y, float)
    if log:
        xs, ys = np.log10(xs), np.log10(ys)
    slope, intercept = np.polyfit(xs, ys, 1)
    total = ((ys - ys.mean()) ** 2).sum()
    left = ((ys - slope * xs - intercept) ** 2).sum()
    return Fit(float(slope), float(intercept), float(1 - left / total) if total else 1.0, len(xs))
