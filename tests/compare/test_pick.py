"""The pick: a case worked by hand, the rule written a second time in plain words, and what must hold for any data."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsin.compare.pick import Pick, pick
from opsin.compare.statistics import resample

IMAGES = 100
TRUTH = np.zeros(IMAGES, int)


def missing(*wrong: int) -> np.ndarray:
    answers = TRUTH.copy()
    answers[list(wrong)] = 1
    return answers


def picked(runs, latency, macs=None, margin=0.01, truth=TRUTH, **keywords) -> Pick:
    return pick(resample(runs, truth, 3, **keywords), latency, macs or dict.fromkeys(latency, 1), margin)


HAND = {
    "slow_best": {0: missing(0)},  # 99 %
    "twin_a": {0: missing(0, 1)},  # 98 %: a deficit of one point, exactly the margin
    "twin_b": {0: missing(2, 3)},  # 98 %
    "fast": {0: missing(0, 1, 2)},  # 97 %: two points
}
LATENCY = {"slow_best": 10.0, "twin_a": 5.0, "twin_b": 5.2, "fast": 1.0}
MACS = {"slow_best": 100, "twin_a": 50, "twin_b": 30, "fast": 10}


def test_by_hand():
    """Three candidates; the twins are within 5 % of each other, and the second has fewer operations."""
    found = picked(HAND, LATENCY, MACS)
    assert found.model == "twin_b"
    assert found.candidates == ("twin_a", "twin_b", "slow_best")
    assert found.deficit == pytest.approx(0.01)
    low, high = found.deficit_ci
    assert low is None and 0.02 < high < 0.05
    # three answers differ, one for and two against: the variance of the mean difference is (3 - 1/100) / 100^2
    assert found.smallest_visible_deficit == pytest.approx(2.487**2 / 100, rel=0.001)
    assert found.why == (
        "twin_b is the cheapest network (latencies within 5 % are equal: operations decide) within 1 point of the best "
        "accuracy on validation: it has 98.0 %, 1 point less than slow_best; with 95 % confidence it is at most "
        f"{100 * high:.2g} points behind (images resampled). In 1,000 resamples the rule picks "
        + ", ".join(f"{m} {n} times" for m, n in list(found.picked_in_resamples.items())[:-1])
        + " and {} {} times".format(*list(found.picked_in_resamples.items())[-1])
        + "; the smallest deficit that this data could have shown is 6.2 points."
    )


def test_a_tie_is_within_five_percent_of_the_fastest_candidate():
    """1.04 is tied with 1.00, and 1.08 is not, near as it is to 1.04; with the fastest out of the race, it is."""
    runs = {name: {0: missing(0)} for name in "abc"}
    latency, macs = {"a": 1.0, "b": 1.04, "c": 1.08}, {"a": 3, "b": 2, "c": 1}
    assert picked(runs, latency, macs).model == "b"
    runs["a"] = {0: missing(*range(10))}
    assert picked(runs, latency, macs).model == "c"


def test_equal_costs_leave_it_to_accuracy_then_to_the_name():
    runs = {"a": {0: missing(0)}, "b": {0: missing()}, "c": {0: missing()}}
    assert picked(runs, dict.fromkeys("abc", 1.0)).model == "b"


def test_a_dear_best_network_is_compared_with_the_next():
    found = picked({"good": {0: missing(0)}, "poor": {0: missing(*range(20))}}, {"good": 9.0, "poor": 1.0})
    assert (found.model, found.deficit, found.deficit_ci) == ("good", 0.0, (None, 0.0))
    assert found.candidates == ("good",)
    assert "good has the highest accuracy on validation (99.0 %), and no clearly cheaper network" in found.why
    assert "it is not behind the next, poor" in found.why


def test_one_network():
    found = picked({"only": {0: missing(0)}}, {"only": 1.0})
    assert (found.model, found.deficit, found.deficit_ci) == ("only", 0.0, (None, 0.0))
    assert found.picked_in_resamples == {"only": 1000} and found.smallest_visible_deficit is None
    assert "nothing to compare" in found.why


def test_all_equal_is_not_certainty():
    """No answer differs in 100 images; a deficit of 3 points would go unseen in 5 % of such draws."""
    found = picked({"a": {0: missing(0)}, "b": {0: missing(0)}}, {"a": 2.0, "b": 1.0})
    assert (found.model, found.deficit) == ("b", 0.0)
    assert found.deficit_ci[1] == pytest.approx(1 - 0.05**0.01)
    assert found.picked_in_resamples == {"b": 1000}
    assert found.smallest_visible_deficit == pytest.approx(2.487**2 / 100, rel=0.001)


def test_one_group_shows_nothing():
    runs = {"a": {0: missing(0)}, "b": {0: missing(0, 1)}}
    found = picked(runs, {"a": 2.0, "b": 1.0}, groups=np.zeros(IMAGES))
    assert (found.deficit_ci, found.smallest_visible_deficit) == ((None, 1.0), 1.0)


def test_the_margin_decides():
    assert [picked(HAND, LATENCY, MACS, margin).model for margin in (0, 0.01, 0.02)] == ["slow_best", "twin_b", "fast"]


def test_the_record_is_json():
    record = picked(HAND, LATENCY, MACS).record()
    assert record["deficit_ci"][0] is None and isinstance(record["candidates"], list)
    assert set(record) == set(Pick.__annotations__)
    assert all(type(n) is int for n in record["picked_in_resamples"].values())


@st.composite
def comparisons(draw):
    """Up to five networks with up to three seeds on up to thirty images, and what they cost."""
    images = draw(st.integers(2, 30))
    names = draw(st.lists(st.sampled_from("abcde"), min_size=1, max_size=5, unique=True))
    classes = st.lists(st.integers(0, 2), min_size=images, max_size=images).map(np.array)
    seeds = st.lists(st.integers(0, 2), min_size=1, max_size=3, unique=True)
    runs = {name: {seed: draw(classes) for seed in draw(seeds)} for name in names}
    latency = {name: draw(st.floats(0.5, 2)) for name in names}
    macs = {name: draw(st.integers(1, 3)) for name in names}
    keywords = {
        "truth": draw(classes),
        "margin": draw(st.sampled_from([0.0, 0.01, 0.1, 0.3])),
        "metric": draw(st.sampled_from(["top1", "balanced", "macro_f1"])),
        "resamples": 60,
    }
    return runs, latency, macs, keywords


def plain_rule(mean, latency, macs, margin):
    best = max(mean.values())
    near = [model for model in mean if best - mean[model] <= margin + 1e-9]
    fastest = min(latency[model] for model in near)
    tied = [model for model in near if latency[model] <= 1.05 * fastest]
    fewest = [model for model in tied if macs[model] == min(macs[other] for other in tied)]
    top = max(mean[model] for model in fewest)
    return min(model for model in fewest if mean[model] >= top - 1e-9)


@given(comparisons())
@settings(max_examples=60, deadline=None)
def test_what_must_hold_for_any_data(case):
    runs, latency, macs, keywords = case
    found = picked(runs, latency, macs, **keywords)
    margin = keywords.pop("margin")
    scores = resample(runs, n_classes=3, **keywords)
    mean = dict(zip(scores.models, scores.observed, strict=True))

    assert found.model in found.candidates
    assert found.deficit == pytest.approx(max(mean.values()) - mean[found.model], abs=1e-9)
    assert found.deficit <= margin + 1e-9
    assert 0 <= found.deficit_ci[1] <= 1
    assert all(latency[found.model] <= 1.05 * latency[model] for model in found.candidates)
    assert [latency[model] for model in found.candidates] == sorted(latency[model] for model in found.candidates)
    for model in set(mean) - {found.model}:  # never one that is both clearly dearer and no better
        assert latency[model] * 1.05 >= latency[found.model] or mean[model] < mean[found.model] + 1e-9

    draws = [dict(zip(scores.models, row, strict=True)) for row in scores.draws]
    again = [plain_rule(draw, latency, macs, margin) for draw in draws]
    assert found.picked_in_resamples == {model: again.count(model) for model in set(again)}
    assert sorted(found.picked_in_resamples.values(), reverse=True) == list(found.picked_in_resamples.values())


@given(comparisons(), st.randoms())
@settings(max_examples=40, deadline=None)
def test_order_and_units_do_not_matter(case, random):
    runs, latency, macs, keywords = case
    found = picked(runs, latency, macs, **keywords)
    names = list(runs)
    random.shuffle(names)
    shuffled = {name: dict(sorted(runs[name].items(), key=lambda _: random.random())) for name in names}
    assert picked(shuffled, latency, macs, **keywords) == found
    assert picked(runs, {name: 4 * value for name, value in latency.items()}, macs, **keywords) == found


@given(comparisons())
@settings(max_examples=30, deadline=None)
def test_with_the_widest_margin_cost_alone_decides(case):
    runs, latency, macs, keywords = case
    found = picked(runs, latency, macs, **keywords | {"margin": 1.0})
    assert found.candidates and latency[found.model] <= 1.05 * min(latency.values())
    assert found.picked_in_resamples.get(found.model, 0) > 0 or len(runs) > 1
    assert not math.isnan(found.deficit)
