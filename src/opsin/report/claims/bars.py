"""Bars and ranges of claims: a row for each label, read from left to right."""

from collections.abc import Sequence
from dataclasses import dataclass

from opsin.claims.chart import Bars, Ranges
from opsin.claims.claim import Effect
from opsin.report.claims.axes import below, figure, scale_of, with_unit
from opsin.report.claims.plate import DASHES, INK, PAPER, SOFT, TONES, Paper, Plate, wrapped
from opsin.report.scales import Scale

HEADING = 26.0
"""The height of a group's name, px."""


@dataclass(frozen=True)
class Rows:
    """Where the names of rows stand: left of them, in `left` px, or above them."""

    left: float
    above: bool
    bar: float
    step: float

    @classmethod
    def of(cls, plate: Plate, names: Sequence[str]) -> "Rows":
        widest = max((plate.width_of(name) for name in names), default=0.0)
        most = (0.3 if plate.paper.narrow else 0.34) * plate.paper.width
        many = len(names) > 14
        bar = 15.0 if many or plate.paper.narrow else 21.0
        if widest > most and plate.paper.narrow:
            return cls(2.0, True, bar, bar + 28)
        two = widest > most
        left = min(widest, most) + 12 if widest else 2.0
        return cls(left, False, bar, max(bar + (6 if many else 11), 2.5 * plate.text if two else 0.0))

    def name(self, plate: Plate, text: str, top: float) -> float:
        """Writes the name of the row that begins at `top`; the middle of its bar."""
        if self.above:
            for line in wrapped(text, plate.paper.width - 8, plate.text, 1):
                plate.write(6, top + 9, line)
            return top + 18 + self.bar / 2
        middle = top + self.step / 2
        lines = wrapped(text, self.left - 10, plate.text)
        for k, line in enumerate(lines):
            plate.write(self.left - 10, middle + (k - (len(lines) - 1) / 2) * 1.15 * plate.text, line, "right")
        return middle


def bars(chart: Bars, paper: Paper) -> Plate | None:
    """A bar for each row with its figure at its end; on a logarithmic scale, which has no 0, a dot on a stalk."""
    if not chart.rows:
        return None
    if chart.stacked:
        return stacks(chart, paper)
    plate, found = Plate(paper), entries(chart)
    values = [value for *_, value in found]
    log = chart.log and min([*values, *(value for _, value in chart.said)]) > 0
    rows = Rows.of(plate, [name for _, name, *_ in found])
    room = max(plate.width_of(figure(value)) for value in values) + 10
    before = room if min(values) < 0 else 0.0
    scale = across([*values, *(value for _, value in chart.said)], paper.width - rows.left - room - before, log)
    left = rows.left + before
    top = say(plate, chart.said, scale, left)
    at, begin = top, None
    for heading, name, tone, value in found:
        if heading is not None and heading != begin:
            (told,) = wrapped(heading, paper.width - 8, plate.text, 1)
            plate.write(6 if rows.above else 2, at + HEADING / 2 + 2, told, strong=True)
            at, begin = at + HEADING, heading
        middle = rows.name(plate, name, at)
        tip = {"": name} | ({"of": heading} if heading else {}) | {chart.unit or "value": figure(value)}
        bar(plate, left + scale.px(scale.low if log else 0.0), left + scale.px(value), middle, rows.bar, tone, log, tip)
        beyond = value < 0
        end = left + scale.px(value) + (-7 if beyond else 9 if log else 7)
        plate.write(end, middle, figure(value), "right" if beyond else "left")
        at += rows.step
    close(plate, chart, scale, left, top, at, log)
    return plate


def bar(
    plate: Plate, start: float, end: float, middle: float, thick: float, tone: str, log: bool, tip: dict[str, str]
) -> None:
    if log:
        plate.rule(start, middle, end, middle, tone, wide=2)
        plate.spot(end, middle, tone, size=95, tip=tip)
    else:
        plate.rect(start, middle - thick / 2, end, middle + thick / 2, tone, tip=tip)


