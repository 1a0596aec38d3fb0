"""Scales of the charts of claims, their ticks, and figures as charts write them."""

import math
from collections.abc import Iterable

from opsin.report import words
from opsin.report.claims.plate import RULE, SOFT, Plate
from opsin.report.scales import Scale, linear_ticks, log_ticks

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def figure(value: float) -> str:
    """A figure of any size in a few signs: "1.47", "15,346", "40.6 M", "2×10⁻⁷".

    One below 1e-12 is what sums of floating point leave of zero.
    """
    size = abs(value)
    if size < 1e-12:
        return "0"
    if size >= 999_950:
        return ("−" if value < 0 else "") + (words.count(size) if size < 1e14 else power(size))
    if size >= 999.5:
        return f"{value:,.0f}".replace("-", "−")
    if size < 0.001:
        return power(value)
    return f"{value:.3g}".replace("-", "−")


def power(value: float) -> str:
    """ "2×10⁻⁷"."""
    digits, _, exponent = f"{value:.1e}".partition("e")
    raised = f"10{str(int(exponent)).translate(_RAISED)}"
    return raised if digits == "1.0" else f"{digits.removesuffix('.0')}×{raised}".replace("-", "−")


def with_unit(value: float, unit: str) -> str:
    return f"{figure(value)}{words.GAP}{unit}" if unit else figure(value)


def scale_of(values: Iterable[float], length: float, log: bool, *, flip: bool = False, zero: bool = False) -> Scale:
    """An axis for all values, with some room beyond them: `zero` makes it begin at 0, where it is not logarithmic.

    So does it where the least of the values is small beside the largest.
    """
    found = sorted(values)
    low, high = found[0], found[-1]
    if log:
        low, high = math.log10(low), math.log10(high)
        more = max(0.05 * (high - low), (0.3 - (high - low)) / 2, 0.02)
        return Scale(10 ** (low - more), 10 ** (high + more), length, True, flip)
    if low == high:
        low, high = low - (0.1 * abs(low) or 1.0), high + (0.1 * abs(high) or 1.0)
    elif zero or 0 <= low < 0.4 * high:
        low, high = min(low, 0.0), max(high, 0.0)
    more = 0.06 * (high - low)
    return Scale(low - more if low else 0.0, high + more if high else 0.0, length, False, flip)


def ticks_of(scale: Scale, at_most: int) -> list[float]:
    return (log_ticks if scale.log else linear_ticks)(scale, at_most)


def below(plate: Plate, scale: Scale, left: float, top: float, bottom: float, title: str, log: bool) -> None:
    """Grid lines of a horizontal axis, its ticks, and its title under them."""
    room = 46 if plate.paper.narrow else 92
    for tick in ticks_of(scale, max(3, int(scale.length // room))):
        x = left + scale.px(tick)
        plate.rule(x, top, x, bottom)
        plate.write(x, bottom + 14, figure(tick), "center", tone=SOFT, size=plate.small)
    plate.height = bottom + 24
    if title:
        told = title + (" (log scale)" if log else "")
        plate.write(left + scale.length / 2, bottom + 34, told, "center", tone=SOFT, size=plate.small)
        plate.height = bottom + 44


def beside(plate: Plate, scale: Scale, left: float, top: float, right: float) -> None:
    """Grid lines of a vertical axis and its ticks at the left."""
    for tick in ticks_of(scale, max(3, int(scale.length // 42))):
        y = top + scale.px(tick)
        plate.rule(left, y, right, y, RULE)
        plate.write(left - 8, y, figure(tick), "right", tone=SOFT, size=plate.small)


def gutter(plate: Plate, scale: Scale) -> float:
    """How much room the ticks of a vertical axis take."""
    return 12 + max(
        (plate.width_of(figure(tick), plate.small) for tick in ticks_of(scale, max(3, int(scale.length // 42)))),
        default=0.0,
    )


def spread(wanted: list[float], gap: float, low: float, high: float) -> list[float]:
    """Places as near to those wanted as they can be with a gap between any two, within bounds; in the same order."""
    order = sorted(range(len(wanted)), key=lambda k: wanted[k])
    found = [wanted[k] for k in order]
    for k in range(1, len(found)):
        found[k] = max(found[k], found[k - 1] + gap)
    if found and found[-1] > high:
        found[-1] = high
        for k in range(len(found) - 2, -1, -1):
            found[k] = min(found[k], found[k + 1] - gap)
        if found[0] < low:
            found = [low + gap * k for k in range(len(found))]
    places = [0.0] * len(wanted)
    for k, at in zip(order, found, strict=True):
        places[k] = at
    return places
