"""Log loss, Brier score and calibration error beside scikit-learn's and torchmetrics'."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk
from torch.nn.functional import cross_entropy
from torchmetrics.functional.classification import multiclass_calibration_error

from opsin.tasks import calibration


def drawn(n, classes, scale, seed):
    draw = np.random.default_rng(seed)
    logits = (scale * draw.normal(size=(n, classes))).astype(np.float32)
    return logits, draw.integers(classes, size=n)


def softmax(logits):
    return torch.from_numpy(logits).double().softmax(1).numpy()


@given(st.integers(1, 40), st.integers(2, 7), st.floats(0, 8), st.integers(0, 2**32))
def test_scores_are_scikit_learns(n, classes, scale, seed):
    logits, truth = drawn(n, classes, scale, seed)
    chances, labels = softmax(logits), range(classes)
    loss = calibration.log_losses(logits, truth).mean()
    assert loss == pytest.approx(cross_entropy(torch.from_numpy(logits).double(), torch.from_numpy(truth)).item())
    if chances.min() > np.finfo(float).eps:  # scikit-learn cuts smaller ones off
        assert loss == pytest.approx(sk.log_loss(truth, chances, labels=labels))
    one_hot = np.eye(classes)[truth]
    assert calibration.brier_scores(logits, truth).mean() == pytest.approx(((chances - one_hot) ** 2).sum(1).mean())
    if classes > 2:
        theirs = sk.brier_score_loss(truth, chances, labels=labels)
        assert calibration.brier_scores(logits, truth).mean() == pytest.approx(theirs)


@given(st.integers(1, 60), st.integers(2, 7), st.floats(0.5, 2), st.integers(0, 2**32))
def test_calibration_error_is_torchmetrics(n, classes, scale, seed):
    """Whose bins hold their lower ends instead of their upper ones, and 1.0 by itself: no probability lies there."""
    logits, truth = drawn(n, classes, scale, seed)
    best, chances = calibration.likeliest(logits, 1)
    bins = calibration.reliability(chances[:, 0], best[:, 0] == truth)
    pair = torch.from_numpy(softmax(logits)), torch.from_numpy(truth)
    theirs = multiclass_calibration_error(*pair, classes, n_bins=calibration.BINS)
    assert calibration.calibration_error(bins) == pytest.approx(float(theirs), abs=1e-6)
    assert sum(each.n for each in bins) == n
    assert all(each.low < each.confidence <= each.high for each in bins if each.confidence is not None)


def test_likeliest_is_topk():
    logits, _ = drawn(50, 9, 2.0, 0)
    chances, classes = torch.from_numpy(logits).double().softmax(1).topk(5)
    found, theirs = calibration.likeliest(logits, 5)
    assert (found == classes.numpy()).all()
    assert theirs == pytest.approx(chances.numpy())


def test_of_equal_logits_the_lower_class_stands_first():
    classes, chances = calibration.likeliest(np.ones((2, 4), np.float32), 3)
    assert classes.tolist() == [[0, 1, 2]] * 2
    assert chances == pytest.approx(np.full((2, 3), 0.25))


def test_logits_too_large_for_a_probability():
    """The right class has a probability of e^-2000, which is 0 as a number; its logarithm is not."""
    losses = calibration.log_losses(np.array([[0, 2000]], np.float32), np.array([0]))
    assert losses.tolist() == [2000.0]
    assert calibration.brier_scores(np.array([[0, 2000]], np.float32), np.array([0])).tolist() == [2.0]


def test_large_arrays_are_scored_in_parts(monkeypatch):
    logits, truth = drawn(33, 4, 3.0, 1)
    whole = calibration.log_losses(logits, truth)
    monkeypatch.setattr(calibration, "_CELLS", 40)
    assert (calibration.log_losses(logits, truth) == whole).all()
    assert (calibration.likeliest(logits, 1)[0][:, 0] == logits.argmax(1)).all()


@pytest.mark.parametrize("n", [200, 5000])
def test_error_by_chance_is_what_a_calibrated_network_shows(n):
    draw = np.random.default_rng(0)
    confidence = draw.uniform(0.2, 1, n)
    simulated = [
        calibration.calibration_error(calibration.reliability(confidence, draw.random(n) < confidence))
        for _ in range(400)
    ]
    assert calibration.error_by_chance(confidence) == pytest.approx(np.mean(simulated), rel=0.05)


def test_an_empty_bin_has_no_figures():
    first, *rest = calibration.reliability(np.array([0.0, 0.02]), np.array([True, False]))
    assert (first.n, first.confidence, first.accuracy) == (2, 0.01, 0.5)
    assert {(each.n, each.confidence, each.accuracy) for each in rest} == {(0, None, None)}
    assert math.isclose(rest[-1].high, 1)
