"""The rules of verdicts and the intervals under them, against scipy, brute force, slow versions and simulation."""

import itertools
import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from opsin.claims.claim import Verdict
from opsin.claims.intervals import independent, nadeau_bengio, planned, resplit, sign_flip
from opsin.claims.medians import Median, ratio
from opsin.claims.verdict import (
    Better,
    Beyond,
    NoWorse,
    Same,
    advice,
    effect,
    faster,
    judge,
    power,
    seeds_to_decide,
    shares,
)

values = st.lists(st.floats(-5, 5).map(lambda x: round(x, 3)), min_size=3, max_size=12).filter(
    lambda x: len(set(x)) > 2
)
TESTS = Path(__file__).parents[1]


def resplits(seed: int, seeds: int = 6, images: int = 60, test: int = 20, shift: float = 0.0):
    """Differences of which a part is the images', and what each seed tested."""
    rng = np.random.default_rng(seed)
    own = rng.normal(shift, 0.6, images)
    wrong = np.sign(np.trunc(own + rng.normal(0, 0.6, (seeds, images))))
    tested = rng.permuted(np.tile(np.arange(images) < test, (seeds, 1)), axis=1)
    return wrong, tested


@given(values)
@settings(deadline=None, max_examples=50)
def test_independent_seeds_have_the_t_interval(seen):
    wanted = stats.ttest_1samp(seen, 0).confidence_interval(0.95)
    assert independent(seen).bounds(0.95) == pytest.approx((wanted.low, wanted.high))


@given(values, st.floats(0.1, 4))
@settings(deadline=None, max_examples=50)
def test_equivalence_is_two_one_sided_tests(seen, margin):
    above = stats.ttest_1samp(seen, -margin, alternative="greater").pvalue
    below = stats.ttest_1samp(seen, margin, alternative="less").pvalue
    assert (judge(independent(seen), Same(margin)) is Verdict.HOLDS) == (max(above, below) < 0.04)


@given(values)
@settings(deadline=None, max_examples=50)
def test_sign_flips_by_brute_force(seen):
    sums = [abs(math.fsum(s * x for s, x in zip(signs, seen, strict=True)))
            for signs in itertools.product((1, -1), repeat=len(seen))]  # fmt: skip
    wanted = np.mean([one >= abs(math.fsum(seen)) - 1e-9 for one in sums])
    assert sign_flip(np.array(seen)) == pytest.approx(wanted)


def test_sampled_sign_flips_are_near_the_exact_ones():
    seen = np.random.default_rng(3).normal(0.45, 1, 18)
    half = np.array(list(itertools.product((1.0, -1.0), repeat=9)))
    sums = (half @ seen[:9])[:, None] + half @ seen[9:]
    wanted = (np.abs(sums) >= abs(seen.sum()) - 1e-9).mean()
    assert sign_flip(seen) == pytest.approx(wanted, abs=3 * math.sqrt(wanted / 5000))
    assert sign_flip(np.full(20, 0.5)) > 0


def test_nadeau_and_bengio_by_hand():
    seen = [0.2, 1.0, 0.6, -0.2]
    error = math.sqrt(np.var(seen, ddof=1) * (1 / 4 + 500 / 1297))
    low, high = nadeau_bengio(seen, train=1297, test=500).bounds(0.95)
    assert (low, high) == pytest.approx((0.4 - 3.182446 * error, 0.4 + 3.182446 * error))


def test_covariance_of_seeds_by_slow_loops():
    wrong, tested = resplits(0)
    means = [100 * wrong[s][tested[s]].mean() for s in range(6)]
    pairs = list(itertools.combinations(range(6), 2))
    met = [(s, t, np.flatnonzero(tested[s] & tested[t])) for s, t in pairs]
    products = [1e4 * wrong[s, i] * wrong[t, i] for s, t, images in met for i in images]
    overlap = np.mean([len(images) / 400 for _, _, images in met])
    apart = np.mean([means[s] * means[t] for s, t in pairs])
    variance = (np.mean(products) - apart) / (1 - overlap)
    found = resplit(wrong, tested)
    assert found.values == pytest.approx(means)
    assert found.shared == pytest.approx(variance * overlap) and variance > 0
    assert found.error**2 == pytest.approx(np.var(means, ddof=1) / 6 + variance * overlap)


