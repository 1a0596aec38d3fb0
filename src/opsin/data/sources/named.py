"""Sets that are known by a name, in the files in which they are published, with their official parts and classes.

torchvision downloads them, and checks the MD5 of what comes. Of a copy that lies at `root` this is checked before a
file is read: the MD5 of every file that is a pickle or MATLAB's (cifar, svhn, flowers102), and stl10's; the CRC-32, or
the size, of the IDX files (mnist and its kin); and of every set how many images each part has. Images in files of their
own (gtsrb, flowers102, pets, food101, imagenet) are decoded before anything is trained, as all are.
"""

import os
import re
import socket
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from opsin.data.groups import by_pattern
from opsin.data.sources.arrays import as_pixels, stacked
from opsin.data.sources.folder import folders_in, gather
from opsin.data.sources.idx import read_idx
from opsin.data.sources.source import Source, by_number, divided
from opsin.errors import OpsinError
from opsin.words import many

DIGITS = tuple("0123456789")
_MERGED = "cijklmopsuvwxyz"  # letters of EMNIST whose small form counts as the capital
LETTERS = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
KUZUSHIJI = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
STL = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")
BALANCED = (*DIGITS, *LETTERS, *(c for c in "abcdefghijklmnopqrstuvwxyz" if c not in _MERGED))
SILENCE_SECONDS = 30.0
_FAILURES = (OSError, RuntimeError, HTTPException, EOFError, KeyError, ValueError)
_FAILURES += (tarfile.TarError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class Part:
    """A part of a set: the arguments of torchvision's class for it, and how many images it has."""

    arguments: dict[str, Any]
    images: int


@dataclass(frozen=True)
class Named:
    """A set: its class in torchvision ("" where it cannot be downloaded), its parts, and what reads it.

    `read` is given the set and the folder, and returns a source with classes and parts; `needs` says what lies in the
    folder.
    """

    torchvision: str
    parts: dict[str, Part]
    read: Callable[["Named", Path], Source]
    needs: str


def read_named(name: str, groups: str | None = None, root: Path | None = None) -> Source:
    """The source of a set: of the copy at `root`, or else of the cache folder, downloaded where it is not there.

    gtsrb's groups are its tracks (the images of one sign passed by), unless others are asked for. Raises OpsinError
    where there is no copy, or it is not whole or not the official one, and where it cannot be downloaded.
    """
    name = _plain(name)
    name = next(known for known in SETS if _plain(known) == name)
    kept, found = SETS[name], root
    if found is None:
        found = cache_folder() / name
        if kept.torchvision:
            _download(name, kept, found)
    try:
        source = kept.read(kept, found)
    except _FAILURES as error:
        why = "" if "download=True" in str(error) else f" ({_line(error)})"
        raise OpsinError(f"{name} is not in {found}, or a file of it is damaged{why}: {_mend(kept, root)}") from None
    except OpsinError as error:
        raise OpsinError(f"{name} is not as it is published: {error}; {_mend(kept, root)}") from None
    for part, official in kept.parts.items():
        present = (source.parts or ()).count(part)
        if present != official.images:
            raise OpsinError(
                f"{name} in {found} has {many(present, 'image')} of {part}, and {official.images:,} are published: "
                "unpack it anew, or give its images as a folder of class folders"
            )
    source = replace(source, name=name, path=None)
    return source if groups is None else replace(source, groups=by_pattern(source.ids, groups))


def known(name: str) -> bool:
    """Whether a set has this name; capitals, hyphens and underscores do not matter."""
    return _plain(name) in map(_plain, SETS)


def cache_folder() -> Path:
    """Where sets are kept that were downloaded: $OPSIN_HOME/data, $XDG_CACHE_HOME/opsin/data or ~/.cache/opsin/data."""
    home = os.environ.get("OPSIN_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "opsin")
    return Path(home).expanduser() / "data"


def _plain(name: str) -> str:
    return re.sub("[-_ ]", "", name.lower())


def _mend(kept: Named, root: Path | None) -> str:
    if root is None and kept.torchvision:
        return "remove that folder, and it is downloaded again"
    other = "without --root it is downloaded" if kept.torchvision else "it cannot be downloaded from here"
    return f"--root is the folder in which there is {kept.needs}; {other}"


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _download(name: str, kept: Named, folder: Path) -> None:
    """Brings a set into a folder that is whole or not there; of several processes one downloads, the others wait."""
    if folder.is_dir():
        return
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        from opsin.files import whole  # imports torch

        with FileLock(folder.parent / f".{name}.lock"):
            if folder.is_dir():
                return
            with whole(folder) as part, _impatient():
                part.mkdir()
                for each in kept.parts.values():
                    _torchvision(kept)(part, **each.arguments, download=True)
    except _FAILURES as error:
        raise OpsinError(
            f"{name} cannot be downloaded to {folder} ({_line(error)}): check the connection and the disk, or give "
            f"--root, the folder of a copy in which there is {kept.needs}"
        ) from None


@contextmanager
def _impatient() -> Iterator[None]:
    """A server that is silent for long is an error, not waited for; torchvision sets no limit itself."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SILENCE_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _torchvision(kept: Named) -> Callable[..., Any]:
    from torchvision import datasets

    return getattr(datasets, kept.torchvision)


def _opened(kept: Named, root: Path) -> dict[str, Any]:
    """torchvision's dataset of each part; it raises RuntimeError where a file is missing or its MD5 is another."""
    inside = kept.needs.partition("/")[0]
    root = root.parent if root.resolve().name == inside else root
    return {part: _torchvision(kept)(root, **each.arguments) for part, each in kept.parts.items()}


def _arrays(kept: Named, root: Path, names: tuple[str, ...] | None = None) -> Source:
    opened = _opened(kept, root)
    images = {part: as_pixels(np.asarray(each.data), part) for part, each in opened.items()}
    labels = [each.targets if hasattr(each, "targets") else each.labels for each in opened.values()]
    return _of_arrays(images, labels, names or opened["train"].classes)


def _idx(kept: Named, root: Path, stems: Mapping[str, str], names: tuple[str, ...], turned: bool = False) -> Source:
    """MNIST's kin: files at `root`, or where torchvision puts them."""
    places = [root, root / kept.torchvision / "raw", root / "raw", root / "gzip"]

    def found(stem: str) -> np.ndarray:
        spelt = [f"{stem}-ubyte{suffix}" for suffix in ("", ".gz")]
        spelt += [other.replace("-idx", ".idx") for other in spelt]
        for path in (place / file for place in places for file in spelt):
            if path.is_file():
                return read_idx(path)
        raise FileNotFoundError(f"no {spelt[1]}")

    images = {part: found(f"{stem}-images-idx3") for part, stem in stems.items()}
    labels = [found(f"{stem}-labels-idx1").astype(np.int64) for stem in stems.values()]
    if any(array.ndim != 3 for array in images.values()) or any(each.ndim != 1 for each in labels):
        raise OpsinError(f"the files in {root} are no images with their labels")
    if turned:  # EMNIST has rows and columns exchanged
        images = {part: array.transpose(0, 2, 1) for part, array in images.items()}
    return _of_arrays(images, labels, names)


def _of_arrays(images: dict[str, np.ndarray], labels: list[Any], names: tuple[str, ...]) -> Source:
    source = stacked("", None, list(images.values()), list(images))
    counts = {part: (len(array), len(each)) for (part, array), each in zip(images.items(), labels, strict=True)}
    if any(n != k for n, k in counts.values()):
        raise OpsinError(f"it has images and labels of different numbers {counts}")
    classes, indices = by_number(np.concatenate(labels), names, "it")
    parts = [part for part, array in images.items() for _ in range(len(array))]
    return replace(source, classes=classes, labels=indices, parts=divided(parts, "it"))


def _files(kept: Named, root: Path, listing: Callable[[Any], tuple[list[Any], list[int], list[str]]]) -> Source:
    """Sets of files; `listing` gives the paths, the labels and the names of classes of torchvision's dataset."""
    found = {part: listing(each) for part, each in _opened(kept, root).items()}
    paths = [Path(path) for files, _, _ in found.values() for path in files]
    folder = Path(os.path.commonpath([path.parent for path in paths]))
    classes, indices = by_number(np.concatenate([labels for _, labels, _ in found.values()]), found["train"][2], "it")
    parts = divided([part for part, (files, _, _) in found.items() for _ in files], "it")
    ids = tuple(path.relative_to(folder).as_posix() for path in paths)
    return Source("", None, classes, indices, ids, parts, folder=folder)


def _signs(kept: Named, root: Path) -> Source:
    """GTSRB: a class is a number, and the images of one sign passed by, a track, are a group."""
    classes = [f"{c:05d}" for c in range(43)]
    source = _files(
        kept, root, lambda each: ([path for path, _ in each._samples], [c for _, c in each._samples], classes)
    )
    return replace(source, groups=tuple(re.sub(r"(/\d{5}/\d{5})_\d{5}\.ppm$", r"\1", name) for name in source.ids))


def _imagenet(kept: Named, root: Path) -> Source:
    """Class folders named by WordNet's numbers, in whose order ImageNet counts its classes."""
    folders = {part: root / part for part in ("train", "val")}
    if missing := [part for part, folder in folders.items() if not folder.is_dir()]:
        raise FileNotFoundError(f"no folder {missing[0]}")
    source = gather(root, {part: folders_in(folder) for part, folder in folders.items()})
    from torchvision.models import ResNet18_Weights

    titles = ResNet18_Weights.DEFAULT.meta["categories"]
    if len(source.classes) != len(titles):
        raise OpsinError(f"{root} has {len(source.classes):,} class folders, not {len(titles):,}")
    return replace(source, classes=tuple(" ".join(pair) for pair in zip(source.classes, titles, strict=True)))


def _halves(train: int, test: int, argument: str = "split", first: str = "train", **more: str) -> dict[str, Part]:
    """The parts train and test, as torchvision names them."""
    named: tuple[Any, Any] = (True, False) if argument == "train" else (first, "test")
    return {
        part: Part({argument: value} | more, images)
        for part, value, images in zip(("train", "test"), named, (train, test), strict=True)
    }


def _kin(torchvision: str, names: tuple[str, ...]) -> Named:
    stems = {"train": "train", "test": "t10k"}
    read = partial(_idx, stems=stems, names=names)
    return Named(torchvision, _halves(60_000, 10_000, "train"), read, "train-images-idx3-ubyte.gz and its three kin")


def _emnist(split: str, train: int, test: int, names: tuple[str, ...]) -> Named:
    stems = {part: f"emnist-{split}-{part}" for part in ("train", "test")}
    read = partial(_idx, stems=stems, names=names, turned=True)
    needs = f"{stems['train']}-images-idx3-ubyte.gz and its three kin"
    return Named("EMNIST", _halves(train, test, "train", split=split), read, needs)


SETS: dict[str, Named] = {
    "mnist": _kin("MNIST", DIGITS),
    "fashion-mnist": _kin("FashionMNIST", FASHION),
    "kmnist": _kin("KMNIST", KUZUSHIJI),
    "emnist": _emnist("balanced", 112_800, 18_800, BALANCED),
    "emnist-digits": _emnist("digits", 240_000, 40_000, DIGITS),
    "emnist-bymerge": _emnist("bymerge", 697_932, 116_323, BALANCED),
    "emnist-byclass": _emnist("byclass", 697_932, 116_323, (*DIGITS, *LETTERS, *map(str.lower, LETTERS))),
    "cifar10": Named("CIFAR10", _halves(50_000, 10_000, "train"), _arrays, "cifar-10-batches-py/data_batch_1"),
    "cifar100": Named("CIFAR100", _halves(50_000, 10_000, "train"), _arrays, "cifar-100-python/train"),
    "svhn": Named("SVHN", _halves(73_257, 26_032), partial(_arrays, names=DIGITS), "train_32x32.mat"),
    "stl10": Named("STL10", _halves(5_000, 8_000), partial(_arrays, names=STL), "stl10_binary/train_X.bin"),
    "gtsrb": Named("GTSRB", _halves(26_640, 12_630), _signs, "gtsrb/GTSRB/Training"),
    "flowers102": Named(
        "Flowers102",
        {part: Part({"split": part}, n) for part, n in (("train", 1_020), ("val", 1_020), ("test", 6_149))},
        partial(_files, listing=lambda each: (each._image_files, each._labels, each.classes)),
        "flowers-102/jpg",
    ),
    "pets": Named(
        "OxfordIIITPet",
        _halves(3_680, 3_669, first="trainval"),
        partial(_files, listing=lambda each: (each._images, each._labels, each.classes)),
        "oxford-iiit-pet/images",
    ),
    "food101": Named(
        "Food101",
        _halves(75_750, 25_250),
        partial(_files, listing=lambda each: (each._image_files, each._labels, each.classes)),
        "food-101/images",
    ),
    "imagenet": Named("", _halves(1_281_167, 50_000), _imagenet, "train/n01440764 and val/n01440764, unpacked"),
}
