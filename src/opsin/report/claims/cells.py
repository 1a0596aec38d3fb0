"""Grids of claims: values of rows and columns as shades, with their numbers."""

import math

from opsin.claims.chart import Grid
from opsin.report.claims.axes import figure
from opsin.report.claims.plate import INK, PAPER, RULE, SOFT, TONES, Paper, Plate, wrapped

PALE, DEEP = 0.07, 0.92
TURN = 0.5
"""The depth beyond which numbers are written in the colour of the paper."""


def grid(chart: Grid, paper: Paper) -> Plate | None:
    """A cell for each value, the deeper the larger, in another colour below 0; a dash where there is none."""
    values = [value for row in chart.cells for value in row if value is not None]
    if not values or not chart.columns:
        return None
    plate = Plate(paper)
    widest = max(plate.width_of(row) for row in chart.rows)
    left = min(widest, (0.36 if paper.narrow else 0.3) * paper.width) + 10
    wide = min((paper.width - left) / len(chart.columns), 46.0 if square(chart) else 170.0)
    heads = [wrapped(column, max(wide - 6, 20), plate.small, 3) for column in chart.columns]
    top = 1.2 * plate.small * max(map(len, heads)) + 8
    for k, head in enumerate(heads):
        for j, line in enumerate(head):
            y = top - 8 - 1.2 * plate.small * (len(head) - 1 - j)
            plate.write(left + (k + 0.5) * wide, y, line, "center", tone=SOFT, size=plate.small)
    high = 30.0 if paper.narrow else 34.0
    size = fitted(plate, values, wide)
    for i, (name, row) in enumerate(zip(chart.rows, chart.cells, strict=False)):
        y = top + i * high
        lines = wrapped(name, left - 10, plate.small)
        for k, line in enumerate(lines):
            middle = y + high / 2 + (k - (len(lines) - 1) / 2) * 1.1 * plate.small
            plate.write(left - 8, middle, line, "right", size=plate.small)
        for j, (column, value) in enumerate(zip(chart.columns, row, strict=False)):
            cell(plate, chart, (left + j * wide, y, left + (j + 1) * wide, y + high), name, column, value, size)
    plate.height = top + high * len(chart.rows) + 4
    return plate


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
    chart: Grid,
    box: tuple[float, float, float, float],
    row: str,
    column: str,
    value: float | None,
    size: float,
) -> None:
    left, top, right, bottom = box
    x, y = (left + right) / 2, (top + bottom) / 2
    if value is None:
        plate.rect(left + 1, top + 1, right - 1, bottom - 1, RULE, 0.35)
        plate.write(x, y, "–", "center", tone=SOFT, bare=True)
        return
    deep = PALE + (DEEP - PALE) * depth(chart, value)
    tone = TONES[1] if value < 0 else TONES[0]
    tip = {"": f"{row}, {column}", chart.unit or "value": figure(value)}
    plate.rect(left + 1, top + 1, right - 1, bottom - 1, tone, deep, tip)
    if size:
        plate.write(x, y, short(value), "center", tone=PAPER if deep > TURN else INK, size=size, bare=True)


def depth(chart: Grid, value: float) -> float:
    """How far a value is from 0, or on a logarithmic scale from the least, as a share of the largest; 0 to 1."""
    values = [value for row in chart.cells for value in row if value is not None]
    if not chart.log or min(values) <= 0:
        return abs(value) / (max(map(abs, values)) or 1.0)
    low, high = math.log(min(values)), math.log(max(values))
    return (math.log(value) - low) / (high - low) if high > low else 0.5
