"""Folders of images.

A folder holds class folders (`class/image`, deeper folders inside a class are fine), or part folders that hold class
folders: `train` with `val` or `validation`, `test`, or both. Where it has train and one other part, that one is the
test part, whatever its name, and validation is split off train later.
"""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from opsin.data.groups import group_of_each
from opsin.data.images import FORMATS, BadImage, looks_like_image
from opsin.data.sources.source import PART_NAMES, Source, by_name, in_order, nfc, roles
from opsin.errors import OpsinError
from opsin.words import many, named

METADATA = "metadata.csv"
_SUFFIXES = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib", ".gif", ".tif", ".tiff"}
_SUFFIXES |= {".ppm", ".pgm", ".pbm", ".pnm"}
_CLUTTER = {"__macosx", "thumbs.db", "desktop.ini"}  # what other systems leave behind; hidden files beside them


def read_folder(folder: Path, groups: str | None = None) -> Source:
    """The source of a folder laid out as above. No image is opened.

    `groups` is the name of a column of `metadata.csv` in the folder, whose first column, `file_name`, holds paths
    inside the folder; or else a regular expression on the paths.
    """
    source = gather(folder, _layout(folder))
    return source if groups is None else replace(source, groups=group_of_each(source.ids, groups, folder / METADATA))


def unlabelled(folder: Path) -> Source:
    """The images below a folder, without classes: labels are -1. Raises OpsinError where there are none."""
    files = image_files(folder)
    if not files:
        raise OpsinError(f"no images in {folder}: give a folder that holds some ({', '.join(FORMATS)})")
    return Source(
        name=folder.resolve().name or "images",
        path=folder,
        classes=(),
        labels=np.full(len(files), -1, dtype=np.int64),
        ids=tuple(files),
        folder=folder,
    )


def has_classes(folder: Path) -> bool:
    """Whether a folder has more than one inside, as one with classes does."""
    return sum(entry.is_dir() for entry in _entries(folder)) > 1


def image_files(folder: Path) -> list[str]:
    """What is called an image below a folder, or begins as one: sorted paths inside it. Hidden files are left out."""
    return [name for name in sorted(_files(folder)) if called_image(name) or _is_image(folder, name)]


def gather(folder: Path, layout: dict[str, list[str]]) -> Source:
    """The source of a folder whose part folders ("" for none) hold the class folders of `layout`."""
    found: list[tuple[str, str, str]] = []  # (part folder, class folder, id)
    empty: list[str] = []
    for part, classes in layout.items():
        for name in classes:
            inside = (Path(part) / name).as_posix()
            before = len(found)
            found += [(part, name, f"{inside}/{file}") for file in _files(folder / inside)]
            if len(found) == before:
                empty.append(inside)
    if empty:
        raise OpsinError(f"empty class in {folder}: {named(sorted(empty))}; add images or remove the folder")
    found.sort(key=lambda row: row[2])
    _check_files(folder, [file for _, _, file in found])
    classes, labels = by_name([name for _, name, _ in found])
    role = roles(PART_NAMES.get(part.lower(), "") for part in layout)
    parts = [role[PART_NAMES.get(part.lower(), "")] for part, _, _ in found]
    order = in_order(parts, labels, [file for _, _, file in found])
    return Source(
        name=folder.resolve().name or "images",
        path=folder,
        classes=classes,
        labels=labels[order],
        ids=tuple(found[i][2] for i in order),
        parts=tuple(parts[i] for i in order) if len(layout) > 1 else None,
        folder=folder,
    )


def _layout(folder: Path) -> dict[str, list[str]]:
    """The class folders inside each part folder; "" is the part where there are none."""
    folders = folders_in(folder)
    parts = {name: PART_NAMES.get(name.lower()) for name in folders}
    if not any(parts.values()):
        return {"": folders}
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
    return {name: folders_in(folder / name) for name in folders}


def folders_in(folder: Path) -> list[str]:
    """The names of the folders inside one; images that lie beside them, in no class, are an error."""
    entries = list(_entries(folder))
    folders = sorted(entry.name for entry in entries if entry.is_dir())
    files = sorted(entry.name for entry in entries if entry.is_file())
    loose = [name for name in files if called_image(name)]
    if folders and loose:
        raise OpsinError(
            f"images in {folder} lie in no class folder: {named(loose)}; put each into a folder of its class"
        )
    if not folders:
        holds = f"{many(len(loose), 'image')} but no class folders" if loose else "no class folders"
        holds = holds if entries else "nothing in it"
        raise OpsinError(f"{folder} has {holds}; put the images of each class into a folder with its name")
    same = [name for name, count in Counter(map(nfc, folders)).items() if count > 1]
    if same:
        raise OpsinError(
            f"{folder} has two folders called {named(same)}, which differ only in how Unicode writes the name "
            "(composed, decomposed): put their images into one"
        )
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
    others = [name for name in ids if not called_image(name) and not _is_image(folder, name)]
    if others:
        files, it = many(len(others), "file"), "it" if len(others) == 1 else "them"
        raise OpsinError(
            f"{folder} has {files} beside its images, of no kind that is read ({', '.join(FORMATS)}): {named(others)}; "
            f"take {it} away"
        )


def called_image(name: str) -> bool:
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
