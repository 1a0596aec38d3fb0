"""The articles' figure: printed top-1 accuracy on ImageNet against our exact MACs, from the cards."""

from functools import lru_cache
from typing import Any

import altair as alt

from opsin.report import words
from opsin.report.charts import SOFT, compiled, named_set, over, x_of
from opsin.report.history.record import Point
from opsin.report.scales import Layout, Scale, padded, share_scale, share_ticks
from opsin.report.scene import OPERATIONS, Scene, add_labels

WIDE = Layout(928, 790, 54, 26, 74, 54, 12.0, 26.0)
NARROW = Layout(300, 430, 40, 12, 58, 50, 11.0, 17.0)
TIPS = ("Network", "Model", "Top-1 accuracy", "Measured", "Source", "Parameters", "MACs")
_SETS = ("points", "kin", "front", "leaders", "key", "texts")
_TOUCH = 22.0  # px across, at least, where a bubble answers to the pointer


def chart(points: list[Point], years: dict[int, int], layout: Layout) -> tuple[dict[str, Any], dict[str, Any]]:
    """A compiled Vega specification, and the data sets that it reads by name. `years` gives each year its colour."""
    scene = scene_of(points, years, layout)
    sets = {name: getattr(scene, name) for name in _SETS if name != "kin"} | {"kin": kin(points, years)}
    return _spec(layout, scene.x, scene.y), sets


def front(points: list[Point]) -> list[Point]:
    """The best accuracy on one crop for at most so many operations."""
    best: list[Point] = []
    for point in sorted(points, key=lambda p: (p.macs, -p.top1)):
        if point.one_crop and (not best or point.top1 > best[-1].top1):
            best.append(point)
    return best


def scene_of(points: list[Point], years: dict[int, int], layout: Layout) -> Scene:
    shares = [point.top1 / 100 for point in points]
    x = padded([point.macs for point in points], layout.width, 0.6 * layout.bubble + 4, log=True)
    y = share_scale(shares, shares, (), layout.height)
    scene = Scene(layout, x, y, axis=OPERATIONS, floor=None)
    best = {point.model for point in front(points)}
    largest = max(point.params for point in points)
    scene.points = [_record(point, point.model in best, years, layout, largest) for point in points]
    scene.points.sort(key=lambda record: -record["radius"])
    steps = [{"x": point.macs, "y": point.top1 / 100} for point in front(points)]
    scene.front = [*steps, {"x": x.high, "y": steps[-1]["y"]}] if steps else []
    add_labels(scene)
    scene.add_key(largest)
    scene.text("Top-1 accuracy on ImageNet", -layout.left + 4.0, -20.0 - (18 if layout.width < 500 else 0), "quiet")
    return scene


def _record(point: Point, best: bool, years: dict[int, int], layout: Layout, largest: float) -> dict[str, Any]:
    radius = layout.bubble * (point.params / largest) ** 0.5
    share = point.top1 / 100
    told = (
        f"{point.name} ({point.year})",
        point.model,
        f"{point.top1:g}\u00a0%",
        point.protocol,
        point.place,
        words.count(point.params),
        words.count(point.macs),
    )
    return {
        "model": point.model,
        "name": point.name,
        "x": point.macs,
        "y": share,
        "low": share,
        "high": share,
        "colour": f"var(--y{years[point.year]})",
        "radius": radius,
        "size": (2 * radius) ** 2,
        "touch": max(2 * radius, _TOUCH) ** 2,
        "hollow": not point.one_crop,
        "under": False,
        "pick": False,
        "rank": 2 * best + point.one_crop,
        **dict(zip(TIPS, told, strict=True)),
    }


def kin(points: list[Point], years: dict[int, int]) -> list[dict[str, Any]]:
    """Lines through the networks of a family whose images have one size."""
    groups: dict[tuple[str, int], list[Point]] = {}
    for point in points:
        if point.one_crop:
            groups.setdefault((point.family, point.size), []).append(point)
    return [
        {"x": p.macs, "y": p.top1 / 100, "line": f"{family} {size}", "colour": f"var(--y{years[p.year]})"}
        for (family, size), own in groups.items()
        for p in sorted(own, key=lambda p: p.macs)
        if len(own) > 1
    ]


@lru_cache(maxsize=4)
def _spec(layout: Layout, x_scale: Scale, y_scale: Scale) -> dict[str, Any]:
    x = x_of(OPERATIONS, layout, x_scale)
    y = alt.Y(
        "y:Q",
        title=None,
        scale=alt.Scale(domain=[y_scale.low, y_scale.high], nice=False, zero=False),
        axis=alt.Axis(values=share_ticks(y_scale), labelExpr="format(100 * datum.value, '.3~g') + ' %'"),
    )
    colour = alt.Color("colour:N", scale=None, legend=None)
    stroke = alt.Stroke("colour:N", scale=None, legend=None)
    size = alt.Size("size:Q", scale=None, legend=None)
    solid = named_set("points").transform_filter("!datum.hollow")
    hollow = named_set("points").transform_filter("datum.hollow")
    layers = [
        named_set("front").mark_line(interpolate="step-after", stroke=SOFT, strokeWidth=1.5).encode(x=x, y=y),
        named_set("kin")
        .mark_line(strokeWidth=1.25, opacity=0.55)
        .encode(x=x, y=y, stroke=stroke, detail="line:N", order="x:Q"),
        solid.mark_circle(opacity=0.24).encode(x=x, y=y, color=colour, size=size),
        solid.mark_point(filled=False, strokeWidth=1, opacity=0.9).encode(x=x, y=y, color=colour, size=size),
        solid.mark_circle(size=26, opacity=1).encode(x=x, y=y, color=colour),
        hollow.mark_point(filled=False, strokeWidth=1.1, strokeDash=[3, 2.5], opacity=0.85).encode(
            x=x, y=y, color=colour, size=size
        ),
        hollow.mark_point(filled=False, size=22, strokeWidth=1.25, opacity=1).encode(x=x, y=y, color=colour),
    ]
    return compiled(alt.layer(*layers, *over(x, y, layout, TIPS)), layout)


def alt_text(points: list[Point]) -> str:
    """The figure in words, for those who do not see it."""
    ordered = sorted(points, key=lambda p: p.macs)
    told = [
        f"{p.name} {words.count(p.macs)}, {p.top1:g} %{'' if p.one_crop else ' by another protocol'}" for p in ordered
    ]
    return "Printed top-1 accuracy on ImageNet against multiply–accumulate operations. " + "; ".join(told) + "."