def test_seeds_that_agree_on_each_image_leave_the_images_noise():
    own = np.random.default_rng(1).choice([-1, 0, 0, 0, 1], 300)
    found = resplit(np.tile(own, (4, 1)), np.ones((4, 300), bool))
    assert found.spread == pytest.approx(0)
    assert found.error == pytest.approx(100 * own.std(ddof=1) / math.sqrt(300))
    assert np.isfinite(found.df)


def test_arms_that_never_differ_leave_one_image():
    found = resplit(np.zeros((8, 500)), np.ones((8, 500), bool))
    assert found.error == pytest.approx(100 / 500)
    assert judge(found, Better(1.0)) is Verdict.NOT_HERE


@pytest.mark.parametrize("wrong, tested", [
    (np.zeros((1, 9)), np.ones((1, 9), bool)),
    (np.zeros((2, 9)), np.ones((2, 8), bool)),
    (np.zeros((2, 9)), np.array([[True] * 9, [False] * 9])),
    (np.zeros((2, 2)), np.eye(2, dtype=bool)),
])  # fmt: skip
def test_what_cannot_be_compared_is_an_error(wrong, tested):
    with pytest.raises(ValueError, match="seeds"):
        resplit(wrong, tested)


@given(st.integers(0, 10_000), st.floats(0, 0.6))
@settings(deadline=None, max_examples=60)
def test_swapping_the_arms_mirrors_the_interval_and_turns_the_verdict(seed, shift):
    wrong, tested = resplits(seed, shift=shift)
    found, mirrored = resplit(wrong, tested), resplit(-wrong, tested)
    for level in (0.5, 0.95):
        low, high = found.bounds(level)
        assert mirrored.bounds(level) == pytest.approx((-high, -low))
    assert mirrored.p == pytest.approx(found.p)
    if judge(found, Better(5.0)) in (Verdict.HOLDS, Verdict.PARTLY):
        assert judge(mirrored, Better(5.0)) is Verdict.NOT_HERE


@given(values)
@settings(deadline=None, max_examples=50)
def test_the_same_values_again_narrow_the_interval(seen):
    assert np.diff(independent(seen * 2).bounds()) < np.diff(independent(seen).bounds())


@given(st.lists(st.floats(-1, 50), min_size=1, max_size=5), st.floats(0.01, 2))
@settings(deadline=None, max_examples=50)
def test_fewer_than_six_seeds_never_hold(seen, delta):
    assert judge(independent(seen), Better(delta)) not in (Verdict.HOLDS, Verdict.PARTLY)


def near(mean: float, error: float, n: int = 20):
    """An estimate with this mean and standard error."""
    unit = stats.zscore(np.arange(n), ddof=1)
    return independent(mean + unit * error * math.sqrt(n))


@pytest.mark.parametrize("mean, error, better, no_worse, same", [
    (2.0, 0.2, Verdict.HOLDS, Verdict.HOLDS, Verdict.NOT_HERE),
    (0.8, 0.2, Verdict.PARTLY, Verdict.HOLDS, Verdict.UNDECIDED),
    (0.5, 0.2, Verdict.PARTLY, Verdict.HOLDS, Verdict.HOLDS),
    (0.1, 0.2, Verdict.NOT_HERE, Verdict.HOLDS, Verdict.HOLDS),
    (0.8, 0.8, Verdict.UNDECIDED, Verdict.HOLDS, Verdict.UNDECIDED),
    (-0.8, 0.2, Verdict.NOT_HERE, Verdict.UNDECIDED, Verdict.UNDECIDED),
    (-2.0, 0.2, Verdict.NOT_HERE, Verdict.NOT_HERE, Verdict.NOT_HERE),
])  # fmt: skip
def test_rules_on_estimates_by_hand(mean, error, better, no_worse, same):
    found = near(mean, error)
    assert (judge(found, Better(1.0)), judge(found, NoWorse(1.0)), judge(found, Same(1.0))) == (better, no_worse, same)


