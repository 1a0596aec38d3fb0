"""A plate: what any chart of a claim is drawn on, in px from its upper left corner.

All charts are one compiled specification with their own data: its marks take px as they are, so that axes, bars and
names are laid out here, once for wide and once for narrow screens.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate, takewhile
from typing import Any

import altair as alt

from opsin.report.charts import INK, PAPER, RULE, SOFT, compiled, named_set
from opsin.report.labels import text_width
from opsin.report.scales import Layout

SETS = ("rects", "areas", "rules", "lines", "spots", "texts", "touch")
TONES = tuple(f"var(--c{k})" for k in range(8))
DASHES: tuple[tuple[int, ...], ...] = ((), (8, 4), (2, 3), (10, 3, 2, 3), (5, 2), (1, 4))
SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross")
Tip = dict[str, str]


@dataclass(frozen=True)
class Paper:
    """How wide a plate is and how large it writes, px."""

    width: float
    text: float

    @property
    def narrow(self) -> bool:
        return self.width < 500


WIDE, NARROW = Paper(1008.0, 14.5), Paper(358.0, 12.5)


@dataclass
class Plate:
    """What is drawn on a paper, by the sets that the specification reads; `height` grows as it is laid out."""

    paper: Paper
    height: float = 0.0
    rects: list[dict[str, Any]] = field(default_factory=list)
    areas: list[dict[str, Any]] = field(default_factory=list)
    rules: list[dict[str, Any]] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)
    spots: list[dict[str, Any]] = field(default_factory=list)
    texts: list[dict[str, Any]] = field(default_factory=list)
    touch: list[dict[str, Any]] = field(default_factory=list)

    @property
    def text(self) -> float:
        return self.paper.text

    @property
    def small(self) -> float:
        """The size of texts that stay behind."""
        return self.paper.text - 1.5

    def width_of(self, text: str, size: float | None = None) -> float:
        return text_width(text, size or self.text)

    def write(
        self,
        x: float,
        y: float,
        text: str,
        align: str = "left",
        *,
        tone: str = INK,
        size: float | None = None,
        strong: bool = False,
        bare: bool = False,
    ) -> None:
        """A line of text whose middle is at `y`; `bare` leaves out the rim that keeps it legible over lines."""
        more = {"weight": "bold"} if strong else {}
        more |= {} if bare else {"rim": PAPER}
        at = {"x": px(x), "y": px(y), "text": text, "tone": tone, "size": size or self.text}
        self.texts.append(at | more | ({"align": align} if align != "left" else {}))

    def rule(
        self, x: float, y: float, x2: float, y2: float, tone: str = RULE, dash: Sequence[int] = (), wide: float = 1.0
    ) -> None:
        at = {"x": px(x), "y": px(y), "x2": px(x2), "y2": px(y2), "tone": tone}
        self.rules.append(at | ({"dash": list(dash)} if dash else {}) | ({"wide": wide} if wide != 1 else {}))

    def rect(
        self, x: float, y: float, x2: float, y2: float, tone: str, opacity: float = 1.0, tip: Tip | None = None
    ) -> None:
        at = {"x": px(min(x, x2)), "y": px(y), "x2": px(max(x, x2)), "y2": px(y2), "tone": tone}
        self.rects.append(at | {"opacity": round(opacity, 3)} | ({"tip": tip} if tip else {}))

    def cells(
        self, xs: Sequence[float], ys: Sequence[float], wide: float, high: float, tone: str, opacity: float
    ) -> None:
        """Many rectangles of one size and shade, as one record of lists."""
        at = {"x": [px(x) for x in xs], "y": [px(y) for y in ys], "tone": tone, "opacity": round(opacity, 3)}
        self.rects.append(at | {"x2": [px(x + wide) for x in xs], "y2": [px(y + high) for y in ys]})

    def spot(
        self,
        x: float,
        y: float,
        tone: str,
        shape: str = "circle",
        size: float = 60.0,
        *,
        opacity: float = 1.0,
        rim: str = PAPER,
        tip: Tip | None = None,
    ) -> None:
        at = {"x": px(x), "y": px(y), "tone": tone, "shape": shape, "size": px(size), "rim": rim}
        self.spots.append(at | ({"opacity": opacity} if opacity != 1 else {}))
        if tip:
            self.touch.append({"x": px(x), "y": px(y), "size": px(max(size, 420.0)), "tip": tip})

    def line(self, name: str, points: Sequence[tuple[float, float]], tone: str, dash: Sequence[int] = ()) -> None:
        """A line is one record whose places are lists: the page's script makes a record of each of them."""
        xs, ys = ([px(value) for value in own] for own in zip(*points, strict=True))
        self.lines.append({"x": xs, "y": ys, "line": name, "tone": tone} | ({"dash": list(dash)} if dash else {}))

    def area(self, name: str, points: Sequence[tuple[float, float, float]], tone: str) -> None:
        if points:
            xs, low, high = ([px(value) for value in own] for own in zip(*points, strict=True))
            self.areas.append({"x": xs, "y": low, "y2": high, "line": name, "tone": tone})

    def sets(self) -> dict[str, list[dict[str, Any]]]:
        """The records of each set that has any."""
        return {name: own for name in SETS if (own := getattr(self, name))}

    def frame(self) -> dict[str, float]:
        """The size of the drawing."""
        return {"width": self.paper.width, "height": px(self.height)}


