"""Where labelled images come from: the built-in digits, or a folder.

A folder holds class folders (`class/image`, deeper folders inside a class are fine), or part folders that hold class
folders: `train` with `val` or `validation`, `test`, or both. Where it has train and one other part, that one is the
test part, whatever its name, and validation is split off train later.
"""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from opsin.data.groups import group_of_each
from opsin.data.images import FORMATS, BadImage, looks_like_image, read
from opsin.errors import OpsinError
from opsin.words import many, named

PARTS = ("train", "val", "test")
METADATA = "metadata.csv"
_PART_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
_SUFFIXES = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib", ".gif", ".tif", ".tiff"}
_CLUTTER = {"__macosx", "thumbs.db", "desktop.ini"}  # what other systems leave behind; hidden files beside them


@dataclass(frozen=True, eq=False)
class Source:
    """Labelled images, not yet opened, and what is known of each.

    Attributes:
        name: for people: "digits", or the folder's name.
        path: the folder; None for built-in data.
        classes: names in sorted order, as text ("10" before "2").
        labels: int64 [n], indices of `classes`.
        ids: a name for each image: its path inside the folder with forward slashes, or "digits/0007".
        parts: "train", "val" or "test" for each image; None where the source is not divided. There may be no "val".
        groups: the group of each image; None where none were asked for.
        pixels: uint8 [n, h, w], for data that is not in files.
    """

    name: str
    path: Path | None
    classes: tuple[str, ...]
    labels: np.ndarray
    ids: tuple[str, ...]
    parts: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None
    pixels: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def image(self, i: int) -> Image.Image:
        """Image i, upright, of mode "L" or "RGB". Raises BadImage, which names it."""
        if self.pixels is not None:
            return Image.fromarray(self.pixels[i])
        assert self.path is not None
        return read(self.path / self.ids[i], self.ids[i])

    def take(self, rows: Sequence[int] | np.ndarray) -> "Source":
        """The source of these images alone, in this order; its classes stay, even those that lose all their images."""
        rows = np.asarray(rows, dtype=np.int64)
        return replace(
            self,
            labels=self.labels[rows],
            ids=_pick(self.ids, rows),
            parts=None if self.parts is None else _pick(self.parts, rows),
            groups=None if self.groups is None else _pick(self.groups, rows),
            pixels=None if self.pixels is None else self.pixels[rows],
        )


def load(data: str | Path, groups: str | None = None) -> Source:
    """The source that `data` names: "digits" or a folder. No image is opened.

    A folder called digits in the current one is meant before the built-in data is. `groups` says which images belong
    together (one patient, one video): the name of a column of `metadata.csv` in the folder, whose first column,
    `file_name`, holds paths inside the folder; or else a regular expression that is searched in each path, and whose
    first group, or whole match, is the name. Raises OpsinError for a folder that is not laid out as above, for a file
    among the images that is none, and for an image that has no group.
    """
    folder = Path(data)
    source = _digits() if str(data) == "digits" and not folder.is_dir() else _folder(folder)
    if groups is None:
        return source
    metadata = None if source.path is None else source.path / METADATA
    return replace(source, groups=group_of_each(source.ids, groups, metadata))


def load_any(data: str | Path) -> Source:
    """As `load`, and also a folder of images without classes, or with one: `classes` is empty then and labels are -1.

    What is no image is left out there. Raises OpsinError as `load` does, and where a folder has no images.
    """
    folder = Path(data)
    if not folder.is_dir() or sum(entry.is_dir() for entry in _entries(folder)) > 1:
        return load(data)
    files = image_files(folder)
    if not files:
        raise OpsinError(f"no images in {folder}: give a folder that holds some ({', '.join(FORMATS)})")
    return Source(
        name=folder.resolve().name or "images",
        path=folder,
        classes=(),
        labels=np.full(len(files), -1, dtype=np.int64),
        ids=tuple(files),
    )


def image_files(folder: Path) -> list[str]:
    """What is called an image below a folder, or begins as one: sorted paths inside it. Hidden files are left out."""
    return [name for name in sorted(_files(folder)) if _named_image(name) or _is_image(folder, name)]


def check_classes(source: Source) -> None:
    """Raises OpsinError where a class has no image, there is but one, or parts differ in their classes."""
    counts = Counter(zip(source.parts or [""] * len(source), source.labels.tolist(), strict=True))
    if len(source.classes) < 2:
        only = named(source.classes)
        raise OpsinError(f"{_where(source)} has one class only ({only}): there is nothing to tell apart; add another")
    parts = sorted(set(source.parts or [""]), key=("", *PARTS).index)
    present = {part: {c for p, c in counts if p == part} for part in parts}
    everywhere = set.union(*present.values())
    for part in parts:
        missing = [source.classes[c] for c in sorted(everywhere - present[part])]
        if missing:
            owner = next(other for other in parts if source.classes.index(missing[0]) in present[other])
            raise OpsinError(
                f"parts of {_where(source)} differ in their classes: {part} has no {named(missing)}, which {owner} "
                "has; give every part the same class folders"
            )
    empty = [name for c, name in enumerate(source.classes) if c not in everywhere]
    if empty:
        raise OpsinError(f"empty class in {_where(source)}: {named(empty)}; add images or remove the folder")


def _where(source: Source) -> str:
    return source.name if source.path is None else str(source.path)


def _pick(values: tuple[str, ...], rows: np.ndarray) -> tuple[str, ...]:
    return tuple(values[i] for i in rows)


