"""What n seeds say of a ratio of speeds: its median, where some runs never reached the target.

Such a run is censored: it is known only that it needs more than the budget, and with it a bound of the seed's ratio. An
interval of the median by order statistics needs no more than bounds. Every array here may have leading axes, [..., n]:
one estimate for each; the last axis is the seeds.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import bdtr, log_ndtr

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Median:
    """The median over seeds of values of which some are known as bounds alone.

    Attributes:
        lows, highs: of each seed, [..., n]: equal where the value is known, infinite where there is no bound.
        over: what the interval resamples.
    """

    lows: Floats
    highs: Floats
    over: str = "seeds"

    @property
    def n(self) -> int:
        return self.lows.shape[-1]

    @property
    def median(self) -> tuple[Floats, Floats]:
        """The least and the greatest that the sample's median can be; equal where bounds leave it no room."""
        return np.median(self.lows, axis=-1), np.median(self.highs, axis=-1)

    @property
    def estimate(self) -> tuple[str, float]:
        """The median, with "at least" or "at most" where it is a bound alone; NaN where nothing is known of it."""
        low, high = (float(end) for end in self.median)
        if np.isinf(low) and np.isinf(high):
            return "", np.nan
        return ("at least", low) if high > low and np.isfinite(low) else ("at most", high) if high > low else ("", low)

    def bounds(self, level: float = 0.95) -> tuple[Floats, Floats]:
        """Order statistics, interpolated so that the interval has this level (T. P. Hettmansperger and S. J. Sheather,
        Confidence intervals based on interpolated order statistics, Statistics & Probability Letters 4, 1986).

        The lower end counts censored values at their lower bounds, the upper end at their upper ones. An end is
        infinite where it is not known, as both are with seeds too few for the level: at 95 %, fewer than six.
        """
        at, weight = _order(self.n, level)
        if at < 1:
            nothing = np.full(self.lows.shape[:-1], np.inf)
            return -nothing, nothing
        lows, highs = np.sort(self.lows, axis=-1), -np.sort(-self.highs, axis=-1)
        return _between(lows, at, weight), _between(highs, at, weight)

    def redraw(self, n: int, repeats: int) -> "Median":
        """`repeats` estimates from n seeds each, where values are normal with the median and spread found here.

        As many seeds as here say nothing at all; the others' values are known. Where none is known here, none is there.
        """
        rng = np.random.default_rng(0)
        silent = np.mean(np.isinf(self.lows) & np.isinf(self.highs)) > rng.random((n, repeats)).T
        middle, spread = _normal(self.lows, self.highs)
        values = middle + spread * rng.standard_normal((n, repeats)).T
        return Median(np.where(silent, -np.inf, values), np.where(silent, np.inf, values), self.over)


def ratio(slow: ArrayLike, fast: ArrayLike, budget: float) -> Median:
    """The logarithm of how many times more steps the arm `slow` needed than `fast` to reach a target, seed by seed.

    Steps are [n], NaN for a run that had not reached the target after `budget` steps: the ratio is then known to be
    budget / fast or more, or slow / budget or less; where both runs failed nothing is known. Raises ValueError for
    steps that are not in (0, budget].
    """
    slow, fast = np.asarray(slow, float), np.asarray(fast, float)
    steps = np.concatenate([slow, fast])
    if slow.shape != fast.shape or not np.all(np.isnan(steps) | ((steps > 0) & (steps <= budget))):
        raise ValueError(f"two arms with as many runs each are needed, and steps between 0 and {budget:g}")
    failed_slow, failed_fast = np.isnan(slow), np.isnan(fast)
    known = np.log(np.where(failed_slow, budget, slow)) - np.log(np.where(failed_fast, budget, fast))
    return Median(np.where(failed_fast, -np.inf, known), np.where(failed_slow, np.inf, known))


@cache
def _order(n: int, level: float) -> tuple[int, float]:
    """The order statistic (from 1) that an interval of the median begins at, and the weight of the next one.

    0 where n values have no interval of that level. From the k-th least to the k-th greatest value an interval holds
    the median but for fewer than k heads, or tails, in n throws of a coin.
    """
    covered = 1 - 2 * bdtr(np.arange(-1, n // 2 + 1), n, 0.5)
    covered[0] = 1.0
    k = int(np.flatnonzero(covered >= level)[-1])
    if k == 0 or k + 1 >= len(covered):
        return 0, 0.0
    share = (covered[k] - level) / (covered[k] - covered[k + 1])
    return k, float((n - k) * share / (k + (n - 2 * k) * share))


def _between(ordered: Floats, at: int, weight: float) -> Floats:
    first, second = ordered[..., at - 1], ordered[..., at]
    with np.errstate(invalid="ignore"):
        return np.where(np.isinf(first), first, (1 - weight) * first + weight * second)


def _normal(lows: Floats, highs: Floats) -> tuple[float, float]:
    """Mean and standard deviation of the normal law that the values and bounds are likeliest under.

    Both are (0, 0) where no value is bounded at all.
    """
    known = lows == highs
    censored = ~known & ~(np.isinf(lows) & np.isinf(highs))
    ends = np.concatenate([lows[np.isfinite(lows)], highs[np.isfinite(highs)]])
    if not ends.size:
        return 0.0, 0.0
    start, width = float(np.median(ends)), max(float(ends.std()), 1e-3)
    if not censored.any():
        return float(lows[known].mean()), float(lows[known].std(ddof=1)) if known.sum() > 1 else 0.0

    def loss(at: Floats) -> float:
        middle, spread = at[0], max(np.exp(at[1]), 0.1 * width)
        scores = np.sum(((lows[known] - middle) / spread) ** 2) / 2 + known.sum() * np.log(spread)
        low, high = (lows[censored] - middle) / spread, (highs[censored] - middle) / spread
        return float(scores - np.sum(np.where(np.isinf(low), log_ndtr(high), log_ndtr(-low))))

    middle, spread = minimize(loss, (start, np.log(width)), method="Nelder-Mead").x
    return float(middle), float(max(np.exp(spread), 0.1 * width))
