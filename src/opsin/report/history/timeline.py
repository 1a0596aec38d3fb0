"""The timeline's drawing: a row a family, a dot at its year, strokes for its operations and parameters."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from opsin.report.history.record import Family
from opsin.report.labels import text_width

ROW = 20.0
TOP = 44.0
TEXT = 12.5


@dataclass(frozen=True)
class Strip:
    """A logarithmic axis from `left` to `right` px; its ticks are powers of ten with their names."""

    title: str
    key: str
    left: float
    right: float
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]

    def px(self, value: float) -> float:
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return round(self.left + share * (self.right - self.left), 1)


WIDE = (
    Strip(
        "MACs for one image",
        "macs",
        676,
        836,
        4.5,
        11.5,
        ((1e5, "100 k"), (1e7, "10 M"), (1e9, "1 G"), (1e11, "100 G")),
    ),
    Strip("Parameters", "params", 876, 996, 3.7, 8.7, ((1e4, "10 k"), (1e6, "1 M"), (1e8, "100 M"))),
)


def drawing(
    families: Sequence[Family], colours: dict[int, int], width: int, strips: Sequence[Strip] = ()
) -> dict[str, Any]:
    """What the template draws, px: a linear axis of years, and logarithmic `strips` to its right."""
    first, last = families[0].year, families[-1].year
    right = (strips[0].left - 40 if strips else width) - 10

    def at(year: float) -> float:
        return round(10 + (year - first + 0.5) / (last - first + 1.5) * (right - 10), 1)

    rows = []
    for k, (family, before) in enumerate(zip(families, [None, *families], strict=False)):
        y = TOP + (k + 0.5) * ROW
        wide = text_width(family.name, TEXT) + 10
        beyond = at(family.year) + wide > right
        strokes = []
        for strip in strips:
            values = [getattr(card, strip.key) for card in family.shown]
            strokes.append({"x1": strip.px(min(values)), "x2": strip.px(max(values))})
        gap = family.year - before.year if before else 0
        silence = {"from": at(before.year), "years": gap} if before and gap > 5 else None
        rows.append(
            {
                "name": family.name,
                "x": at(family.year),
                "y": y,
                "text": at(family.year) + (-10 if beyond else 10),
                "anchor": "end" if beyond else "start",
                "step": colours[family.year],
                "strokes": strokes,
                "silence": silence,
            }
        )
    step = 5 if strips else 10
    years = sorted(
        {first, *(y for y in range(first, last) if y % step == 0 and abs(y - first) > 2 and last - y > 2), last}
    )
    return {
        "width": width,
        "height": TOP + len(rows) * ROW + 8,
        "top": TOP,
        "right": right,
        "rows": rows,
        "years": [{"x": at(year), "year": year} for year in years],
        "strips": [
            {"title": s.title, "left": s.left, "ticks": [{"x": s.px(v), "text": text} for v, text in s.ticks]}
            for s in strips
        ],
    }


def silences(families: Sequence[Family]) -> list[int]:
    """Before each family, how many years passed since the one before it; 0 for the first."""
    return [0, *(b.year - a.year for a, b in itertools.pairwise(families))]
