"""Axes worked out before drawing: domains, ticks, px from figures and back; and the colours of the years."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

YEAR_STEPS = 10  # the style sheet has as many colours, --y0 (old) to --y9 (new), for light and for dark paper


@dataclass(frozen=True)
class Layout:
    """One drawing size, px: the plot, the room around it, the text size, the largest bubble's radius."""

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int
    text: float
    bubble: float

    @property
    def small(self) -> float:
        """The size of texts that stay behind."""
        return self.text - 1.5


WIDE = Layout(900, 470, 54, 26, 70, 54, 13.0, 36.0)
HALF = Layout(424, 330, 46, 14, 56, 50, 12.0, 24.0)
NARROW = Layout(300, 350, 40, 12, 58, 50, 11.5, 22.0)


@dataclass(frozen=True)
class Scale:
    """A linear or logarithmic axis of `length` px; px grow to the right, or upwards where `flip`."""

    low: float
    high: float
    length: float
    log: bool = False
    flip: bool = False

    def px(self, value: float) -> float:
        low, high, at = self.low, self.high, value
        if self.log:
            low, high, at = math.log10(low), math.log10(high), math.log10(value)
        share = (at - low) / (high - low)
        return self.length * (1 - share if self.flip else share)

    def value(self, px: float) -> float:
        share = 1 - px / self.length if self.flip else px / self.length
        if self.log:
            low, high = math.log10(self.low), math.log10(self.high)
            return 10 ** (low + share * (high - low))
        return self.low + share * (self.high - self.low)


def padded(values: Iterable[float], length: float, margin: float, log: bool = False) -> Scale:
    """A horizontal axis on which all `values` lie at least `margin` px from its ends.

    It spans a factor of three, or two years, at least: what hardly differs lies close together.
    """
    found = sorted(values)
    low, high = (math.log10(v) if log else float(v) for v in (found[0], found[-1]))
    lacking = max(0.0, (math.log10(3) if log else 2.0) - (high - low)) / 2
    low, high = low - lacking, high + lacking
    more = margin * (high - low) / (length - 2 * margin)
    low, high = low - more, high + more
    return Scale(10**low, 10**high, length, True) if log else Scale(low, high, length)


def floor_of(values: Sequence[float]) -> float | None:
    """The value under which a network lies so far off that the rest would be squeezed; None where none does."""
    if len(values) < 4:
        return None
    ordered = sorted(values)
    best, quarter = ordered[-1], ordered[len(ordered) // 4]
    floor = quarter - 3 * (best - quarter) - 0.03
    return floor if ordered[0] < floor else None


def share_scale(lows: Sequence[float], highs: Sequence[float], extra: Sequence[float], length: float) -> Scale:
    """A vertical axis of shares for intervals, stretched by up to 40 % either way for those of `extra` beyond it."""
    low, high = min(lows), max(highs)
    span = max(high - low, 0.01)
    low = min([low, *(value for value in extra if value >= low - 0.4 * span)])
    room = 0.06 * max(high - low, 0.01)
    high = max([high, *(value for value in extra if high + room < value <= high + 0.4 * span)])
    return Scale(max(low - room, -0.005), min(high + room, 1.004), length, flip=True)


def share_ticks(scale: Scale, at_most: int = 7) -> list[float]:
    """Round shares on the axis."""
    for step in (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5):
        first, last = math.ceil(scale.low / step - 1e-9), math.floor(scale.high / step + 1e-9)
        if last - first < at_most:
            return [round(k * step, 4) for k in range(max(first, 0), last + 1)]
    return []


def log_ticks(scale: Scale, at_most: int = 7) -> list[float]:
    """Powers of ten on the axis, doubles and fives where there are too few; round numbers on a short axis."""
    decades = range(math.floor(math.log10(scale.low)), math.ceil(math.log10(scale.high)) + 1)
    fine, coarse, powers = (
        [f * 10.0**d for d in decades for f in factors if scale.low <= f * 10.0**d <= scale.high]
        for factors in ((1, 2, 5), (1, 3), (1,))
    )
    if len(fine) < 3:
        return [tick for tick in linear_ticks(scale, at_most) if scale.low <= tick <= scale.high]
    fewer = powers[:: math.ceil(len(powers) / at_most)]
    return next(ticks for ticks in (fine, coarse, powers, fewer) if len(ticks) <= at_most)


def linear_ticks(scale: Scale, at_most: int = 7) -> list[float]:
    """Round numbers on a linear axis: multiples of 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(scale.high - scale.low) - 2)
    for step in (factor * power * decade for decade in (1, 10, 100, 1000) for factor in (1, 2, 5)):
        first, last = math.ceil(scale.low / step - 1e-9), math.floor(scale.high / step + 1e-9)
        if last - first < at_most:
            return [k * step for k in range(first, last + 1)]
    return []


def year_ticks(scale: Scale, at_most: int = 8) -> list[float]:
    for step in (1, 2, 5, 10, 20):
        years = [y for y in range(math.ceil(scale.low), math.floor(scale.high) + 1) if y % step == 0]
        if len(years) <= at_most:
            return [float(year) for year in years]
    return []


def year_steps(years: Iterable[int]) -> dict[int, int]:
    """A colour step for each year, by order: oldest 0, newest YEAR_STEPS - 1."""
    found = sorted(set(years))
    last = max(len(found) - 1, 1)
    return {year: round(k * (YEAR_STEPS - 1) / last) for k, year in enumerate(found)}


def key_sizes(largest: float) -> list[float]:
    """Two round numbers for the key of the bubbles: near the largest one, and a tenth of it."""
    power = 10.0 ** math.floor(math.log10(largest))
    top = next(f * power for f in (5, 2, 1) if f * power <= largest)
    return [top, top / 10] if top >= 10 else [top]
