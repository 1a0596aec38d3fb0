"""Arrays as Keras, MedMNIST and people save them."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from opsin.data.scan import scan
from opsin.data.sources import load
from opsin.errors import OpsinError

RNG = np.random.default_rng(3)
GREY = RNG.integers(0, 256, (6, 5, 4)).astype(np.uint8)
COLOUR = RNG.integers(0, 256, (6, 5, 7, 3)).astype(np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2])


@pytest.fixture
def saved(tmp_path):
    def save(**arrays):
        np.savez(tmp_path / "set.npz", **arrays)
        return tmp_path / "set.npz"

    return save


def fails(path, *words):
    with pytest.raises(OpsinError) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value), str(caught.value)


def test_images_and_labels(saved):
    source = load(saved(images=GREY, labels=LABELS))
    assert (source.name, source.classes, source.labels.tolist()) == ("set", ("0", "1", "2"), LABELS.tolist())
    assert (source.ids[3], source.parts, source.file(0)) == ("set/0003", None, None)
    assert all((np.asarray(source.image(i)) == GREY[i]).all() for i in range(6))
    fewer = pickle.loads(pickle.dumps(source.take([4, 2]))).take([1])
    assert (fewer.ids, fewer.labels.tolist()) == (("set/0002",), [2])
    assert (np.asarray(fewer.image(0)) == GREY[2]).all()


@pytest.mark.parametrize(
    ("stored", "mode"),
    [
        (COLOUR, "RGB"),
        (COLOUR.transpose(0, 3, 1, 2), "RGB"),
        (np.ascontiguousarray(COLOUR.transpose(0, 3, 1, 2)), "RGB"),
        (COLOUR[..., :1], "L"),
        (COLOUR[..., 0][:, None], "L"),
        (np.concatenate([COLOUR, np.full_like(COLOUR[..., :1], 255)], 3), "RGB"),
    ],
)
def test_channels(saved, stored, mode):
    source = load(saved(images=stored, labels=LABELS))
    want = COLOUR if mode == "RGB" else COLOUR[..., 0]
    for i in range(6):
        assert source.image(i).mode == mode and (np.asarray(source.image(i)) == want[i]).all()


def test_transparency_is_laid_on_white(saved):
    clear = np.concatenate([COLOUR, np.zeros_like(COLOUR[..., :1])], 3)
    assert (np.asarray(load(saved(images=clear, labels=LABELS)).image(0)) == 255).all()


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        (("x_train", "y_train", "x_test", "y_test"), ("train", "test")),
        (("train_images", "train_labels", "val_images", "val_labels"), ("train", "test")),
        (("images_train", "targets_train", "images_validation", "targets_validation"), ("train", "test")),
        (("X_train", "y_train", "X_test", "y_test"), ("train", "test")),
    ],
)
def test_parts(saved, names, parts):
    source = load(saved(**dict(zip(names, (GREY, LABELS, GREY[:3] // 2, LABELS[:3, None]), strict=True))))
    assert source.parts == (parts[0],) * 6 + (parts[1],) * 3
    assert source.labels.tolist() == [0, 1, 2, 0, 1, 2, 0, 1, 2]
    assert (np.asarray(source.image(7)) == GREY[1] // 2).all()


def test_medmnist(saved):
    arrays = {f"{part}_images": COLOUR[:3] // k for k, part in enumerate(("train", "val", "test"), 1)}
    arrays |= {f"{part}_labels": LABELS[:3, None].astype(np.uint8) for part in ("test", "train", "val")}
    source = load(saved(**arrays))
    assert source.parts == ("train",) * 3 + ("val",) * 3 + ("test",) * 3
    assert source.ids[3:5] == ("val/0000", "val/0001")
    assert (np.asarray(source.image(8)) == COLOUR[2] // 3).all()


def test_names_of_classes_parts_and_groups(saved):
    parts = np.array(["train"] * 3 + ["valid"] * 3)
    path = saved(images=GREY, labels=LABELS, classes=np.array(["b", "a", "10"]), parts=parts, patient=np.arange(6) // 2)
    source = load(path, groups="patient")
    assert (source.classes, source.labels.tolist()) == (("10", "a", "b"), [2, 1, 0, 2, 1, 0])
    assert source.parts == ("train",) * 3 + ("test",) * 3
    assert source.groups == ("0", "0", "1", "1", "2", "2")
    named = load(saved(images=GREY, labels=np.array(["cat", "dog", "cat"] * 2)))
    assert (named.classes, named.labels.tolist()) == (("cat", "dog"), [0, 1, 0, 0, 1, 0])


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"a": GREY, "b": LABELS}, ["arrays a, b", "x_train"]),
        ({"images": GREY}, ["arrays images"]),
        ({"images": GREY, "labels": LABELS, "x_train": GREY, "y_train": LABELS}, ["it needs images and labels"]),
        ({"images": GREY, "labels": LABELS[:5]}, ["6 images", "5 labels"]),
        ({"images": GREY / 100, "labels": LABELS}, ["fractions (float64)", "not all from 0 to 1"]),
        ({"images": GREY * np.nan, "labels": LABELS}, ["fractions (float64)", "not all from 0 to 1"]),
        ({"images": GREY.astype(np.uint16), "labels": LABELS}, ["uint16", "// 257"]),
        ({"images": GREY.astype(np.int64), "labels": LABELS}, ["int64"]),
        ({"images": GREY.reshape(6, 20), "labels": LABELS}, ["[6, 20]", "[n, H, W]"]),
        ({"images": COLOUR[..., :2], "labels": LABELS}, ["[6, 5, 7, 2]"]),
        ({"images": GREY[:0], "labels": LABELS[:0]}, ["no images"]),
        ({"images": GREY, "labels": np.eye(3, dtype=int)[LABELS]}, ["[6, 3]", "argmax"]),
        ({"images": GREY, "labels": LABELS + 0.5}, ["float64"]),
        ({"images": GREY, "labels": LABELS, "classes": np.array(["a", "b"])}, ["labels from 0 to 2 for 2 names"]),
        ({"images": GREY, "labels": LABELS, "classes": np.array(["a", "b", "a"])}, ["more than one class", "a"]),
        ({"images": GREY, "labels": LABELS, "parts": np.array(["trian"] * 6)}, ["parts in", "did you mean train"]),
        ({"images": GREY, "labels": LABELS * 0}, ["one class only"]),
        ({"x_train": GREY, "y_train": LABELS, "x_test": GREY, "y_test": LABELS % 2}, ["test has no 2"]),
        ({"x_val": GREY, "y_val": LABELS, "x_test": GREY, "y_test": LABELS}, ["no train"]),
    ],
)
def test_what_is_wrong_with_arrays(saved, arrays, words):
    fails(saved(**arrays), "set.npz", *words)


class Evil:
    def __reduce__(self):
        return Path.touch, (Path("evil"),)


def test_nothing_is_unpickled(saved, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fails(saved(images=GREY, labels=np.array([Evil()] * 6, dtype=object)), "Python objects")
    (tmp_path / "pickle.npz").write_bytes(pickle.dumps(Evil()))
    fails(tmp_path / "pickle.npz", "is not opened")
    assert not (tmp_path / "evil").exists()


def test_damaged_files(saved, tmp_path):
    path = saved(images=GREY, labels=LABELS)
    whole = path.read_bytes()
    for damaged in (b"", whole[:200], whole[:-30], whole[:150] + b"\xff" + whole[151:]):
        path.write_bytes(damaged)
        fails(path, "set.npz")
    with path.open("wb") as file:
        np.save(file, GREY)
    fails(path, "one array", "np.savez")


def test_the_file_may_lie_anywhere(saved, tmp_path):
    path = saved(images=GREY, labels=LABELS)
    first = scan(load(path)).fingerprint
    (tmp_path / "deep").mkdir()
    assert scan(load(path.rename(tmp_path / "deep/set.npz"))).fingerprint == first


def test_fractions_are_rounded_to_levels(saved):
    fractions = saved(images=GREY / 255, labels=LABELS)
    assert scan(load(fractions)).hashes == scan(load(saved(images=GREY, labels=LABELS))).hashes


def test_usps():
    """The digits of the 1989 paper's kind, kept as fractions."""
    folder = Path(os.environ.get("OPSIN_TEST_DATA", Path(__file__).parents[4] / "shared/data")) / "usps"
    if not folder.is_dir():
        pytest.skip("no USPS here")
    source = load(folder / "usps.npz")
    assert source.classes == tuple("0123456789")
    assert source.parts is not None
    assert (source.parts.count("train"), source.parts.count("test")) == (7291, 2007)
    # the counts of zip.info, beside the data in The Elements of Statistical Learning
    assert np.bincount(source.labels[:7291]).tolist() == [1194, 1005, 731, 658, 652, 556, 664, 645, 542, 644]
    assert np.bincount(source.labels[7291:]).tolist() == [359, 264, 198, 166, 200, 160, 170, 147, 166, 177]
    assert isinstance(source.image(9297), Image.Image) and source.image(0).size == (16, 16)
