"""The baselines on real digits, and beside scikit-learn's own kernel."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.svm import SVC

from opsin.compare.baselines import LOGISTIC, MAJORITY, SVM, Part, run_baselines


def digits() -> list[Part]:
    data = load_digits()
    images, order = (data.images / 16 * 255).astype(np.uint8)[:, None], np.random.default_rng(0).permutation(1797)
    cuts = order[:1077], order[1077:1437], order[1437:]
    return [Part(images[part], data.target[part]) for part in cuts]


@pytest.fixture(scope="module")
def rows():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return {row.name: row for row in run_baselines(*digits(), n_classes=10)}


def test_what_the_field_could_do_before_2012(rows):
    assert list(rows) == [MAJORITY, LOGISTIC, SVM]
    assert rows[MAJORITY].top1 < 0.15 and rows[MAJORITY].balanced == pytest.approx(0.1)
    assert 0.94 < rows[LOGISTIC].top1 < rows[SVM].top1
    assert rows[SVM].top1 >= 0.98 and rows[SVM].macro_f1 >= 0.98
    assert rows[SVM].seconds < 10


def test_figures_are_those_of_the_predictions(rows):
    test = digits()[2]
    for row in rows.values():
        assert row.top1 == pytest.approx(np.mean(row.predictions == test.labels))
        assert row.top1_ci[0] < row.top1 < row.top1_ci[1]
        assert row.record() == {key: getattr(row, key) for key in row.record()} | {"top1_ci": list(row.top1_ci)}


def test_the_kernel_is_scikit_learns(rows):
    train, _, test = digits()
    mean, deviation = train.images.mean(), train.images.std()
    x, x_test = [(part.images.reshape(-1, 64) - mean) / deviation for part in (train, test)]
    oracle = SVC(C=rows[SVM].chosen["C"], gamma=rows[SVM].chosen["gamma"]).fit(x, train.labels)
    assert np.mean(oracle.predict(x_test) != rows[SVM].predictions) <= 1 / 360


def test_settings_are_chosen_on_validation_alone(rows):
    """Other labels on the test part change no prediction there."""
    train, val, test = digits()
    turned = Part(test.images, (test.labels + 1) % 10)
    for row in run_baselines(train, val, turned, n_classes=10):
        assert (row.predictions == rows[row.name].predictions).all()
        assert row.name == MAJORITY or row.top1 < 0.1


def test_groups_widen_the_interval():
    rng = np.random.default_rng(0)
    labels = np.repeat(rng.integers(2, size=20), 20)
    images = rng.integers(256, size=(400, 3, 4, 4), dtype=np.uint8)
    parts = [Part(images, labels)] * 3
    alone, grouped = (run_baselines(*parts, n_classes=2, groups=g)[0] for g in (None, np.repeat(np.arange(20), 20)))
    assert np.diff(grouped.top1_ci) > 2 * np.diff(alone.top1_ci)


def test_many_images_are_skipped_in_words():
    train = Part(np.zeros((5001, 1, 2, 2), np.uint8), np.arange(5001) % 2)
    few = Part(np.zeros((4, 1, 2, 2), np.uint8), np.arange(4) % 2)
    majority, *learners = run_baselines(train, few, few, n_classes=2)
    assert (majority.status, majority.top1) == ("ok", 0.5)
    for row in learners:
        assert row.status == "skipped: more than 5,000 training images"
        assert row.record()["top1"] is row.record()["top1_ci"] is row.predictions is None


def test_plain_images_do_not_stop_it():
    """All pixels alike: no deviation to divide by."""
    plain = Part(np.full((6, 1, 2, 2), 7, np.uint8), np.array([0, 0, 1, 1, 1, 2]))
    assert [row.top1 for row in run_baselines(plain, plain, plain, n_classes=3)] == [0.5] * 3


@pytest.mark.parametrize(
    ("shape", "kind", "labels"),
    [
        ((2, 1, 33, 33), np.uint8, 2),
        ((2, 1, 8, 8), np.float32, 2),
        ((2, 8, 8), np.uint8, 2),
        ((2, 1, 8, 8), np.uint8, 3),
    ],
)
def test_what_does_not_fit_is_refused(shape, kind, labels):
    part = Part(np.zeros(shape, kind), np.arange(labels) % 2)
    with pytest.raises(ValueError):
        run_baselines(part, part, part, n_classes=2)
