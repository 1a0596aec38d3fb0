"""Sets known by a name: small ones in the official formats, and the real ones where they are at hand."""

import gzip
import hashlib
import io
import json
import os
import pickle
import runpy
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from opsin.data.scan import scan
from opsin.data.sources import load, named
from opsin.data.sources.idx import read_idx
from opsin.errors import OpsinError

REAL = Path(os.environ.get("OPSIN_TEST_DATA", Path(__file__).parents[4] / "shared/data"))
RNG = np.random.default_rng(11)


@pytest.fixture
def counted(monkeypatch):
    """Lets a set have other numbers of images than the official one."""

    def count(name, **images):
        parts = {part: replace(named.SETS[name].parts[part], images=n) for part, n in images.items()}
        monkeypatch.setitem(named.SETS, name, replace(named.SETS[name], parts=parts))

    return count


def fails(name, *words, root=None):
    with pytest.raises(OpsinError) as caught:
        load(name, root=root)
    line = str(caught.value)
    assert "\n" not in line
    for word in words:
        assert word in line, line


def idx(path, array):
    """Writes an array as the page of MNIST says: two zeros, 8 for bytes, the number of sizes, the sizes, the bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.fixture
def digits(tmp_path):
    """Twenty images as MNIST's files, without a folder around; half of them are the test part."""

    def write(pattern="{}-{}-idx{}-ubyte.gz", stems=("train", "t10k"), classes=10):
        images, labels = RNG.integers(0, 256, (2, classes, 28, 28), np.uint8), np.arange(classes, dtype=np.uint8)[::-1]
        for stem, array in zip(stems, images, strict=True):
            idx(tmp_path / pattern.format(stem, "images", 3), array)
            idx(tmp_path / pattern.format(stem, "labels", 1), labels)
        return tmp_path, images

    return write


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "kmnist"])
@pytest.mark.parametrize("pattern", ["{}-{}-idx{}-ubyte.gz", "raw/{}-{}-idx{}-ubyte", "{}-{}.idx{}-ubyte"])
def test_mnist_and_its_kin(name, pattern, digits, counted):
    root, images = digits(pattern)
    counted(name, train=10, test=10)
    source = load(name.replace("-", "_").upper(), root=root)
    names = named.SETS[name].read.keywords["names"]  # in the order of the labels
    assert source.classes == tuple(sorted(names)) and source.path is None and source.name == name
    assert [source.classes[label] for label in source.labels] == list(names[::-1]) * 2
    assert source.parts == ("train",) * 10 + ("test",) * 10
    assert all((np.asarray(source.image(i)) == images.reshape(20, 28, 28)[i]).all() for i in range(20))


def test_emnist_stands_upright(digits, counted):
    root, images = digits("gzip/{}-{}-idx{}-ubyte.gz", ("emnist-balanced-train", "emnist-balanced-test"), 47)
    counted("emnist", train=47, test=47)
    source = load("emnist", root=root)
    assert "".join(source.classes) == "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt"  # emnist-balanced-mapping.txt
    assert (np.asarray(source.image(3)) == images[0, 3].T).all()


def test_damaged_idx_files(digits, tmp_path):
    root, _ = digits()
    fails("mnist", "has 10 images of train, and 60,000 are published", root=root)
    path = root / "train-images-idx3-ubyte.gz"
    whole = path.read_bytes()
    for content in (b"", whole[:-20], whole[:3000] + b"\0\1\2" + whole[3003:], gzip.compress(b"\0\0\x08\3\0\0")):
        path.write_bytes(content)
        fails("mnist", "mnist is not as it is published", "train-images-idx3-ubyte.gz", root=root)
    path.unlink()
    fails("mnist", "mnist is not in", "train-images-idx3-ubyte.gz", "without --root it is downloaded", root=root)
    idx(tmp_path / "x", np.arange(6, dtype=np.uint8).reshape(1, 2, 3))
    assert read_idx(tmp_path / "x").tolist() == [[[0, 1, 2], [3, 4, 5]]]


def test_a_folder_of_that_name_is_meant(draw, monkeypatch):
    monkeypatch.chdir(draw("mnist/a/1.png", "mnist/b/1.png"))
    assert load("mnist").classes == ("a", "b")


