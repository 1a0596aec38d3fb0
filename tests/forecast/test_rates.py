"""Speeds of networks that are not measured: arithmetic by hand, and what must hold on any machine."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsin.forecast.rates import Measured, features, fit_rates
from opsin.forecast.workload import Workload

SMALL = Workload(executed=1_000, bytes=500, calls=20, weights=300, params=300, macs=900, memory=7)
RATES = np.array([2e-9, 5e-10, 1e-5, 3e-9])


def some(seed, n=12):
    return np.random.default_rng(seed).lognormal([18, 16, 2, 9], 1.5, (n, 4))


def test_features_share_what_a_batch_has_once():
    assert features(SMALL, 10).tolist() == [1_000, 500, 2, 30]


def test_a_machine_of_four_rates_is_found():
    measured = [Measured("A", row, float(row @ RATES)) for row in some(0)]
    assert fit_rates(measured).seconds == pytest.approx(RATES, rel=1e-6)


def test_a_family_keeps_what_it_is_off_by():
    """Family B takes three times as long as the rates of the eleven others say."""
    rows = some(1)
    measured = [Measured("A", row, float(row @ RATES)) for row in rows[:11]] + [
        Measured("B", rows[11], 3 * float(rows[11] @ RATES))
    ]
    rates, new = fit_rates(measured), some(2)[0]
    assert rates.estimate("B", rows[11]) == pytest.approx(measured[-1].seconds)
    off = measured[-1].seconds / rates.plain(rows[11])
    assert rates.estimate("B", new) == pytest.approx(off * rates.plain(new))
    assert rates.estimate("C", new) == rates.plain(new)


def test_the_nearest_of_a_family_counts_most():
    """Two measured networks on a machine of one rate: 1 and 4 times it, 1 and 100 units large."""
    unit = np.array([1.0, 0, 0, 0])
    rates = fit_rates([Measured("A", unit, 1.0), Measured("A", 100 * unit, 400.0)])
    at = [rates.estimate("A", size * unit) / size for size in (1, 10, 100)]
    assert at[0] < at[1] < at[2]
    assert at[1] == pytest.approx(2.0)  # between both: their geometric mean


def test_a_single_measured_network_scales():
    unit = np.array([1.0, 2.0, 3.0, 4.0])
    rates = fit_rates([Measured("A", unit, 0.5)])
    assert rates.estimate("A", 3 * unit) == pytest.approx(1.5)
    assert rates.estimate("B", unit) == pytest.approx(0.5)


@given(st.integers(0, 1000), st.floats(0.01, 100))
def test_a_machine_k_times_as_slow_takes_k_times_as_long(seed, slower):
    rows, noise = some(seed), np.random.default_rng(seed).lognormal(0, 0.5, 12)
    seconds = (rows @ RATES) * noise
    measured = [Measured("AB"[k % 2], row, float(s)) for k, (row, s) in enumerate(zip(rows, seconds, strict=True))]
    slow = [Measured(each.family, each.features, slower * each.seconds) for each in measured]
    new = some(seed + 1)[0]
    fast, late = fit_rates(measured).estimate("A", new), fit_rates(slow).estimate("A", new)
    assert 0 < fast < np.inf
    assert late == pytest.approx(slower * fast, rel=1e-6)
