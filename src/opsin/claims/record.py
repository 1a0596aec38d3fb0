"""What a claim's test has found as a file: the claim, the finding and the circumstances, and all of it read back."""

import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from opsin import files
from opsin.claims.chart import Bars, Chart, Dots, Grid, Lines, Ranges, Table
from opsin.claims.claim import ARTICLES, Claim, Effect, Finding, Part, Verdict
from opsin.errors import OpsinError

SCHEMA = 1
CHARTS: dict[str, type[Chart]] = {
    "bars": Bars, "lines": Lines, "grid": Grid, "dots": Dots, "ranges": Ranges, "table": Table,
}  # fmt: skip


@dataclass(frozen=True)
class Circumstances:
    """Under what a finding was made.

    Attributes:
        minutes: that the test took.
        machine: as opsin.costs.machine describes it, its threads, and the cores that other work took meanwhile.
        versions: of Opsin and PyTorch.
        definition: stands for all that decides the test, so that nothing is run twice.
        tier, data, seeds: of a claim that trains; None for data and seeds where there are none.
        images: stands for the images that were trained on.
    """

    minutes: float
    machine: dict[str, Any]
    versions: dict[str, str]
    definition: str
    tier: str = "quick"
    data: str | None = None
    seeds: int | None = None
    images: str | None = None


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


def frozen(value: Any) -> Any:
    """Lists of JSON as the tuples that they were."""
    if isinstance(value, dict):
        return {key: frozen(own) for key, own in value.items()}
    return tuple(map(frozen, value)) if isinstance(value, list) else value


def finding(record: dict[str, Any]) -> Finding:
    """The finding of a record."""
    return Finding(
        Verdict(record["verdict"]),
        tuple(Part(**part) for part in record["parts"]),
        tuple(CHARTS[c["kind"]](**{key: frozen(c[key]) for key in c if key != "kind"}) for c in record["charts"]),
        tuple(record["notes"]),
        Effect(**{key: frozen(value) for key, value in record["effect"].items()}) if record["effect"] else None,
    )


def circumstances(record: dict[str, Any]) -> Circumstances:
    """The circumstances of a record."""
    return Circumstances(**{field.name: record[field.name] for field in fields(Circumstances)})


def place(folder: Path, claim: str) -> Path:
    return folder / f"{claim}.json"


def write(folder: Path, record: dict[str, Any]) -> Path:
    """Writes a record, whole or not at all."""
    path = place(folder, record["id"])
    files.write_json(path, record)
    return path


def read(path: Path) -> dict[str, Any]:
    """A record. Raises OpsinError for a file that is none, or of another version."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["schema"] == SCHEMA:
            _ = finding(record), circumstances(record)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        why = getattr(error, "strerror", None) or f"it is no record of a claim ({type(error).__name__})"
        raise OpsinError(f"cannot read {path}: {why}; remove it, and run the claim again") from None
    if record["schema"] != SCHEMA:
        raise OpsinError(f"{path} is of schema {record['schema']}, here {SCHEMA}: remove it, and run the claim again")
    return record


def read_all(folder: Path) -> dict[str, dict[str, Any]]:
    """The records of a folder by the ids of their claims; none where there is no folder."""
    paths = [*folder.glob("[XT][0-9][0-9].json"), *folder.glob("modules.json")]
    return {path.stem: read(path) for path in sorted(paths)}
