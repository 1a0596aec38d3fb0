"""Axes worked out before drawing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsin.report import scales
from opsin.report.scales import Scale


@given(st.floats(1e-2, 1e3), st.floats(1.1, 1e6), st.booleans(), st.booleans(), st.floats(0, 1))
def test_px_and_back(low, factor, log, flip, share):
    scale = Scale(low, low * factor, 500.0, log, flip)
    px = 500.0 * share
    assert scale.px(scale.value(px)) == pytest.approx(px, abs=1e-3)
    assert scale.px(scale.low) == pytest.approx(500.0 if flip else 0.0)


@given(st.lists(st.floats(1e3, 1e10), min_size=1, max_size=12), st.booleans())
def test_all_values_keep_the_margin(values, log):
    scale = scales.padded(values, 500.0, 40.0, log)
    assert all(39.9 <= scale.px(value) <= 460.1 for value in values)
    assert scales.log_ticks(scale) if log else scale.high - scale.low >= 2


@given(st.floats(1e-3, 1e9), st.floats(1.5, 1e7))
def test_log_ticks_are_few_and_on_the_axis(low, factor):
    scale = Scale(low, low * factor, 500.0, log=True)
    ticks = scales.log_ticks(scale)
    assert len(ticks) <= 7
    assert all(scale.low <= tick <= scale.high for tick in ticks)
    assert len(ticks) >= 2


def test_the_ticks_of_a_short_logarithmic_axis_are_round_numbers():
    assert scales.log_ticks(Scale(39, 93, 500.0, log=True)) == [40, 50, 60, 70, 80, 90]
    assert scales.log_ticks(Scale(9, 110, 500.0, log=True), 2) == [10, 100]
    assert scales.log_ticks(Scale(9, 1100, 500.0, log=True)) == [10, 20, 50, 100, 200, 500, 1000]


@given(st.floats(0, 0.98), st.floats(0.005, 1))
def test_share_ticks_are_few_and_on_the_axis(low, span):
    scale = Scale(low, min(low + span, 1.0), 400.0, flip=True)
    ticks = scales.share_ticks(scale)
    assert 2 <= len(ticks) <= 7
    assert all(scale.low - 1e-3 <= tick <= scale.high + 1e-3 for tick in ticks)


def test_a_network_far_below_the_others_sets_no_axis():
    assert scales.floor_of([0.99, 0.985, 0.98, 0.97, 0.95]) is None
    floor = scales.floor_of([0.99, 0.985, 0.98, 0.97, 0.95, 0.1])
    assert floor is not None
    assert 0.1 < floor < 0.95
    assert scales.floor_of([0.9, 0.1]) is None


def test_an_axis_reaches_for_a_near_baseline_only():
    near = scales.share_scale([0.96], [1.0], [0.95, 0.1], 400.0)
    assert 0.94 < near.low < 0.95
    assert scales.share_scale([0.5], [0.6], [0.63, 0.9], 400.0).high == pytest.approx(0.636)


@given(st.lists(st.integers(1950, 2030), min_size=1))
def test_years_have_colours_in_order(years):
    steps = scales.year_steps(years)
    assert set(steps) == set(years)
    assert min(steps.values()) == 0
    assert max(steps.values()) <= scales.YEAR_STEPS - 1
    assert [steps[year] for year in sorted(steps)] == sorted(steps.values())


def test_the_key_of_the_bubbles_is_round_and_no_larger_than_the_largest():
    assert scales.key_sizes(9_231_114) == [5e6, 5e5]
    assert scales.key_sizes(138_000_000) == [1e8, 1e7]
    assert scales.key_sizes(7) == [5]
