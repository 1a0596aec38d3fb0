"""What a claim's test has found as a file: the claim, the finding and the circumstances, and all of it read back."""

import json
import math
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from opsin import files
from opsin.cards import Paper
from opsin.claims.chart import Bars, Chart, Dots, Grid, Lines, Ranges, Table
from opsin.claims.claim import ARTICLES, Checked, Claim, Effect, Finding, Kind, Part, Verdict
from opsin.errors import OpsinError

SCHEMA = 1
MEND = "remove it, and run the claim again"
CHARTS: dict[str, type[Chart]] = {
    "bars": Bars, "lines": Lines, "grid": Grid, "dots": Dots, "ranges": Ranges, "table": Table,
}  # fmt: skip


@dataclass(frozen=True)
class Circumstances:
    """Under what a finding was made.

    Attributes:
        minutes: that the test took; of a claim that trains, those of all its trainings, one after the other.
        machine: as opsin.costs.machine describes it, its threads, and the cores that other work took meanwhile; of a
            claim that trains, what trained it.
        versions: of Opsin and PyTorch.
        definition: stands for all that decides the test, so that nothing is run twice.
        command: that runs it again.
        tier, data, seeds: of a claim that trains; None for data and seeds where there are none.
        images: stands for the images that were trained on.
    """

    minutes: float
    machine: dict[str, Any]
    versions: dict[str, str]
    definition: str
    command: str
    tier: str = "quick"
    data: str | None = None
    seeds: int | None = None
    images: str | None = None


ALWAYS = {"parts", "notes", "effect", "charts", *(field.name for field in fields(Circumstances))}
"""What every file of a record has beside the claim, be it null."""


def of_claim(claim: Claim) -> dict[str, Any]:
    """The claim itself, its articles by their titles."""
    texts = ("measured", "checked", "kind", "rule", "errs", "waits", "full")
    return {
        "id": claim.id,
        "title": claim.title,
        "statement": claim.statement,
        "quote": claim.quote,
        "articles": [{"letter": letter, "title": ARTICLES[letter]} for letter in claim.articles],
        "year": claim.year,
        "paper": asdict(claim.paper),
    } | {text: getattr(claim, text) for text in texts}


def definition(claim: Claim, asked: dict[str, Any]) -> str:
    """Eight digits that stand for the claim and for what was asked of its test, the version with it."""
    return files.digest(of_claim(claim) | asked)


def to_dict(claim: Claim, finding: Finding, ran: Circumstances) -> dict[str, Any]:
    """The record. A number that is not finite is null, and a point that has one is left out of its chart."""
    return (
        {"schema": SCHEMA}
        | of_claim(claim)
        | {
            "verdict": str(finding.verdict),
            "parts": [asdict(part) for part in finding.parts],
            "notes": list(finding.notes),
            "effect": finite(asdict(finding.effect)) if finding.effect else None,
            "charts": [of_chart(chart) for chart in finding.charts],
        }
        | finite(asdict(ran))
    )


