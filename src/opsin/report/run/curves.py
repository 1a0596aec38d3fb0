"""Learning curves as plain SVG, which costs no time: lines over epochs, px from figures, ticks."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from opsin.report import words
from opsin.report.scales import Scale, linear_ticks, log_ticks, share_scale, share_ticks

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 400, 44, 8, 8, 20
"""Of a drawing, px, and the room around its plot."""
DOTS = 40
"""Of more epochs than these, only the line is drawn: dots would touch."""
DECADE = 10.0
"""A loss that falls by more than this factor has a logarithmic axis."""

Series = Mapping[str, Sequence[float | None]]
Show = Callable[[float], str]


def chart(series: Series, epochs: int, scale: Scale, ticks: Sequence[float], show: Show) -> dict[str, Any]:
    """What the template draws: a line for each series that has numbers, broken where one is missing."""
    x = Scale(1, epochs, WIDTH - LEFT - RIGHT) if epochs > 1 else Scale(0, 2, WIDTH - LEFT - RIGHT)
    lines = []
    for name, values in series.items():
        at = [
            None if value is None else (round(LEFT + x.px(epoch), 1), round(TOP + scale.px(value), 1))
            for epoch, value in enumerate(values, 1)
        ]
        seen = [(epoch, spot) for epoch, spot in enumerate(at, 1) if spot]
        shown = seen if len(at) <= DOTS else seen[-1:]
        dots = [
            {"x": spot[0], "y": spot[1], "tip": f"{name}, epoch {epoch}: {show(values[epoch - 1] or 0)}"}
            for epoch, spot in shown
        ]
        lines.append({"name": name, "path": path(at), "dots": dots, "fine": len(at) > DOTS})
    return {
        "width": WIDTH,
        "height": round(TOP + scale.length + BOTTOM),
        "left": LEFT,
        "right": WIDTH - RIGHT,
        "bottom": TOP + scale.length,
        "lines": lines,
        "x": [{"px": round(LEFT + x.px(e), 1), "text": f"{e:,}"} for e in sorted({1, round(epochs / 2) or 1, epochs})],
        "y": [{"px": round(TOP + scale.px(tick), 1), "text": show(tick)} for tick in ticks],
        "alt": alt(series, show),
    }


def path(at: Sequence[tuple[float, float] | None]) -> str:
    """A path through the points, a new piece after each that is missing; a point alone is a dot by its round ends."""
    pieces, new = [], True
    for spot in at:
        if spot:
            pieces.append(("M{0} {1}L{0} {1}" if new else "L{0} {1}").format(*spot))
        new = spot is None
    return "".join(pieces)


def alt(series: Series, show: Show) -> str:
    """The curves in words, for those who do not see them."""
    told = []
    for name, values in series.items():
        seen = [value for value in values if value is not None]
        if seen:
            told.append(f"{name} from {show(seen[0])} to {show(seen[-1])}")
    return "; ".join(told)


def losses(series: Series, epochs: int, height: float) -> dict[str, Any]:
    """Losses from 0 up, or on a logarithmic axis where they fall far."""
    seen = numbers(series)
    if min(seen) > 0 and max(seen) > DECADE * min(seen):
        scale = Scale(min(seen) / 1.1, max(seen) * 1.1, height, log=True, flip=True)
        return chart(series, epochs, scale, log_ticks(scale, 5), plain) | {"log": True}
    return amounts(series, epochs, height, plain)


def amounts(series: Series, epochs: int, height: float, show: Show) -> dict[str, Any]:
    """What is counted from 0 up."""
    seen = numbers(series)
    scale = Scale(min(0.0, *seen, 0.0), 1.04 * max(seen) or 1.0, height, flip=True)
    return chart(series, epochs, scale, linear_ticks(scale, 5), show) | {"log": False}


def shares(series: Series, epochs: int, height: float) -> dict[str, Any]:
    """Shares, between the lowest and the highest of them."""
    seen = numbers(series)
    scale = share_scale(seen, seen, (), height)
    return chart(series, epochs, scale, share_ticks(scale, 5), percent) | {"log": False}


def numbers(series: Series) -> list[float]:
    return [value for values in series.values() for value in values if value is not None]


def plain(value: float) -> str:
    return f"{value:,.4g}"


def percent(share: float) -> str:
    return f"{100 * share:.4g}{words.GAP}%"
