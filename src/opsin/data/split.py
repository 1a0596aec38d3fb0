"""Who trains, who selects, who is tested: the division of a source into train, val and test.

By class (each class is divided in the same proportions), by a seed, and the same on every platform. Images of one
group and identical images stay in one part.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from opsin.data.scan import Scan
from opsin.data.sources import PARTS, Source
from opsin.data.stratify import assign, units
from opsin.errors import OpsinError
from opsin.words import many, named

FRACTIONS = (0.6, 0.2, 0.2)  # of train, val and test, where a source has no parts
SPLIT_OFF = (0.8, 0.2)  # of train and val, where a source has train and test alone


@dataclass(frozen=True, eq=False)
class Split:
    """How a source is divided.

    Attributes:
        parts: array of str [n], "train", "val" or "test" for each image.
        how: in words, "60/20/20, stratified, seed 0".
        duplicates: sets of identical images, by their ids.
        notes: what a reader of results should know, a sentence each.
    """

    parts: np.ndarray
    how: str
    duplicates: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]

    def rows(self, part: str) -> np.ndarray:
        """The images of a part: int64, ascending."""
        return np.flatnonzero(self.parts == part)

    @property
    def counts(self) -> dict[str, int]:
        """How many images each part has: of train, val and test."""
        return {part: int((self.parts == part).sum()) for part in PARTS}


def divide(scan: Scan, seed: int = 0, val: float | None = None) -> Split:
    """The division of a scanned source: as its folders give it where they do, else by `split`.

    `val` is the share of images that validate instead of the usual one (of train, where there is a test part); with 0
    all that is not the test part trains, a val part that is given too.

    Raises OpsinError where identical images or images of one group stand in different parts that are given (identical
    ones of a set that is known by its name are noted only), and where a class is too small for every part.
    """
    source = scan.source
    if source.parts is not None:
        _check_given(source, scan.duplicates)
    if val is not None and not 0 <= val <= 0.5:
        raise OpsinError(f"the share that validates must be from 0 to 0.5, not {val}")
    if val and source.parts is not None and "val" in source.parts:
        raise OpsinError(f"{source.path or source.name} has a part that validates: give no share, or 0")
    parts = split(source.labels, source.classes, source.parts, source.groups, scan.duplicates, seed, *_shares(val))
    if val == 0:
        parts[parts == "val"] = "train"
    kept = "stratified" if source.groups is None else "stratified, groups kept together"
    if source.parts is None:
        how = "/".join(f"{100 * f:.0f}" for f in _shares(val)[0]) + f", {kept}, seed {seed}"
    elif "val" in source.parts:
        how = "parts as given"
    else:
        folder = source.ids[source.parts.index("test")].split("/")[0]
        test = f"test is the folder {folder}" if source.folder and source.folder == source.path else "test as given"
        how = f"{test}; {100 * _shares(val)[1][1]:.0f} % of train validate, {kept}, seed {seed}"
    if val == 0:
        how += "; what would validate trains"
    return Split(parts, how, tuple(_pick(source.ids, same) for same in scan.duplicates), _notes(scan))


def split(
    labels: np.ndarray,
    classes: Sequence[str],
    parts: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
    duplicates: Iterable[Sequence[int]] = (),
    seed: int = 0,
    fractions: tuple[float, ...] = FRACTIONS,
    split_off: tuple[float, ...] = SPLIT_OFF,
) -> np.ndarray:
    """The part of each image: array of str [n], "train", "val" or "test".

    Each class is divided by `fractions`, to within one image where neither groups nor duplicates bind. Where `parts`
    are given and hold no "val", it is split off train by `split_off`; where they hold all three, they are the answer.
    Raises OpsinError which lists the classes that cannot stand in every part.
    """
    unit = units(len(labels), groups, duplicates)
    if parts is None:
        return np.array(PARTS)[assign(labels, classes, unit, fractions, PARTS, seed)]
    result = np.array(parts)
    if "val" not in parts:
        train = np.flatnonzero(result == "train")
        result[train] = np.array(PARTS[:2])[assign(labels[train], classes, unit[train], split_off, PARTS[:2], seed)]
    return result


def _shares(val: float | None) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Of train, val and test, and of train and val where test is given; with 0 the usual ones, to be joined."""
    if not val:
        return FRACTIONS, SPLIT_OFF
    return (1 - FRACTIONS[2] - val, val, FRACTIONS[2]), (1 - val, val)


def _check_given(source: Source, duplicates: Sequence[Sequence[int]]) -> None:
    assert source.parts is not None
    where = source.path or source.name
    across = [_equal(_pick(source.ids, same)) for same in duplicates if _crosses(source, same)]
    if across and source.path is not None:  # a set that is known by its name stays as it is published
        raise OpsinError(
            f"identical images stand in different parts of {where} ({many(len(across), 'set')}); keep one of each: "
            + named(across)
        )
    seen: dict[str, set[str]] = {}
    for group, part in zip(source.groups or (), source.parts, strict=False):
        seen.setdefault(group, set()).add(part)
    torn = [
        f"{group} ({' and '.join(sorted(parts, key=PARTS.index))})" for group, parts in seen.items() if len(parts) > 1
    ]
    if torn:
        count = many(len(torn), "group")
        raise OpsinError(f"groups stand in different parts of {where} ({count}); move each into one: {named(torn)}")


def _notes(scan: Scan) -> tuple[str, ...]:
    source, notes = scan.source, [*scan.source.notes]
    if scan.bad:
        notes.append(f"left out, since they cannot be read ({len(scan.bad):,}): {named(scan.bad)}")
    across = [_equal(_pick(source.ids, rows)) for rows in scan.duplicates if _crosses(source, rows)]
    if across:
        count = many(len(across), "set")
        notes.append(f"identical images stand in different parts, as they are published ({count}): {named(across)}")
    same = [_equal(_pick(source.ids, rows)) for rows in scan.duplicates if not _crosses(source, rows)]
    if same:
        notes.append(f"identical images, kept in one part ({many(len(same), 'set')}): {named(same)}")
    torn = [
        _equal([f"{source.ids[i]} ({source.classes[source.labels[i]]})" for i in rows])
        for rows in scan.duplicates
        if len(set(source.labels[list(rows)].tolist())) > 1
    ]
    if torn:
        notes.append(f"identical images of different classes ({many(len(torn), 'set')}): {named(torn)}")
    return tuple(notes)


def _crosses(source: Source, rows: Sequence[int]) -> bool:
    return source.parts is not None and len(set(_pick(source.parts, rows))) > 1


def _equal(names: Sequence[str], most: int = 4) -> str:
    more = f" = {len(names) - most:,} more" if len(names) > most else ""
    return " = ".join(names[:most]) + more


def _pick(values: Sequence[str], rows: Sequence[int]) -> tuple[str, ...]:
    return tuple(values[i] for i in rows)