def finite(value: Any) -> Any:
    """The value as JSON has it: tuples as lists, numbers that are not finite as None."""
    if isinstance(value, dict):
        return {str(key): finite(own) for key, own in value.items()}
    if isinstance(value, list | tuple):
        return [finite(own) for own in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def of_chart(chart: Chart) -> dict[str, Any]:
    """A chart with its kind. Points without a number are left out; of a range an end may be null, of a grid a cell."""
    (kind,) = (name for name, cls in CHARTS.items() if cls is type(chart))
    values = finite({field.name: getattr(chart, field.name) for field in fields(chart)})
    if isinstance(chart, Lines):
        values["lines"] = {name: whole(points) for name, points in values["lines"].items()}
        values["bands"] = values["bands"] and {name: whole(points) for name, points in values["bands"].items()}
    elif isinstance(chart, Bars):
        values["rows"] = whole(values["rows"])
    elif isinstance(chart, Dots):
        values["dots"] = whole(values["dots"])
    elif isinstance(chart, Ranges):
        values["rows"] = [row for row in values["rows"] if row[1] is not None]
    return {"kind": kind} | values


def whole(rows: list[list[Any]]) -> list[list[Any]]:
    return [row for row in rows if None not in row]


def place(folder: Path, claim: str) -> Path:
    return folder / f"{claim}.json"


def write(folder: Path, record: dict[str, Any]) -> Path:
    """Writes a record, whole or not at all."""
    path = place(folder, record["id"])
    files.write_json(path, record)
    return path


def read(path: Path) -> dict[str, Any]:
    """A record, checked key by key. Raises OpsinError for a file that is none, of another version or claim."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"), parse_float=number, parse_constant=number)
    except OSError as error:
        raise OpsinError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise OpsinError(f"cannot read {path}: {one_line(error)}; {MEND}") from None
    if not isinstance(values, dict) or "schema" not in values:
        raise OpsinError(f"{path} is no record of a claim: move it out of the folder of the records")
    if values["schema"] != SCHEMA:
        raise OpsinError(f"{path} is of schema {values['schema']!r}, here {SCHEMA}; {MEND}")
    typed(values, path)
    if missing := sorted(ALWAYS - values.keys()):
        raise OpsinError(f"{path} has no {missing[0]}; {MEND}")
    if path.stem != values["id"]:
        raise OpsinError(f"{path} is a record of {values['id']}: give it that name")
    return values


def read_all(folder: Path) -> dict[str, dict[str, Any]]:
    """The records of a folder by the ids of their claims; none where there is no folder.

    Raises OpsinError where one cannot be read.
    """
    return {path.stem: read(path) for path in sorted(folder.glob("*.json"))}


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
    images: str | None = None
    minutes: float | None = None
    machine: dict[str, Any] | None = None
    versions: dict[str, str] | None = None
    definition: str = ""
    command: str = ""

    @property
    def run(self) -> bool:
        return self.verdict is not Verdict.NOT_RUN

    @property
    def threads(self) -> int | None:
        """On which each network was trained; None for times, whose notes say how many each was taken on."""
        found = (self.machine or {}).get("threads") if self.data else None
        return found if isinstance(found, int) else None


def typed(values: dict[str, Any], path: Path) -> Record:
    """A record's values as what they are. Raises OpsinError, which names the file and the key that does not fit."""
    known = {field.name for field in fields(Record)} - {"charts"}
    own = checked(Record, {key: values[key] for key in known & values.keys()} | without_mean(values), path)
    if not isinstance(others := (own.machine or {}).get("others"), float | int | None):
        raise OpsinError(f"{path}: machine.others must be a number, not {str(others)[:60]!r}; {MEND}")
    return replace(own, charts=tuple(chart_of(chart, path) for chart in listed(values.get("charts"), path)))


def without_mean(values: dict[str, Any]) -> dict[str, Any]:
    """A note in place of an effect that has no finite mean: of runs that reached nothing, say."""
    effect = values.get("effect")
    if not isinstance(effect, dict) or "mean" not in effect or effect["mean"] is not None:
        return {}
    note = f"No number can be given for this effect: {effect.get('what')}."
    return {"effect": None, "notes": [*(values.get("notes") or []), note]}


def listed(charts: Any, path: Path) -> list[dict[str, Any]]:
    found = charts or []
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise OpsinError(f"{path}: charts must be a list of tables; {MEND}")
    return found


def chart_of(values: dict[str, Any], path: Path) -> Chart:
    """A chart of any kind."""
    kind = values.get("kind")
    if not isinstance(kind, str) or kind not in CHARTS:
        raise OpsinError(f"{path}: a chart is of an unknown kind, {kind!r}; known: {', '.join(CHARTS)}")
    return checked(CHARTS[kind], {key: value for key, value in values.items() if key != "kind"}, path, f"{kind}: ")


def checked(kind: type, values: dict[str, Any], path: Path, where: str = "") -> Any:
    """A dataclass of values whose types fit. Raises OpsinError for the first that does not."""
    from pydantic import ValidationError

    try:
        return adapter(kind).validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        if first["type"] == "missing":
            raise OpsinError(f"{path} has no {where}{key}; {MEND}") from None
        told = f"{path}: {where}{key or 'it'}: {first['msg']}, not {str(first['input'])[:60]!r}; {MEND}"
        raise OpsinError(one_line(told)) from None


@lru_cache(maxsize=16)
def adapter(kind: type) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def number(text: str) -> float:
    """A number of a file. Raises ValueError for what JSON has no number for."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is no number that can be drawn")
    return value


def one_line(text: object) -> str:
    return " ".join(str(text).split())