def test_thresholds():
    rule = Beyond(holds=1.0, partly=0.0, fails=0.5)
    means = {2.0: Verdict.HOLDS, 1.1: Verdict.PARTLY, 0.2: Verdict.NOT_HERE}
    assert {mean: judge(near(mean, 0.1), rule) for mean in means} == means | {
        1.1: Verdict.PARTLY,
        0.2: Verdict.NOT_HERE,
    }
    assert judge(near(0.3, 0.3), rule) is Verdict.UNDECIDED
    assert judge(near(0.2, 0.1), Beyond(holds=1.0)) is Verdict.UNDECIDED


@pytest.mark.parametrize("n", [6, 7, 10, 11, 20, 50])
def test_medians_are_covered_by_nearly_95_percent(n):
    draws = np.random.default_rng(n).exponential(size=(20_000, n))
    low, high = Median(draws, draws).bounds(0.95)
    covered = ((low <= math.log(2)) & (math.log(2) <= high)).mean()
    assert covered == pytest.approx(0.95, abs=0.01)


def test_order_statistics_where_the_binomial_law_has_the_level():
    seen = np.random.default_rng(0).normal(size=10)
    for k in (1, 2, 3):
        level = 1 - 2 * stats.binom.cdf(k - 1, 10, 0.5)
        assert Median(seen, seen).bounds(level) == pytest.approx(tuple(np.sort(seen)[[k - 1, -k]]))
    assert Median(seen[:5], seen[:5]).bounds(0.95) == (-np.inf, np.inf)


def test_censored_runs_are_bounds():
    slow = [600, np.nan, 500, np.nan, 700, 650, 480, 620, 555, 690]
    fast = [100, 110, 95, np.nan, 105, 100, np.nan, 98, 104, 99]
    found = ratio(slow, fast, budget=1000)
    assert np.exp(found.lows[[0, 1]]) == pytest.approx([6, 1000 / 110])
    assert (found.highs[1], found.lows[3], found.highs[3], found.lows[6]) == (np.inf, -np.inf, np.inf, -np.inf)
    assert np.exp(found.highs[6]) == pytest.approx(0.48)
    shown = effect(found, faster(6.0), "steps with tanh for one with ReLU", "times")
    assert shown.values[1] is None and shown.values[0] == pytest.approx(6)
    assert shown.low is None and shown.high is None
    with pytest.raises(ValueError, match="between 0 and 1000"):
        ratio([1200.0], [100.0], 1000)


@given(st.integers(0, 1000), st.integers(1, 6))
@settings(deadline=None, max_examples=40)
def test_censoring_never_narrows_and_medians_agree_with_kaplan_and_meier(seed, failed):
    rng = np.random.default_rng(seed)
    fast, slow = 100 * np.exp(0.1 * rng.standard_normal(11)), 600 * np.exp(0.3 * rng.standard_normal(11))
    whole = ratio(slow, fast, 1e6)
    budget = np.sort(slow)[-failed] - 1e-6
    found = ratio(np.where(slow > budget, np.nan, slow), fast, budget)
    assert found.bounds()[0] <= whole.bounds()[0] and found.bounds()[1] >= whole.bounds()[1]
    censored = np.isinf(found.highs)
    survival = stats.ecdf(stats.CensoredData.right_censored(found.lows, censored)).sf
    below = survival.quantiles[survival.probabilities <= 0.5 + 1e-9]
    median = below[0] if below.size else np.inf
    low, high = found.median
    assert low - 1e-9 <= median <= high + 1e-9


def test_a_claim_of_little_speed_does_not_hold_for_none():
    same = np.log(np.linspace(0.97, 1.03, 10))
    assert judge(Median(same, same), faster(1.2)) is Verdict.NOT_HERE
    for times, verdict in ((6.0, Verdict.HOLDS), (3.0, Verdict.PARTLY), (1.0, Verdict.NOT_HERE)):
        seen = np.log(times) + same
        assert judge(Median(seen, seen), faster(6.0)) is verdict


@pytest.mark.parametrize("mean", [0.2, 0.5, 1.0])
def test_power_is_that_of_the_noncentral_t(mean):
    came = power(planned(mean, 0.8), Better(1.0), 16)
    wanted = stats.nct.sf(stats.t.ppf(0.975, 15), 15, mean * 4 / 0.8)
    assert came[Verdict.HOLDS] + came[Verdict.PARTLY] == pytest.approx(wanted, abs=0.03)
    assert sum(came.values()) == pytest.approx(1)


