"""Which images belong together, from a column of a table or from their paths."""

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from opsin.errors import OpsinError
from opsin.words import many, printable


def group_of_each(ids: tuple[str, ...], groups: str, metadata: Path) -> tuple[str, ...]:
    """The group of each image: `groups` is a column of the CSV file `metadata`, or else a regular expression.

    Raises OpsinError for an image that has none.
    """
    if not metadata.is_file():
        return by_pattern(ids, groups)
    columns, rows = _table(metadata)
    if groups in columns[1:]:
        return _from_column(ids, groups, metadata, columns, rows)
    return by_pattern(ids, groups, columns[1:], str(metadata))


def by_column(
    ids: tuple[str, ...], groups: str, columns: Mapping[str, Sequence[str | None]], where: str
) -> tuple[str, ...]:
    """The same where the columns, a value for each image, are those of the list itself."""
    if groups in columns:
        return _all_named(ids, columns[groups], f"column {groups!r} of {where}", "add what is missing")
    return by_pattern(ids, groups, list(columns), where)


def by_pattern(ids: tuple[str, ...], groups: str, columns: Sequence[str] = (), where: str = "") -> tuple[str, ...]:
    """The group of each image by a regular expression; `columns` are named where it does not fit."""
    try:
        pattern = re.compile(groups)
    except re.error as error:
        raise OpsinError(f"groups {groups!r} is not a regular expression: {error}") from None
    found = [pattern.search(name) for name in ids]
    names = [None if m is None else m[1] if pattern.groups else m[0] for m in found]
    also = "give one that fits every path"
    if columns:
        also = f"columns of {where} are {', '.join(map(printable, columns))}"
    return _all_named(ids, names, f"the regular expression {groups!r}", also)


def _table(metadata: Path) -> tuple[list[str], list[list[str]]]:
    try:
        with metadata.open(encoding="utf-8-sig", newline="") as stream:
            rows = [row for row in csv.reader(stream) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise OpsinError(f"{metadata} cannot be read as a CSV file in UTF-8: {error}") from None
    if not rows or rows[0][0].strip() != "file_name":
        first = rows[0][0].strip() if rows else ""
        raise OpsinError(f"{metadata}: its first column must be file_name (a path inside the folder), not {first!r}")
    return [name.strip() for name in rows[0]], rows[1:]


def _from_column(
    ids: tuple[str, ...], column: str, metadata: Path, columns: list[str], rows: list[list[str]]
) -> tuple[str, ...]:
    at = columns.index(column)
    known: dict[str, str] = {}
    for row in rows:
        name = row[0].strip().replace("\\", "/").removeprefix("./")
        group = row[at].strip() if at < len(row) else ""
        if known.setdefault(name, group) != group:
            raise OpsinError(f"{metadata} puts {name} into two groups, {known[name]!r} and {group!r}; keep one row")
    return _all_named(ids, [known.get(name) for name in ids], f"column {column!r} of {metadata}", "add what is missing")


def _all_named(ids: tuple[str, ...], names: Sequence[str | None], of: str, mend: str) -> tuple[str, ...]:
    missing = [name for name, group in zip(ids, names, strict=True) if not group]
    if missing:
        more = f" (and {many(len(missing) - 1, 'other image')})" if len(missing) > 1 else ""
        raise OpsinError(f"{missing[0]}{more} has no group by {of}; {mend}")
    return tuple(group for group in names if group)
