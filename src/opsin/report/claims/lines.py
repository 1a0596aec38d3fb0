"""Lines of claims: through points, with bands, named at their ends where there is room."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from opsin.claims.chart import Lines, Point
from opsin.report.claims.axes import below, beside, figure, gutter, scale_of, spread
from opsin.report.claims.plate import DASHES, INK, SHAPES, SOFT, TONES, Paper, Plate, cut, wrapped
from opsin.report.labels import Anchor, Box, place
from opsin.report.scales import Scale

APART, APART_MANY = 14.0, 80.0
"""The marks of a line are at least so far apart, px; further where it has more than `MANY` points."""
MANY = 26
ENDS = 40.0
"""A line that ends so far before the others is named where it ends, px."""


@dataclass(frozen=True)
class Look:
    """How a line differs from others, without its colour too."""

    tone: str
    dash: tuple[int, ...]
    shape: str


def look(k: int) -> Look:
    return Look(TONES[k % len(TONES)], DASHES[k % len(DASHES)], SHAPES[k % len(SHAPES)])


def drawable(chart: Lines) -> dict[str, list[Point]]:
    """The lines that have points, those alone that logarithmic axes have a place for."""
    found = {
        name: sorted(p for p in points if (p[0] > 0 or "x" not in chart.log) and (p[1] > 0 or "y" not in chart.log))
        for name, points in chart.lines.items()
    }
    return {name: points for name, points in found.items() if points}


def lines(chart: Lines, paper: Paper) -> Plate | None:
    found = drawable(chart)
    if not found:
        return None
    plate = Plate(paper)
    looks = {name: look(k) for k, name in enumerate(found)}
    widest = max(plate.width_of(name) for name in found) + 16
    at_ends = len(found) > 1 and widest <= (0.3 if paper.narrow else 0.26) * paper.width and len(found) <= 8
    top = 14.0 if at_ends or len(found) == 1 else keys(plate, looks, 4.0)
    (told,) = wrapped(chart.y + (" (log scale)" if "y" in chart.log else ""), paper.width - 4, plate.small, 1)
    plate.write(2, top, told, tone=SOFT, size=plate.small)
    top += 20
    height = 232.0 if paper.narrow else 330.0
    said = [
        (text, value) for text, value in chart.said if value > 0 or ("x" if chart.upright else "y") not in chart.log
    ]
    up = vertical(chart, found, [] if chart.upright else [value for _, value in said], height)
    left = gutter(plate, up)
    right = paper.width - (widest if at_ends else 12)
    xs = [x for points in found.values() for x, _ in points]
    along = scale_of(xs, right - left, "x" in chart.log)
    if "x" not in chart.log:
        along = tight(xs, right - left)
    beside(plate, up, left, top, right)
    below(plate, along, left, top, top + height, chart.x, "x" in chart.log)
    for name, points in (chart.bands or {}).items():
        if name in found:
            shown = [(left + along.px(x), top + up.px(low), top + up.px(high)) for x, low, high in sorted(points)
                     if ("x" not in chart.log or x > 0) and ("y" not in chart.log or low > 0)]  # fmt: skip
            plate.area(name, shown, looks[name].tone)
    mark_said(plate, said, up, along, left, top, chart.upright)
    for name, points in found.items():
        spots = [(left + along.px(x), top + up.px(y)) for x, y in points]
        trace(plate, chart, name, points, spots, looks[name])
    if at_ends:
        last = {name: (left + along.px(points[-1][0]), top + up.px(points[-1][1])) for name, points in found.items()}
        ends(plate, last, looks, right, top, top + height)
    return plate


def vertical(chart: Lines, found: dict[str, list[Point]], also: Sequence[float], height: float) -> Scale:
    """The vertical axis: of lines, their bands, and `also` what was said."""
    values = [*also, *(y for points in found.values() for _, y in points)]
    log = "y" in chart.log
    for name, points in (chart.bands or {}).items():
        if name in found:
            values += [end for _, low, high in points for end in (low, high) if not log or end > 0]
    return scale_of(values, height, log, flip=True)


def tight(xs: Sequence[float], length: float) -> Scale:
    """A horizontal axis that begins and ends where the lines do."""
    low, high = min(xs), max(xs)
    more = 0.01 * (high - low) or 1.0
    return Scale(low - more, high + more, length)


def trace(
    plate: Plate, chart: Lines, name: str, points: Sequence[Point], spots: Sequence[tuple[float, float]], look: Look
) -> None:
    """A line, its marks, and what they tell."""
    plate.line(name, spots, look.tone, look.dash)
    apart = APART if len(points) <= MANY else APART_MANY
    marked = (-apart, -apart)
    for (x, y), at in zip(points, spots, strict=True):
        if math.dist(at, marked) >= apart or at == spots[-1]:
            marked, tip = at, {"": name, chart.x: figure(x), chart.y: figure(y)}
            plate.spot(*at, look.tone, look.shape, 52, tip=tip)


def mark_said(
    plate: Plate, said: Sequence[tuple[str, float]], up: Scale, along: Scale, left: float, top: float, upright: bool
) -> None:
    """A dashed line at what was said, with its words: across, or `upright` at a place of the horizontal axis."""
    right, bottom = left + along.length, top + up.length
    for k, (text, value) in enumerate(said):
        if upright:
            x = left + along.px(value)
            plate.rule(x, top, x, bottom, INK, DASHES[1], 1.5)
            told = cut(text, right - left - 16, plate.small)
            before = x + 8 + plate.width_of(told, plate.small) > right
            plate.write(x - 8 if before else x + 8, bottom - 12 - 18 * k, told, "right" if before else "left",
                        size=plate.small)  # fmt: skip
        else:
            y = top + up.px(value)
            plate.rule(left, y, right, y, INK, DASHES[1], 1.5)
            plate.write(left + 8, y - 10, cut(text, right - left - 12, plate.small), size=plate.small)


def ends(
    plate: Plate,
    places: dict[str, tuple[float, float]],
    looks: dict[str, Look],
    right: float,
    top: float,
    bottom: float,
) -> None:
    """Names right of the ends of lines, off each other, with a stroke to those that stand apart."""
    early = [Anchor(x, y, 5.0, name) for name, (x, y) in places.items() if right - x > ENDS]
    frame = Box(0, top - 8, plate.paper.width - 4, bottom)
    for label in place(early, frame, 1.06 * plate.text):
        if label is not None:
            plate.write(label.box.left, label.y, label.text, tone=looks[label.text].tone, strong=True)
    places = {name: (x, y) for name, (x, y) in places.items() if right - x <= ENDS}
    wanted = [y for _, y in places.values()]
    for (name, (x, y)), at in zip(places.items(), spread(wanted, 1.2 * plate.text, top, bottom), strict=True):
        if abs(at - y) > 5 or right - x > 12:
            plate.rule(x + 5, y, right + 8, at, looks[name].tone, (1, 2))
        plate.write(right + 11, at, name, tone=looks[name].tone, strong=True)


def keys(plate: Plate, looks: dict[str, Look], top: float) -> float:
    """Names with a piece of their lines, in rows; where the next thing begins."""
    x, y = 2.0, top + 9
    for name, own in looks.items():
        (told,) = wrapped(name, plate.paper.width - 44, plate.small, 1)
        wide = 36 + plate.width_of(told, plate.small) + 14
        if x > 2 and x + wide - 14 > plate.paper.width:
            x, y = 2.0, y + 20
        plate.rule(x, y, x + 28, y, own.tone, own.dash, 2.25)
        plate.spot(x + 14, y, own.tone, own.shape, 50)
        plate.write(x + 34, y, told, size=plate.small)
        x += wide
    return y + 26
