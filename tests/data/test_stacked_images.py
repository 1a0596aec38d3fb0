"""Images that lie in arrays are taken many at once, and give what each gives by itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from opsin.data.cache import materialise
from opsin.data.look import PHOTO, look, look_at
from opsin.data.preprocess import Preprocess
from opsin.data.sources.arrays import stacked
from opsin.data.sources.source import Source
from opsin.data.threads import in_blocks, in_threads


def made(shapes: list[tuple[int, ...]], seed: int = 0) -> Source:
    """Noise in arrays of these shapes, every third image of three channels grey."""
    rng = np.random.default_rng(seed)
    arrays = [rng.integers(0, 256, shape, dtype=np.uint8) for shape in shapes]
    for array in arrays:
        if array.shape[3:] == (3,):
            array[::3] = array[::3, :, :, :1]
    return stacked("noise", None, arrays, [f"part{i}" for i in range(len(arrays))])


SHAPE = st.tuples(st.integers(1, 9), st.integers(1, 8), st.integers(1, 8), st.sampled_from([(), (3,), (4,)])).map(
    lambda drawn: (*drawn[:3], *drawn[3])
)


@settings(max_examples=60, deadline=None)
@given(st.lists(SHAPE, min_size=1, max_size=3), st.integers(0, 99))
def test_a_look_at_many_is_a_look_at_each(shapes, seed):
    source = made(shapes, seed)
    assert look_at(source, workers=1) == [look(source.image(i)) for i in range(len(source))]


@settings(max_examples=60, deadline=None)
@given(st.lists(SHAPE, min_size=1, max_size=3), st.integers(1, 8), st.sampled_from([1, 3]), st.integers(0, 99))
def test_what_needs_no_resizing_is_stored_as_it_is(tmp_path_factory, shapes, size, channels, seed):
    shapes = [(shape[0], size, size, *shape[3:]) if i else shape for i, shape in enumerate(shapes)]
    source, preprocess = made(shapes, seed), Preprocess(size, channels)
    stored = materialise(source, preprocess, tmp_path_factory.mktemp("stored") / "images.npy")
    assert np.array_equal(stored, [preprocess.pixels(source.image(i)) for i in range(len(source))])


def test_where_images_are_taken_together_and_where_not():
    source = made([(5, 4, 4, 3), (5, 4, 4, 3), (5, 4, 4, 4)])
    for rows, together in (([1, 2], True), ([4, 5], False), ([5, 9], True), ([10, 11], False)):
        found = source.stack(np.array(rows))
        assert (found is not None) == together, rows
        if found is not None:
            assert np.array_equal(found, [np.asarray(source.image(i)) for i in rows])
    some = source.take([7, 8, 9])
    assert np.array_equal(some.stack(np.arange(3)), source.stack(np.arange(7, 10)))  # pyright: ignore


@pytest.mark.parametrize(("size", "channels", "resize"), [(5, 3, None), (4, 1, None), (4, 3, 6)])
def test_what_has_to_be_computed_is_not_taken_as_it_is(size, channels, resize):
    assert Preprocess(size, channels, resize=resize).stack(np.zeros((2, 4, 4, 3), np.uint8)) is None


def test_images_of_a_photos_size_are_opened_one_by_one(monkeypatch):
    """They get an outline."""
    source = made([(2, PHOTO, PHOTO, 3)])
    opened = []
    monkeypatch.setattr(type(source.opener), "__call__", lambda self, row: opened.append(row) or Image.new("L", (9, 9)))
    look_at(source)
    assert sorted(opened) == [0, 1]


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 100])
@pytest.mark.parametrize("block", [1, 8, 200])
def test_blocks(n, block):
    told = []
    found = in_blocks(lambda rows: [i * i for i in rows], n, block, lambda *done: told.append(done), workers=3)
    assert list(found) == [i * i for i in range(n)] == list(in_threads(lambda i: i * i, n))
    assert told == [(min(end, n), n) for end in range(block, n + block, block)]
