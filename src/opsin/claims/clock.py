"""Milliseconds for the claims that measure, of pieces of networks on this machine, and how times grow."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import torch

from opsin.costs.measure import TimedBlock, block, warm_up

CPU = torch.device("cpu")


def milliseconds(runs: Mapping[str, Callable[[], Any]], *, rounds: int = 5, seconds: float = 0.05) -> dict[str, float]:
    """The median time of each run, taken in turns: what disturbs the machine for a while meets them all.

    Of each run's blocks the three fastest count, since other work only ever adds time.
    """
    found: dict[str, list[TimedBlock]] = {name: [] for name in runs}
    with torch.inference_mode():
        for run in runs.values():
            warm_up(run, CPU, seconds)
        for _ in range(rounds):
            for name, run in runs.items():
                found[name].append(block(run, CPU, seconds, least=2))
    return {name: median(sorted(own.median for own in blocks)[:3]) for name, blocks in found.items()}


@dataclass(frozen=True)
class Law:
    """times = factor * sizes ** exponent, by least squares on logarithms.

    Attributes:
        exponent, reach: with its 95 % interval, so far to either side.
        r2: the share of the variance of log times that it explains.
    """

    factor: float
    exponent: float
    reach: float
    r2: float

    def __call__(self, size: float) -> float:
        return self.factor * size**self.exponent

    def __str__(self) -> str:
        return f"{self.exponent:.2f} ({self.exponent - self.reach:.2f} to {self.exponent + self.reach:.2f})"


def law(sizes: Sequence[float], times: Sequence[float]) -> Law:
    """The power law through times by sizes, three or more of each."""
    from scipy import stats

    x, y = np.log(np.asarray(sizes, dtype=float)), np.log(np.asarray(times, dtype=float))
    dx, dy = x - x.mean(), y - y.mean()
    exponent = float(dx @ dy / (dx @ dx))
    left = dy - exponent * dx
    freedom = len(x) - 2
    error = float(np.sqrt(left @ left / freedom / (dx @ dx)))
    r2 = 1 - float(left @ left / (dy @ dy))
    factor = float(np.exp(y.mean() - exponent * x.mean()))
    return Law(factor, exponent, float(stats.t.ppf(0.975, freedom)) * error, r2)
