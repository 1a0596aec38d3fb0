"""The timeline: every claim a mark above its year, one on another, by its verdict."""

from collections.abc import Sequence
from typing import Any

from opsin.claims.claim import Verdict
from opsin.report.claims.record import Record

SLUGS = {
    Verdict.HOLDS: "holds",
    Verdict.PARTLY: "partly",
    Verdict.NOT_HERE: "fails",
    Verdict.UNDECIDED: "open",
    Verdict.NOT_RUN: "unrun",
}
"""Verdicts as names of marks and of their colours."""
WIDTH = 1008.0
MARK, STEP = 23.0, 26.0
"""The side of a mark and the distance of two in a pile, px."""
AXIS = 26.0
MOST = 16
"""So many marks are on a pile at most; a year of more has two."""


def drawing(records: Sequence[Record]) -> dict[str, Any]:
    """What the template draws, px: marks on piles, and the years on a linear axis."""
    first, last = records[0].year, records[-1].year
    pitch = min((WIDTH - MARK - 4) / max(last - first, 1), 80.0)
    side = min(MARK, pitch - 2)
    piles = by_year(records)
    height = STEP * min(MOST, max(map(len, piles.values()))) + 6
    marks = []
    for year, own in piles.items():
        x = (year - first) * pitch + MARK / 2 + 2
        high = max(MOST, -(-len(own) // max(1, int(pitch // side)))) if len(own) > MOST else MOST
        for k, record in enumerate(own):
            marks.append(
                {
                    "x": round(x + side * (k // high) - side / 2, 1),
                    "y": round(height - STEP * (k % high + 1) + (STEP - side) / 2, 1),
                    "record": record,
                    "slug": SLUGS[record.verdict],
                }
            )
    return {
        "width": WIDTH,
        "height": height + AXIS,
        "base": height + 1,
        "side": side,
        "marks": marks,
        "years": [
            {"x": round((year - first) * pitch + MARK / 2 + 2, 1), "year": year, "busy": year in piles}
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
