"""What stands in the page's tables: the networks, the confusion matrix, the papers' figures, the probes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from opsin.report import starts, words
from opsin.report.records import Records, Row, interval_of
from opsin.report.scales import floor_of

MATRIX_CLASSES = 30  # with more, the most frequent confusions are listed instead


@dataclass(frozen=True)
class Cell:
    """One figure: as shown, and what it sorts by (None stands last)."""

    text: str
    sort: float | str | None = None
    kind: str = "number"
    hint: str = ""


@dataclass(frozen=True)
class Column:
    title: str
    cell: Callable[[Row], Cell]
    hint: str = ""
    numeric: bool = True


def _number(key: str, show: Callable[[float | None], str]) -> Callable[[Row], Cell]:
    def cell(row: Row) -> Cell:
        value = row.get(key)
        return Cell(show(value), value if words.known(value) else None)

    return cell


def _front(row: Row) -> Cell:
    marks = [word for key, word in (("pareto", "operations"), ("pareto_latency", "time")) if row.get(key)]
    return Cell(", ".join(marks) or words.NONE, len(marks), "text")


def _accuracy(row: Row) -> Cell:
    mean = row.get("top1_mean")
    return Cell(words.accuracy(mean, row.get("top1_ci")), mean if words.known(mean) else None, "accuracy")


def _start(row: Row) -> Cell:
    return Cell(words.STARTS[row["start"]], list(words.STARTS).index(row["start"]), "text")


def _weights(row: Row) -> Cell:
    weights = row["weights"]
    if not weights:
        return Cell(words.NONE, None, "text")
    hint = f"{weights['name']}; licence: {weights['licence'] or 'not stated'}"
    return Cell(starts.short(weights), weights["name"].lower(), "text", hint)


def _public(records: Records) -> list[Column]:
    """The columns that a comparison has where any entry starts from public weights."""
    if not records.public:
        return []
    return [
        Column("Start", _start, "what the entry starts from", numeric=False),
        Column("Weights", _weights, "public weights: where they come from", numeric=False),
    ]


def _recipe(records: Records) -> Callable[[Row], Cell]:
    def cell(row: Row) -> Cell:
        name = records.fitted[row["entry"]]["recipe"]["name"]
        return Cell(name, name, "text")

    return cell


def _status(row: Row) -> Cell:
    return Cell(row["status"], row["status"], "status")


def columns(records: Records) -> list[Column]:
    """The columns after the network's name; latencies are marked where the machine was busy."""
    busy = "measured while the machine was busy" if records.results["machine"].get("busy") else ""
    star = "*" if busy else ""
    strength = Column("Strength C", _number("probe_strength", words.plain), "of a probe’s logistic regression")
    return [
        *_public(records),
        *([Column("Recipe", _recipe(records), numeric=False)] if records.fitted else []),
        Column("Family", lambda row: Cell(row["family"], row["family"].lower(), "text"), numeric=False),
        Column("Year", _number("year", lambda year: str(year))),
        Column("Test accuracy", _accuracy, "mean over seeds, with its 95 % interval"),
        Column("Balanced accuracy", _number("balanced_mean", words.percent), "mean of the classes' recalls"),
        Column("Macro F1", _number("macro_f1_mean", words.percent)),
        Column("Parameters", _number("params", words.count)),
        Column("MACs", _number("macs", words.count), "multiply–accumulate operations for one image"),
        Column("Latency p50" + star, _number("latency_ms_p50", words.milliseconds), busy or "one image, median"),
        Column("Latency p95" + star, _number("latency_ms_p95", words.milliseconds), busy or "95th percentile"),
        Column("Peak memory", _number("peak_memory_mb", words.megabytes), "of a training step"),
        Column("Training time", _number("train_seconds", words.duration), "of one run, mean over seeds"),
        Column("Learning rate", _number("learning_rate", words.plain)),
        *([strength] if "probe" in records.starts else []),
        Column("Input, px", _number("input_size", words.number)),
        Column("Pareto front", _front, "no other network is both more accurate and cheaper", numeric=False),
        Column("Status", _status, numeric=False),
    ]


def network_rows(records: Records) -> list[dict[str, Any]]:
    """One line an entry, the most accurate first, failed ones last."""
    shown = sorted(records.rows, key=lambda row: (row not in records.ok, -(row.get("top1_mean") or 0)))
    whiskers = _whiskers(records)
    lines = []
    for row in shown:
        lines.append(
            {
                "entry": row["entry"],
                "name": records.name(row["entry"]),
                "step": records.steps.get(row["year"]),
                "mark": row["start"] if records.mixed else "",
                "pick": records.picked is row,
                "failed": row not in records.ok,
                "whisker": whiskers.get(row["entry"]),
                "cells": [column.cell(row) for column in columns(records)],
            }
        )
    return lines


def _whiskers(records: Records) -> dict[str, dict[str, float]]:
    """Each finished entry's interval as percents of a common axis; what lies far below ends at its foot."""
    if not records.ok:
        return {}
    spans = {row["entry"]: interval_of(row) for row in records.ok}
    means = [row["top1_mean"] for row in records.ok]
    high = max(high for _, high in spans.values())
    low = max(min(low for low, _ in spans.values()), floor_of(means) or 0.0)

    def at(share: float) -> float:
        return round(100 * max(share - low, 0.0) / max(high - low, 1e-9), 2)

    return {
        row["entry"]: dict(zip(("low", "high", "mean"), map(at, (*spans[row["entry"]], row["top1_mean"])), strict=True))
        for row in records.ok
    }


