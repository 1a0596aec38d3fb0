"""What a chart of accuracy shows and where: its axes, bubbles, names, baselines and front, before it is drawn."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from opsin.report import words
from opsin.report.canvas import Canvas
from opsin.report.labels import Anchor, Box, place, text_width
from opsin.report.records import Records, Row, interval_of
from opsin.report.scales import Layout, Scale, floor_of, padded, share_scale

_UNITS = (
    "datum.value >= 1e9 ? format(datum.value / 1e9, ',.3~g') + ' G' : "
    "datum.value >= 1e6 ? format(datum.value / 1e6, ',.3~g') + ' M' : "
    "datum.value >= 1e3 ? format(datum.value / 1e3, ',.3~g') + ' k' : format(datum.value, ',.3~g')"
)


@dataclass(frozen=True)
class Axis:
    """What lies along x: the row's key and its scale's kind."""

    key: str
    title: str
    short: str
    log: bool
    labels: str


OPERATIONS = Axis(
    "macs", "Multiply–accumulate operations for one image (log scale)", "MACs for one image (log scale)", True, _UNITS
)
LATENCY = Axis(
    "latency_ms_p50",
    "Median time for one image, ms (log scale)",
    "Median ms for one image (log scale)",
    True,
    "format(datum.value, ',.3~g')",
)
YEAR = Axis("year", "Year of publication", "Year of publication", False, "format(datum.value, 'd')")
TIPS = ("Network", "Model", "Test accuracy", "Parameters", "MACs", "Latency")  # what the pointer shows
_MANY = 14  # above so many networks, a narrow chart names the pick, the front and what lies below alone
_TOUCH = 26.0  # px across, at least, where a bubble answers to the pointer


@dataclass(kw_only=True)
class Scene(Canvas):
    """A chart of accuracy; below `floor` what is far off is marked at its foot."""

    axis: Axis
    floor: float | None
    front: list[dict[str, Any]] = field(default_factory=list)


def drawable(records: Records, axis: Axis) -> list[Row]:
    """The finished networks which have a figure for this axis; none where all are of one year and it shows years."""
    rows = [row for row in records.ok if words.known(row[axis.key])]
    if axis is YEAR and len(records.steps) < 2:
        return []
    return [row for row in rows if row[axis.key] > 0]


def _baselines(records: Records) -> list[dict[str, Any]]:
    return [b for b in records.results["baselines"] if b["status"] == "ok" and words.known(b["top1"])]


def has_outliers(records: Records) -> bool:
    """Whether a network is so far off that the charts mark it at their foot."""
    return floor_of([row["top1_mean"] for row in records.ok]) is not None


def off_chart(records: Records, axis: Axis) -> list[tuple[dict[str, Any], str]]:
    """The baselines that lie "below" or "above" the axis and are therefore told in words."""
    scale = _share_axis(records, drawable(records, axis), 100)[0]
    found = [(b, "below" if b["top1"] < scale.low else "above") for b in _baselines(records)]
    return [(b, side) for b, side in found if not scale.low <= b["top1"] <= scale.high]


def _share_axis(records: Records, rows: Sequence[Row], height: float) -> tuple[Scale, float | None]:
    floor = floor_of([row["top1_mean"] for row in rows])
    shown = [row for row in rows if floor is None or row["top1_mean"] >= floor]
    lows, highs = zip(*(interval_of(row) for row in shown), strict=True)
    lows = [max(low, floor) for low in lows] if floor is not None else lows
    return share_scale(lows, highs, [b["top1"] for b in _baselines(records)], height), floor


def _tooltip(records: Records, row: Row) -> dict[str, str]:
    told = (
        f"{records.name(row['entry'])} ({row['year']})",
        row["model"],
        words.accuracy(row["top1_mean"], row.get("top1_ci")),
        words.count(row["params"]),
        words.count(row["macs"]),
        words.milliseconds(row["latency_ms_p50"]),
    )
    return dict(zip(TIPS, told, strict=True))


def _front(rows: Sequence[Row], axis: Axis) -> list[Row]:
    """The rows that the line joins: the Pareto front as recorded, or by year the best so far."""
    if axis is not YEAR:
        mark = "pareto" if axis is OPERATIONS else "pareto_latency"
        return sorted((row for row in rows if row[mark]), key=lambda row: row[axis.key])
    best: list[Row] = []
    for row in sorted(rows, key=lambda row: (row["year"], -row["top1_mean"])):
        if not best or row["top1_mean"] > best[-1]["top1_mean"]:
            best.append(row)
    return best


def _point(records: Records, scene: Scene, row: Row, largest: float) -> dict[str, Any]:
    low, high = interval_of(row)
    under = scene.floor is not None and row["top1_mean"] < scene.floor
    plain = scene.axis is YEAR or under
    radius = 0.0 if plain else scene.layout.bubble * ((row["params"] or 0) / largest) ** 0.5
    shown = scene.y.value(scene.layout.height - 7.0) if under else row["top1_mean"]
    return {
        "entry": row["entry"],
        "name": records.name(row["entry"]) + (f" {words.percent(row['top1_mean'])}" if under else ""),
        "x": row[scene.axis.key],
        "y": shown,
        "low": shown if under else max(low, scene.y.low),
        "high": shown if under else high,
        "colour": f"var(--y{records.steps[row['year']]})",
        "radius": radius,
        "size": (2 * radius) ** 2,
        "touch": max(2 * radius, _TOUCH) ** 2,
        "under": under,
        "mark": row["start"] if records.mixed else "scratch",
        "pick": records.picked is row,
        "rank": 2 if records.picked is row else int(under),
        **_tooltip(records, row),
    }


def scene_of(records: Records, axis: Axis, layout: Layout) -> Scene:
    """The chart of test accuracy against `axis`, where at least one row is drawable."""
    rows = drawable(records, axis)
    y, floor = _share_axis(records, rows, layout.height)
    margin = layout.bubble + 4 if axis is not YEAR else 0.06 * layout.width
    x = padded([row[axis.key] for row in rows], layout.width, margin, axis.log)
    scene = Scene(layout, x, y, axis=axis, floor=floor)
    largest = max(row["params"] or 1 for row in rows)
    scene.points = [_point(records, scene, row, largest) for row in rows]
    scene.points.sort(key=lambda point: -point["radius"])
    front = [p for row in _front(rows, axis) for p in scene.points if p["entry"] == row["entry"] and not p["under"]]
    if len(front) > 1:
        scene.front = [{"x": p["x"], "y": p["y"]} for p in front] + [{"x": scene.x.high, "y": front[-1]["y"]}]
    _add_baselines(records, scene)
    add_labels(scene)
    if axis is not YEAR:
        scene.add_key(largest)
    return scene


def _add_baselines(records: Records, scene: Scene) -> None:
    """Rules at the baselines' accuracies; each text where its rule crosses least, from the left."""
    size, layout = scene.layout.small, scene.layout
    taken = [Box(px - 8, py - 8, px + 8, py + 8) for px, py in _pixels(scene)] + _bars(scene)
    for baseline in _baselines(records):
        if not scene.y.low <= baseline["top1"] <= scene.y.high:
            continue
        scene.lines.append({"y": baseline["top1"]})
        text = f"{words.sentence(baseline['name'])} {words.percent(baseline['top1'])}"
        wide, at = text_width(text, size), scene.y.px(baseline["top1"])
        places = [
            Box(left, at + shift - size / 2, left + wide, at + shift + size / 2)
            for shift in (-size * 0.75, size * 0.8)
            for left in (2.0, *range(30, int(layout.width - wide), 30), layout.width - wide)
        ]
        box = min(places, key=lambda p: sum(p.overlap(other) for other in taken))
        taken.append(box)
        scene.text(text, box.left, (box.top + box.bottom) / 2, "quiet")


