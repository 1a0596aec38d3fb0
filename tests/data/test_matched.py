"""Which part of the images is meant, and classes matched by name."""

import unicodedata
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsin.data.matched import match, take_part
from opsin.data.scan import scan
from opsin.data.sources import Source
from opsin.data.sources.arrays import Stacked
from opsin.data.split import divide
from opsin.errors import OpsinError


def made(n=40, classes=("a", "b"), parts=None):
    labels = np.arange(n) % len(classes)
    pixels = np.random.default_rng(0).integers(0, 256, (n, 4, 4)).astype(np.uint8)
    return Source("made", None, classes, labels, tuple(f"{i}" for i in range(n)), parts, opener=Stacked([pixels]))


@given(st.permutations(["ä", "b", "10", "2", "É"]), st.permutations(["ä", "b", "10", "2"]), st.integers(0, 2**32))
def test_classes_are_matched_by_name(known, here, seed):
    forms = np.random.default_rng(seed).choice(["NFC", "NFD"], size=9)
    classes = tuple(unicodedata.normalize(forms[k], name) for k, name in enumerate(known))
    source = made(13, tuple(unicodedata.normalize(forms[5 + k], name) for k, name in enumerate(here)))
    taken, truth, notes = match(source, classes, "net")
    assert taken.ids == source.ids
    assert [known[k] for k in truth] == [here[k] for k in source.labels]
    assert notes == ["1 of the network's 5 classes has no image here: " + classes[known.index("É")]]


def test_a_class_that_the_network_does_not_know():
    source = made(6, ("a", "b", "eel\x1b"))
    with pytest.raises(OpsinError, match=r"net does not know eel\\x1b, classes of made; it knows b, a"):
        match(source, ("b", "a"), "net")
    taken, truth, notes = match(source, ("b", "a"), "net", ignore_unknown=True)
    assert (taken.ids, truth.tolist()) == (("0", "1", "3", "4"), [1, 0, 1, 0])
    assert notes == ["left out, since the network does not know their classes: 2 images of eel\\x1b"]
    with pytest.raises(OpsinError, match="net knows none of the classes of made"):
        match(source, ("x", "y"), "net", ignore_unknown=True)


def test_undivided_images_are_all_taken_unless_they_are_those_of_training():
    source = made()
    for trained in (None, "another"):
        taken, part, notes, _ = take_part(source, None, trained)
        assert (len(taken), part, notes) == (40, "all", [])
        with pytest.raises(OpsinError, match="made is not divided"):
            take_part(source, "test", trained)
    scanned = scan(source)
    split = divide(scanned)
    for asked, meant in ((None, "test"), ("test", "test"), ("val", "val"), ("train", "train")):
        taken, part, notes, _ = take_part(source, asked, scanned.fingerprint)
        assert part == meant
        assert taken.ids == tuple(source.ids[i] for i in split.rows(meant))
        assert len(notes) == 1
    taken, part, (note,), _ = take_part(source, "all", scanned.fingerprint)
    assert (len(taken), part) == (40, "all")
    assert "24 trained it and 8 selected it" in note


def test_images_are_divided_as_they_were_for_training():
    source, split = made(60), {"groups": r"^(\d)", "val": 0.4}
    alike = replace(source, groups=tuple(name[0] for name in source.ids))
    scanned = scan(alike)
    for asked in ("val", "test"):
        taken, part, notes, _ = take_part(source, asked, scanned.fingerprint, split)
        assert (part, len(notes)) == (asked, 1)
        assert taken.ids == tuple(source.ids[i] for i in divide(scanned, val=0.4).rows(asked))
    assert len(divide(scanned, val=0.4).rows("val")) > len(divide(scanned).rows("val"))
    assert take_part(source, None, "another", {"groups": "x"})[0].groups is None


def test_divided_images():
    source = made(parts=("train",) * 30 + ("test",) * 10)
    for asked, n in ((None, 10), ("test", 10), ("train", 30), ("all", 40)):
        assert len(take_part(source, asked, "another")[0]) == n
    with pytest.raises(OpsinError, match="made has no val part: take train and test, or all"):
        take_part(source, "val", "another")
    with pytest.raises(OpsinError, match="did you mean test"):
        take_part(source, "tests", None)
    validated, part, (note,), _ = take_part(source, "val", scan(source).fingerprint)  # split off train
    assert (len(validated), part) == (6, "val")
    assert "this part selected it" in note
