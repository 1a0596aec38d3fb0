"""The speed of networks that are not measured, from those that are.

A machine has a few rates: seconds for a MAC, for a byte moved, for an operator called, for a weight updated. They are
fitted to all measured networks. What a family does better or worse than the machine's rates say (depthwise layers have
few MACs and take long) is the ratio of measured to fitted time of its own measured networks; one that is not measured
has that of the nearest ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from opsin.forecast.workload import Workload


def features(workload: Workload, batch: int) -> NDArray[np.float64]:
    """What one image of a batch takes: MACs, bytes, operators called, weights; the last two once for a batch."""
    return np.array(
        [workload.executed, workload.bytes, workload.calls / batch, workload.weights / batch], dtype=np.float64
    )


@dataclass(frozen=True)
class Measured:
    """A measured network: its family, its features, and the seconds of one image."""

    family: str
    features: NDArray[np.float64]
    seconds: float


@dataclass(frozen=True)
class Rates:
    """Seconds of a unit of each feature, and the networks that they were fitted to."""

    seconds: NDArray[np.float64]
    measured: tuple[Measured, ...]

    def plain(self, features: NDArray[np.float64]) -> float:
        """Seconds of one image by the machine's rates alone."""
        return float(features @ self.seconds)

    def estimate(self, family: str, features: NDArray[np.float64]) -> float:
        """Seconds of one image of a network of `family`: by the rates, times what its family is off by.

        Of several measured networks of the family those nearest in (the logarithm of) time count most.
        """
        own = [each for each in self.measured if each.family == family]
        plain = self.plain(features)
        if not own:
            return plain
        off = np.log([each.seconds / self.plain(each.features) for each in own])
        near = np.array([1 / (0.1 + abs(np.log(self.plain(each.features) / plain))) for each in own])
        return plain * float(np.exp((off * near).sum() / near.sum()))


def fit_rates(measured: Sequence[Measured]) -> Rates:
    """Rates, none below zero, of least squared relative error over all measured networks; one at least."""
    from scipy.optimize import nnls

    table = np.array([each.features / each.seconds for each in measured])
    scale = table.max(axis=0)
    scale[scale == 0] = 1.0
    seconds = nnls(table / scale, np.ones(len(measured)))[0] / scale
    return Rates(seconds, tuple(measured))
