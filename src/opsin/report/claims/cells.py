"""Grids of claims: values of rows and columns as shades, with their numbers."""

import math
from collections.abc import Callable

from opsin.claims.chart import Grid
from opsin.report.claims.axes import figure
from opsin.report.claims.plate import INK, PAPER, RULE, SOFT, TONES, Paper, Plate, wrapped

PALE, DEEP = 0.07, 0.92
MANY, NAMES, SHADES = 16, 17, 20
"""A grid of more rows or columns has shades alone, in so many steps, and names of some of them."""
SIDE = 460.0
"""The largest height of a grid, and the largest width of a large one, px."""
TURN = 0.5
"""The depth beyond which numbers are written in the colour of the paper."""


def grid(chart: Grid, paper: Paper) -> Plate | None:
    """A cell for each value, the deeper the larger, in another colour below 0; a dash where there is none."""
    values = [value for row in chart.cells for value in row if value is not None]
    if not values or not chart.columns:
        return None
    plate, largest = Plate(paper), max(len(chart.rows), len(chart.columns))
    every = -(-largest // NAMES)
    widest = max(plate.width_of(row, plate.small) for row in chart.rows)
    left = min(widest, (0.36 if paper.narrow else 0.3) * paper.width) + 10
    wide = min((paper.width - left) / len(chart.columns), 46.0 if square(chart) else 170.0)
    if largest > MANY:
        wide = min(wide, SIDE / len(chart.columns))
    broad = max(plate.width_of(column, plate.small) for column in chart.columns) + 10
    top = heads(plate, chart, left, wide, max(every, math.ceil(broad / wide)) if largest > MANY else 1)
    high = min(30.0 if paper.narrow else 34.0, SIDE / len(chart.rows))
    if square(chart) and largest > MANY:
        high = wide
    for i, name in enumerate(chart.rows):
        lines = wrapped(name, left - 10, plate.small)[: 1 if high < 2.4 * plate.small else 2] if i % every == 0 else []
        for k, line in enumerate(lines):
            middle = top + (i + 0.5) * high + (k - (len(lines) - 1) / 2) * 1.1 * plate.small
            plate.write(left - 8, middle, line, "right", size=plate.small)
    if largest > MANY:
        shades(plate, chart, left, top, wide, high)
    else:
        size, depth = fitted(plate, values, wide), depths(chart)
        for i, (name, row) in enumerate(zip(chart.rows, chart.cells, strict=False)):
            for j, (column, value) in enumerate(zip(chart.columns, row, strict=False)):
                box = left + j * wide, top + i * high, left + (j + 1) * wide, top + (i + 1) * high
                tip = {"": f"{name}, {column}", chart.unit or "value": short(value) if value is not None else "–"}
                cell(plate, box, value, 0.0 if value is None else depth(value), size, tip)
    plate.height = top + high * len(chart.rows) + 8
    return plate


def heads(plate: Plate, chart: Grid, left: float, wide: float, every: int) -> float:
    """Writes the names of the columns, of each `every`th; where the cells begin."""
    names = [wrapped(column, max(every * wide - 6, 20), plate.small, 3) for column in chart.columns]
    top = 1.2 * plate.small * max(map(len, names[::every])) + 8
    for k, name in list(enumerate(names))[::every]:
        for j, line in enumerate(name):
            y = top - 8 - 1.2 * plate.small * (len(name) - 1 - j)
            plate.write(left + (k + 0.5) * wide, y, line, "center", tone=SOFT, size=plate.small)
    return top


def shades(plate: Plate, chart: Grid, left: float, top: float, wide: float, high: float) -> None:
    """The cells of a grid that is too large for numbers: those of one shade are one record of lists."""
    found: dict[tuple[str, float], list[tuple[int, int]]] = {}
    depth = depths(chart)
    for i, row in enumerate(chart.cells):
        for j, value in enumerate(row):
            if value is not None:
                deep = round(SHADES * depth(value)) / SHADES
                found.setdefault((TONES[1] if value < 0 else TONES[0], deep), []).append((i, j))
    for (tone, deep), places in found.items():
        xs, ys = [left + j * wide for _, j in places], [top + i * high for i, _ in places]
        plate.cells(xs, ys, wide, high, tone, PALE + (1 - PALE) * deep)


def square(chart: Grid) -> bool:
    """Whether rows and columns are the same things."""
    return chart.rows == chart.columns


def fitted(plate: Plate, values: list[float], wide: float) -> float:
    """The size at which every number fits its cell; 0 where none does."""
    for size in (plate.text, plate.small, plate.small - 1.5, plate.small - 3):
        if all(plate.width_of(short(value), size) <= wide - 3 for value in values):
            return size
    return 0.0


def short(value: float) -> str:
    return figure(value) if abs(value) >= 0.001 or value == 0 else f"{value:.0e}".replace("-", "−")


def cell(
    plate: Plate,
    box: tuple[float, float, float, float],
    value: float | None,
    depth: float,
    size: float,
    tip: dict[str, str],
) -> None:
    left, top, right, bottom = box
    x, y = (left + right) / 2, (top + bottom) / 2
    if value is None:
        plate.rect(left + 1, top + 1, right - 1, bottom - 1, RULE, 0.35)
        plate.write(x, y, "–", "center", tone=SOFT, bare=True)
        return
    deep = PALE + (DEEP - PALE) * depth
    plate.rect(left + 1, top + 1, right - 1, bottom - 1, TONES[1] if value < 0 else TONES[0], deep, tip)
    if size:
        plate.write(x, y, short(value), "center", tone=PAPER if deep > TURN else INK, size=size, bare=True)


def depths(chart: Grid) -> Callable[[float], float]:
    """How far a value is from 0, or on a logarithmic scale from the least, as a share of the largest; 0 to 1."""
    values = [value for row in chart.cells for value in row if value is not None]
    if not chart.log or min(values) <= 0:
        most = max(map(abs, values)) or 1.0
        return lambda value: abs(value) / most
    low, high = math.log(min(values)), math.log(max(values))
    return lambda value: (math.log(value) - low) / (high - low) if high > low else 0.5
