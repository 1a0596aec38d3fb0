"""The linear probe against scikit-learn's own cross-validation, and what it does with odd parts."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from opsin.engine.probe import STRENGTHS, fit

RNG = np.random.default_rng(3)


def blobs(n, classes=3, dims=6, apart=1.5):
    labels = np.arange(n) % classes
    centres = np.random.default_rng(0).normal(size=(classes, dims)) * apart
    return (centres[labels] + RNG.normal(size=(n, dims)) * [1, 5, 0.1, 1, 1, 1] + 7).astype(np.float32), labels


def test_it_is_scikit_learns_cross_validation():
    x, y = blobs(150)
    found = fit(x, y, 3, (x[:0], y[:0]), folds=3, seed=5)
    scaled = StandardScaler().fit_transform(x)
    folds = StratifiedKFold(3, shuffle=True, random_state=5)
    for strength in STRENGTHS:
        model = LogisticRegression(C=strength, max_iter=2000, tol=1e-8)
        loss = -cross_val_score(model, scaled, y, cv=folds, scoring="neg_log_loss").mean()
        assert found.losses[strength] == pytest.approx(loss, abs=0.003)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=found.strength, max_iter=2000, tol=1e-8)).fit(x, y)
    ours, theirs = found.logits(x), model.decision_function(x)
    np.testing.assert_allclose(ours - ours.mean(1, keepdims=True), theirs - theirs.mean(1, keepdims=True), atol=0.05)
    assert found.how == "3 folds"


def test_many_images_take_the_validation_part():
    x, y = blobs(60)
    found = fit(x, y, 3, blobs(30), folds=0)
    assert found.how == "validation part"
    assert fit(x, y, 3, blobs(30)).how == "5 folds"  # the default for few
    model = make_pipeline(StandardScaler(), LogisticRegression(C=found.strength, max_iter=2000)).fit(x, y)
    assert (model.predict(x) == found.logits(x).argmax(1)).all()


def test_two_classes_and_a_class_without_images():
    x, y = blobs(40, classes=2)
    found = fit(x, 2 * y, 3, (x, 2 * y))
    assert set(found.logits(x).argmax(1)) == {0, 2}
    model = make_pipeline(StandardScaler(), LogisticRegression(C=found.strength, max_iter=2000)).fit(x, y)
    margin = found.logits(x)[:, 2] - found.logits(x)[:, 0]
    np.testing.assert_allclose(margin, model.decision_function(x), atol=0.05)
    assert (fit(x[::2], y[::2], 3, (x, y)).logits(x).argmax(1) == 0).all()  # one class: always that


def test_classes_that_a_fold_has_never_seen_choose_nothing():
    x, y = blobs(60)
    rare_x, rare_y = np.concatenate([x, x[:3] + 40]), np.concatenate([y, [3, 4, 5]])
    found = fit(rare_x, rare_y, 6, (x, y))  # one image each
    assert max(found.losses.values()) < 2  # not the thousand of a class that was never fitted
    assert found.strength == fit(x, y, 3, (x, y)).strength
    each_class_one_group = fit(x, y, 3, (x, y), groups=y.astype(str))
    assert each_class_one_group.how == "validation part"
    assert each_class_one_group.losses == fit(x, y, 3, (x, y), folds=0).losses


def test_fewer_images_of_each_class_than_folds():
    x, y = blobs(12)
    assert fit(x, y, 3, (x, y)).how == "4 folds"
    assert fit(x, y, 3, (x, y), folds=100, groups=np.arange(12)).how == "4 folds"
    assert fit(x[:3], y[:3], 3, (x, y)).how == "validation part"


def test_images_of_a_group_stay_together():
    """Twins that share a label drawn by lot: across folds they would give it away."""
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(80, 200)).astype(np.float32), rng.integers(0, 2, 80)
    x, y, groups = np.repeat(x, 3, 0), np.repeat(y, 3), np.repeat(np.arange(80), 3)
    apart = fit(x, y, 2, (x, y), groups=groups).losses
    assert min(apart.values()) > 0.6  # chance is 0.69
    assert min(fit(x, y, 2, (x, y)).losses.values()) < 0.55


def test_what_never_varies_says_nothing():
    x, y = blobs(60)
    constant = np.concatenate([x, np.full((60, 1), 4, np.float32)], 1)
    found = fit(constant, y, 3, (constant, y))
    assert (found.weight[:, -1] == 0).all()
    np.testing.assert_allclose(found.logits(constant), fit(x, y, 3, (x, y)).logits(x), rtol=1e-6)
    faint = fit(x * np.float32(2**-30), y, 3, (x, y))  # as in a network whose signals fade
    np.testing.assert_allclose(faint.logits(x * 2.0**-30), fit(x, y, 3, (x, y)).logits(x), rtol=1e-6)
