"""Images stored and images decoded in their turn are the same; a set of any size takes bounded memory."""

import threading
import time

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from opsin.data.counted import epoch_order
from opsin.data.images import BadImage
from opsin.data.preprocess import Preprocess
from opsin.data.sampler import class_weights, visits
from opsin.data.sources import load
from opsin.data.store import AHEAD, Decoded, Stored, decode

BATCHES = [np.array([3, 1]), np.array([0]), np.array([5, 5, 2])]


@pytest.fixture
def source(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(6):
        path = tmp_path / ("a", "b")[i % 2] / f"{i}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (9 + i, 12, 3), dtype=np.uint8)).save(path)
    return load(tmp_path)


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_decoded_in_turn_or_before_they_are_the_same(source, workers):
    preprocess = Preprocess(8, 3)
    stored = Stored(np.stack([preprocess.pixels(source.image(i)) for i in range(6)]))
    decoded = Decoded(source, preprocess, workers)
    assert stored.shape == decoded.shape == (6, 3, 8, 8)
    for a, b in zip(stored.batches(BATCHES), decoded.batches(BATCHES), strict=True):
        assert a.dtype == b.dtype == torch.uint8 and torch.equal(a, b)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_file_that_was_damaged_meanwhile_is_named(source, workers):
    (source.path / source.ids[2]).write_bytes(b"")
    with pytest.raises(BadImage, match=source.ids[2]):
        list(Decoded(source, Preprocess(8, 3), workers).batches(BATCHES))


def test_no_more_than_two_batches_are_decoded_ahead():
    begun, lock = [], threading.Lock()

    def one(i):
        with lock:
            begun.append(i)
        return np.zeros((1, 1, 1), np.uint8)

    batches = decode(([4 * k + i for i in range(4)] for k in range(50)), one, 2)
    next(batches)
    before = -1
    while before != len(begun):  # until the threads have nothing to do
        before = len(begun)
        time.sleep(0.05)
    assert len(begun) == 4 * (1 + AHEAD)
    batches.close()
    time.sleep(0.05)
    assert len(begun) == 4 * (1 + AHEAD)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(0, 5))
def test_balanced_visits_have_every_class_equally_often(labels, epoch):
    labels = np.array(labels)
    rows = np.arange(100, 100 + len(labels))
    order = visits(7, epoch, rows, labels)
    assert len(order) == len(rows) and set(order) <= set(rows)
    counts = np.bincount(labels[order - 100], minlength=4)[np.unique(labels)]
    assert counts.max() - counts.min() <= 1
    assert np.array_equal(order, visits(7, epoch, rows, labels))


def test_balanced_visits_come_to_every_image_of_a_large_class():
    labels = np.array([0] * 90 + [1] * 10)
    orders = [visits(1, epoch, np.arange(100), labels) for epoch in range(4)]
    assert set(np.concatenate(orders)) == set(range(100))
    assert all(np.bincount(order, minlength=100)[90:].min() >= 5 for order in orders)


def test_plain_visits_are_a_permutation():
    rows = np.array([4, 9, 2])
    assert np.array_equal(visits(1, 2, rows), rows[epoch_order(1, 2, 3)])


def test_class_weights_by_hand():
    assert class_weights(np.array([0, 0, 0, 1]), 3) == pytest.approx((4 / 6, 2.0, 0.0))
