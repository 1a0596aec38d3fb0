"""The division of a source: what always holds, over many label distributions, groups and duplicates."""

import hashlib
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from opsin.data.scan import scan
from opsin.data.sources import PARTS, load
from opsin.data.split import divide, split
from opsin.errors import OpsinError

counts = st.lists(st.integers(3, 60), min_size=2, max_size=12)
seeds = st.integers(0, 2**63)


def labels_of(counts, seed=0):
    labels = np.repeat(np.arange(len(counts)), counts)
    return np.random.default_rng(seed).permutation(labels), [f"class{c}" for c in range(len(counts))]


def share(parts, chosen=None):
    return [int(np.sum((parts == part) & (True if chosen is None else chosen))) for part in PARTS]


@given(counts, seeds)
def test_stratified_to_within_one_image(counts, seed):
    labels, classes = labels_of(counts)
    parts = split(labels, classes, seed=seed)
    for c, count in enumerate(counts):
        found = share(parts, labels == c)
        assert min(found) >= 1
        assert all(abs(n - count * f) < 1 for n, f in zip(found, (0.6, 0.2, 0.2), strict=True))
    if min(counts) >= 5:
        assert all(abs(n - sum(counts) * f) <= 1.5 for n, f in zip(share(parts), (0.6, 0.2, 0.2), strict=True))


@given(counts, seeds, st.tuples(st.integers(2, 8), st.integers(1, 3), st.integers(1, 3)))
def test_other_fractions(counts, seed, weights):
    fractions = tuple(w / sum(weights) for w in weights)
    labels, classes = labels_of([count + 12 for count in counts])
    parts = split(labels, classes, seed=seed, fractions=fractions)
    for c in range(len(counts)):
        mine = labels == c
        assert all(abs(n - mine.sum() * f) < 1 for n, f in zip(share(parts, mine), fractions, strict=True))


def test_deterministic_and_by_seed():
    labels, classes = labels_of([100] * 5)
    first = split(labels, classes, seed=3)
    assert (split(labels, classes, seed=3) == first).all()
    assert (split(labels, classes, seed=4) != first).sum() > 100


def test_the_same_on_every_platform():
    labels, classes = labels_of([40, 25, 12])
    groups = [f"g{i % 31}" for i in range(77)]
    found = "".join(part[1] for part in [*split(np.sort(labels), classes, seed=5)])
    grouped = "".join(part[1] for part in [*split(np.arange(77) % 3, classes, groups=groups, seed=5)])
    digest = hashlib.sha256(f"{found} {grouped}".encode()).hexdigest()
    assert digest == "458f6e70f4440944e2c95119f01441f689e6700e5e6c8b7ff0a05b0cc687cb2a"


def test_every_image_is_as_likely_in_test():
    labels = np.zeros(60, dtype=int)
    labels[30:] = 1
    n = 400
    often = sum((split(labels, ["a", "b"], seed=seed) == "test").astype(int) for seed in range(n))
    assert np.abs((often / n - 0.2) / np.sqrt(0.2 * 0.8 / n)).max() < 4.5


@st.composite
def bound(draw):
    """Labels, groups and duplicates of classes that are large enough for their groups."""
    n_classes = draw(st.integers(2, 5))
    labels, groups = [], []
    for c in range(n_classes):
        for g in range(draw(st.integers(4, 10))):
            size = draw(st.integers(1, 6))
            labels += [c] * size
            groups += [f"{c}.{g}" if draw(st.booleans()) else f"{c}.{g}.{i}" for i in range(size)]
    n = len(labels)
    duplicates = draw(st.lists(st.lists(st.integers(0, n - 1), min_size=2, max_size=3, unique=True), max_size=3))
    return np.array(labels), groups, duplicates


