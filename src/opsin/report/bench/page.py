"""The page of a bench, one self-contained file: the charts of Canziani, Paszke and Culurciello, for this machine."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from opsin import __version__
from opsin.bench.cell import Bench
from opsin.errors import OpsinError
from opsin.report import html, words
from opsin.report.bench import plot
from opsin.report.bench import stories as told
from opsin.report.bench.record import Found, Point, with_accuracy
from opsin.report.scales import HALF, NARROW, Layout
from opsin.words import three_digits

WIDE = Layout(900, 560, 54, 26, 74, 54, 12.5, 30.0)
HOLLOW = "Hollow: another protocol than one crop, or an unstable time."
Figure = tuple[str, str, str, Sequence[Point], plot.Measure, plot.Measure, dict[str, bool]]
"""Its name, title and caption; its points, its two measures, and how it is drawn."""


def write_bench(out: Path, bench: Bench) -> Path:
    """Writes the page, whole or not at all, and returns its path. Raises OpsinError where nothing was measured."""
    return html.write(out, render(bench))


def render(bench: Bench) -> str:
    """The page as text."""
    found = Found(bench)
    if not found.points:
        raise OpsinError("no row was measured, so there is no page to write")
    specs: dict[str, Any] = {}
    data: dict[str, Any] = {}
    views: dict[str, Any] = {}
    groups: dict[str, list[dict[str, Any]]] = {}
    for section, figures in figures_of(found).items():
        for name, title, caption, points, x, y, how in figures:
            big = bool(how.get("bubbles")) or name == "speed"
            for size, layout in (("wide", WIDE if big else HALF), ("narrow", NARROW)):
                key = f"{name}-{size}"
                specs[key], sets = plot.chart(points, x, y, found.steps, layout, **how)
                data.update({f"{key}-{each}": values for each, values in sets.items()})
                views[key] = {"spec": key, "data": {each: f"{key}-{each}" for each in sets}}
            figure = {"id": name, "title": title, "caption": caption, "big": big, "alt": alt(points, x, y)}
            groups.setdefault(section, []).append(figure)
    return html.render(
        "bench.html",
        {"specs": specs, "data": data, "views": views},
        ("charts.js",),
        ("style.css", "bench.css"),
        **context(found),
        groups=groups,
    )


def figures_of(found: Found) -> dict[str, list[Figure]]:
    """The charts that the rows allow, by section."""
    least, most = found.batches[0], found.batches[-1]
    single, many = found.at(least), found.at(most)
    printed, lines = with_accuracy(single), [p for own in found.series.values() for p in own]
    accuracy: list[Figure] = []
    cost: list[Figure] = []
    batch: list[Figure] = []
    if len(printed) > 1:
        caption = f"Accuracy as printed, operations and parameters as counted. {HOLLOW}"
        title = told.accuracy_title(printed)
        accuracy.append(("accuracy", title, caption, printed, plot.MACS, plot.TOP1, {"bubbles": True}))
        caption = f"Accuracy as printed, speed in batches of {most}. {HOLLOW}"
        points = with_accuracy(many)
        accuracy.append(("speed", told.speed_title(points), caption, points, plot.RATE, plot.TOP1, {"bubbles": True}))
    if len(single) > 1:
        for name, points in {"one": single, "many": many}.items():
            if name == "one" or most > least:
                caption = f"Batch {points[0].batch}, time of one image."
                cost.append((name, told.operations(points), caption, points, plot.MACS, plot.MS, {}))
        if weighed := [p for p in single if p.memory]:
            caption = f"Batch {least}; {measured(weighed)}."
            cost.append(("params", told.memory_of_params(weighed), caption, weighed, plot.PARAMS, plot.MIB, {}))
        if watts := [p for p in many if p.row.watts]:
            cost.append(("watts", "Operations against power", f"Batch {most}.", watts, plot.MACS, plot.WATTS, {}))
    if lines:
        joined = {"joined": True}
        batch.append(("times", told.batches(found), "Time of one image.", lines, plot.BATCH, plot.MS, joined))
        if all(p.memory for p in lines):
            caption = f"At the peak; {measured(lines)}."
            batch.append(("memory", told.memory_of_batches(found), caption, lines, plot.BATCH, plot.MIB, joined))
        if watts := [p for p in lines if p.row.watts]:
            batch.append(("power", "Power by batch", "Mean while it computes.", watts, plot.BATCH, plot.WATTS, joined))
    groups = {"Accuracy and what it costs": accuracy, "What an operation takes": cost, "Images at once": batch}
    return {section: figures for section, figures in groups.items() if figures}


def measured(points: Sequence[Point]) -> str:
    """Whether memory was measured."""
    n = sum(p.row.memory is not None for p in points)
    if n == len(points):
        return "memory as PyTorch’s allocator gave it out"
    return "memory as predicted, not measured" if n == 0 else "memory measured, or predicted where it could not be"


def alt(points: Sequence[Point], x: plot.Measure, y: plot.Measure) -> str:
    """A chart in words, for those who do not see it."""
    rows = [(p, x.of(p), y.of(p)) for p in points]
    shown = [f"{p.name} {a:.4g}, {b:.4g}" for p, a, b in sorted(rows, key=lambda r: r[1] or 0) if a and b]
    return f"{y.title} against {x.title}. " + "; ".join(shown) + "."


def context(found: Found) -> dict[str, Any]:
    bench, machine = found.bench, found.bench.machine
    printed = found.printed
    densest = sorted(printed, key=lambda p: -(p.density or 0))
    batches = found.batches[:: max(1, len(found.batches) - 1)]
    verdicts = [told.operations_verdict(found), told.accuracy_verdict(found.steady(found.batches[-1]))]
    verdicts.append(told.power_verdict(found))
    unstable = [row for row in bench.rows if row.status == "unstable"]
    return {
        "version": __version__,
        "headline": told.headline(found),
        "machine": machine,
        "options": bench.options,
        "networks": len({p.model for p in found.points}),
        "rows": bench.rows,
        "names": {p.model: p.name for p in found.points},
        "backend": found.points[0].row.cell.backend,
        "where": machine["gpu"] or machine["cpu"],
        "steps": found.steps,
        "years": sorted(found.steps.items()),
        "printed": printed,
        "printed_title": told.top1(printed) if len(printed) > 1 else "",
        "densest": densest,
        "density_title": told.density(densest) if len(densest) > 1 else "",
        "predicted": [
            (batch, what, told.predicted(found.steady(batch), key))
            for batch in batches
            for what, key in (("MACs", "macs"), ("activations", "activations"))
        ],
        "predicted_title": told.predicted_title(found.steady(batches[-1])),
        "verdicts": [text for text in verdicts if text] if any(verdicts[:2]) else [],
        "unstable": unstable,
        "skipped": bench.skipped,
        "mib": lambda n: words.mebibytes(n) if n else words.NONE,
        "rate": lambda n: three_digits(n) if n else words.NONE,
        "ms": words.milliseconds,
    }
