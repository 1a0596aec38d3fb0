"""The timeline: every claim a mark above its year, one on another, by its verdict."""

from collections.abc import Sequence
from typing import Any

from opsin.claims.claim import Verdict
from opsin.claims.record import Record

SLUGS = {
    Verdict.HOLDS: "holds",
    Verdict.PARTLY: "partly",
    Verdict.NOT_HERE: "fails",
    Verdict.UNDECIDED: "open",
    Verdict.NOT_RUN: "unrun",
}
"""Verdicts as names of marks and of their colours."""
WIDTH = 1008.0
MARK, GAP = 23.0, 3.0
"""The side of a mark and the least distance of two on a pile, px."""
HIGH = 430.0
"""A pile is at most so high: where more lie on it, all marks are smaller."""
AXIS = 26.0


def drawing(records: Sequence[Record]) -> dict[str, Any]:
    """What the template draws, px: marks on piles, and the years on a linear axis."""
    first, last = records[0].year, records[-1].year
    pitch = min((WIDTH - MARK - 4) / max(last - first, 1), 80.0)
    piles = by_year(records)
    tallest = max(map(len, piles.values()))
    step = min(MARK + GAP, HIGH / tallest, pitch + 1)
    side, height = 0.88 * step, step * tallest + 6

    def at(year: int) -> float:
        return round((year - first) * pitch + MARK / 2 + 2, 1)

    return {
        "width": WIDTH,
        "height": height + AXIS,
        "base": height + 1,
        "side": round(side, 1),
        "marks": [
            {
                "x": round(at(year) - side / 2, 1),
                "y": round(height - step * (k + 1) + (step - side) / 2, 1),
                "record": record,
                "slug": SLUGS[record.verdict],
            }
            for year, own in piles.items()
            for k, record in enumerate(own)
        ],
        "years": [
            {"x": at(year), "year": year, "busy": year in piles}
            for year in range(first, last + 1)
            if year in piles or (year % 5 == 0 and not {year - 1, year + 1} & piles.keys())
        ],
        "alt": alt(piles),
    }


def by_year(records: Sequence[Record]) -> dict[int, list[Record]]:
    """The claims of each year, those of one verdict together, what holds at the bottom of the pile."""
    piles: dict[int, list[Record]] = {}
    for record in records:
        piles.setdefault(record.year, []).append(record)
    order = list(SLUGS)
    return {
        year: sorted(own, key=lambda record: (order.index(record.verdict), record.id)) for year, own in piles.items()
    }


def alt(piles: dict[int, list[Record]]) -> str:
    """The timeline for those who do not see it."""
    return "Claims by year: " + "; ".join(
        f"{year}, {', '.join(f'{record.id} {record.verdict.value}' for record in own)}" for year, own in piles.items()
    )
