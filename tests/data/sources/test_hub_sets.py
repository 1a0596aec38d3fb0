"""Sets of the Hugging Face library, made here, saved to disk and read back."""

import io
import pickle
import sys

import numpy as np
import pytest
from PIL import Image

from opsin.data.images import BadImage
from opsin.data.scan import scan
from opsin.data.sources import hub, load, load_any
from opsin.errors import OpsinError

datasets = pytest.importorskip("datasets")
RNG = np.random.default_rng(5)
PIXELS = RNG.integers(0, 256, (8, 6, 5, 3)).astype(np.uint8)


def png(pixels):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return {"bytes": stream.getvalue(), "path": None}


def made(labels, kind, image="image", label="label", **columns):
    """A dataset in memory; its images are the first of PIXELS."""
    held = {image: [png(PIXELS[i]) for i in range(len(labels))], label: labels} | columns
    features = {image: datasets.Image(), label: kind}
    features |= {key: datasets.Value("string") for key in columns}
    return datasets.Dataset.from_dict(held, features=datasets.Features(features))


def saved(folder, found):
    found.save_to_disk(str(folder / "set"))
    return folder / "set"


def fails(data, *words, groups=None):
    with pytest.raises(OpsinError) as caught:
        load(data, groups)
    line = str(caught.value)
    assert "\n" not in line
    for word in words:
        assert word in line, line


NAMES = datasets.ClassLabel(names=["zebra", "10", "2"])


def test_a_saved_set(tmp_path):
    parts = {"train": made([0, 1, 2, 0], NAMES), "validation": made([2, 1, 0], NAMES), "test": made([0, 1, 2], NAMES)}
    parts["unsupervised"] = made([0, 1], NAMES)
    source = load(saved(tmp_path, datasets.DatasetDict(parts)))
    assert (source.classes, source.labels[:4].tolist()) == (("10", "2", "zebra"), [2, 0, 1, 2])
    assert source.parts == ("train",) * 4 + ("val",) * 3 + ("test",) * 3
    assert source.ids[4] == "validation/000000" and source.file(0) is None
    for row, pixels in ((0, 0), (3, 3), (4, 0), (9, 2)):
        assert (np.asarray(source.image(row)) == PIXELS[pixels]).all()
    assert (np.asarray(pickle.loads(pickle.dumps(source.take([9, 5]))).image(1)) == PIXELS[1]).all()
    assert source.notes == (f"left out of {tmp_path / 'set'}: the split unsupervised (2 images)",)
    first = scan(source).fingerprint
    (tmp_path / "set").rename(tmp_path / "other")
    assert scan(load_any(tmp_path / "other")).fingerprint == first


def test_one_part_labels_as_text_and_groups(tmp_path):
    kind = datasets.Value("string")
    found = made(["b", "a", "b", "a"], kind, image="photo", label="target", patient=["x", "x", "y", "y"])
    source = load(saved(tmp_path, found.select([3, 0, 1])), groups="patient")
    assert (source.classes, source.labels.tolist(), source.parts) == (("a", "b"), [0, 1, 0], None)
    assert source.groups == ("y", "x", "x")
    assert (np.asarray(source.image(0)) == PIXELS[3]).all()
    numbers = load(saved(tmp_path / "numbers", made([10, 2], datasets.Value("int64"))))
    assert numbers.classes == ("10", "2")


def test_a_part_without_labels_is_left_out(tmp_path):
    parts = {"train": made([0, 1, 2], NAMES), "valid": made([0, 1, 2], NAMES), "test": made([-1, -1], NAMES)}
    source = load(saved(tmp_path, datasets.DatasetDict(parts)))
    assert source.parts == ("train",) * 3 + ("test",) * 3
    assert source.notes == (f"left out of {tmp_path / 'set'}: the split test, which has no labels",)


def test_two_columns_of_labels(tmp_path):
    coarse = {"coarse_label": datasets.ClassLabel(names=["x", "y"]), "fine_label": NAMES}
    held = {"img": [png(PIXELS[i]) for i in range(3)], "coarse_label": [0, 1, 0], "fine_label": [0, 1, 2]}
    found = datasets.Dataset.from_dict(held, features=datasets.Features({"img": datasets.Image()} | coarse))
    assert load(saved(tmp_path, found)).classes == ("10", "2", "zebra")
    fails(saved(tmp_path / "other", found.rename_column("fine_label", "kind")), "several columns of labels", "kind")


def test_images_are_decoded_here(tmp_path):
    """What is no image is named by its row, and a file beside the set is read as one within it."""
    Image.fromarray(PIXELS[0]).save(tmp_path / "a.png")
    images = [{"bytes": None, "path": str(tmp_path / "a.png")}, {"bytes": b"GIF89a", "path": None}, None]
    held = {"image": images, "label": [0, 1, 2]}
    features = datasets.Features({"image": datasets.Image(), "label": NAMES})
    source = load(saved(tmp_path, datasets.Dataset.from_dict(held, features=features)))
    assert (np.asarray(source.image(0)) == PIXELS[0]).all()
    with pytest.raises(BadImage, match="set/000001 is damaged"):
        source.image(1)
    with pytest.raises(BadImage, match="set/000002 has no image"):
        source.image(2)


def test_what_is_wrong_with_a_set(tmp_path):
    text = datasets.Dataset.from_dict({"text": ["a"], "label": [0]})
    fails(saved(tmp_path / "a", text), "no column of images, but text, label")
    fails(saved(tmp_path / "b", made([0, -1, 1], NAMES)), "1 image without a label")
    fails(saved(tmp_path / "c", made([0.5, 1.5], datasets.Value("float32"))), "neither names nor whole numbers")
    other = datasets.ClassLabel(names=["10", "2", "zebra"])
    parts = datasets.DatasetDict({"train": made([0, 1, 2], NAMES), "test": made([0, 1, 2], other)})
    fails(saved(tmp_path / "d", parts), "differently in its splits")
    parts = datasets.DatasetDict({"val": made([0, 1, 2], NAMES), "test": made([0, 1, 2], NAMES)})
    fails(saved(tmp_path / "e", parts), "no train")
    for file in (tmp_path / "d/set/train").glob("*.arrow"):
        file.write_bytes(file.read_bytes()[:100])
    fails(tmp_path / "d/set", "d/set cannot be loaded, or is cut short or damaged")


def test_by_name(tmp_path, monkeypatch):
    """The library is given the name, the configuration and the folder; what it refuses is said in one line."""
    asked = []

    def load_dataset(*arguments, **options):
        asked.append((arguments, options))
        if arguments[0] == "nobody/none":
            raise ValueError("no such\nset")
        return datasets.DatasetDict({"train": made([0, 1, 2], NAMES)})

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    source = load("hf:owner/name:small", root=tmp_path)
    assert asked == [(("owner/name", "small"), {"cache_dir": str(tmp_path)})]
    assert (source.name, source.path, source.parts, len(source)) == ("owner/name", None, None, 3)
    fails("hf:nobody/none", "hf:nobody/none cannot be loaded: no such set;")


def test_without_the_library(tmp_path, monkeypatch):
    path = saved(tmp_path, made([0, 1, 2], NAMES))
    monkeypatch.setitem(sys.modules, "datasets", None)
    fails(path, "pip install 'opsin[datasets]'")
    fails("hf:a/b", "pip install 'opsin[datasets]'")
    assert not hub.is_saved(tmp_path)