@given(bound(), seeds)
def test_groups_and_duplicates_stay_together(case, seed):
    labels, groups, duplicates = case
    classes = [f"c{c}" for c in range(labels.max() + 1)]
    try:
        parts = split(labels, classes, groups=groups, duplicates=duplicates, seed=seed)
    except OpsinError as error:
        assert (duplicates and "keep groups" in str(error)) or "too few" in str(error)
        return
    of_group = {}
    for group, part in zip(groups, parts, strict=True):
        assert of_group.setdefault(group, part) == part
    for same in duplicates:
        assert len({parts[i] for i in same}) == 1
    for c in range(len(classes)):
        assert min(share(parts, labels == c)) >= 1


@given(st.lists(st.integers(1, 8), min_size=15, max_size=40), seeds)
def test_groups_keep_the_proportions(sizes, seed):
    """Each group has images of both classes, as patients with both eyes have."""
    labels = np.concatenate([np.arange(size) % 2 for size in sizes] + [np.array([0, 1])] * 3)
    groups = [f"g{g}" for g, size in enumerate([*sizes, 2, 2, 2]) for _ in range(size)]
    parts = split(labels, ["a", "b"], groups=groups, seed=seed)
    for found, want in zip(share(parts), (0.6, 0.2, 0.2), strict=True):
        assert abs(found - want * len(labels)) <= 8


def test_chains_of_groups_and_duplicates():
    labels = np.zeros(40, dtype=int)
    labels[20:] = 1
    groups = [f"g{i}" for i in range(40)]
    groups[3] = groups[25] = "x"
    parts = split(labels, ["a", "b"], groups=groups, duplicates=[(1, 3), (25, 39), (39, 20)])
    assert len({parts[i] for i in (1, 3, 25, 39, 20)}) == 1


def test_largest_groups_are_not_always_in_train():
    labels = np.arange(300) % 2
    groups = ["large"] * 40 + [f"g{i // 4}" for i in range(260)]
    found = Counter(split(labels, ["a", "b"], groups=groups, seed=seed)[0] for seed in range(60))
    assert found["train"] < 60


def test_too_small_classes_are_listed():
    labels = np.array([0] * 9 + [1] * 2 + [2] * 1 + [3] * 3)
    with pytest.raises(OpsinError, match=r"train, val and test: b \(2 images\), c \(1 image\); .* at least 3"):
        split(labels, ["a", "b", "c", "d"])


def test_too_few_groups_are_listed():
    labels = np.array([0] * 9 + [1] * 9)
    groups = [f"a{i}" for i in range(9)] + ["b0"] * 5 + ["b1"] * 4
    with pytest.raises(OpsinError, match=r"b \(9 images in 2 groups or sets of identical ones\)"):
        split(labels, ["a", "b"], groups=groups)
    with pytest.raises(OpsinError, match=r"a \(3 images in 2 groups"):
        split(np.array([0] * 3 + [1] * 5), ["a", "b"], duplicates=[(0, 2)])


def test_no_division():
    """Class a is in groups 1 2 3, b in 1 2 4, c in 3 4 5: so 3 and 4 share a part by a and b, and must not by c."""
    labels = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2])
    with pytest.raises(OpsinError, match=r"found no way .* missed a part: a|b|c"):
        split(labels, ["a", "b", "c"], groups=list("123124345"))
    assert set(split(labels, ["a", "b", "c"], groups=list("123124356"))) == set(PARTS)


def test_validation_is_split_off_train():
    labels, classes = labels_of([50, 30, 20])
    given = np.where(np.arange(100) % 4 == 0, "test", "train")
    parts = split(labels, classes, parts=tuple(given), seed=1)
    assert ((parts == "test") == (given == "test")).all()
    for c in range(3):
        train, val, _ = share(parts, labels == c)
        assert abs(val - 0.2 * (train + val)) < 1
    with pytest.raises(OpsinError, match=r"train and val: b \(1 image\)"):
        split(np.array([0, 0, 0, 1, 0, 1]), ["a", "b"], parts=["train"] * 4 + ["test"] * 2)


def test_given_parts_are_the_answer():
    given = ("train", "val", "test", "train")
    assert tuple(split(np.array([0, 0, 0, 1]), ["a", "b"], parts=given)) == given


