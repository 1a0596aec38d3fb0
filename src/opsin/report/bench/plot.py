"""Scatters and lines in the house's style: networks by two measures, their names, and what the pointer shows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import altair as alt

from opsin.report import words
from opsin.report.bench.record import Point
from opsin.report.canvas import Canvas
from opsin.report.charts import PAPER, compiled, named_set, over
from opsin.report.labels import Anchor, Box, place
from opsin.report.scales import Layout, Scale, log_ticks, padded, share_ticks

TIPS = ("Network", "Model", "Batch", "Time", "MACs", "Parameters", "Memory", "Top-1 accuracy", "Note")
SETS = ("points", "lines", "leaders", "key", "texts")
PLAIN = "format(datum.value, datum.value >= 1000 ? ',d' : '.3~g')"
UNITS = (
    "datum.value >= 1e9 ? format(datum.value / 1e9, ',.3~g') + ' G' : "
    "datum.value >= 1e6 ? format(datum.value / 1e6, ',.3~g') + ' M' : format(datum.value, ',d')"
)
MANY = 16
"""Of more networks than these, a chart names those of `NAMED` alone."""
NAMED = {
    "alexnet", "nin", "googlenet", "vgg16", "resnet18", "resnet50", "resnet152", "squeezenet1_0", "inception_v4",
    "densenet121", "xception", "mobilenet_v1_100", "mobilenet_v2_100", "senet154", "vit_tiny_patch16_224",
    "vit_base_patch16_224", "vit_large_patch16_384", "swin_tiny_patch4_window7_224", "convnext_tiny", "convnext_large",
}  # fmt: skip


@dataclass(frozen=True)
class Measure:
    """What lies along an axis. `labels` is Vega's expression for a tick."""

    title: str
    of: Callable[[Point], float | None]
    labels: str = PLAIN
    log: bool = True


MACS = Measure("MACs for one image (log scale)", lambda p: p.row.macs, UNITS)
PARAMS = Measure("Parameters (log scale)", lambda p: p.row.params, UNITS)
MS = Measure("ms for one image (log scale)", lambda p: p.ms)
RATE = Measure("Images a second (log scale)", lambda p: p.rate)
MIB = Measure("Memory at the peak, MiB (log scale)", lambda p: p.memory and p.memory / 2**20)
WATTS = Measure("Watts", lambda p: p.row.watts, log=False)
BATCH = Measure("Images at once (log scale)", lambda p: p.batch)
TOP1 = Measure("Top-1 accuracy, %", lambda p: p.top1, log=False)