@pytest.mark.parametrize("mean, spread", [(0.4, 1.0), (1.3, 1.3)])
def test_seeds_that_would_decide_do_decide(mean, spread):
    n = seeds_to_decide(planned(mean, spread), Better(1.0))
    assert n is not None

    def decided(seeds: int) -> float:
        fresh = independent(np.random.default_rng(1).normal(mean, spread, (1000, seeds)))
        return 1 - shares(fresh, Better(1.0))[Verdict.UNDECIDED]

    assert decided(n) == pytest.approx(0.8, abs=0.05) and decided(n - 2) < 0.8


@pytest.mark.parametrize("mean", [0.2, 0.75, 0.8, 0.85])
def test_more_seeds_are_asked_for_than_did_not_decide(mean):
    found = near(mean, 0.5, n=10)
    assert (seeds_to_decide(found, Better(1.0)) or 11) > 10
    assert seeds_to_decide(found, Better(1.0), most=10) is None


def test_noise_of_the_images_cannot_be_bought_off_with_seeds():
    found = replace(near(0.5, 0.2, n=10), shared=0.35**2, shared_df=40.0)
    assert judge(found, Better(1.0)) is Verdict.UNDECIDED
    assert seeds_to_decide(found, Better(1.0)) is None
    assert "0.35, does not shrink" in advice(found, Better(1.0))
    shown = effect(found, Better(1.0), "test error")
    assert (shown.decides, shown.n, shown.mean) == (None, 10, pytest.approx(0.5))
    alone = near(0.7, 0.4, n=10)
    assert f"; {seeds_to_decide(alone, Better(1.0))} would decide" in advice(alone, Better(1.0))
    assert advice(near(3, 0.2), Better(1.0)) == ""
    assert "one seed" in advice(independent([0.4]), Better(1.0))


def test_images_counted_as_if_seeds_were_independent_err():
    """Half the variance the images': the plain t takes noise for an effect, the correction for all noise does not."""
    rng = np.random.default_rng(5)
    seen = rng.normal(0, 0.4, (2000, 1)) + rng.normal(0, 0.5, (2000, 10))
    rates = []
    for found in (independent(seen), replace(independent(seen), shared=0.16), nadeau_bengio(seen, 1297, 500)):
        came = shares(found, Better(1.0))
        rates.append(came[Verdict.HOLDS] + came[Verdict.PARTLY])
    assert rates[0] > 0.1 and rates[1] < 0.04 and rates[2] < 0.07


@pytest.mark.slow
def test_error_rates_coverage_and_power_by_simulation(monkeypatch):
    monkeypatch.syspath_prepend(str(TESTS.parent / "benchmarks"))
    import claims_power

    repeats = 1000
    for regime in claims_power.REGIMES:
        for shift in (0.0, 1.0):
            for n, came in claims_power.simulate(regime, shift, repeats).items():
                verdicts = came.verdicts()
                wrong = verdicts[Verdict.NOT_HERE] if shift else verdicts[Verdict.HOLDS] + verdicts[Verdict.PARTLY]
                assert wrong < 0.05 + 2 * math.sqrt(0.05 * 0.95 / repeats), (regime.name, n)
                assert 0.93 - 0.012 < came.covers("resplit") < 0.97 + 0.009, (regime.name, n)
                truth = claims_power.truth(came.found["resplit"], shift)
                foretold = power(truth, Better(1.0), n)[Verdict.UNDECIDED]
                assert verdicts[Verdict.UNDECIDED] == pytest.approx(foretold, abs=0.08), (regime.name, n)
    sys.modules.pop("claims_power")


@pytest.mark.slow
def test_the_whole_procedure_with_its_choice_of_rates_by_simulation(monkeypatch):
    monkeypatch.syspath_prepend(str(TESTS.parent / "benchmarks"))
    import claims_power

    monkeypatch.setattr(claims_power, "REGIMES", (claims_power.MEASURED,))
    monkeypatch.setattr(claims_power, "SEEDS", (10,))
    repeats = 1000
    for row in claims_power.rates_table(repeats):
        for true in (0, 1):
            assert 0.93 - 0.016 < row[f"again_covers_{true}"] < 0.97 + 0.011, row
            assert row[f"again_false_{true}"] < 0.05 + 2 * math.sqrt(0.05 * 0.95 / repeats), row
    sys.modules.pop("claims_power")
