"""The page: the records of a comparison -> report.html, one file that needs no network."""

import shlex
from pathlib import Path
from typing import Any

from opsin.report import charts, curves, gains, html, scene, starts, stories, tables, words
from opsin.report.records import Records, read_records
from opsin.report.scales import HALF, NARROW, WIDE

_LISTED = 50  # of duplicates


def write_page(folder: Path) -> Path:
    """Reads `folder`/results.json and page.json and writes `folder`/report.html, whole or not at all.

    Returns the page's path. Raises OpsinError where the records cannot be read or the page cannot be written.
    """
    folder = Path(folder)
    return html.write(folder / "report.html", render(read_records(folder)))


def render(records: Records) -> str:
    """The page as text."""
    figures = _figures(records)
    return html.render(
        "page.html",
        {"specs": figures["specs"], "data": figures["data"], "views": figures["views"]},
        ("charts.js", "page.js"),
        ("style.css",),
        **_context(records, figures),
    )


def _figures(records: Records) -> dict[str, Any]:
    """The charts that the records allow: their titles, and what the page's script draws them from."""
    specs: dict[str, Any] = {}
    data: dict[str, Any] = {}
    views: dict[str, Any] = {}
    main = []
    for name, axis, wide, title in (
        ("operations", scene.OPERATIONS, WIDE, stories.operations_title),
        ("latency", scene.LATENCY, HALF, stories.latency_title),
        ("year", scene.YEAR, HALF, stories.year_title),
    ):
        if not scene.drawable(records, axis):
            continue
        for size, layout in (("wide", wide), ("narrow", NARROW)):
            key = f"{name}-{size}"
            specs[key], sets = charts.accuracy_chart(records, axis, layout)
            data.update({f"{key}-{each}": values for each, values in sets.items()})
            views[key] = {"spec": key, "data": {each: f"{key}-{each}" for each in sets}}
        main.append({"id": name, "title": title(records), "alt": _alt(records, axis)})
    for k, gain in enumerate(records.gains):
        for size, layout in (("wide", WIDE), ("narrow", NARROW)):
            key = f"gain-{k}-{size}"
            specs[key], sets = gains.gain_chart(records, gain, layout)
            data.update({f"{key}-{each}": values for each, values in sets.items()})
            views[key] = {"spec": key, "data": {each: f"{key}-{each}" for each in sets}}
    panels = curves.curve_panels(records)
    if panels:
        specs["curve"] = curves.curve_chart(panels)
        data["field"] = curves.background(panels)
        for k, panel in enumerate(panels):
            data[f"own-{k}"] = curves.curve_data(panel)
            views[f"curve-{k}"] = {"spec": "curve", "data": {"own": f"own-{k}", "field": "field"}}
    return {"specs": specs, "data": data, "views": views, "main": main, "panels": panels}


def _alt(records: Records, axis: scene.Axis) -> str:
    """A chart in words, for those who do not see it."""
    rows = sorted(scene.drawable(records, axis), key=lambda row: row[axis.key])
    show = {"macs": words.count, "latency_ms_p50": words.milliseconds, "year": str}[axis.key]
    told = [f"{records.name(r['entry'])} {show(r[axis.key])}, {words.percent(r['top1_mean'])}" for r in rows]
    return f"Test accuracy against {axis.title.lower()}. " + "; ".join(told) + "."


def _context(records: Records, figures: dict[str, Any]) -> dict[str, Any]:
    results, page = records.results, records.page
    confusion = tables.confusion(records)
    panels = figures["panels"]
    bundle = (page.get("files") or {}).get("bundle")
    return {
        "results": results,
        "data": results["data"],
        "machine": results["machine"],
        "plan": results["plan"],
        "started": words.moment(results["started"]),
        "headline": stories.headline(records),
        "why": stories.why(records),
        "standfirst": stories.standfirst(records),
        "summary": stories.summary(records),
        "picked": records.picked,
        "pick": records.pick,
        "pick_name": records.name(records.picked["entry"]) if records.picked else None,
        "metric": stories.METRICS.get(results["plan"]["metric"], results["plan"]["metric"]),
        "years": sorted(records.steps.items()),
        "starts": starts.context(records),
        "recipes": gains.context(records),
        "several": records.several,
        "mixed": records.mixed,
        "public": records.public,
        "trained": set(records.starts) != {"probe"},
        "noun": records.nouns[0],
        "nouns": records.nouns[1],
        "low": scene.has_outliers(records),
        "floor": curves.axis_floor(panels) if panels else 0,
        "main": figures["main"],
        "panels": panels,
        "curves_title": curves.curves_title(panels) if panels else "",
        "baselines": results["baselines"],
        "baseline_story": stories.baseline_story(records) if records.ok else "",
        "off_chart": scene.off_chart(records, scene.OPERATIONS) if figures["main"] else [],
        "columns": tables.columns(records),
        "rows": tables.network_rows(records),
        "failed": [row for row in records.rows if row not in records.ok],
        "names": records.names,
        "confusion": confusion,
        "confusion_title": stories.confusion_title(confusion["name"], confusion["pairs"]) if confusion else "",
        "mistakes": (page.get("mistakes") or [])[:24],
        "samples": (page.get("samples") or [])[:20],
        "small": max((max(size[:2]) for size in results["data"]["native_sizes"][:1]), default=0) <= 64,
        "bars": tables.pick_bars(records),
        "deficit": tables.deficit_line(records),
        "deficit_title": stories.deficit_title(records),
        "pick_note": stories.pick_note(records),
        "cards": tables.cards(records),
        "probes": tables.probes(records),
        "class_counts": tables.class_counts(records),
        "duplicates": results["data"]["duplicates"][:_LISTED],
        "ci_over": starts.resampled(records),
        "predict": f"opsin predict {shlex.quote(bundle)} IMAGE" if bundle else None,
    }
