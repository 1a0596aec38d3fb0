"""Lists of paths and labels: CSV, TSV and JSON lines.

A list names its columns: one of paths (`path`, `file_name`, `image` ...), one of labels (`label`, `class`, `target`
...), and where it has them the part of each image (`split`, `part`, `subset`) and its group (`group`). Relative paths
are relative to the list's folder.
"""

import csv
import io
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from opsin.data.groups import by_column
from opsin.data.sources.folder import called_image
from opsin.data.sources.source import Source, by_name, divided, in_order, part_called
from opsin.errors import OpsinError
from opsin.words import many, named, printable

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson")
PATHS = ("path", "file", "file_name", "filename", "filepath", "file_path", "image", "image_path")
LABELS = ("label", "labels", "class", "class_name", "target", "category")
SPLITS = ("split", "part", "subset", "set")
GROUPS = ("group", "groups", "group_id")

Row = tuple[int, dict[str, Any]]
"""The line of the file that a row ends on, and its values by column."""


def read_list(path: Path, groups: str | None = None) -> Source:
    """The source of a list. Folders are listed, no image is opened.

    Rows stand in the order of part, class and path, not in the list's. Raises OpsinError, with the line, for what is
    missing, there twice, or of no known part.
    """
    rows = list(_from_json(path) if path.suffix.lower() in SUFFIXES[2:] else _from_csv(path))
    if not rows:
        raise OpsinError(f"{path} lists no images: give each a line with its path and its label")
    columns = list(dict.fromkeys(key for _, row in rows for key in row))
    at = _column(path, columns, PATHS, "paths")
    label_of = _column(path, columns, LABELS, "labels")
    part_of, group_of = _chosen(path, columns, SPLITS, "parts"), _chosen(path, columns, GROUPS, "groups")
    names = [_text(path, line, at, row.get(at)) for line, row in rows]
    labels = _whole([_text(path, line, label_of, row.get(label_of)) for line, row in rows])
    folder, ids = _located(path, names)
    _check_files(path, folder, ids, [line for line, _ in rows])
    parts = _parts(path, rows, part_of) if part_of else [""] * len(rows)
    parts = divided(parts, str(path))
    classes, indices = by_name(labels)
    order = in_order(parts or [""] * len(rows), indices, ids)
    source = Source(
        name=path.stem,
        path=path,
        classes=classes,
        labels=indices[order],
        ids=tuple(ids[i] for i in order),
        parts=None if parts is None else tuple(parts[i] for i in order),
        folder=folder,
    )
    groups = groups or group_of
    if groups is None:
        return source
    values = {key: [_shown(rows[i][1].get(key)) for i in order] for key in columns if key not in (at, label_of)}
    return replace(source, groups=by_column(source.ids, groups, values, str(path)))