def test_names_that_are_none(tmp_path):
    fails("cifr10", "no folder 'cifr10'", "did you mean cifar10")
    fails("mnits", "did you mean mnist")
    fails("digits", "--root is for sets that are known by a name", root=tmp_path)
    fails("imagenet", "no folder train", "train/n01440764", "cannot be downloaded", root=tmp_path)


def test_without_a_network(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError("Name or service not known")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    monkeypatch.setenv("OPSIN_HOME", str(tmp_path / "home"))
    fails("kmnist", "kmnist cannot be downloaded to", "home/data/kmnist", "not known", "--root")
    assert [path.name for path in (tmp_path / "home/data").iterdir()] == [".kmnist.lock"]
    fails("imagenet", "home/data/imagenet", "cannot be downloaded")
    monkeypatch.delenv("OPSIN_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert named.cache_folder() == tmp_path / "opsin/data"


def test_what_was_downloaded_is_taken_again(digits, counted, tmp_path, monkeypatch):
    """torchvision brings the files; here it takes them from a folder."""
    root, _ = digits()
    counted("mnist", train=10, test=10)
    brought = []

    def copies(home, train, download):
        assert download
        brought.append(train)
        for path in root.glob("*.gz"):
            (home / "MNIST/raw").mkdir(parents=True, exist_ok=True)
            (home / "MNIST/raw" / path.name).write_bytes(path.read_bytes())

    monkeypatch.setattr("opsin.data.sources.named._torchvision", lambda _: copies)
    monkeypatch.setenv("OPSIN_HOME", str(tmp_path / "home"))
    prints = {scan(load("mnist", root=where)).fingerprint for where in (None, None, root)}
    assert brought == [True, False] and len(prints) == 1


def md5(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


@pytest.fixture
def batches(tmp_path, counted, monkeypatch):
    """CIFAR's batches with four images of two classes each, and torchvision's table of MD5s with theirs."""
    from torchvision.datasets import CIFAR10

    folder = tmp_path / CIFAR10.base_folder
    folder.mkdir()
    for name, _ in CIFAR10.train_list + CIFAR10.test_list:
        data = RNG.integers(0, 256, (4, 3072), np.uint8)
        (folder / name).write_bytes(pickle.dumps({"data": data, "labels": [1, 0, 1, 0]}))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": ["truck", "airplane"]}))
    for table in ("train_list", "test_list"):
        monkeypatch.setattr(CIFAR10, table, [[name, md5(folder / name)] for name, _ in getattr(CIFAR10, table)])
    monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": md5(folder / "batches.meta")})
    counted("cifar10", train=20, test=4)
    return folder


def test_cifar(batches):
    for root in (batches.parent, batches):
        source = load("cifar10", root=root)
        assert (source.classes, source.labels.tolist()) == (("airplane", "truck"), [0, 1] * 12)
        first = pickle.loads((batches / "data_batch_1").read_bytes())["data"]
        assert (np.asarray(source.image(2)) == first[2].reshape(3, 32, 32).transpose(1, 2, 0)).all()


class Evil:
    def __reduce__(self):
        return Path.touch, (Path("evil"),)


@pytest.mark.parametrize("name", ["data_batch_3", "test_batch", "batches.meta"])
def test_a_pickle_of_another_hash_is_not_opened(name, batches, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (batches / name).write_bytes(pickle.dumps(Evil()))
    fails("cifar10", "not in", "a file of it is damaged", "cifar-10-batches-py", root=tmp_path)
    assert not Path("evil").exists()


def test_svhn(tmp_path, counted, monkeypatch):
    """Its label 10 stands for the digit 0, and the number of an image comes last."""
    from scipy.io import savemat
    from torchvision.datasets import SVHN

    images = {part: RNG.integers(0, 256, (32, 32, 3, 10), np.uint8) for part in ("train", "test")}
    table = {}
    for part, array in images.items():
        path = tmp_path / f"{part}_32x32.mat"
        savemat(path, {"X": array, "y": np.arange(10, 0, -1, dtype=np.uint8)[:, None]})
        table[part] = ["", path.name, md5(path)]
    monkeypatch.setattr(SVHN, "split_list", SVHN.split_list | table)
    counted("svhn", train=10, test=10)
    source = load("svhn", root=tmp_path)
    assert [source.classes[c] for c in source.labels[:10]] == list("0987654321")
    assert (np.asarray(source.image(14)) == images["test"][..., 4]).all()
    (tmp_path / "test_32x32.mat").write_bytes(b"other")
    fails("svhn", "not in", "damaged", root=tmp_path)


def jpeg(path, form="JPEG"):
    path.parent.mkdir(parents=True, exist_ok=True)
    stream = io.BytesIO()
    Image.fromarray(RNG.integers(0, 256, (8, 9, 3), np.uint8)).save(stream, form)
    path.write_bytes(stream.getvalue())


def test_flowers(tmp_path, counted, monkeypatch):
    """102 classes in MATLAB's files, whose images and labels count from 1."""
    from scipy.io import savemat
    from torchvision.datasets import Flowers102

    folder = tmp_path / "flowers-102"
    for i in range(1, 307):
        jpeg(folder / f"jpg/image_{i:05d}.jpg")
    labels = np.repeat(np.arange(1, 103), 3)
    savemat(folder / "imagelabels.mat", {"labels": labels[None]})
    rows = {"trnid": np.arange(3, 307, 3), "valid": np.arange(1, 307, 3), "tstid": np.arange(2, 307, 3)}
    savemat(folder / "setid.mat", {key: ids[None] for key, ids in rows.items()})
    files = {key: (file, md5(folder / file)) for key, file in (("label", "imagelabels.mat"), ("setid", "setid.mat"))}
    monkeypatch.setattr(Flowers102, "_file_dict", Flowers102._file_dict | files)
    counted("flowers102", train=102, val=102, test=102)
    source = load("flowers102", root=tmp_path)
    assert source.parts == ("train",) * 102 + ("val",) * 102 + ("test",) * 102
    assert source.classes == tuple(sorted(Flowers102.classes)) and source.classes[0] == "alpine sea holly"
    known = {1: "pink primrose", 2: "hard-leaved pocket orchid", 77: "passion flower", 102: "blackberry lily"}
    for label, name in known.items():  # the authors' numbers
        row = source.ids.index(f"image_{3 * label:05d}.jpg")
        assert source.classes[source.labels[row]] == name
    assert source.image(0).size == (9, 8)
    (folder / "setid.mat").write_bytes(b"other")
    fails("flowers102", "not in", "flowers-102/jpg", root=tmp_path)


def test_pets(tmp_path, counted):
    folder, breeds = tmp_path / "oxford-iiit-pet", ("Abyssinian", "american_bulldog")
    (folder / "annotations").mkdir(parents=True)
    for part, numbers in (("trainval", (1, 2)), ("test", (3, 4))):
        lines = [f"{breed}_{i} {c} 1 1" for c, breed in enumerate(breeds, 1) for i in numbers]
        (folder / f"annotations/{part}.txt").write_text("\n".join(lines[::-1]) + "\n")
        for line in lines:
            jpeg(folder / f"images/{line.split()[0]}.jpg")
    counted("pets", train=4, test=4)
    source = load("pets", root=tmp_path)
    assert (source.classes, source.labels.tolist()) == (("Abyssinian", "American Bulldog"), [1, 1, 0, 0] * 2)
    assert source.ids[0] == "american_bulldog_2.jpg" and source.parts == ("train",) * 4 + ("test",) * 4


def test_food(tmp_path, counted):
    for part, number in (("train", 1), ("test", 2)):
        names = {dish: [f"{dish}/{number}"] for dish in ("waffles", "apple_pie")}
        (tmp_path / "food-101/meta").mkdir(parents=True, exist_ok=True)
        (tmp_path / f"food-101/meta/{part}.json").write_text(json.dumps(names))
        for dish in names:
            jpeg(tmp_path / f"food-101/images/{dish}/{number}.jpg")
    counted("food101", train=2, test=2)
    source = load("food101", root=tmp_path / "food-101")
    assert (source.classes, source.labels.tolist()) == (("apple_pie", "waffles"), [1, 0, 1, 0])
    assert source.ids == ("waffles/1.jpg", "apple_pie/1.jpg", "waffles/2.jpg", "apple_pie/2.jpg")


def test_gtsrb(tmp_path, counted):
    """PPM files; the images of a track are a group, for they show one sign."""
    folder = tmp_path / "gtsrb"
    lines = ["Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId"]
    for c in range(43):
        for track, frame in ((0, 0), (0, 1), (1, 0)):
            jpeg(folder / f"GTSRB/Training/{c:05d}/{track:05d}_{frame:05d}.ppm", "PPM")
        jpeg(folder / f"GTSRB/Final_Test/Images/{c:05d}.ppm", "PPM")
        lines.append(f"{c:05d}.ppm;9;8;1;1;7;7;{42 - c}")
    (folder / "GT-final_test.csv").write_text("\n".join(lines) + "\n")
    counted("gtsrb", train=129, test=43)
    source = load("gtsrb", root=tmp_path)
    assert source.classes[7] == "00007" and source.labels[129:].tolist() == list(range(42, -1, -1))
    assert source.groups is not None and len(set(source.groups[:129])) == 86 and len(set(source.groups)) == 129
    assert source.groups[0] == source.groups[1] != source.groups[2]
    assert source.image(0).size == (9, 8)


def test_stl10(tmp_path, counted, monkeypatch):
    """Columns come first in its files, and labels count from 1."""
    from torchvision.datasets import STL10

    folder = tmp_path / "stl10_binary"
    folder.mkdir()
    images = RNG.integers(0, 256, (2, 10, 3, 96, 96), np.uint8)
    for part, array in zip(("train", "test"), images, strict=True):
        (folder / f"{part}_X.bin").write_bytes(array.tobytes())
        (folder / f"{part}_y.bin").write_bytes(bytes(range(10, 0, -1)))
    (folder / "unlabeled_X.bin").write_bytes(b"")
    for table in ("train_list", "test_list"):
        monkeypatch.setattr(STL10, table, [[name, md5(folder / name)] for name, _ in getattr(STL10, table)])
    counted("stl10", train=10, test=10)
    source = load("stl10", root=tmp_path)
    assert source.classes[0] == "airplane" and source.labels[:10].tolist() == list(range(9, -1, -1))
    assert (np.asarray(source.image(3)) == images[0, 3].transpose(2, 1, 0)).all()


def test_imagenet(tmp_path, counted, monkeypatch):
    """1,000 folders by WordNet's numbers."""
    names = [f"n{i:08d}" for i in range(1000)]
    monkeypatch.setattr("opsin.data.sources.folder._files", lambda folder: iter(["1.JPEG"]))
    monkeypatch.setattr("opsin.data.sources.named.folders_in", lambda folder: names)
    for part in ("train", "val"):
        (tmp_path / part).mkdir()
    counted("imagenet", train=1000, test=1000)
    source = load("imagenet", root=tmp_path)
    assert (source.classes[0], source.classes[999]) == ("n00000000 tench", "n00000999 toilet tissue")
    assert source.labels.tolist() == list(range(1000)) * 2 and source.parts.count("test") == 1000
    names.pop()
    fails("imagenet", "999 class folders, not 1,000", root=tmp_path)


def test_real_mnist():
    if not (REAL / "mnist").is_dir():
        pytest.skip("no MNIST here")
    source = load("mnist", root=REAL / "mnist")
    assert source.classes == tuple("0123456789") and source.parts is not None
    assert (source.parts.count("train"), source.parts.count("test")) == (60_000, 10_000)
    assert source.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]  # as every tutorial shows them
    assert np.bincount(source.labels[60_000:]).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@pytest.mark.slow
def test_real_cifar(tmp_path):
    if not (REAL / "cifar10").is_dir():
        pytest.skip("no CIFAR-10 here")
    runpy.run_path(str(REAL / "cifar10/restore.py"))["main"](str(tmp_path))
    source = load("cifar10", root=tmp_path)
    assert " ".join(source.classes) == "airplane automobile bird cat deer dog frog horse ship truck"
    assert np.bincount(source.labels[:50_000]).tolist() == [5000] * 10
    assert np.bincount(source.labels[50_000:]).tolist() == [1000] * 10
    assert [source.classes[c] for c in source.labels[:4]] == ["frog", "truck", "truck", "deer"]