def _pixels(scene: Scene) -> list[tuple[float, float]]:
    return [(scene.x.px(p["x"]), scene.y.px(p["y"])) for p in scene.points]


def _bars(scene: Scene) -> list[Box]:
    """Where the error bars stand."""
    return [
        Box(scene.x.px(p["x"]) - 2, scene.y.px(p["high"]), scene.x.px(p["x"]) + 2, scene.y.px(p["low"]))
        for p in scene.points
    ]


def _front_boxes(scene: Scene) -> list[Box]:
    """Where the steps of the front run."""
    spots = [(scene.x.px(p["x"]), scene.y.px(p["y"])) for p in scene.front]
    boxes = []
    for (x, y), (x2, y2) in itertools.pairwise(spots):
        boxes += [Box(x, y - 1, x2, y + 1), Box(x2 - 1, min(y, y2), x2 + 1, max(y, y2))]
    return boxes


def add_labels(scene: Scene) -> None:
    """Names beside the bubbles, off each other; on a narrow chart of many, those of the front alone."""
    layout = scene.layout
    crowded = len(scene.points) > _MANY and layout.width < 500
    front = {(p["x"], p["y"]) for p in scene.front}
    named = [
        (p, px, py)
        for p, (px, py) in zip(scene.points, _pixels(scene), strict=True)
        if not crowded or p["pick"] or p["under"] or (p["x"], p["y"]) in front
    ]
    anchors = [Anchor(px, py, p["radius"], p["name"], rank=p["rank"]) for p, px, py in named]
    texts = [_box_of(scene, t, layout.small) for t in scene.texts]
    frame = Box(0, -4, layout.width + layout.right - 4, layout.height - 2)
    labels = place(anchors, frame, layout.text, [*_bars(scene), *_front_boxes(scene), *texts])
    for anchor, (point, *_), label in zip(anchors, named, labels, strict=True):
        if label is None:
            continue
        scene.name(anchor, label, "pick" if point["pick"] else "label")


def _box_of(scene: Scene, text: dict[str, Any], size: float) -> Box:
    left, middle = scene.x.px(text["x"]), scene.y.px(text["y"])
    return Box(left, middle - size / 2, left + text_width(text["text"], size), middle + size / 2)
