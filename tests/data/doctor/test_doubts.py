"""Doubted labels: the closed form against plain refits, the rule against a plain loop, planted noise on digits."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from opsin.data.doctor import doubts, patches
from opsin.data.scan import scan
from opsin.data.sources import load


def test_left_out_is_what_a_fit_without_the_unit_predicts():
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(40, 6)).astype(np.float32), rng.integers(0, 3, 40)
    unit = np.append(np.arange(36), [3, 3, 7, 20])
    far = ((features[:, None] - features[None]) ** 2).sum(-1)
    kernel = np.exp(-doubts.WIDTH / np.median(far) * far)
    share = np.bincount(labels) / 40
    targets = np.eye(3)[labels] - share
    plain = np.empty((40, 3))
    for u in range(36):
        out, fit = unit == u, unit != u
        weights = np.linalg.solve(kernel[np.ix_(fit, fit)] + doubts.RIDGE * np.eye(fit.sum()), targets[fit])
        plain[out] = kernel[np.ix_(out, fit)] @ weights + share
    found = doubts.left_out(features, labels, unit, 3)
    np.testing.assert_allclose(found, plain, atol=2e-4)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 50), st.integers(0, 99))
def test_blocks_hold_each_image_once_and_units_whole(n, n_units, size, seed):
    unit = np.random.default_rng(seed).integers(0, n_units, n)
    unit = np.unique(unit, return_inverse=True)[1]
    found = list(doubts.blocks(unit, size))
    assert sorted(np.concatenate(found).tolist()) == list(range(n))
    assert all(len(set(found[k]) & set(np.flatnonzero(np.isin(unit, unit[found[j]])))) == 0
               for k in range(min(len(found), 4)) for j in range(k))  # fmt: skip
    assert max(map(len, found)) <= size + np.bincount(unit).max()


def test_the_rule_of_confident_learning():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 4, 200)
    answers = 0.7 * np.eye(4)[labels] + rng.normal(0, 0.3, (200, 4))
    found = doubts.judged(np.arange(200), labels, answers)
    tried = [np.exp(s * answers) / np.exp(s * answers).sum(1, keepdims=True) for s in doubts.SHARPNESS]
    likely = min(tried, key=lambda p: sum(-np.log(p[i, c]) for i, c in enumerate(labels)))
    usual = [likely[labels == c, c].mean() for c in range(4)]
    expected = {}
    for i, own in enumerate(labels):
        others = [c for c in range(4) if c != own and likely[i, c] >= usual[c] and likely[i, c] > likely[i, own]]
        if others and likely[i, own] < usual[own]:
            expected[i] = max(others, key=lambda c: likely[i, c])
    assert dict(zip(found.rows.tolist(), found.believed.tolist(), strict=True)) == expected and len(expected) > 5
    margins = found.sure[:, 1] - found.sure[:, 0]
    assert (np.diff(margins) >= 0).all() and (margins < 0).all()


def test_planted_noise_on_digits():
    scanned = scan(load("digits"))
    rng, labels = np.random.default_rng(3), scanned.source.labels.copy()
    wrong = rng.choice(len(labels), 90, replace=False)
    labels[wrong] = (labels[wrong] + rng.integers(1, 10, 90)) % 10
    found = doubts.find_doubts(replace(scanned, source=replace(scanned.source, labels=labels)))
    planted = np.isin(found.rows, wrong)
    assert planted[:45].all() and planted[:90].mean() >= 0.9 and planted.sum() >= 75
    assert (found.believed == scanned.source.labels[found.rows])[planted].mean() >= 0.9
    assert found.looked_at == 1797 and found.accuracy > 0.9


def test_copies_do_not_vouch_for_each_other():
    scanned = scan(load("digits").take(np.arange(400)))
    source, wrong = scanned.source, 5
    twice = np.append(np.arange(400), [wrong, wrong])
    labels = source.labels[twice]
    labels[[wrong, 400, 401]] = (source.labels[wrong] + 1) % 10
    copied = scan(replace(source.take(twice), ids=tuple(map(str, range(402))), labels=labels))
    assert {wrong, 400, 401} <= set(doubts.find_doubts(copied).rows.tolist())


def test_features_do_not_depend_on_brightness_and_are_the_same_each_time():
    images = np.random.default_rng(0).integers(0, 100, (30, 3, 20, 20)).astype(np.uint8)
    first = patches.seen(images)
    assert first.shape == (30, 8 * patches.KNOWN) and (patches.seen(images) == first).all()
    np.testing.assert_allclose(patches.seen(images + np.uint8(100)), first, atol=1e-3)
    np.testing.assert_allclose(first.mean(0), 0, atol=1e-5)


def test_images_without_any_contrast_are_no_trouble():
    assert np.isfinite(patches.seen(np.full((20, 1, 16, 16), 7, np.uint8))).all()
