"""What n seeds say of an effect: a mean with its standard error, or a median where some runs reached no value.

Seeds on fresh splits of one data set share test images, so that their values move together, and n of them say less than
n independent ones. How much less depends on what the noise is made of. If it is the images' (the arms differ on
certain images, whatever the seed), two seeds correlate as their test sets overlap; if it is the seeds' own, they do not
correlate at all. Where the answers image by image are known, `resplit` measures the part that is the images'.
`nadeau_bengio` takes all of it to be so (C. Nadeau and Y. Bengio, Inference for the generalization error, Machine
Learning 52, 2003). What seeds have in common because they TRAIN on the same images no data of this kind can show
(Y. Bengio and Y. Grandvalet, No unbiased estimator of the variance of K-fold cross-validation, JMLR 5, 2004).

Every array here may have leading axes, [..., n]: one estimate for each; the last axis is the seeds.
"""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import bdtr, log_ndtr, stdtrit

EXACT_FLIPS = 16  # seeds up to which all patterns of signs are tried
_SAMPLED_FLIPS = 20_000
_REDRAWN_FLIPS = 12  # beyond it the sign-flip test agrees with the interval, and redrawn seeds are spared it
_CELLS = 4_000_000  # numbers held at once while signs are flipped (32 MB)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Mean:
    """The mean over seeds of a paired difference, and how sure it is.

    Attributes:
        values: of each seed, [..., n], in the effect's unit.
        over: what the interval resamples: "seeds", "seeds and images" ...
        shared: covariance of two seeds' values through the test images that they share; it does not shrink with n.
        shared_df: degrees of freedom with which `shared` is known.
        correction: what Nadeau and Bengio add to 1/n.
        least: the standard error is no less.
        flips: whether `agrees` asks the sign-flip test.
    """

    values: Floats
    over: str = "seeds"
    shared: float | Floats = 0.0
    shared_df: float = np.inf
    correction: float = 0.0
    least: float = 0.0
    flips: bool = True

    @property
    def n(self) -> int:
        return self.values.shape[-1]

    @property
    def mean(self) -> Floats:
        return self.values.mean(axis=-1)

    @property
    def spread(self) -> Floats:
        """Standard deviation between seeds; infinite with one seed, which has none."""
        return self.values.std(axis=-1, ddof=1) if self.n > 1 else np.full(self.values.shape[:-1], np.inf)

    @property
    def error(self) -> Floats:
        """Standard error of the mean."""
        return np.maximum(np.sqrt(self.spread**2 * (1 / self.n + self.correction) + self.shared), self.least)

    @property
    def df(self) -> Floats:
        """Satterthwaite's degrees of freedom of `error`, n - 1 where nothing but the seeds' spread is in it."""
        own = self.spread**2 * (1 / self.n + self.correction)
        part = np.divide(self.shared, own + self.shared, out=np.zeros_like(own), where=own + self.shared > 0)
        return 1 / ((1 - part) ** 2 / max(self.n - 1, 1) + part**2 / self.shared_df)

    def bounds(self, level: float = 0.95) -> tuple[Floats, Floats]:
        """The two-sided interval at this level."""
        half = stdtrit(self.df, (1 + level) / 2) * self.error
        return self.mean - half, self.mean + half

    @property
    def p(self) -> Floats:
        """Of the sign-flip test, two-sided."""
        return sign_flip(self.values)

    def redraw(self, n: int, repeats: int) -> "Mean":
        """`repeats` estimates from n seeds each, where the truth and the noise are those found here.

        Draws for fewer seeds are the first of those for more, so that figures for two n compare without noise.
        """
        rng = np.random.default_rng(0)
        common = np.sqrt(self.shared + self.correction * self.spread**2) * rng.standard_normal(repeats)
        shared = self.shared
        if np.isfinite(self.shared_df):
            shared = shared * rng.chisquare(self.shared_df, repeats) / self.shared_df
        own = self.spread * rng.standard_normal((n, repeats))
        return replace(self, values=(self.mean + common + own).T, shared=shared, flips=n <= _REDRAWN_FLIPS)


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


