"""What n seeds say of an effect: its mean, and an interval of that.

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
from functools import cache, cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

EXACT_FLIPS = 16  # seeds up to which all patterns of signs are tried
_SAMPLED_FLIPS = 5_000
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
        tilt: by what share the variance of the mean grows for each unit that the true mean is greater.
        least: the standard error is no less.
        flips: whether `agrees` asks the sign-flip test.
    """

    values: Floats
    over: str = "seeds"
    shared: float | Floats = 0.0
    shared_df: float | Floats = np.inf
    correction: float = 0.0
    tilt: float | Floats = 0.0
    least: float = 0.0
    flips: bool = True

    def __neg__(self) -> "Mean":
        """Of the arms the other way about."""
        return replace(self, values=-self.values, tilt=np.negative(self.tilt))

    @property
    def n(self) -> int:
        return self.values.shape[-1]

    @cached_property
    def mean(self) -> Floats:
        return self.values.mean(axis=-1)

    @cached_property
    def spread(self) -> Floats:
        """Standard deviation between seeds; infinite with one seed, which has none."""
        return self.values.std(axis=-1, ddof=1) if self.n > 1 else np.full(self.values.shape[:-1], np.inf)

    @cached_property
    def error(self) -> Floats:
        """Standard error of the mean."""
        return np.maximum(np.sqrt(self.spread**2 * (1 / self.n + self.correction) + self.shared), self.least)

    @cached_property
    def df(self) -> Floats:
        """Satterthwaite's degrees of freedom of `error`, n - 1 where nothing but the seeds' spread is in it."""
        own = self.spread**2 * (1 / self.n + self.correction)
        part = np.divide(self.shared, own + self.shared, out=np.zeros_like(own), where=own + self.shared > 0)
        return 1 / ((1 - part) ** 2 / max(self.n - 1, 1) + part**2 / self.shared_df)

    def bounds(self, level: float = 0.95) -> tuple[Floats, Floats]:
        """The two-sided interval at this level.

        An end is where the mean lies the quantile of t in standard errors away from it, those that it would have if the
        truth lay there. As these grow with the size of an effect, so does the end away from zero; that they shrink
        on the other side is not relied on. One seed has no interval, and its ends are infinite.
        """
        if self.n < 2:
            return self.mean - np.inf, self.mean + np.inf
        quantile = stdtrit(self.df, (1 + level) / 2)

        def reach(tilt: float | Floats) -> Floats:
            grown = np.maximum(tilt, 0.0) * quantile * self.error / 2
            return quantile * self.error * (grown + np.sqrt(grown**2 + 1))

        return self.mean - reach(np.negative(self.tilt)), self.mean + reach(self.tilt)

    @cached_property
    def p(self) -> Floats:
        """Of the sign-flip test, two-sided."""
        return sign_flip(self.values)

    def redraw(self, n: int, repeats: int) -> "Mean":
        """`repeats` estimates from n seeds each, where the truth and the noise are those found here.

        Draws for fewer seeds are the first of those for more, so that figures for two n compare without noise.
        """
        rng = np.random.default_rng(0)
        common = np.sqrt(self.shared + self.correction * self.spread**2) * rng.standard_normal(repeats)
        known = rng.chisquare(self.shared_df, repeats) / self.shared_df if np.isfinite(self.shared_df) else 1.0
        own = self.spread * rng.standard_normal((n, repeats))
        moved = common + own.mean(axis=0)
        grown = np.maximum(1 + self.tilt * moved, 0.1)
        values = self.mean + moved + (own - own.mean(axis=0)) * np.sqrt(grown)
        return replace(self, values=values.T, shared=self.shared * known * grown, flips=n <= _REDRAWN_FLIPS)


def resplit(differences: ArrayLike, tested: ArrayLike, unit: float = 100.0) -> Mean:
    """The mean of paired differences whose seeds tested on overlapping sets of images, or all on the same.

    `differences` is [n, N], for each seed and each of the data's N images how often arm A was wrong less how often B
    was (-1, 0 or 1; more where contrasts are compared); `tested`, [n, N], which images that seed tested. `unit` is
    what one wrong answer counts, 100 for percentage points.

    The images' part of the variance is the mean product of two seeds' differences on an image that both tested, less
    the mean product of the two seeds' means; what that takes from the seeds' covariance is in proportion to the overlap
    of their test sets. The tilt is how images move the mean and its variance together. Raises ValueError where arrays
    do not fit, or no image was tested by two seeds.
    """
    wrong, tested = unit * np.asarray(differences, float), np.asarray(tested, bool)  # n N
    if wrong.ndim != 2 or wrong.shape != tested.shape or len(wrong) < 2 or not tested.any(axis=1).all():
        raise ValueError(f"differences {list(wrong.shape)} of two seeds or more, each with test images, are needed")
    wrong = np.where(tested, wrong, 0.0)
    sizes, seeds, met = tested.sum(axis=1), tested.sum(axis=0), len(wrong) * (len(wrong) - 1)
    pairs = seeds * (seeds - 1)  # of seeds that tested an image
    if not pairs.any():
        raise ValueError("no image was tested by two seeds: they are independent")
    values = wrong.sum(axis=1) / sizes
    total, squares = wrong.sum(axis=0), (wrong**2).sum(axis=0)
    products = total**2 - squares
    product = products.sum() / pairs.sum()
    weighed = tested / sizes[:, None]
    overlap = ((weighed.sum(axis=0) ** 2).sum() - (weighed**2).sum()) / met
    apart = (values.sum() ** 2 - (values**2).sum()) / met
    variance = max(float(product - apart) / (1 - overlap), 0.0)
    by_product = (products - product * pairs) / pairs.sum()  # what each image adds to it
    df = max(2 * variance**2 / float((by_product**2).sum()), 1.0) if by_product.any() else np.inf
    found = Mean(values, "seeds and images", variance * overlap, df, least=unit / np.count_nonzero(seeds))
    by_mean = (total - found.mean * seeds) / sizes.sum()
    by_square = (squares - squares.sum() / sizes.sum() * seeds) / sizes.sum()
    single = (1 / sizes).mean() / len(wrong)  # of the variance of one answer, in that of the mean
    by_error = by_square * single + by_product * (overlap - single if variance else 0.0)
    return replace(found, tilt=float((by_mean * by_error).sum() / found.error**4))


def nadeau_bengio(values: ArrayLike, train: int, test: int) -> Mean:
    """The mean of values [n] of seeds on fresh splits into `train` and `test` images, where all noise may be theirs."""
    return Mean(np.asarray(values, float), "seeds and images", correction=test / train)


def independent(values: ArrayLike, step: float = 0.0) -> Mean:
    """The mean of values [n] of seeds that have no test image in common, or that are no scores on images.

    Where values are rounded to steps, the standard error is no less than such rounding makes it.
    """
    found = np.asarray(values, float)
    return Mean(found, least=step / np.sqrt(12 * found.shape[-1]))


def planned(mean: float, spread: float, shared: float = 0.0, shared_df: float = np.inf) -> Mean:
    """An estimate with this mean and noise (`spread` between seeds, `shared` their covariance), to be redrawn."""
    return Mean(mean + spread * np.array([-1, 1]) / np.sqrt(2), shared=shared, shared_df=shared_df)


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