def _digits() -> Source:
    from sklearn.datasets import load_digits

    values, labels = load_digits(return_X_y=True)
    values = np.asarray(values).astype(np.int64).reshape(-1, 8, 8)  # 0 .. 16
    return Source(
        name="digits",
        path=None,
        classes=tuple(str(c) for c in range(10)),
        labels=np.asarray(labels).astype(np.int64),
        ids=tuple(f"digits/{i:04d}" for i in range(len(values))),
        pixels=((values * 255 + 8) // 16).astype(np.uint8),
    )


def _folder(folder: Path) -> Source:
    if not folder.exists():
        raise OpsinError(f"no folder {str(folder)!r}: give a folder of class folders, or the built-in data: digits")
    if not folder.is_dir():
        raise OpsinError(f"{folder} is a file, not a folder: give the folder that holds the class folders")
    folders = _folders(folder)
    parts = {name: _PART_NAMES.get(name.lower()) for name in folders}
    if not any(parts.values()):
        return _gather(folder, {"": folders})
    if not all(parts.values()):
        known, other = [n for n in folders if parts[n]], [n for n in folders if not parts[n]]
        raise OpsinError(
            f"{folder} mixes part folders ({named(known)}) with others ({named(other)}); "
            "put every class folder into a part, or rename a class that is called as a part is"
        )
    twice = [part for part, count in Counter(parts.values()).items() if count > 1]
    if twice:
        both = [name for name in folders if parts[name] == twice[0]]
        raise OpsinError(f"{folder} has two folders for one part ({named(both)}); keep one of them")
    if "train" not in parts.values():
        raise OpsinError(f"{folder} has {named(folders)} but no train; add a train folder")
    return _gather(folder, {name: _folders(folder / name) for name in folders})


def _gather(folder: Path, layout: dict[str, list[str]]) -> Source:
    """The source of a folder whose part folders ("" for none) hold the class folders of `layout`."""
    found: list[tuple[str, str, str]] = []  # (part folder, class, id)
    empty: list[str] = []
    for part, classes in layout.items():
        for name in classes:
            inside = (Path(part) / name).as_posix()
            files = sorted(f"{inside}/{file}" for file in _files(folder / inside))
            found += [(part, name, file) for file in files]
            if not files:
                empty.append(inside)
    if empty:
        raise OpsinError(f"empty class in {folder}: {named(empty)}; add images or remove the folder")
    _check_files(folder, [file for _, _, file in found])
    names = tuple(sorted({name for _, name, _ in found}))
    index = {name: c for c, name in enumerate(names)}
    roles = {part: _PART_NAMES.get(part.lower(), "") for part in layout}
    if set(roles.values()) == {"train", "val"}:
        roles = {part: "test" if role == "val" else role for part, role in roles.items()}
    found.sort(key=lambda row: (("", *PARTS).index(roles[row[0]]), row[1], row[2]))
    source = Source(
        name=folder.resolve().name or "images",
        path=folder,
        classes=names,
        labels=np.array([index[name] for _, name, _ in found], dtype=np.int64),
        ids=tuple(file for _, _, file in found),
        parts=tuple(roles[part] for part, _, _ in found) if len(layout) > 1 else None,
    )
    check_classes(source)
    return source


def _folders(folder: Path) -> list[str]:
    """The names of the folders inside one; images that lie beside them, in no class, are an error."""
    entries = list(_entries(folder))
    folders = sorted(entry.name for entry in entries if entry.is_dir())
    files = sorted(entry.name for entry in entries if entry.is_file())
    loose = [name for name in files if _named_image(name)]
    if folders and loose:
        raise OpsinError(
            f"images in {folder} lie in no class folder: {named(loose)}; put each into a folder of its class"
        )
    if not folders:
        holds = f"{many(len(loose), 'image')} but no class folders" if loose else "no class folders"
        holds = holds if entries else "nothing in it"
        raise OpsinError(f"{folder} has {holds}; put the images of each class into a folder with its name")
    return folders


def _files(folder: Path, above: frozenset[str] = frozenset()) -> Iterator[str]:
    """Paths of all files inside a folder, relative to it; links to folders are followed, but not round in circles."""
    here = os.path.realpath(folder)
    if here in above:
        return
    for entry in _entries(folder):
        if entry.is_dir():
            yield from (f"{entry.name}/{file}" for file in _files(folder / entry.name, above | {here}))
        elif entry.name != METADATA:
            yield entry.name


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.name.startswith(".") and entry.name.lower() not in _CLUTTER:
                    yield entry
    except OSError as error:
        raise OpsinError(f"cannot read the folder {folder}: {error.strerror}; mend its permissions") from None


def _check_files(folder: Path, ids: list[str]) -> None:
    """Raises OpsinError for files that are no images by name and content, and for names that are no text."""
    for name in ids:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise OpsinError(f"{folder} has a file whose name is not valid UTF-8: {name!a}; rename it") from None
    others = [name for name in ids if not _named_image(name) and not _is_image(folder, name)]
    if others:
        files, it = many(len(others), "file"), "it" if len(others) == 1 else "them"
        raise OpsinError(
            f"{folder} has {files} beside its images, of no kind that is read ({', '.join(FORMATS)}): {named(others)}; "
            f"take {it} away"
        )


def _named_image(name: str) -> bool:
    return Path(name).suffix.lower() in _SUFFIXES


def _is_image(folder: Path, name: str) -> bool:
    path = folder / name
    try:
        if not path.is_file():
            return False
        with path.open("rb") as stream:
            return looks_like_image(stream.read(12))
    except OSError as error:
        raise BadImage(name, f"cannot be opened: {error.strerror}") from None
