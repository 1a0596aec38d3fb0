"""The paired bootstrap and the Pareto front, beside independent ways to the same numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import accuracy_score, f1_score, recall_score

from opsin.compare.pareto import pareto_front
from opsin.compare.statistics import _Scorer, bounds, resample
from opsin.errors import OpsinError

TRUTH = np.random.default_rng(5).integers(4, size=400)


def answers(accuracy: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.where(rng.random(len(TRUTH)) < accuracy, TRUTH, (TRUTH + 1) % 4)


def test_an_interval_on_images_is_scipys():
    scores = resample({"a": {0: answers(0.95, 1)}}, TRUTH, 4, resamples=4000)
    found = scores.interval("a")
    right = (answers(0.95, 1) == TRUTH).astype(float)
    oracle = stats.bootstrap([right], np.mean, method="BCa", n_resamples=9999, rng=np.random.default_rng(0))
    interval = oracle.confidence_interval
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=0.003)
    assert found.over == "images"


@pytest.mark.parametrize("metric", ["top1", "balanced", "macro_f1"])
def test_a_draw_is_scored_as_scikit_learn_scores_weights(metric):
    rng = np.random.default_rng(0)
    truth, runs = rng.integers(5, size=60), rng.integers(5, size=(3, 60))
    weights = rng.integers(4, size=(7, 60)).astype(float)
    weights[:, truth == 4] = 0  # a class that the draw left out
    found = _Scorer(truth, runs, np.arange(60), 5, metric)(weights)
    for row, drawn in zip(found, weights, strict=True):
        for value, run in zip(row, runs, strict=True):
            if metric == "top1":
                oracle = accuracy_score(truth, run, sample_weight=drawn)
            else:
                score = recall_score if metric == "balanced" else f1_score
                oracle = score(truth, run, labels=range(4), average="macro", sample_weight=drawn)
            assert value == pytest.approx(oracle)


def test_two_seeds_are_drawn_with_replacement():
    """All right with one seed, all wrong with the other: the mean is 0, 1/2 or 1, in a quarter, half, quarter."""
    scores = resample({"a": {3: TRUTH, 8: (TRUTH + 1) % 4}}, TRUTH, 4)
    values, counts = np.unique(scores.draws[:, 0], return_counts=True)
    assert values.tolist() == [0, 0.5, 1]
    assert counts / 1000 == pytest.approx([0.25, 0.5, 0.25], abs=0.04)
    assert scores.by_seed == {"a": {3: 1.0, 8: 0.0}}
    assert scores.interval("a").over == "images and seeds"


def test_networks_are_paired():
    """The same answers under another name: the difference is 0 in every resample, though the scores vary."""
    runs = {0: answers(0.9, 1), 1: answers(0.8, 2)}
    scores = resample({"a": runs, "b": dict(runs), "c": {0: answers(0.9, 3)}}, TRUTH, 4)
    assert np.ptp(scores.draws[:, 0]) > 0.01
    assert (scores.draws[:, 0] == scores.draws[:, 1]).all()


def test_the_standard_error_of_a_paired_difference():
    a, b = answers(0.9, 1), answers(0.9, 2)
    scores = resample({"a": {0: a}, "b": {0: b}}, TRUTH, 4)
    differences = (a == TRUTH).astype(float) - (b == TRUTH)
    assert np.std(scores.draws[:, 0] - scores.draws[:, 1]) == pytest.approx(differences.std() / 20, rel=0.08)


def test_whole_groups_are_drawn():
    """Ten groups of forty images that are right or wrong together are worth ten images."""
    groups = np.repeat(np.arange(10), 40)
    predicted = np.where(groups < 7, TRUTH, (TRUTH + 1) % 4)
    scores = resample({"a": {0: predicted}}, TRUTH, 4, groups=[f"patient {g}" for g in groups])
    assert (np.round(scores.draws * 10, 6) % 1 == 0).all()
    assert scores.draws.std() == pytest.approx(np.sqrt(0.7 * 0.3 / 10), rel=0.08)
    assert scores.interval("a").over == "images by group"
    assert scores.units == 10 and scores.images == 400


def test_groups_of_unlike_sizes_weigh_by_their_images():
    truth, groups = np.zeros(5, int), np.array([0, 0, 0, 0, 1])
    scores = resample({"a": {0: np.array([0, 0, 0, 0, 1])}}, truth, 2, groups=groups)
    assert set(np.round(scores.draws[:, 0], 6)) == {0.0, 0.8, 1.0}


def test_a_missing_seed_leaves_the_others_alone():
    runs = {seed: answers(0.9, seed) for seed in range(3)}
    both = resample({"a": runs, "b": {1: answers(0.8, 9)}}, TRUTH, 4)
    alone = resample({"a": runs}, TRUTH, 4)
    assert (both.draws[:, 0] == alone.draws[:, 0]).all()
    assert both.observed[1] == pytest.approx(np.mean(answers(0.8, 9) == TRUTH))
    assert both.interval("b").over == "images"
    assert both.interval("a").over == both.over("a", "b") == "images and seeds"


def test_the_same_call_gives_the_same_numbers_in_any_order():
    runs = {"a": {0: answers(0.9, 1), 1: answers(0.9, 2)}, "b": {1: answers(0.8, 4), 0: answers(0.8, 3)}}
    one = resample(runs, TRUTH, 4, "macro_f1")
    two = resample({"b": dict(reversed(runs["b"].items())), "a": runs["a"]}, TRUTH, 4, "macro_f1")
    assert one.models == two.models == ("a", "b")
    assert (one.draws == two.draws).all() and (one.observed == two.observed).all()
    assert (resample(runs, TRUTH, 4, "macro_f1", seed=1).draws != one.draws).any()


def test_memory_blocks_do_not_show(monkeypatch):
    runs = {"a": {0: answers(0.9, 1), 1: answers(0.9, 2)}}
    whole = resample(runs, TRUTH, 4, "balanced", resamples=50)
    monkeypatch.setattr("opsin.compare.statistics._CELLS", 5000)
    assert (resample(runs, TRUTH, 4, "balanced", resamples=50).draws == whole.draws).all()


def test_nothing_missed_is_not_certainty():
    """The exact bound for no miss in 400: with a true accuracy below it, that has a chance of 2.5 %."""
    found = resample({"a": {0: TRUTH}}, TRUTH, 4).interval("a")
    assert (found.low, found.high) == (pytest.approx(stats.binomtest(400, 400).proportion_ci().low), 1.0)
    missed = resample({"a": {0: (TRUTH + 1) % 4}}, TRUTH, 4).interval("a")
    assert (missed.low, missed.high) == (0.0, pytest.approx(1 - found.low))


def test_one_group_says_nothing():
    found = resample({"a": {0: answers(0.9, 1)}}, TRUTH, 4, groups=np.zeros(400)).interval("a")
    assert (found.low, found.high) == (0, 1)


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=50), st.floats(-1, 1))
def test_bounds_keep_their_order_and_stay_inside(draws, observed):
    draws = np.array(draws)
    found = bounds(draws, observed, (0.025, 0.05, 0.5, 0.95, 0.975))
    assert (np.diff(found) >= -1e-12).all()
    if np.ptp(draws) > 1e-9:
        assert draws.min() - 1e-12 <= found.min() and found.max() <= draws.max() + 1e-12


@given(st.data())
@settings(max_examples=40)
def test_an_interval_holds_its_mean(data):
    images, n_classes = data.draw(st.integers(1, 20)), data.draw(st.integers(2, 4))
    classes = st.lists(st.integers(0, n_classes - 1), min_size=images, max_size=images).map(np.array)
    runs = dict(enumerate(data.draw(st.lists(classes, min_size=1, max_size=3))))
    metric = data.draw(st.sampled_from(["top1", "balanced", "macro_f1"]))
    scores = resample({"a": runs}, data.draw(classes), n_classes, metric, resamples=100)
    interval = scores.interval("a")
    assert 0 <= interval.low <= scores.observed[0] <= interval.high <= 1


def test_coverage_is_near_nominal():
    """200 networks of true accuracy 97 % on 400 images of their own: 95 % intervals hold it 182 to 199 times."""
    truth, held = np.zeros(400, int), 0
    for repeat in range(200):
        wrong = (np.random.default_rng(repeat).random(400) < 0.03).astype(int)
        interval = resample({"a": {0: wrong}}, truth, 2, resamples=300, seed=repeat).interval("a")
        held += interval.low <= 0.97 <= interval.high
    assert 182 <= held <= 199


@pytest.mark.parametrize(
    ("predictions", "truth", "groups"),
    [
        ({}, [0, 1], None),
        ({"a": {}}, [0, 1], None),
        ({"a": {0: [0]}}, [0, 1], None),
        ({"a": {0: [0, 2]}}, [0, 1], None),
        ({"a": {0: [0, 1]}}, [0, 1], ["x"]),
    ],
)
def test_what_does_not_fit_is_refused(predictions, truth, groups):
    with pytest.raises(ValueError):
        resample(predictions, np.array(truth), 2, groups=groups)


def test_an_unknown_metric_is_refused():
    with pytest.raises(OpsinError, match="unknown metric 'f1'"):
        resample({"a": {0: TRUTH}}, TRUTH, 4, "f1")


figures = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=12)


@given(figures)
def test_the_front_is_what_nothing_beats(points):
    cost, accuracy = np.array(points, float).reshape(-1, 2).T
    plain = [
        not any(
            c <= cost[i] and a >= accuracy[i] and (c < cost[i] or a > accuracy[i])
            for c, a in zip(cost, accuracy, strict=True)
        )
        for i in range(len(points))
    ]
    assert pareto_front(cost, accuracy).tolist() == plain


def test_the_front_refuses_what_has_no_place():
    for cost, accuracy in (([1, 2], [0.5]), ([1, np.nan], [0.5, 0.6]), ([1, np.inf], [0.5, 0.6])):
        with pytest.raises(ValueError):
            pareto_front(cost, accuracy)


def test_a_gain_is_paired():
    """Two networks that err on nearly the same images: their difference is known far better than either."""
    rng = np.random.default_rng(0)
    truth = np.arange(400) % 4
    wrong = np.where(rng.random(400) < 0.3, (truth + 1) % 4, truth)
    better = np.where(np.arange(400) < 40, truth, wrong)
    found = resample({"a": {0: wrong}, "b": {0: better}}, truth, 4)
    gain, interval = found.gain("b", "a")
    assert gain == pytest.approx(np.mean(better == truth) - np.mean(wrong == truth))
    assert 0 < interval.low < gain < interval.high
    alone = found.interval("b")
    assert interval.high - interval.low < 0.6 * (alone.high - alone.low)
    assert found.gain("a", "a")[0] == 0
