"""The metrics beside scikit-learn's and torchmetrics'."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn import metrics as sk
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_f1_score

from opsin.errors import OpsinError
from opsin.tasks import metrics


@st.composite
def answers(draw):
    n_classes = draw(st.integers(2, 6))
    images = draw(st.integers(1, 30))
    classes = st.lists(st.integers(0, n_classes - 1), min_size=images, max_size=images)
    return np.array(draw(classes)), np.array(draw(classes)), n_classes


@given(answers())
def test_scikit_learn_agrees(case):
    truth, predicted, n_classes = case
    present = np.unique(truth)
    found = metrics.scores(truth, predicted, n_classes)
    assert found["top1"] == pytest.approx(sk.accuracy_score(truth, predicted))
    assert found["balanced"] == pytest.approx(sk.recall_score(truth, predicted, labels=present, average="macro"))
    f1 = sk.f1_score(truth, predicted, labels=present, average="macro", zero_division=0)
    assert found["macro_f1"] == pytest.approx(f1)
    matrix = sk.confusion_matrix(truth, predicted, labels=range(n_classes))
    assert (metrics.confusion(truth, predicted, n_classes) == matrix).all()


def test_torchmetrics_agrees():
    rng = np.random.default_rng(0)
    truth = np.concatenate([np.arange(7), rng.integers(7, size=200)])
    predicted = np.where(rng.random(207) < 0.7, truth, rng.integers(7, size=207))
    found = metrics.scores(truth, predicted, 7)
    pair = torch.tensor(predicted), torch.tensor(truth)
    assert found["top1"] == pytest.approx(float(multiclass_accuracy(*pair, 7, average="micro")))
    assert found["balanced"] == pytest.approx(float(multiclass_accuracy(*pair, 7, average="macro")))
    assert found["macro_f1"] == pytest.approx(float(multiclass_f1_score(*pair, 7, average="macro")))


@given(answers())
def test_figures_by_class_are_scikit_learns(case):
    truth, predicted, n_classes = case
    precision, recall, f1, support = sk.precision_recall_fscore_support(
        truth, predicted, labels=range(n_classes), zero_division=np.nan
    )
    for k, found in enumerate(metrics.by_class(metrics.confusion(truth, predicted, n_classes))):
        assert found.support == support[k]
        if not found.support:
            assert (found.precision, found.recall, found.f1) == (None, None, None)
            continue
        assert (found.recall, found.f1) == pytest.approx((recall[k], f1[k]))
        assert found.precision is None if np.isnan(precision[k]) else found.precision == pytest.approx(precision[k])


@pytest.mark.parametrize(("hits", "n"), [(0, 7), (7, 7), (3, 10), (498, 500), (1, 1)])
def test_wilson_is_scipys(hits, n):
    theirs = binomtest(hits, n).proportion_ci(method="wilson")
    assert metrics.wilson(hits, n) == pytest.approx((theirs.low, theirs.high))


def test_by_hand():
    """Class 0: 2 of 3 found, class 1: 1 of 1, class 2 absent from the truth but named once."""
    found = metrics.scores(np.array([0, 0, 0, 1]), np.array([0, 0, 2, 1]), 3)
    assert found == pytest.approx({"top1": 3 / 4, "balanced": (2 / 3 + 1) / 2, "macro_f1": (4 / 5 + 1) / 2})


def test_stacked_and_weighted_counts():
    counts = np.array([[[2, 1], [0, 1]], [[4, 2], [0, 2]]])
    assert metrics.of_confusion("top1", counts) == pytest.approx([0.75, 0.75])
    assert metrics.of_confusion("macro_f1", counts / 3).shape == (2,)


def test_unknown_metric_has_its_neighbours_named():
    with pytest.raises(OpsinError, match="did you mean balanced"):
        metrics.of_confusion("balance", np.eye(2))


@pytest.mark.parametrize(
    ("truth", "predicted"),
    [([], []), ([0, 1], [0]), ([0, 2], [0, 1]), ([0, 1], [-1, 1]), ([0.0, 1.0], [0, 1])],
)
def test_what_does_not_fit_is_refused(truth, predicted):
    with pytest.raises(ValueError):
        metrics.confusion(np.array(truth), np.array(predicted, int), 2)
