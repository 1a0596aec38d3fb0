"""Image sets of the Hugging Face library `datasets`: by their name on the hub, or a folder that it has saved.

The library finds, downloads and maps the rows; the images are decoded here, as all others are.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from opsin.data.groups import by_column
from opsin.data.images import BadImage, read
from opsin.data.sources.source import PART_NAMES, Source, by_name, by_number, divided
from opsin.errors import OpsinError
from opsin.words import many, named, printable

PREFIX = "hf:"
IMAGES = ("image", "img", "picture", "photo")
LABELS = ("label", "labels", "fine_label", "class", "target")


@dataclass(frozen=True, eq=False)
class Encoded:
    """Opens images of a column of datasets, by their row in all of them together; `ids` name them in errors."""

    stored: Sequence[Any]
    column: str
    ids: tuple[str, ...]

    def __call__(self, row: int) -> Image.Image:
        name = self.ids[row]
        for some in self.stored:
            if row < len(some):
                held = some[row][self.column] or {}
                if not (held.get("bytes") or held.get("path")):
                    raise BadImage(name, "has no image")
                return read(io.BytesIO(held["bytes"]) if held.get("bytes") else Path(held["path"]), name)
            row -= len(some)
        raise IndexError(row)

    def stack(self, rows: np.ndarray) -> None:
        """They have to be decoded."""


def read_hub(text: str, groups: str | None = None, root: Path | None = None) -> Source:
    """The source of "hf:owner/name" or "hf:owner/name:config"; downloads lie in the library's cache, or at `root`.

    Raises OpsinError for what the library refuses, in its words.
    """
    name, _, config = text.removeprefix(PREFIX).partition(":")
    library = _library()
    try:
        found = library.load_dataset(name, config or None, cache_dir=None if root is None else str(root))
    except Exception as error:  # of many kinds: of the library, of the hub, of the network
        raise OpsinError(
            f"{printable(text)} cannot be loaded: {_line(error)}; check its name and the connection"
        ) from None
    return _source(name, None, found, groups)


def read_saved(folder: Path, groups: str | None = None) -> Source:
    """The source of a folder that `save_to_disk` wrote."""
    try:
        found = _library().load_from_disk(str(folder))
    except OpsinError:
        raise
    except Exception as error:  # of many kinds: Arrow's, JSON's, the disk's
        raise OpsinError(f"{folder} cannot be loaded, or is cut short or damaged: {_line(error)}") from None
    return _source(folder.resolve().name, folder, found, groups)


def is_saved(folder: Path) -> bool:
    """Whether `save_to_disk` wrote a folder."""
    return (folder / "dataset_dict.json").is_file() or (
        (folder / "dataset_info.json").is_file() and (folder / "state.json").is_file()
    )


def _source(name: str, path: Path | None, found: Any, groups: str | None) -> Source:
    where = name if path is None else str(path)
    splits: dict[str, Any] = dict(found) if isinstance(found, Mapping) else {"": found}
    picture, label = _columns(next(iter(splits.values())).features, where)
    splits, notes = _labelled(splits, label, where)
    classes, indices = _classes(splits, label, where)
    rows = [(split, i) for split, some in splits.items() for i in range(len(some))]
    source = Source(
        name=name,
        path=path,
        classes=classes,
        labels=indices,
        ids=tuple(f"{split or name}/{i:06d}" for split, i in rows),
        parts=divided([PART_NAMES.get(split, "") for split, _ in rows], where),
        notes=notes,
    )
    stored = [_undecoded(some, picture) for some in splits.values()]
    source = replace(source, opener=Encoded(stored, picture, source.ids))
    if groups is None:
        return source
    columns = {
        key: [str(value) for some in splits.values() for value in _values(some, key)]
        for key in next(iter(splits.values())).column_names
        if key == groups
    }
    return replace(source, groups=by_column(source.ids, groups, columns, where))


def _columns(features: Mapping[str, Any], where: str) -> tuple[str, str]:
    """The names of the columns of images and of labels."""
    library = _library()
    pictures = [key for key, kind in features.items() if isinstance(kind, library.Image)]
    labels = [key for key, kind in features.items() if isinstance(kind, library.ClassLabel)]
    labels = labels or [key for key in LABELS if isinstance(features.get(key), library.Value)]
    return _one(pictures, IMAGES, features, "images", where), _one(labels, LABELS, features, "labels", where)


def _one(found: list[str], usual: Sequence[str], every: Mapping[str, Any], what: str, where: str) -> str:
    chosen = found if len(found) == 1 else [key for key in usual if key in found][:1]
    if chosen:
        return chosen[0]
    has = f"several columns of {what} ({named(found)})" if found else f"no column of {what}, but {named(list(every))}"
    raise OpsinError(f"{where} has {has}: save a copy with one that is called {usual[0]} (rename_column, save_to_disk)")


def _labelled(splits: dict[str, Any], label: str, where: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The splits that can be used, and a line on those that cannot: without labels, or of no known part."""
    notes, kept = [], {}
    alone = len(splits) == 1
    for split, some in splits.items():
        if len(some) == 0:
            continue
        if not alone and split not in PART_NAMES:
            notes.append(f"left out of {where}: the split {printable(split)} ({many(len(some), 'image')})")
            continue
        missing = sum(value in (None, "", -1) for value in _values(some, label))
        if missing == len(some):
            notes.append(f"left out of {where}: the split {printable(split)}, which has no labels")
        elif missing:
            raise OpsinError(f"{where} has {many(missing, 'image')} without a label in {printable(split)}: filter them")
        else:
            kept[split] = some
    parts = [PART_NAMES.get(split, "") for split in kept]
    if not kept or len(set(parts)) < len(parts):
        raise OpsinError(f"{where} has splits {named(list(splits))}: of train, validation and test, one each is read")
    order = sorted(kept, key=lambda split: ("train", "val", "test", "").index(PART_NAMES.get(split, "")))
    return {split: kept[split] for split in order}, tuple(notes)


def _classes(splits: dict[str, Any], label: str, where: str) -> tuple[tuple[str, ...], np.ndarray]:
    first = next(iter(splits.values())).features[label]
    values = [value for some in splits.values() for value in _values(some, label)]
    if hasattr(first, "names"):
        if any(some.features[label].names != first.names for some in splits.values()):
            raise OpsinError(f"{where} names its classes differently in its splits: save a copy with one list of names")
        return by_number(np.asarray(values), first.names, where)
    if not all(isinstance(value, str | int) for value in values):
        raise OpsinError(f"{where} has labels in {printable(label)} that are neither names nor whole numbers")
    return by_name([str(value).strip() for value in values])


def _values(some: Any, column: str) -> list[Any]:
    return some.select_columns([column]).with_format(None)[:][column]


def _undecoded(some: Any, column: str) -> Any:
    """A dataset of one column, whose images are left as they are in their files."""
    return some.select_columns([column]).cast_column(column, _library().Image(decode=False)).with_format(None)


def _line(error: Exception) -> str:
    return printable(" ".join(str(error).split()))[:300] or type(error).__name__


def _library() -> Any:
    try:
        import datasets  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise OpsinError("sets of the Hugging Face library need datasets: pip install 'opsin[datasets]'") from None
    return datasets