def px(value: float) -> float:
    """To a tenth: a page of ninety claims stays small."""
    return round(value, 1)


@lru_cache(maxsize=1)
def spec() -> dict[str, Any]:
    """The specification that draws any plate."""
    x, y = alt.X("x:Q", scale=None, axis=None), alt.Y("y:Q", scale=None, axis=None)
    ends: dict[str, Any] = {"x2": "x2:Q", "y2": "y2:Q"}
    tone = alt.Color("tone:N", scale=None, legend=None)
    dash = alt.StrokeDash("dash:N", scale=None, legend=None)
    size = alt.Size("size:Q", scale=None, legend=None)
    shape = alt.Shape("shape:N", scale=None, legend=None)
    rim = alt.Stroke("rim:N", scale=None, legend=None)
    fill = alt.Fill("tone:N", scale=None, legend=None)
    opacity, tip = expression("isValid(datum.opacity) ? datum.opacity : 1"), expression("datum.tip")
    layers = [
        named_set("rects").mark_rect(opacity=opacity, tooltip=tip).encode(x=x, y=y, color=tone, **ends),
        named_set("areas").mark_area(opacity=0.2).encode(x=x, y=y, y2="y2:Q", color=tone, detail="line:N"),
        named_set("rules")
        .mark_rule(strokeWidth=expression("datum.wide || 1"))
        .encode(x=x, y=y, color=tone, strokeDash=dash, **ends),
        named_set("lines")
        .mark_line(strokeWidth=2.25, strokeJoin="round")
        .encode(x=x, y=y, color=tone, detail="line:N", strokeDash=dash),
        named_set("spots")
        .mark_point(strokeWidth=1, opacity=opacity)
        .encode(x=x, y=y, fill=fill, stroke=rim, shape=shape, size=size),
        named_set("texts")
        .mark_text(
            baseline="middle",
            strokeWidth=3,
            align=expression("datum.align || 'left'"),
            fontWeight=expression("datum.weight || 'normal'"),
        )
        .encode(x=x, y=y, fill=fill, stroke=rim, text="text:N", size=size),
        named_set("touch").mark_circle(opacity=0, tooltip=tip).encode(x=x, y=y, size=size),
    ]
    return compiled(alt.layer(*layers), Layout(int(WIDE.width), 300, 0, 0, 0, 0, WIDE.text, 0.0))


def expression(text: str) -> Any:
    return alt.ExprRef(expr=text)


def wrapped(text: str, width: float, size: float, lines: int = 2) -> list[str]:
    """The text in at most so many lines of a width, its end cut off where there is more."""
    found = [""]
    for word in text.split() or [""]:
        longer = f"{found[-1]} {word}".strip()
        if not found[-1] or text_width(longer, size) <= width:
            found[-1] = longer
        else:
            found.append(word)
    kept = found[:lines]
    if len(found) > lines:
        kept[-1] = f"{kept[-1]} {found[lines]}"
    return [cut(line, width, size) for line in kept]


def cut(text: str, width: float, size: float) -> str:
    """The text, or as much of it as a width holds."""
    if text_width(text, size) <= width:
        return text
    room = width - text_width("…", size)
    widths = accumulate(text_width(sign, size) for sign in text)
    return text[: sum(1 for _ in takewhile(lambda wide: wide <= room, widths))].rstrip() + "…"


__all__ = ["DASHES", "INK", "NARROW", "PAPER", "RULE", "SHAPES", "SOFT", "TONES", "WIDE", "Paper", "Plate"]