def confusion(records: Records) -> dict[str, Any] | None:
    """The matrix with each cell's share of its row, and the most frequent confusions; None where none is kept."""
    kept = records.page.get("confusion")
    if not kept or not kept.get("matrix"):
        return None
    classes, matrix = kept["classes"], kept["matrix"]
    rows = matrix_rows(classes, matrix)
    pairs = [
        {**cell, "truth": row["label"], "predicted": classes[j], "of": row["total"]}
        for row in rows
        for j, cell in enumerate(row["cells"])
        if not cell["right"] and cell["count"]
    ]
    pairs.sort(key=lambda pair: (-pair["count"], -pair["share"], pair["truth"], pair["predicted"]))
    hardest = sorted((row for row in rows if row["recall"] is not None), key=lambda row: row["recall"])
    longest = max(len(label) for label in classes)
    return {
        "name": records.name(kept["entry"]),
        "seeds": kept["seeds"],
        "classes": classes,
        "rows": rows if len(classes) <= MATRIX_CLASSES else None,
        "pairs": pairs,
        "repeated": [pair for pair in pairs if pair["count"] > 1],
        "n_pairs": len(pairs),
        "hardest": hardest[:10],
        "dense": len(classes) > 14,
        "slanted": longest > 3,
        "errors": sum(pair["count"] for pair in pairs),
        "total": sum(row["total"] for row in rows),
    }


def matrix_rows(classes: Sequence[str], matrix: Sequence[Sequence[int]]) -> list[dict[str, Any]]:
    """Rows of a confusion matrix: a label, its cells with their share of the row, how many, the share recognised."""
    rows = []
    for k, counts in enumerate(matrix):
        total = sum(counts)
        cells = [{"count": n, "share": n / total if total else 0.0, "right": j == k} for j, n in enumerate(counts)]
        recall = counts[k] / total if total else None
        rows.append({"label": classes[k], "cells": cells, "total": total, "recall": recall})
    return rows


def pick_bars(records: Records) -> list[dict[str, Any]]:
    """In how many resamples each entry would have been picked, most often first."""
    tallies = records.pick.get("picked_in_resamples") or {}
    total = sum(tallies.values())
    ordered = sorted(tallies.items(), key=lambda item: (-item[1], item[0]))
    picked = records.pick.get("entry")
    return [
        {"name": records.name(entry), "count": n, "share": n / total, "pick": entry == picked}
        for entry, n in ordered
        if n > 0
    ]


def deficit_line(records: Records) -> dict[str, Any] | None:
    """The pick's deficit on an axis of points, as percents of its length; None where it is not known."""
    pick = records.pick
    deficit, margin = pick.get("deficit"), records.results["plan"]["margin"]
    if deficit is None or not words.known(deficit):
        return None
    low, high = pick.get("deficit_ci") or (None, None)
    visible = pick.get("smallest_visible_deficit")
    known = [x for x in (0.0, deficit, margin, low, high, visible) if words.known(x) and x is not None]
    first, last = min(known), max(known)
    room = 0.08 * max(last - first, 0.002)
    first, last = first - room, last + 2.5 * room

    def at(value: float | None) -> float | None:
        return round(100 * (value - first) / (last - first), 2) if value is not None and words.known(value) else None

    return {
        "zero": at(0.0), "deficit": at(deficit), "margin": at(margin), "low": at(low) if low is not None else 0.0,
        "open": low is None, "high": at(high), "visible": at(visible),
        "says": {"deficit": words.points(deficit), "margin": words.points(margin), "high": words.points(high),
                 "visible": words.points(visible)},
    }  # fmt: skip


def probes(records: Records) -> dict[str, Any] | None:
    """The learning rates that were tried, a row an entry; None where none were."""
    kept = records.page.get("tuning") or {}
    rates = sorted({rate for probe in kept.values() for rate in probe["rates"]})
    if not rates:
        return None
    rows = []
    for row in records.rows:
        probe = kept.get(row["entry"])
        if probe:
            scores = dict(zip(probe["rates"], probe["val_score"], strict=False))
            cells = [{"text": words.percent(scores.get(rate)), "chosen": rate == probe["chosen"]} for rate in rates]
            rows.append({"name": records.name(row["entry"]), "cells": cells})
    return {"rates": [f"{rate:g}" for rate in rates], "rows": rows}


def cards(records: Records) -> list[dict[str, Any]]:
    """Each network's card with its display name and, where it is a web address, its link."""
    kept = records.page.get("cards") or {}
    found = []
    for model, name in records.networks.items():
        card, rows = kept.get(model), [row for row in records.rows if row["model"] == model]
        if card:
            url = card.get("url") or ""
            link = url if url.startswith(("https://", "http://")) else None
            found.append(
                {
                    **card,
                    "model": model,
                    "name": name,
                    "step": records.steps.get(rows[0]["year"]),
                    "link": link,
                    "runs": list({row["input_size"]: row for row in rows}.values()),
                    "published": card.get("published") or [],
                }
            )
    return found


def class_counts(records: Records) -> list[tuple[str, list[int]]]:
    """Each class with its images in train, validation and test."""
    data = records.results["data"]
    counts = data["class_counts"]
    return [(label, [counts[part][k] for part in ("train", "val", "test")]) for k, label in enumerate(data["classes"])]