def chart(
    points: Sequence[Point],
    x: Measure,
    y: Measure,
    steps: dict[int, int],
    layout: Layout,
    *,
    bubbles: bool = False,
    joined: bool = False,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A compiled Vega specification, and the data sets that it reads by name.

    `bubbles` gives dots the area of their parameters; `joined` draws a line through each network's batches, and names
    it at its end.
    """
    shown = [p for p in points if x.of(p) and y.of(p)]
    radius = layout.bubble if bubbles else 3.5
    margin = 0.55 * radius + 8
    wide, high = padded([x.of(p) or 0 for p in shown], layout.width, margin, x.log), vertical(shown, y, layout, margin)
    if joined:
        wide = replace(wide, high=wide.high * (wide.high / wide.low) ** 0.45)  # room for names
    plot = Canvas(layout, wide, high)
    largest = max(p.row.params for p in shown)
    for p in sorted(shown, key=lambda p: -p.row.params):
        own = radius * (p.row.params / largest) ** 0.5 if bubbles else radius
        solid = p.steady and (p.one_crop or y is not TOP1)
        plot.points.append(record(p, x.of(p) or 0, y.of(p) or 0, own, steps) | {"solid": solid})
    if joined:
        plot.lines = [{key: own[key] for key in ("x", "y", "colour", "model")} for own in plot.points]
    elif bubbles:
        plot.add_key(largest)
    add_names(plot, shown, x, y, joined)
    low = -20.0 - (18 if bubbles and layout.width < 500 else 0)
    plot.text(y.title, -layout.left + 4.0, low, "quiet")
    return drawn(plot, shown, x, y), {name: getattr(plot, name) for name in SETS}


def vertical(shown: Sequence[Point], y: Measure, layout: Layout, margin: float) -> Scale:
    values = [y.of(p) or 0 for p in shown]
    return replace(padded(values, layout.height, margin, y.log), flip=True)


def record(p: Point, x: float, y: float, radius: float, steps: dict[int, int]) -> dict[str, Any]:
    told = (
        f"{p.name} ({p.year})",
        p.model,
        str(p.batch),
        f"{words.milliseconds(p.ms)} an image",
        words.count(p.row.macs),
        words.count(p.row.params),
        words.megabytes(p.memory / 2**20 if p.memory else None),
        words.NONE if p.top1 is None else f"{p.top1:g}\u00a0%" + ("" if p.one_crop else " (other protocol)"),
        p.row.why or "steady",
    )
    return {
        "x": x,
        "y": y,
        "model": p.model,
        "colour": f"var(--y{steps[p.year]})",
        "size": (2 * radius) ** 2,
        "touch": max(2 * radius, 20.0) ** 2,
        "radius": radius,
        **dict(zip(TIPS, told, strict=True)),
    }


def add_names(plot: Canvas, shown: Sequence[Point], x: Measure, y: Measure, joined: bool) -> None:
    """Names beside the dots, off each other: of all where they are few, else of the landmarks; of a line at its end."""
    layout = plot.layout
    spots = {(own["model"], own["Batch"]): own for own in plot.points}
    if joined:
        ends = {p.model: p for p in sorted(shown, key=lambda p: p.batch)}
        named = list(ends.values())
    else:
        named = [p for p in shown if len(shown) <= MANY or p.model in NAMED]
    at = [(plot.x.px(x.of(p) or 0), plot.y.px(y.of(p) or 0), spots[p.model, str(p.batch)]["radius"]) for p in named]
    anchors = [Anchor(px, py, r, p.name, rank=p.one_crop) for p, (px, py, r) in zip(named, at, strict=True)]
    chosen = {(p.model, p.batch) for p in named}
    others = [
        Box(px - 3, py - 3, px + 3, py + 3)
        for p in shown
        if (p.model, p.batch) not in chosen
        for px, py in [(plot.x.px(x.of(p) or 0), plot.y.px(y.of(p) or 0))]
    ]
    frame = Box(0, -4, layout.width + layout.right - 4, layout.height - 2)
    for anchor, label in zip(anchors, place(anchors, frame, layout.text - 0.5, others), strict=True):
        if label is not None:
            plot.name(anchor, label, "label")


def drawn(plot: Canvas, shown: Sequence[Point], x: Measure, y: Measure) -> dict[str, Any]:
    layout = plot.layout
    few = layout.width < 500
    across = alt.X("x:Q", scale=scale_of(plot.x), axis=axis_of(shown, plot.x, x, 5 if few else 8, x.title))
    up = alt.Y("y:Q", scale=scale_of(plot.y), axis=axis_of(shown, plot.y, y, 7, None))
    colour = alt.Color("colour:N", scale=None, legend=None)
    size = alt.Size("size:Q", scale=None, legend=None)
    points = named_set("points")
    layers = [
        named_set("lines")
        .mark_line(strokeWidth=1.5, opacity=0.8)
        .encode(x=across, y=up, color=colour, detail="model:N", order="x:Q"),
        points.mark_circle(opacity=0.3).encode(x=across, y=up, color=colour, size=size),
        points.transform_filter("datum.solid").mark_circle(opacity=1, size=28).encode(x=across, y=up, color=colour),
        points.transform_filter("!datum.solid")
        .mark_point(filled=False, fill=PAPER, size=30, strokeWidth=1.4, opacity=1)
        .encode(x=across, y=up, color=colour),
    ]
    return compiled(alt.layer(*layers, *over(across, up, layout, TIPS)), layout)


def scale_of(scale: Scale) -> alt.Scale:
    domain = [scale.low, scale.high]
    if scale.log:
        return alt.Scale(type="log", domain=domain, nice=False)
    return alt.Scale(domain=domain, nice=False, zero=False)


def axis_of(shown: Sequence[Point], scale: Scale, measure: Measure, at_most: int, title: str | None) -> alt.Axis:
    if measure is BATCH:
        ticks = sorted({p.batch for p in shown})
    elif scale.log:
        ticks = log_ticks(scale, at_most)
    else:
        ticks = round_ticks(scale, at_most)
    return alt.Axis(values=ticks, labelExpr=measure.labels, grid=title is None, title=title)


def round_ticks(scale: Scale, at_most: int) -> list[float]:
    return [100 * tick for tick in share_ticks(replace(scale, low=scale.low / 100, high=scale.high / 100), at_most)]