def close(plate: Plate, chart: Bars, scale: Scale, left: float, top: float, at: float, log: bool) -> None:
    """What belongs to all rows: the line where bars begin, or the axis, and the marks of what was said."""
    plate.height = at + 4
    if log:
        below(plate, scale, left, top, at, "", log)
    else:
        plate.rule(left + scale.px(0.0), top, left + scale.px(0.0), at, SOFT)
    for _, value in chart.said:
        plate.rule(left + scale.px(value), top - 2, left + scale.px(value), at, INK, DASHES[1], 1.5)


def across(values: Sequence[float], length: float, log: bool) -> Scale:
    """The axis of bars: from 0 to the largest of them, or about all of them where it is logarithmic."""
    if log:
        return scale_of(values, length, log)
    low, high = min(0.0, *values, 0.0), max(0.0, *values, 0.0)
    return Scale(low, high if high > low else low + 1, length)


def say(plate: Plate, said: Sequence[tuple[str, float]], scale: Scale, left: float, top: float = 0.0) -> float:
    """Writes what was said above its place, a line each; where the rows begin."""
    for k, (text, value) in enumerate(said):
        (told,) = wrapped(text, plate.paper.width - 4, plate.small, 1)
        half = plate.width_of(told, plate.small) / 2
        x = min(max(left + scale.px(value), half), plate.paper.width - half)
        plate.write(x, top + 9 + 18 * k, told, "center", size=plate.small)
    return top + 18.0 * len(said) + 4


def entries(chart: Bars) -> list[tuple[str | None, str, str, float]]:
    """Of each row: the name of its group where groups have several, its own name, its colour, its value."""
    groups: dict[str, list[str]] = {}
    for group, label, _ in chart.rows:
        groups.setdefault(group, []).append(label)
    several = len(groups) > 1 and any(len(own) > 1 for own in groups.values())
    labels = list(dict.fromkeys(label for _, label, _ in chart.rows))
    shared = several and any(sum(label in own for own in groups.values()) > 1 for label in labels)
    of_groups = shared and len(groups) < len(labels)  # what there are fewer of has the colours
    found = []
    for group, label, value in chart.rows:
        name = label if several or not group else f"{group}: {label}" if label and len(labels) > 1 else group or label
        k = 0 if not shared else list(groups).index(group) if of_groups else labels.index(label)
        found.append((group if several else None, name, TONES[k % len(TONES)], value))
    return found


def stacks(chart: Bars, paper: Paper) -> Plate:
    """A bar for each group, of its rows end to end, with the total at its end."""
    plate = Plate(paper)
    groups: dict[str, list[tuple[str, float]]] = {}
    for group, label, value in chart.rows:
        groups.setdefault(group, []).append((label, max(value, 0.0)))
    tones = {label: TONES[k % len(TONES)] for k, label in enumerate(dict.fromkeys(row[1] for row in chart.rows))}
    totals = {group: sum(value for _, value in own) for group, own in groups.items()}
    rows = Rows.of(plate, list(groups))
    room = max(plate.width_of(figure(total)) for total in totals.values()) + 12
    scale = across([*totals.values(), *(value for _, value in chart.said)], paper.width - rows.left - room, log=False)
    top = at = say(plate, chart.said, scale, rows.left, legend(plate, tones, 0.0))
    for group, own in groups.items():
        middle, start = rows.name(plate, group, at), 0.0
        for label, value in own:
            x, end = rows.left + scale.px(start), rows.left + scale.px(start + value)
            tip = {"": group, label or "value": with_unit(value, chart.unit)}
            half = rows.bar / 2
            plate.rect(x, middle - half, max(end - 1, x), middle + half, tones[label], tip=tip)
            if plate.width_of(figure(value), plate.small) < end - x - 6:
                plate.write((x + end) / 2, middle, figure(value), "center", tone=PAPER, size=plate.small, bare=True)
            start += value
        plate.write(rows.left + scale.px(start) + 7, middle, figure(start))
        at += rows.step
    close(plate, chart, scale, rows.left, top, at, log=False)
    return plate


def legend(plate: Plate, tones: dict[str, str], top: float) -> float:
    """Swatches with their names, in lines; where the next thing begins."""
    names = {name: tone for name, tone in tones.items() if name}
    x, y = 2.0, top + 9
    for name, tone in names.items():
        (told,) = wrapped(name, plate.paper.width - 24, plate.small, 1)
        wide = 18 + plate.width_of(told, plate.small) + 14
        if x > 2 and x + wide - 14 > plate.paper.width:
            x, y = 2.0, y + 19
        plate.rect(x, y - 5.5, x + 11, y + 5.5, tone)
        plate.write(x + 17, y, told, size=plate.small)
        x += wide
    return y + 16 if names else top