def test_divide_digits():
    division = divide(scan(load("digits")))
    assert [len(division.rows(part)) for part in PARTS] == [1078, 360, 359]
    assert (division.how, division.notes, division.duplicates) == ("60/20/20, stratified, seed 0", (), ())


def copy(folder, source, target):
    with Image.open(folder / source) as image:
        image.save(folder / target)


def test_divide_keeps_duplicates_together_and_says_so(draw):
    folder = draw(*[f"{c}/{i}.png" for c in "ab" for i in range(8)])
    copy(folder, "a/1.png", "a/one.bmp")
    copy(folder, "a/2.png", "b/two.png")
    division = divide(scan(load(folder)))
    assert division.duplicates == (("a/1.png", "a/one.bmp"), ("a/2.png", "b/two.png"))
    parts = dict(zip(load(folder).ids, division.parts, strict=True))
    assert parts["a/1.png"] == parts["a/one.bmp"] and parts["a/2.png"] == parts["b/two.png"]
    assert division.notes == (
        "identical images, kept in one part (2 sets): a/1.png = a/one.bmp, a/2.png = b/two.png",
        "identical images of different classes (1 set): a/2.png (a) = b/two.png (b)",
    )


@pytest.mark.parametrize("others", [["test"], ["val"], ["val", "test"]])
def test_duplicates_across_given_parts_stop(draw, others):
    folder = draw(*[f"{part}/{c}/{i}.png" for part in ["train", *others] for c in "ab" for i in range(4)])
    division = divide(scan(load(folder)))
    assert division.how == (
        "parts as given"
        if len(others) == 2
        else f"test is the folder {others[0]}; 20 % of train validate, stratified, seed 0"
    )
    for i in range(4):
        for c in "ab":
            for d in "xyz":
                copy(folder, f"train/{c}/{i}.png", f"{others[-1]}/{c}/{d}{i}.png")
    with pytest.raises(OpsinError, match=r"different parts of .* \(8 sets\); keep one of each: train/a/0\.png = ") as e:
        divide(scan(load(folder)))
    assert "\n" not in str(e.value)


def test_duplicates_inside_a_given_part_do_not(draw):
    folder = draw(*[f"{part}/{c}/{i}.png" for part in ["train", "test"] for c in "ab" for i in range(4)])
    copy(folder, "test/a/0.png", "test/b/zero.png")
    assert "different classes" in divide(scan(load(folder))).notes[-1]


def test_groups_across_given_parts_stop(draw):
    folder = draw(*[f"{path}{i}.png" for path in ("train/a/p", "train/b/p") for i in (0, 1)])
    draw(*[f"{path}{i}.png" for path in ("test/a/p", "test/b/p") for i in (3, 4)])
    assert "groups kept together" in divide(scan(load(folder, groups=r"p\d"))).how
    draw("test/a/p0.png")
    with pytest.raises(OpsinError, match=r"groups stand in different parts .* p0 \(train and test\)"):
        divide(scan(load(folder, groups=r"p\d")))


def test_left_out_images_are_noted(draw):
    folder = draw(*[f"{c}/{i}.png" for c in "ab" for i in range(5)])
    (folder / "b/4.png").write_text("text")
    assert "b/4.png is not an image" in divide(scan(load(folder), skip_bad=True)).notes[0]


def test_a_set_known_by_its_name_stays_as_it_is_published(draw):
    folder = draw(*[f"{part}/{c}/{i}.png" for part in ("train", "test") for c in "ab" for i in range(4)])
    copy(folder, "train/a/0.png", "test/a/zero.png")
    source = replace(load(folder), path=None, notes=("left out: a split",))
    division = divide(scan(source))
    assert division.how.startswith("test as given; 20 % of train validate")
    assert division.notes == (
        "left out: a split",
        "identical images stand in different parts, as they are published (1 set): train/a/0.png = test/a/zero.png",
    )
    assert division.parts.tolist().count("test") == 9
