"""The page: the records of a comparison -> report.html, one file that needs no network."""

import base64
import hashlib
import json
import os
import re
import shlex
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2
import vl_convert

from opsin.errors import OpsinError
from opsin.report import charts, curves, scene, stories, tables, words
from opsin.report.records import Records, read_records
from opsin.report.scales import HALF, NARROW, WIDE

_TEMPLATES = Path(__file__).parent / "templates"
_PICTURE = re.compile(r"data:image/(?:png|jpeg|webp|gif);base64,[A-Za-z0-9+/]+={0,2}\Z")
_LISTED = 50  # of duplicates


def write_page(folder: Path) -> Path:
    """Reads `folder`/results.json and page.json and writes `folder`/report.html, whole or not at all.

    Returns the page's path. Raises OpsinError where the records cannot be read or the page cannot be written.
    """
    folder = Path(folder)
    html = render(read_records(folder))
    target = folder / "report.html"
    part = folder / f".report.{os.getpid()}.part"
    try:
        part.write_bytes(html.encode("utf-8", "replace"))
        part.replace(target)
    except OSError as error:
        raise OpsinError(f"cannot write {target}: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
    return target


def render(records: Records) -> str:
    """The page as text."""
    library, script = _library(), _script("page.js")
    figures = _figures(records)
    return (
        _environment()
        .get_template("page.html")
        .render(
            **_context(records, figures),
            payload=json_in_html({"specs": figures["specs"], "data": figures["data"], "views": figures["views"]}),
            library=library,
            script=script,
            hashes=" ".join(f"'sha256-{_digest(text)}'" for text in (library, script)),
            style=(_TEMPLATES / "style.css").read_text(encoding="utf-8"),
        )
    )


def json_in_html(value: Any) -> str:
    """JSON that can stand in a script element: no `<`, `>`, `&` and no line separator is left in it."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


@lru_cache(maxsize=1)
def _library() -> str:
    """Vega with all that it needs, once for all charts."""
    return _safe(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))


def _script(name: str) -> str:
    return _safe((_TEMPLATES / name).read_text(encoding="utf-8"))


def _safe(script: str) -> str:
    """A script as it can stand in its element, where a browser hashes it to the same digest."""
    script = script.replace("\r\n", "\n").replace("</script", "<\\/script").replace("<!--", "<\\!--")
    return script.replace("\r", "\\r").replace("\0", "\\0")


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode()


def _environment() -> jinja2.Environment:
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shown = (words.percent, words.accuracy, words.points, words.number, words.duration, words.plain, words.plural)
    env.filters.update({show.__name__: show for show in (*shown, words.sentence, words.unbroken)})
    env.tests["picture"] = lambda uri: isinstance(uri, str) and _PICTURE.match(uri) is not None
    return env


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
    told = [f"{records.name(r['model'])} {show(r[axis.key])}, {words.percent(r['top1_mean'])}" for r in rows]
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
        "recipe": results["recipe"],
        "started": words.moment(results["started"]),
        "headline": stories.headline(records),
        "why": stories.why(records),
        "standfirst": stories.standfirst(records),
        "summary": stories.summary(records),
        "picked": records.picked,
        "pick": records.pick,
        "pick_name": records.name(records.picked["model"]) if records.picked else None,
        "metric": stories.METRICS.get(results["plan"]["metric"], results["plan"]["metric"]),
        "years": sorted(records.steps.items()),
        "span": " to ".join(dict.fromkeys(str(row["year"]) for row in (records.rows[:1] + records.rows[-1:]))),
        "low": scene.has_outliers(records),
        "floor": curves.axis_floor(panels) if panels else 0,
        "main": figures["main"],
        "panels": panels,
        "curves_title": curves.curves_title(panels) if panels else "",
        "baselines": results["baselines"],
        "baseline_story": stories.baseline_story(records) if records.ok else "",
        "below": scene.below_chart(records, scene.OPERATIONS) if figures["main"] else [],
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
        "ci_over": next((row["ci_over"] for row in records.ok if row.get("ci_over")), None),
        "predict": f"opsin predict {shlex.quote(bundle)} IMAGE" if bundle else None,
    }
