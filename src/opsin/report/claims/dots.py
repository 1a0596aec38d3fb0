"""Points with names on two scales: networks by two measures, or effects found in two places."""

import math
from collections.abc import Sequence

from opsin.claims.chart import Dots
from opsin.report.claims.axes import below, beside, figure, gutter, scale_of
from opsin.report.claims.plate import DASHES, INK, SOFT, TONES, Paper, Plate, wrapped
from opsin.report.labels import Anchor, Box, place
from opsin.report.scales import Scale

NAMED, NAMED_NARROW = 26, 9
"""At most so many names, of those that lie furthest from the rest."""
RADIUS, RADIUS_NARROW = 15.0, 10.0

Dot = tuple[str, float, float, float]


def dots(chart: Dots, paper: Paper) -> Plate | None:
    """A disc for each, its area by its size; those of one quantity in two places as `marked_alike` has them."""
    found = [dot for dot in chart.dots if (dot[1] > 0 or "x" not in chart.log) and (dot[2] > 0 or "y" not in chart.log)]
    if not found:
        return None
    if chart.same:
        return marked_alike(chart, paper)
    plate = Plate(paper)
    radius = RADIUS_NARROW if paper.narrow else RADIUS
    along, up, left, top = plane(plate, chart, found, 250.0 if paper.narrow else 400.0)
    largest = max(abs(size) for *_, size in found) or 1.0
    spots = []
    for name, x, y, size in sorted(found, key=lambda dot: -abs(dot[3])):
        own = max(3.0, radius * math.sqrt(abs(size) / largest))
        at = left + along.px(x), top + up.px(y)
        tip = {"": name, chart.x: figure(x), chart.y: figure(y)}
        plate.spot(*at, TONES[0], size=(2 * own) ** 2, opacity=0.35, rim=TONES[0], tip=tip)
        plate.spot(*at, TONES[0], size=16, rim="none")
        spots.append((name, *at, own))
    name_dots(plate, spots, far_off(spots, NAMED_NARROW if paper.narrow else NAMED), left, top, top + up.length)
    return plate


def plane(
    plate: Plate, chart: Dots, found: Sequence[Dot], height: float, also: Sequence[float] = ()
) -> tuple[Scale, Scale, float, float]:
    """Both axes, and where their corner is: across, up, left, top."""
    up = scale_of([*(dot[2] for dot in found), *also], height, "y" in chart.log, flip=True)
    left, top = gutter(plate, up), 32.0
    along = scale_of([*(dot[1] for dot in found), *also], plate.paper.width - left - 12, "x" in chart.log)
    (told,) = wrapped(chart.y + (" (log scale)" if "y" in chart.log else ""), plate.paper.width, plate.small, 1)
    plate.write(2, 10, told, tone=SOFT, size=plate.small)
    beside(plate, up, left, top, plate.paper.width - 12)
    below(plate, along, left, top, top + height, chart.x, "x" in chart.log)
    return along, up, left, top


def far_off(spots: Sequence[tuple[str, float, float, float]], most: int) -> set[str]:
    """The names that tell most: of what lies furthest from the line through all, and of both ends."""
    if len(spots) <= most:
        return {name for name, *_ in spots}
    xs, ys = [x for _, x, _, _ in spots], [y for _, _, y, _ in spots]
    x0, y0 = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - x0) ** 2 for x in xs)
    slope = sum((x - x0) * (y - y0) for x, y in zip(xs, ys, strict=True)) / spread if spread else 0.0
    off = {name: abs(y - y0 - slope * (x - x0)) for name, x, y, _ in spots}
    ordered = sorted(spots, key=lambda spot: spot[1])
    ends = {name for name, *_ in (*ordered[:2], *ordered[-2:])}
    others = sorted(off.keys() - ends, key=lambda name: (-off[name], name))
    return ends | set(others[: most - len(ends)])


def name_dots(
    plate: Plate,
    spots: Sequence[tuple[str, float, float, float]],
    named: set[str],
    left: float,
    top: float,
    bottom: float,
) -> None:
    """Names beside their dots, off each other, of those that there is room for."""
    own = [spot for spot in spots if spot[0] in named]
    others = [Box(x - 3, y - 3, x + 3, y + 3) for name, x, y, _ in spots if name not in named]
    anchors = [Anchor(x, y, r, name) for name, x, y, r in own]
    frame = Box(left, top - 6, plate.paper.width - 4, bottom - 2)
    for anchor, label in zip(anchors, place(anchors, frame, plate.small, others), strict=True):
        if label is None:
            continue
        if label.far:
            x = min(max(anchor.x, label.box.left), label.box.right)
            plate.rule(anchor.x, anchor.y, x, min(max(anchor.y, label.box.top), label.box.bottom), SOFT, wide=0.75)
        plate.write(label.box.left, label.y, label.text, size=plate.small)


def marked_alike(chart: Dots, paper: Paper) -> Plate:
    """One quantity found in two places: discs where its sign is the same in both, diamonds where it is not."""
    plate = Plate(paper)
    ends = [value for _, *both, _ in chart.dots for value in both]
    along, up, left, top = plane(plate, chart, chart.dots, 300.0 if paper.narrow else 430.0, (0.0,))
    x, y = left + along.px(0.0), top + up.px(0.0)
    plate.rule(x, top, x, top + up.length, INK, wide=1.25)
    plate.rule(left, y, left + along.length, y, INK, wide=1.25)
    low, high = max(min(*ends, 0.0), along.low, up.low), min(max(*ends, 0.0), along.high, up.high)
    if low < high:
        plate.rule(left + along.px(low), top + up.px(low), left + along.px(high), top + up.px(high), SOFT, DASHES[1])
    spots = []
    for name, first, second, _ in chart.dots:
        at, same = (left + along.px(first), top + up.px(second)), first * second > 0
        tip = {"": name, chart.x: figure(first), chart.y: figure(second)}
        plate.spot(*at, TONES[0] if same else TONES[1], "circle" if same else "diamond", 110, tip=tip)
        spots.append((name, *at, 6.0))
    name_dots(plate, spots, {name for name, *_ in chart.dots}, left, top, top + up.length)
    return plate
