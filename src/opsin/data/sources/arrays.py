"""Images in arrays: .npz files, and the built-in digits.

A file has `images` and `labels`; or a pair for each part, named as Keras does (`x_train`, `y_train`, `x_test`,
`y_test`) or as MedMNIST does (`train_images`, `train_labels`, `val_images` ...). `classes` may name the classes that
integer labels stand for, and `parts` the part of each image.
"""

import re
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from opsin.data.groups import by_column, by_pattern
from opsin.data.images import plain
from opsin.data.sources.source import PARTS, Source, by_name, by_number, divided, part_called
from opsin.errors import OpsinError
from opsin.words import named

_KINDS = {
    **dict.fromkeys(("images", "image", "x", "data"), "images"),
    **dict.fromkeys(("labels", "label", "y", "targets", "target"), "labels"),
}
_CHANNELS = (1, 3, 4)


@dataclass(frozen=True, eq=False)
class Stacked:
    """Opens images of uint8 arrays [n, H, W] or [n, H, W, C], by their row in all of them together."""

    arrays: Sequence[np.ndarray]

    def __call__(self, row: int) -> Image.Image:
        for array in self.arrays:
            if row < len(array):
                return plain(Image.fromarray(np.ascontiguousarray(array[row])))
            row -= len(array)
        raise IndexError(row)

    def stack(self, rows: np.ndarray) -> np.ndarray | None:
        start = 0
        for array in self.arrays:
            if start <= rows.min() and rows.max() < start + len(array) and array.shape[3:] in ((), (3,)):
                return array[rows - start]
            start += len(array)
        return None


def read_npz(path: Path, groups: str | None = None) -> Source:
    """The source of a .npz file; nothing in it is unpickled.

    Images are uint8: [n, H, W], [n, H, W, C] or [n, C, H, W] with C 1, 3 or 4 (the fourth is laid on white); the parts'
    may differ in H and W. Labels are whole numbers or names, [n] or [n, 1].
    """
    held = _arrays(path)
    parts = {part: _of_part(held, part) for part in ("", *PARTS)}
    there = [part for part in ("", *PARTS) if parts[part]]
    if not there or (len(there) > 1 and "" in there) or any(len(parts[part]) < 2 for part in there):
        raise OpsinError(
            f"{path} has arrays {named(sorted(held)) or 'of no name'}: it needs images and labels, or such pairs as "
            "x_train, y_train, x_test and y_test"
        )
    images, labels = [], []
    for part in there:
        key, answers = parts[part]["images"], parts[part]["labels"]
        images.append(as_pixels(held[key], f"{key} in {path}"))
        labels.append(_labels(held[answers], f"{answers} in {path}"))
        if len(images[-1]) != len(labels[-1]):
            n, k = len(images[-1]), len(labels[-1])
            raise OpsinError(f"{path} has {n:,} images in {key} and {k:,} labels in {answers}: give each its own")
    every = np.concatenate(labels)
    classes, indices = _classes(every, held.get("classes"), str(path))
    parts_of_each = [part for part, some in zip(there, images, strict=True) for _ in range(len(some))]
    if there == [""] and "parts" in held:
        parts_of_each = _stated_parts(held["parts"], len(every), str(path))
    source = stacked(path.stem, path, images, there if len(there) > 1 else [path.stem])
    source = replace(source, classes=classes, labels=indices, parts=divided(parts_of_each, str(path)))
    if groups is None:
        return source
    columns = {key: array.astype(str).tolist() for key, array in held.items() if array.shape == (len(source),)}
    return replace(source, groups=by_column(source.ids, groups, columns, str(path)))


