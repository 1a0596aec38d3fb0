"""A chart of a claim in its three forms: drawn, in words, and as a table of its figures."""

from collections.abc import Sequence

from opsin.claims.chart import Bars, Chart, Dots, Grid, Lines, Ranges, Table
from opsin.report import words
from opsin.report.claims.axes import figure, with_unit
from opsin.report.claims.bars import bars, interval, ranges
from opsin.report.claims.cells import grid
from opsin.report.claims.dots import dots
from opsin.report.claims.lines import lines
from opsin.report.claims.plate import Paper, Plate

ROWS = 12
"""A table has about so many points of a line."""
CELLS = 400
"""A grid of more is shown as shades alone."""
TOLD = 8
"""So many figures are told to those who do not see a chart; its table has them all."""

Rows = tuple[Sequence[str], Sequence[Sequence[str]]]


def drawn(chart: Chart, paper: Paper) -> Plate | None:
    """The chart on a paper; None where it is a table, or has nothing that can be drawn."""
    match chart:
        case Bars():
            return bars(chart, paper)
        case Lines():
            return lines(chart, paper)
        case Grid():
            return grid(chart, paper)
        case Dots():
            return dots(chart, paper)
        case Ranges():
            return ranges(chart, paper)
        case Table():
            return None


def widths(charts: Sequence[Chart]) -> list[bool]:
    """Of each chart of a claim, whether it has the whole width: one that wants it, or that no other stands beside."""
    found, halves = [], 0
    for k, chart in enumerate(charts):
        last = k + 1 == len(charts) or whole(charts[k + 1])
        found.append(whole(chart) or (last and halves % 2 == 0))
        halves = 0 if found[-1] else halves + 1
    return found


def whole(chart: Chart) -> bool:
    """Whether a chart wants the whole width of a page beside others."""
    match chart:
        case Ranges():
            return len(chart.rows) > 12
        case Dots():
            return True
        case Lines():
            return len(chart.lines) > 5
        case Grid():
            return len(chart.columns) > 8
        case Table():
            return True
    return False


def table(chart: Chart) -> Rows:
    """The head and the rows of a chart's figures."""
    match chart:
        case Bars():
            grouped = len({group for group, *_ in chart.rows}) > 1
            head = (*(["Group"] if grouped else []), "", chart.unit or "Value")
            return head, [(*([group] if grouped else []), name, figure(v)) for group, name, v in chart.rows]
        case Lines():
            points = [(name, *p) for name, own in chart.lines.items() for p in thinned(own)]
            return ("Line", chart.x, chart.y), [(name, figure(x), figure(y)) for name, x, y in points]
        case Grid() if len(chart.rows) * len(chart.columns) > CELLS:
            return ("",), []
        case Grid():
            cells = [[words.NONE if v is None else figure(v) for v in row] for row in chart.cells]
            return ("", *chart.columns), [(name, *row) for name, row in zip(chart.rows, cells, strict=False)]
        case Dots():
            return ("", chart.x, chart.y), [(name, figure(x), figure(y)) for name, x, y, _ in chart.dots]
        case Ranges():
            return ("", "Estimate", "95 % interval"), [
                (name, with_unit(mean, chart.unit), interval(mean, low, high).partition(" ")[2].strip("()"))
                for name, mean, low, high in chart.rows
            ]
        case Table():
            return chart.head, chart.rows


def thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """About a dozen of the points, the first and the last among them."""
    every = max(1, -(-len(points) // ROWS))
    return [point for k, point in enumerate(points) if k % every == 0 or k == len(points) - 1]


def in_words(chart: Chart) -> str:
    """The chart for those who do not see it."""
    if isinstance(chart, Lines):
        told = [
            f"{name} from {figure(points[0][1])} to {figure(points[-1][1])}"
            for name, points in chart.lines.items()
            if points
        ]
    else:
        told = [" ".join(filter(None, row)) for row in table(chart)[1]]
    told = told or [f"{len(chart.rows)} by {len(chart.columns)} shades" if isinstance(chart, Grid) else "nothing"]
    rest = f"; and {len(told) - TOLD} more" if len(told) > TOLD else ""
    return f"{chart.title}: {'; '.join(told[:TOLD])}{rest}."