def resplit(differences: ArrayLike, tested: ArrayLike, unit: float = 100.0) -> Mean:
    """The mean of paired differences whose seeds tested on overlapping sets of images, or all on the same.

    `differences` is [n, N], for each seed and each of the data's N images how often arm A was wrong less how often B
    was (-1, 0 or 1; more where contrasts are compared); `tested`, [n, N], which images that seed tested. `unit` is
    what one wrong answer counts, 100 for percentage points.

    The images' part of the variance is the mean product of two seeds' differences on an image that both tested, less
    the mean product of the two seeds' means; what that takes from the seeds' covariance is in proportion to the overlap
    of their test sets. Raises ValueError where arrays do not fit, or no image was tested by two seeds.
    """
    tested = np.asarray(tested, bool)
    wrong = np.where(tested, unit * np.asarray(differences, float), 0.0)  # n N
    if wrong.ndim != 2 or wrong.shape != tested.shape or len(wrong) < 2 or not tested.any(axis=1).all():
        raise ValueError(f"differences {list(wrong.shape)} of two seeds or more, each with test images, are needed")
    sizes, seeds, met = tested.sum(axis=1), tested.sum(axis=0), len(wrong) * (len(wrong) - 1)
    pairs = seeds * (seeds - 1)  # of seeds that tested an image
    if not pairs.any():
        raise ValueError("no image was tested by two seeds: they are independent")
    values = wrong.sum(axis=1) / sizes
    products = wrong.sum(axis=0) ** 2 - (wrong**2).sum(axis=0)
    product = products.sum() / pairs.sum()
    weighed = tested / sizes[:, None]
    overlap = ((weighed.sum(axis=0) ** 2).sum() - (weighed**2).sum()) / met
    apart = (values.sum() ** 2 - (values**2).sum()) / met
    variance = max(float(product - apart) / (1 - overlap), 0.0)
    noise = float(((products - product * pairs) ** 2).sum()) / float(pairs.sum()) ** 2
    df = 2 * variance**2 / noise if noise > 0 else np.inf
    least = unit / np.count_nonzero(seeds)
    return Mean(values, "seeds and images", variance * overlap, max(df, 1.0), least=least)


def nadeau_bengio(values: ArrayLike, train: int, test: int) -> Mean:
    """The mean of values [n] of seeds on fresh splits into `train` and `test` images, where all noise may be theirs."""
    return Mean(np.asarray(values, float), "seeds and images", correction=test / train)


def independent(values: ArrayLike) -> Mean:
    """The mean of values [n] of seeds that have no test image in common, or that are no scores on images."""
    return Mean(np.asarray(values, float))


def planned(mean: float, spread: float, shared: float = 0.0, shared_df: float = np.inf) -> Mean:
    """An estimate with this mean and noise (`spread` between seeds, `shared` their covariance), to be redrawn."""
    return Mean(mean + spread * np.array([-1, 1]) / np.sqrt(2), shared=shared, shared_df=shared_df)


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


def sign_flip(values: Floats) -> Floats:
    """The two-sided p of the sign-flip test on [..., n]: the share of patterns of signs with a sum as far from zero.

    Exact up to EXACT_FLIPS seeds; beyond, of patterns drawn with a fixed seed, the observed one among them.
    """
    n = values.shape[-1]
    signs = _signs(n)  # n P
    rows = values.reshape(-1, n)
    p = np.empty(len(rows))
    block = max(1, _CELLS // signs.shape[1])
    for start in range(0, len(rows), block):
        some = rows[start : start + block]
        observed = np.abs(some.sum(axis=1)) - 1e-9 * np.abs(some).sum(axis=1)  # equal sums differ by rounding
        p[start : start + block] = (np.abs(some @ signs) >= observed[:, None]).mean(axis=1)
    return p.reshape(values.shape[:-1])


@cache
def _signs(n: int) -> Floats:
    """Patterns of signs, [n, P], one of each two that are mirror images; the first has no minus."""
    if n > EXACT_FLIPS:
        signs = np.random.default_rng(n).choice([-1.0, 1.0], size=(n, _SAMPLED_FLIPS))
        signs[:, 0] = 1.0
        return signs
    return 1.0 - 2.0 * ((np.arange(2 ** (n - 1)) >> np.arange(n)[:, None]) & 1)


@cache
def _order(n: int, level: float) -> tuple[int, float]:
    """The order statistic (from 1) that an interval of the median begins at, and the weight of the next one.

    0 where n values have no interval of that level.
    """
    covered = 1 - 2 * bdtr(
        np.arange(-1, n // 2 + 1), n, 0.5
    )  # of the interval from the k-th least to the k-th greatest
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