def _from_csv(path: Path) -> Iterator[Row]:
    text = _read(path)
    header, _, _ = text.partition("\n")
    delimiter = "\t" if path.suffix.lower() == ".tsv" else max(",;\t", key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    columns: list[str] = []
    try:
        for row in reader:
            if not any(map(str.strip, row)):
                continue
            if not columns:
                columns = [name.strip() for name in row]
                _check_header(path, columns)
            elif len(row) != len(columns):
                raise OpsinError(
                    f"{path}, line {reader.line_num}: {many(len(row), 'value')} for {many(len(columns), 'column')} "
                    f"({named(columns)}); put values that hold {delimiter!r} into double quotes"
                )
            else:
                yield reader.line_num, dict(zip(columns, map(str.strip, row), strict=True))
    except csv.Error as error:
        raise OpsinError(f"{path}, line {reader.line_num}: not CSV ({error}); mend its quotes") from None


def _from_json(path: Path) -> Iterator[Row]:
    for line, text in enumerate(_read(path).split("\n"), 1):
        if not text.strip():
            continue
        try:
            row = json.loads(text)
        except ValueError as error:
            raise OpsinError(f"{path}, line {line}: not JSON ({error}); give each image one line") from None
        if not isinstance(row, dict):
            raise OpsinError(f'{path}, line {line}: not an object such as {{"path": "a.jpg", "label": "cat"}}')
        yield line, row


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise OpsinError(f"{path} is not in UTF-8: save it so (from a spreadsheet: CSV UTF-8)") from None
    except OSError as error:
        raise OpsinError(f"cannot read {path}: {error.strerror}") from None


def _check_header(path: Path, columns: list[str]) -> None:
    if any(called_image(name) for name in columns):
        raise OpsinError(
            f"{path} begins without a header, with {named(columns)}: add a first line that names the columns, such as "
            "path,label"
        )
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise OpsinError(f"{path} has two columns called {named(twice)}: rename one")


def _column(path: Path, columns: list[str], names: tuple[str, ...], what: str) -> str:
    found = _chosen(path, columns, names, what)
    if found is None:
        raise OpsinError(f"{path} has no column of {what} ({', '.join(names)}), but {named(columns)}: rename one")
    return found


def _chosen(path: Path, columns: list[str], names: tuple[str, ...], what: str) -> str | None:
    """The column with one of these names, however written."""
    found = [column for column in columns if column.lower().replace(" ", "_") in names]
    if len(found) > 1:
        raise OpsinError(f"{path} has {len(found)} columns of {what} ({named(found)}): rename all but one")
    return found[0] if found else None


def _text(path: Path, line: int, column: str, value: Any) -> str:
    text = _shown(value)
    if not text:
        raise OpsinError(f"{path}, line {line}: no {printable(column)}; give one, or take the line away")
    if isinstance(value, list | dict | bool):
        raise OpsinError(f"{path}, line {line}: {printable(column)} is {named([text])}, not text or a number")
    if not text.isascii() and text.encode("utf-8", "ignore").decode() != text:
        raise OpsinError(f"{path}, line {line}: {printable(column)} is no text: {named([text])}")
    return text


def _shown(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _whole(labels: list[str]) -> list[str]:
    """Numbers as they are meant: programs write 3 as "3.0" where another row has no label."""
    numbers = all(label.removesuffix(".0").lstrip("-").isdecimal() for label in labels)
    return [label.removesuffix(".0") for label in labels] if numbers else labels


def _located(path: Path, names: list[str]) -> tuple[Path, list[str]]:
    """The folder that all files lie in, and their paths inside it: the list's own where they lie below it."""
    here = path.parent
    inside = [os.path.normpath(name.replace("\\", "/")) for name in names]
    if any(name.startswith("..") or Path(name).is_absolute() for name in inside):
        base = os.path.realpath(here)
        whole = [os.path.normpath(Path(base) / name) for name in inside]
        if all(Path(name).is_relative_to(base) for name in whole):
            common = base
        else:
            common = os.path.commonpath([Path(name).parent for name in whole])
            here = Path(common)
        inside = [os.path.relpath(name, common) for name in whole]
    return here, [name.replace(os.sep, "/") for name in inside]


def _check_files(path: Path, folder: Path, ids: list[str], lines: list[int]) -> None:
    """Raises OpsinError for a path that stands on two lines, and where files are missing."""
    first: dict[str, int] = {}
    for name, line in zip(ids, lines, strict=True):
        if name in first:
            raise OpsinError(f"{path}, line {line}: {printable(name)} stands on line {first[name]}, too; keep one")
        first[name] = line
    cut = [name.rpartition("/") for name in ids]
    there = {parent: _names(folder / parent) for parent in {parent for parent, _, _ in cut}}
    missing = [name for name, (parent, _, file) in zip(ids, cut, strict=True) if file not in there[parent]]
    missing = [name for name in missing if not (folder / name).is_file()]  # a disk may take other forms of a name
    if missing:
        told = [f"{name} (line {first[name]})" for name in missing]
        raise OpsinError(
            f"{path} lists {many(len(missing), 'file')} that {'is' if len(missing) == 1 else 'are'} not in {folder}: "
            f"{named(told)}; paths are relative to the list's folder"
        )


def _names(folder: Path) -> set[str]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries}
    except (OSError, ValueError):  # none, or a name that no file can have
        return set()


def _parts(path: Path, rows: list[Row], column: str) -> list[str]:
    parts = []
    for line, row in rows:
        try:
            parts.append(part_called(_text(path, line, column, row.get(column))))
        except OpsinError as error:
            told = str(error)
            raise OpsinError(told if told.startswith(str(path)) else f"{path}, line {line}: {told}") from None
    return parts