def read_digits(_: Path, groups: str | None = None) -> Source:
    """The 1,797 digits of 8x8 px that scikit-learn brings along."""
    from sklearn.datasets import load_digits

    values, labels = load_digits(return_X_y=True)
    values = np.asarray(values).astype(np.int64).reshape(-1, 8, 8)  # 0 .. 16
    source = stacked("digits", None, [((values * 255 + 8) // 16).astype(np.uint8)], ["digits"])
    classes, indices = by_number(np.asarray(labels), list("0123456789"), "digits")
    source = replace(source, classes=classes, labels=indices)
    return source if groups is None else replace(source, groups=by_pattern(source.ids, groups))


def stacked(name: str, path: Path | None, arrays: Sequence[np.ndarray], prefixes: Sequence[str]) -> Source:
    """The source, without labels, of uint8 arrays [n, H, W] or [n, H, W, C]; ids are such as "test/0007"."""
    ids = tuple(
        f"{prefix}/{i:0{max(4, len(str(len(array) - 1)))}d}"
        for prefix, array in zip(prefixes, arrays, strict=True)
        for i in range(len(array))
    )
    labels = np.full(len(ids), -1, dtype=np.int64)
    return Source(name, path, classes=(), labels=labels, ids=ids, opener=Stacked(arrays))


def as_pixels(images: np.ndarray, what: str) -> np.ndarray:
    """Images as uint8 [n, H, W] or [n, H, W, C]; fractions from 0 to 1 are rounded to 256 levels.

    Raises OpsinError, with the line that mends it, for other values.
    """
    if images.dtype.kind == "f":
        if images.size and not (images.min() >= 0 and images.max() <= 1):
            raise OpsinError(
                f"{what} holds fractions ({images.dtype}) that are not all from 0 to 1: save 8 bits, as uint8"
            )
        images = np.rint(images * 255).astype(np.uint8)
    if images.dtype != np.uint8:
        mend = "(images // 257).astype(np.uint8)" if images.dtype == np.uint16 else "images.astype(np.uint8)"
        raise OpsinError(f"{what} holds {images.dtype}: save 8 bits, such as by {mend}")
    shape = images.shape
    if 0 in shape:
        raise OpsinError(f"{what} has no images: its shape is {list(shape)}")
    if len(shape) == 4 and shape[3] not in _CHANNELS and shape[1] in _CHANNELS:
        images = images.transpose(0, 2, 3, 1)  # [n, C, H, W] -> [n, H, W, C]
    if len(shape) == 4 and images.shape[3] == 1:
        images = images[..., 0]
    if images.ndim != 3 and not (images.ndim == 4 and images.shape[3] in _CHANNELS):
        raise OpsinError(f"{what} has the shape {list(shape)}: it must be [n, H, W], [n, H, W, C] or [n, C, H, W]")
    return images


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        held = np.load(path, allow_pickle=False)
        if isinstance(held, np.ndarray):
            raise OpsinError(f"{path} holds one array: save images and labels, by np.savez")
        with held:
            return {key: held[key] for key in held.files}
    except ValueError as error:
        if "pickle" in str(error):
            raise OpsinError(
                f"{path} holds Python objects, or is no .npz file, and is not opened: save arrays of numbers or text"
            ) from None
        raise OpsinError(f"{path} is cut short or damaged ({error})") from None
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, MemoryError) as error:
        raise OpsinError(f"{path} cannot be read, or is cut short or damaged ({error})") from None


def _of_part(held: dict[str, np.ndarray], part: str) -> dict[str, str]:
    """The names of a part's arrays: of "images" and of "labels"; those without a part for ""."""
    found = {}
    for key in held:
        words = re.split("[_-]", key.lower())
        said = [word for word in words if word in ("train", "val", "valid", "validation", "test")]
        rest = "_".join(word for word in words if word not in said)
        if rest in _KINDS and (part_called(said[0]) if len(said) == 1 else "".join(said)) == part:
            found.setdefault(_KINDS[rest], key)
    return found


def _labels(labels: np.ndarray, what: str) -> np.ndarray:
    """Labels as int64 or str [n]."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise OpsinError(
            f"{what} has the shape {list(labels.shape)}: give each image one label (of one-hot rows: labels.argmax(1))"
        )
    if labels.dtype.kind == "S":
        labels = np.char.decode(labels, "utf-8", "replace")
    if labels.dtype.kind == "f" and (labels == np.rint(labels)).all():
        labels = labels.astype(np.int64)
    if labels.dtype.kind not in "iubU":
        raise OpsinError(f"{what} holds {labels.dtype}: labels are whole numbers, or names")
    return labels if labels.dtype.kind == "U" else labels.astype(np.int64)


def _classes(labels: np.ndarray, names: np.ndarray | None, where: str) -> tuple[tuple[str, ...], np.ndarray]:
    if labels.dtype.kind == "U" or names is None:
        return by_name(labels.astype(str).tolist())
    return by_number(labels, names.astype(str).reshape(-1).tolist(), where)


def _stated_parts(parts: np.ndarray, n: int, where: str) -> list[str]:
    if parts.shape != (n,):
        raise OpsinError(f"{where} has {n:,} images, and parts of the shape {list(parts.shape)}: give each its part")
    names = parts.astype(str).tolist()
    try:
        called = {name: part_called(name) for name in set(names)}
    except OpsinError as error:
        raise OpsinError(f"parts in {where}: {error}") from None
    return [called[name] for name in names]
