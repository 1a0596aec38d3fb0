"""The records of claims, one JSON file each: what was claimed, what was found, and by which rule."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from opsin.cards import Paper
from opsin.claims.chart import Bars, Dots, Grid, Lines, Table
from opsin.claims.claim import Checked, Effect, Kind, Part, Verdict
from opsin.errors import OpsinError

SCHEMA = 1


@dataclass(frozen=True)
class Ranges:
    """`opsin.claims.chart.Ranges`, some of whose bounds are not known."""

    title: str
    unit: str
    rows: tuple[tuple[str, float, float | None, float | None], ...]
    none: float = 0.0
    log: bool = False


Chart = Bars | Lines | Grid | Dots | Ranges | Table
KINDS = {kind.__name__.lower(): kind for kind in (Bars, Lines, Grid, Dots, Ranges, Table)}


@dataclass(frozen=True)
class Article:
    """An article that has the statement."""

    letter: str
    title: str


@dataclass(frozen=True)
class Record:
    """A claim and what came of it, as its file has it; `opsin.claims.claim` says what each of them is."""

    id: str
    title: str
    statement: str
    quote: str
    articles: tuple[Article, ...]
    year: int
    paper: Paper
    measured: str
    checked: Checked
    kind: Kind
    rule: str
    verdict: Verdict
    errs: str = ""
    waits: str = ""
    full: str = ""
    parts: tuple[Part, ...] = ()
    notes: tuple[str, ...] = ()
    effect: Effect | None = None
    charts: tuple[Chart, ...] = ()
    tier: str | None = None
    data: str | None = None
    seeds: int | None = None
    minutes: float | None = None
    machine: dict[str, Any] | None = None
    versions: dict[str, str] | None = None

    @property
    def run(self) -> bool:
        return self.verdict is not Verdict.NOT_RUN


def read_records(folder: Path, claims: Sequence[dict[str, Any]] = ()) -> list[Record]:
    """The records of a folder, oldest paper first, and those of `claims` that have none there, as not run.

    `claims` has what a record says of the claim itself. Raises OpsinError where there are no records, or one cannot be
    read.
    """
    paths = sorted(folder.glob("*.json")) if folder.is_dir() else []
    if not paths:
        raise OpsinError(f"no records of claims in {folder}: `opsin claims run` writes them")
    found: dict[str, tuple[Path, Record]] = {}
    for path in paths:
        record = read_record(path)
        if record.id in found:
            raise OpsinError(f"{path} and {found[record.id][0]} are both records of {record.id}: keep one of them")
        found[record.id] = path, record
    for values in claims:
        if values["id"] not in found:
            found[values["id"]] = folder, checked(Record, values | {"verdict": Verdict.NOT_RUN}, folder)
    return sorted((record for _, record in found.values()), key=lambda record: (record.year, record.id))


def read_record(path: Path) -> Record:
    """The record in a file. Raises OpsinError, which names the file and the key."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"), parse_float=finite, parse_constant=finite)
    except (OSError, ValueError, RecursionError) as error:
        raise OpsinError(f"cannot read {path}: {one_line(error)}") from None
    if not isinstance(values, dict):
        raise OpsinError(f"{path} is no record of a claim: it holds no table of keys")
    if values.get("schema") != SCHEMA:
        raise OpsinError(f"{path} has schema {values.get('schema')!r}, this version reads {SCHEMA}: run the claim anew")
    known = {field.name for field in fields(Record)} - {"charts"}
    charts = tuple(chart(own, path) for own in listed(values.get("charts"), path))
    return checked(Record, {key: values[key] for key in known & values.keys()} | without_mean(values, charts), path)


def without_mean(values: dict[str, Any], charts: tuple[Chart, ...]) -> dict[str, Any]:
    """The charts, and a note in place of an effect that has no finite mean: of runs that reached nothing, say."""
    effect = values.get("effect")
    if not isinstance(effect, dict) or "mean" not in effect or effect["mean"] is not None:
        return {"charts": charts}
    note = f"No number can be given for this effect: {effect.get('what')}."
    return {"charts": charts, "effect": None, "notes": [*(values.get("notes") or []), note]}


def listed(charts: Any, path: Path) -> list[dict[str, Any]]:
    found = charts or []
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise OpsinError(f"{path}: charts must be a list of tables: run the claim anew")
    return found


def chart(values: dict[str, Any], path: Path) -> Chart:
    """A chart of any kind."""
    kind = values.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise OpsinError(f"{path}: a chart is of an unknown kind, {kind!r}; known: {', '.join(KINDS)}")
    return checked(KINDS[kind], {key: value for key, value in values.items() if key != "kind"}, path, f"{kind}: ")


def checked(kind: type, values: dict[str, Any], path: Path, where: str = "") -> Any:
    """A dataclass of values whose types fit. Raises OpsinError for the first that does not."""
    from pydantic import ValidationError

    try:
        return adapter(kind).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        told = f"{path}: {where}{key or 'it'}: {first['msg']}, not {str(first['input'])[:60]!r}"
        raise OpsinError(one_line(told)) from None


@lru_cache(maxsize=16)
def adapter(kind: type) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def finite(text: str) -> float:
    """A number of a file. Raises ValueError for what JSON has no number for."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is no number that can be drawn")
    return value


def one_line(text: object) -> str:
    return " ".join(str(text).split())
