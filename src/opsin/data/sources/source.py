"""Labelled images, not yet opened, and the order of their classes.

Classes stand in the order of their names, as text, wherever they come from: so a network's output belongs to a name,
and no order of files, rows or parts can shift it. Names are compared in Unicode's form NFC.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from opsin.data.images import read
from opsin.data.threads import FEW
from opsin.errors import OpsinError, unknown
from opsin.words import named, printable

PARTS = ("train", "val", "test")
PART_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}


class Opener(Protocol):
    """Images that are no files of their own, by their row in the whole source. It can be pickled."""

    def __call__(self, row: int) -> Image.Image: ...

    def stack(self, rows: np.ndarray) -> np.ndarray | None:
        """See `Source.stack`."""
        ...


@dataclass(frozen=True, eq=False)
class Source:
    """Labelled images, not yet opened, and what is known of each.

    Attributes:
        name: for people: "digits", or the name of the folder or file.
        path: the folder or file that was named; None for a set that is known by its name.
        classes: names in sorted order, as text ("10" before "2").
        labels: int64 [n], indices of `classes`.
        ids: a name for each image: its path inside `folder` with forward slashes, or such as "test/0007".
        parts: "train", "val" or "test" for each image; None where the source is not divided. There may be no "val".
        groups: the group of each image; None where none were asked for and the source knows none.
        notes: what has been left out, a line each.
        folder: where the images are files; None where they are not.
        opener: for images that are no files.
        rows: int64 [n], the rows of the whole source which these images are; for `opener`.
    """

    name: str
    path: Path | None
    classes: tuple[str, ...]
    labels: np.ndarray
    ids: tuple[str, ...]
    parts: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    folder: Path | None = None
    opener: Opener | None = None
    rows: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def image(self, i: int) -> Image.Image:
        """Image i, upright, of mode "L" or "RGB". Raises BadImage, which names it."""
        if self.opener is not None:
            return self.opener(i if self.rows is None else int(self.rows[i]))
        file = self.file(i)
        assert file is not None
        return read(file, self.ids[i])

    def stack(self, rows: np.ndarray) -> np.ndarray | None:
        """The images at `rows` (int64, ascending) as one array, uint8 [N, H, W] or [N, H, W, 3].

        None where they are not in such an array already: then each has to be opened by `image`.
        """
        return None if self.opener is None else self.opener.stack(rows if self.rows is None else self.rows[rows])

    @property
    def block(self) -> int:
        """Images to be taken at once: a few where each has to be decoded; else those of about a megabyte."""
        first = self.stack(np.arange(1))
        return FEW if first is None else max(FEW, 2**20 // first.nbytes)

    def file(self, i: int) -> Path | None:
        """The file that image i is; None where it is none of its own."""
        return None if self.folder is None else self.folder / self.ids[i]

    def take(self, rows: Sequence[int] | np.ndarray) -> "Source":
        """The source of these images alone, in this order; its classes stay, even those that lose all their images."""
        rows = np.asarray(rows, dtype=np.int64)
        return replace(
            self,
            labels=self.labels[rows],
            ids=_pick(self.ids, rows),
            parts=None if self.parts is None else _pick(self.parts, rows),
            groups=None if self.groups is None else _pick(self.groups, rows),
            rows=rows if self.rows is None else self.rows[rows],
        )


def by_name(labels: Sequence[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """The classes among the names of images, sorted, and int64 [n], the index of each image's."""
    form = {name: nfc(name) for name in set(labels)}
    classes = tuple(sorted(set(form.values())))
    index = {name: c for c, name in enumerate(classes)}
    return classes, np.array([index[form[name]] for name in labels], dtype=np.int64)


def by_number(labels: np.ndarray, names: Sequence[str], where: str) -> tuple[tuple[str, ...], np.ndarray]:
    """The same for labels that are indices of `names`, in the order that a set has given them.

    Raises OpsinError for a label that is no such index, and where two classes have one name.
    """
    labels, names = np.asarray(labels, dtype=np.int64), [nfc(name) for name in names]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise OpsinError(f"{where} has more than one class of one name: {named(twice)}; rename all but one")
    wrong = np.flatnonzero((labels < 0) | (labels >= len(names)))
    if len(wrong):
        least, most = int(labels.min()), int(labels.max())
        raise OpsinError(
            f"{where} has labels from {least} to {most} for {len(names)} names of classes: they must be from 0 to "
            f"{len(names) - 1}"
        )
    order = sorted(range(len(names)), key=names.__getitem__)
    return tuple(names[c] for c in order), np.argsort(order)[labels]


def nfc(name: str) -> str:
    """A name in the form in which names are compared: "é" is one character, however it was typed."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def part_called(name: str) -> str:
    """ "train", "val" or "test" for what people call them. Raises OpsinError for another name."""
    part = PART_NAMES.get(name.strip().lower())
    if part is None:
        raise unknown("part", printable(name), PART_NAMES)
    return part


def roles(parts: Iterable[str]) -> dict[str, str]:
    """What each of the parts serves as: where there is train and one other, that one is the test part."""
    present = set(parts)
    return {part: "test" if present == {"train", "val"} and part == "val" else part for part in present}


def divided(parts: Sequence[str], where: str) -> tuple[str, ...] | None:
    """The role of each image by its part; None where all are of one. Raises OpsinError where there is no train."""
    role = roles(parts)
    if len(role) < 2:
        return None
    if "train" not in role:
        raise OpsinError(f"{where} has {named(sorted(role))} but no train; add training images")
    return tuple(role[part] for part in parts)


def in_order(parts: Sequence[str], labels: np.ndarray, ids: Sequence[str]) -> list[int]:
    """Rows sorted by part, class and id: an order that is not the disk's, nor the list's."""
    return sorted(range(len(ids)), key=lambda i: (("", *PARTS).index(parts[i]), labels[i], nfc(ids[i])))


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
                "has; give every part images of the same classes"
            )
    empty = [name for c, name in enumerate(source.classes) if c not in everywhere]
    if empty:
        raise OpsinError(f"empty class in {_where(source)}: {named(empty)}; add images or remove the class")


def _where(source: Source) -> str:
    return source.name if source.path is None else str(source.path)


def _pick(values: tuple[str, ...], rows: np.ndarray) -> tuple[str, ...]:
    return tuple(values[i] for i in rows)
