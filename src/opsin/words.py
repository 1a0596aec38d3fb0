"""Counts, sizes and lists of names, as messages say them."""

import math
from collections.abc import Sequence


def many(count: int, thing: str) -> str:
    """ "1 image", "1,797 images"."""
    return f"{count:,} {thing}" + ("" if count == 1 else "s")


def named(names: Sequence[str], most: int = 10) -> str:
    """At most ten names, each on one line, and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(map(printable, names[:most])) + more


def listed(names: Sequence[str]) -> str:
    """ "train, val and test"."""
    return ", ".join(names[:-1]) + " and " + names[-1]


def mebibytes(size: float) -> str:
    """Bytes in three digits: "0.803 MiB", "97.5 MiB", "1.23 GiB"."""
    value, unit = (size / 2**20, "MiB") if size < 999.5 * 2**20 else (size / 2**30, "GiB")
    return f"{value:,.0f} {unit}" if value >= 99.95 else f"{value:.3g} {unit}"


def compact(n: float) -> str:
    """Three digits and a unit, close together: 25_557_032 -> "25.6M"."""
    if n < 1000:
        return f"{n:.0f}"
    power = min(int(math.log10(float(f"{n:.3g}")) // 3), 4)
    return f"{float(f'{n / 1000**power:.3g}'):g}{' kMGT'[power]}"


def three_digits(value: float) -> str:
    """For columns: "0.0120", "1.23", "12.0", "1,234"; "<.001" for what is less."""
    if value < 0.001:
        return "<.001"
    rounded = float(f"{value:.3g}") if value < 100 else value
    return f"{rounded:,.{max(0, 2 - math.floor(math.log10(rounded)))}f}"


def printable(text: str) -> str:
    """The text with what would move a terminal's cursor or change its colours written out: "a\\x1b[2J"."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