def ranges(chart: Ranges, paper: Paper) -> Plate | None:
    """A mean with its interval for each row, about the line of no effect."""
    if not chart.rows:
        return None
    plate = Plate(paper)
    ends = [end for _, mean, low, high in chart.rows for end in (mean, low, high) if end is not None]
    log = chart.log and min([*ends, chart.none]) > 0
    rows = Rows.of(plate, [name for name, *_ in chart.rows])
    told = [interval(mean, low, high) for _, mean, low, high in chart.rows]
    room = 0.0 if rows.above else max(map(plate.width_of, told)) + 14
    scale = scale_of([*ends, chart.none], paper.width - rows.left - room - 10, log)
    top, bottom = 4.0, 4.0 + rows.step * len(chart.rows)
    below(plate, scale, rows.left, top, bottom, chart.unit, log)
    x = rows.left + scale.px(chart.none)
    if not rows.above:
        plate.rule(x, top, x, bottom, INK, wide=1.5)
    for k, ((name, mean, low, high), text) in enumerate(zip(chart.rows, told, strict=True)):
        at = top + rows.step * k
        middle = rows.name(plate, "" if rows.above else name, at)
        if rows.above:
            own = plate.width_of(text, plate.small)
            plate.write(6, at + 9, wrapped(name, paper.width - own - 20, plate.text, 1)[0])
            plate.write(paper.width - 2, at + 9, text, "right", size=plate.small)
            plate.rule(x, middle - 11, x, middle + 11, INK, wide=1.5)
        else:
            plate.write(paper.width - 2, middle, text, "right")
        tip = {"": name, "mean": with_unit(mean, chart.unit), "95 % interval": text}
        whisker(plate, scale, rows.left, middle, (mean, low, high), tip)
    return plate


def whisker(
    plate: Plate,
    scale: Scale,
    left: float,
    y: float,
    at: tuple[float, float | None, float | None],
    tip: dict[str, str],
) -> None:
    """A mean and its interval, dotted to the end of the axis where one of its bounds is not known."""
    mean, low, high = at
    first = left + (scale.px(low) if low is not None else 0.0)
    last = left + (scale.px(high) if high is not None else scale.length)
    centre = left + scale.px(mean)
    if low is not None or high is not None:
        plate.rule(first, y, centre, y, TONES[0], () if low is not None else DASHES[2], 2.5)
        plate.rule(centre, y, last, y, TONES[0], () if high is not None else DASHES[2], 2.5)
    plate.spot(centre, y, TONES[0], size=110, tip=tip)


def strip(effect: Effect, paper: Paper) -> Plate:
    """An effect: its mean with its interval, and under it a dot for each seed, about the line of no effect."""
    plate, ratio = Plate(paper), effect.unit == "times"
    dots = [value for value in effect.values if value is not None]
    values = [value for value in (effect.mean, effect.low, effect.high, *dots) if value is not None]
    log = ratio and min(values) > 0
    none = 1.0 if ratio else 0.0
    scale = scale_of([*values, none], paper.width - 24, log)
    bottom = 62.0 if dots else 36.0
    below(plate, scale, 12, 2, bottom, effect.unit, log)
    plate.rule(12 + scale.px(none), 2, 12 + scale.px(none), bottom, INK, wide=1.5)
    for value in dots:
        plate.spot(12 + scale.px(value), 46, SOFT, size=70, opacity=0.6, tip={"a seed": figure(value)})
    tip = {"": effect.what, "mean": with_unit(effect.mean, effect.unit)}
    whisker(plate, scale, 12, 20, (effect.mean, effect.low, effect.high), tip)
    return plate


def interval(mean: float, low: float | None, high: float | None) -> str:
    """ "1.2 (0.4 to 2)"."""
    if low is None and high is None:
        return figure(mean)
    return f"{figure(mean)} ({'?' if low is None else figure(low)} to {'?' if high is None else figure(high)})"
