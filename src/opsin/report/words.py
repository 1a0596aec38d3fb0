"""Figures and names as people read them: "99.2 %", "40.6 M", "ResNet-20". What is missing is an en dash."""

import math
import re
from collections.abc import Iterable, Sequence
from datetime import datetime

import opsin.words

NONE = "–"
STARTS = {"scratch": "from scratch", "probe": "probed", "finetune": "fine-tuned"}
"""What an entry starts from, as its name says it."""
GAP = "\u00a0"  # between a number and its unit: no line ends there
_SMALL = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")

_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def known(x: object) -> bool:
    """Whether `x` is a finite number."""
    return isinstance(x, int | float) and not isinstance(x, bool) and math.isfinite(x)


def percent(share: float | None, digits: int = 1) -> str:
    """0.992 -> "99.2 %"."""
    return f"{100 * share:.{digits}f}{GAP}%" if share is not None and known(share) else NONE


def interval(ci: Sequence[float | None] | None) -> str:
    """(0.981, 0.997) -> "98.1–99.7", in percent; nothing where an end is unknown."""
    if ci is None or len(ci) != 2 or not all(known(end) for end in ci):
        return ""
    return "–".join(f"{100 * end:.1f}" for end in ci if end is not None)


def accuracy(share: float | None, ci: Sequence[float | None] | None) -> str:
    """ "99.2 % (98.1–99.7)"."""
    span = interval(ci)
    return percent(share) + (f" ({span})" if span and known(share) else "")


def points(share: float | None) -> str:
    """A difference of two shares, 0.012 -> "1.2 points"."""
    if share is None or not known(share):
        return NONE
    figure = f"{100 * share:.{2 if 0 < abs(share) < 0.001 else 1}f}".removesuffix(".0").replace("-", "−")
    return f"{figure}{GAP}{'point' if figure in ('1', '−1') else 'points'}"


def span_of_points(ci: Sequence[float]) -> str:
    """An interval of a difference, (-0.004, 0.12) -> "−0.4 to +12 points"."""
    return f"{' to '.join(map(signed, ci))}{GAP}points"


def signed(share: float) -> str:
    """A difference in points, with its sign and without its unit: -0.004 -> "−0.4"."""
    return f"{100 * share:+.1f}".removesuffix(".0").replace("-", "−")


def _three(x: float) -> str:
    """Three significant digits, no exponent, no bare zeros after the point."""
    if x == 0:
        return "0"
    figure = f"{x:,.{max(0, 2 - math.floor(math.log10(abs(x))))}f}"
    return figure.rstrip("0").rstrip(".") if "." in figure else figure


def number(n: float | None) -> str:
    """An exact count: 9760 -> "9,760"."""
    return f"{n:,.0f}" if n is not None and known(n) else NONE


def count(n: float | None) -> str:
    """A rounded count: 40_604_123 -> "40.6 M", 269_722 -> "0.27 M", 9_760 -> "9,760"."""
    if n is None or not known(n):
        return NONE
    if n < 99_950:
        return f"{n:,.0f}"
    if n < 995_000:
        return f"{n / 1e6:.2f}{GAP}M"
    if n < 999_500_000:
        return f"{_three(n / 1e6)}{GAP}M"
    return f"{_three(n / 1e9)}{GAP}G"


def milliseconds(ms: float | None) -> str:
    return f"{_three(ms)}{GAP}ms" if ms is not None and known(ms) else NONE


def megabytes(mb: float | None) -> str:
    return f"{mb:,.0f}{GAP}MiB" if mb is not None and known(mb) else NONE


def mebibytes(size: float) -> str:
    """Bytes, 102_236_160 -> "97.5 MiB", with a gap that does not break."""
    return opsin.words.mebibytes(size).replace(" ", GAP)


def duration(seconds: float | None) -> str:
    """260.1 -> "4 min 20 s"."""
    if seconds is None or not known(seconds):
        return NONE
    if seconds < 9.95:
        return f"{_three(seconds)}{GAP}s" if seconds >= 0.0005 else f"0{GAP}s"
    whole = round(seconds)
    if whole >= 3600:
        hours, minutes = divmod(round(whole / 60), 60)
        return f"{hours}{GAP}h" + (f" {minutes}{GAP}min" if minutes else "")
    minutes, rest = divmod(whole, 60)
    if minutes:
        return f"{minutes}{GAP}min" + (f" {rest}{GAP}s" if rest else "")
    return f"{rest}{GAP}s"


def moment(text: str) -> str:
    """An ISO time -> "21 November 2026, 10:00 UTC"; what is none stays as it is."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    zone = f" {at.tzname()}" if at.tzname() else ""
    return f"{at.day} {_MONTHS[at.month - 1]} {at.year}, {at:%H:%M}{zone}"


def times(ratio: float) -> str:
    """How many times more or fewer: 1.44 -> "1.4", 152.3 -> "150"."""
    if ratio < 10:
        return f"{ratio:.1f}".removesuffix(".0")
    return f"{round(ratio, 1 - math.floor(math.log10(ratio))):,.0f}"


def plural(n: int, one: str, many: str | None = None) -> str:
    """(2, "seed") -> "2 seeds"."""
    return f"{n:,}{GAP}{one if n == 1 else many or one + 's'}"


def spelled(n: int) -> str:
    """Small numbers in words, as a text has them."""
    return _SMALL[n] if 0 <= n < len(_SMALL) else f"{n:,}"


def listed(names: Iterable[str]) -> str:
    """["a", "b", "c"] -> "a, b and c"."""
    *rest, last = list(names)
    return f"{', '.join(rest)} and {last}" if rest else last


def unbroken(text: str) -> str:
    """The text with no line end allowed between a name's hyphen and its number: "ResNet-20"."""
    return re.sub(r"-(?=\d)", "-\u2060", text)


def sentence(text: str) -> str:
    """The text with a capital at its head."""
    return text[:1].upper() + text[1:]


def plain(value: object) -> str:
    """Any value of a record, as the tables of the recipe and the machine show it."""
    if value is None:
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(plain(each) for each in value) or NONE
    if isinstance(value, dict):
        return ", ".join(f"{key} {plain(each)}" for key, each in value.items()) or NONE
    if isinstance(value, float):
        return f"{value:g}" if known(value) else NONE
    return str(value)


def _parts(model: str, family: str) -> list[str]:
    """("resnet20_cifar", "ResNet") -> ["ResNet-20", "cifar"]: the family's spelling, then what the name adds."""

    def bare(text: str) -> str:
        return "".join(c for c in text.lower() if c.isalnum())

    if bare(family).startswith(bare(model)) and bare(model):
        return [family]
    for end in range(1, len(model) + 1):
        if bare(model[:end]) == bare(family):
            head, *rest = model[end:].split("_")
            return [f"{family}-{head}" if head else family, *rest]
    first, *rest = model.split("_")
    return [family if bare(first) and bare(family).startswith(bare(first)) else first, *rest]


def display_names(models: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The shortest telling name for each (model, family): "ViT" while it is the only one, else "ViT tiny"."""
    parts = {model: _parts(model, family) for model, family in models}
    names: dict[str, str] = {}
    for model, own in parts.items():
        others = [p for other, p in parts.items() if other != model]
        need = next((k for k in range(1, len(own)) if all(p[:k] != own[:k] for p in others)), len(own))
        names[model] = " ".join(own[:need])
    if len(set(names.values())) < len(names):
        return {model: model for model in names}
    return names
