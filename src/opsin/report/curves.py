"""Learning curves: one small chart a network, all drawn by one compiled specification with other data."""

import math
from typing import Any

import altair as alt

from opsin.report import words
from opsin.report.charts import RULE, SOFT, compiled
from opsin.report.records import Records
from opsin.report.scales import Layout

SMALL = Layout(152, 84, 34, 8, 8, 20, 11.0, 0.0)
_MANY = 14  # above so many networks, only the pick's curve lies behind each


def _series(by_seed: dict[str, Any]) -> list[dict[str, float]]:
    """Mean, lowest and highest validation accuracy over the seeds, epoch by epoch."""
    seen: dict[int, list[float]] = {}
    for curve in by_seed.values():
        for epoch, value in zip(curve["epoch"], curve["val_top1"], strict=False):
            if words.known(value):
                seen.setdefault(epoch, []).append(value)
    return [
        {"epoch": epoch, "mean": round(sum(v) / len(v), 4), "low": round(min(v), 4), "high": round(max(v), 4)}
        for epoch, v in sorted(seen.items())
    ]


def curve_panels(records: Records) -> list[dict[str, Any]]:
    """For each finished entry with two epochs or more: its name, year, colour step and series, oldest first."""
    curves = records.page.get("curves") or {}
    panels = [
        {
            "entry": row["entry"],
            "name": records.name(row["entry"]),
            "year": row["year"],
            "step": records.steps[row["year"]],
            "mark": row["start"] if records.mixed else "",
            "pick": records.picked is row,
            "series": _series(curves.get(row["entry"]) or {}),
        }
        for row in records.ok
    ]
    return [panel for panel in panels if len(panel["series"]) > 1]


def background(panels: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The curves that lie behind every panel in grey."""
    shown = panels if len(panels) <= _MANY else [p for p in panels if p["pick"]]
    return [{"entry": p["entry"], "epoch": s["epoch"], "mean": s["mean"]} for p in shown for s in p["series"]]


def axis_floor(panels: list[dict[str, Any]]) -> float:
    """Where the accuracy axis begins: low enough for every network's end, high enough to tell them apart."""
    lowest = min(panel["series"][-1]["mean"] for panel in panels)
    return max(0.0, math.floor((lowest - 0.12) * 10) / 10)


def curve_chart(panels: list[dict[str, Any]]) -> dict[str, Any]:
    """A compiled Vega specification which reads two data sets, "own" and "field", that the page fills in."""
    last = max(s["epoch"] for p in panels for s in p["series"])
    floor = axis_floor(panels)
    x = alt.X(
        "epoch:Q",
        scale=alt.Scale(domain=[1, last], nice=False, zero=False),
        axis=alt.Axis(values=sorted({1, round(last / 2), last}), grid=False, title=None, format="d"),
    )
    y = alt.Y(
        "mean:Q",
        scale=alt.Scale(domain=[floor, 1], nice=False, zero=False, clamp=False),
        axis=alt.Axis(values=[floor, (1 + floor) / 2, 1], title=None, format=".0%"),
    )
    tips = [alt.Tooltip("Network:N"), alt.Tooltip("Epoch:N"), alt.Tooltip("Validation accuracy:N")]
    own, field = alt.Chart(alt.NamedData("own")), alt.Chart(alt.NamedData("field"))
    layers = [
        field.mark_line(stroke=RULE, strokeWidth=1, clip=True).encode(x=x, y=y, detail="entry:N"),
        own.mark_area(opacity=0.25, clip=True).encode(
            x=x, y=alt.Y("low:Q"), y2="high:Q", fill=alt.Fill("colour:N", scale=None, legend=None)
        ),
        own.mark_line(strokeWidth=2, clip=True).encode(
            x=x, y=y, stroke=alt.Stroke("colour:N", scale=None, legend=None)
        ),
        own.mark_circle(size=200, opacity=0, clip=True).encode(x=x, y=y, fill=alt.value(SOFT), tooltip=tips),
    ]
    return compiled(alt.layer(*layers), SMALL)


def curve_data(panel: dict[str, Any]) -> list[dict[str, Any]]:
    """A panel's own data set."""
    return [
        {
            **point,
            "colour": f"var(--y{panel['step']})",
            "Network": panel["name"],
            "Epoch": str(point["epoch"]),
            "Validation accuracy": words.percent(point["mean"])
            + (f" (seeds {words.interval((point['low'], point['high']))})" if point["high"] > point["low"] else ""),
        }
        for point in panel["series"]
    ]


def curves_title(panels: list[dict[str, Any]]) -> str:
    """Who learns fast and who slowly: the first epoch from which a network is within a point of its end."""
    reached = []
    for panel in panels:
        end = panel["series"][-1]["mean"]
        early = next(s["epoch"] for s in panel["series"] if s["mean"] >= end - 0.01)
        reached.append((early, panel["name"]))
    (fast, quick), (slow, late) = min(reached), max(reached)
    if fast == slow:
        return f"Within a point of the final accuracy after {words.plural(slow, 'epoch')}"
    return f"{quick} is within a point of its final accuracy after {words.plural(fast, 'epoch')}, {late} after {slow}"
