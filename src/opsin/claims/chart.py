"""The charts of claims as data: what is drawn, not how. The page of the claims draws them."""

from dataclasses import dataclass

Point = tuple[float, float]


@dataclass(frozen=True)
class Bars:
    """A bar for each label, one beside another within a group where groups are named.

    `rows` are (group, label, value); `said` marks a value on the scale, with words.
    """

    title: str
    unit: str
    rows: tuple[tuple[str, str, float], ...]
    said: tuple[tuple[str, float], ...] = ()
    log: bool = False
    stacked: bool = False


@dataclass(frozen=True)
class Lines:
    """Lines through points, by name; `bands` are (x, low, high) of some of them.

    `said` marks values of y with words; `upright` says that they are places on the horizontal axis instead.
    """

    title: str
    x: str
    y: str
    lines: dict[str, tuple[Point, ...]]
    bands: dict[str, tuple[tuple[float, float, float], ...]] | None = None
    log: str = ""
    said: tuple[tuple[str, float], ...] = ()
    upright: bool = False


@dataclass(frozen=True)
class Grid:
    """Values of rows and columns as shades with their numbers; None is left empty."""

    title: str
    unit: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[float | None, ...], ...]
    log: bool = False


@dataclass(frozen=True)
class Dots:
    """Points with names on two scales: (name, x, y, size).

    `same` says that both are one quantity, found in two places: what agrees lies on the diagonal.
    """

    title: str
    x: str
    y: str
    dots: tuple[tuple[str, float, float, float], ...]
    log: str = ""
    same: bool = False


@dataclass(frozen=True)
class Ranges:
    """An effect for each label: (label, mean, low, high), with a line where there is none; a bound may be unknown."""

    title: str
    unit: str
    rows: tuple[tuple[str, float, float | None, float | None], ...]
    none: float = 0.0
    log: bool = False


@dataclass(frozen=True)
class Table:
    """What a picture would not show better."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Chart = Bars | Lines | Grid | Dots | Ranges | Table
