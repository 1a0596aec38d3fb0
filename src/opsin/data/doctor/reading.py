"""What can be read at all, how it is stored, and which sizes are odd."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from opsin.data.doctor.finding import Finding, Item
from opsin.data.images import BadImage, Header, header, quiet
from opsin.data.scan import Scan
from opsin.data.sources import Source
from opsin.data.threads import in_threads
from opsin.words import many

TINY, SLIM = 0.25, 4.0
"""A shorter side below this share of the median; the longer side over the shorter."""


def of_bad(source: Source, bad: Sequence[tuple[int, BadImage]]) -> Iterator[Finding]:
    """Of images that cannot be read: (row of the whole source, why)."""
    if bad:
        yield Finding(
            "unreadable",
            "fault",
            f"{len(bad):,} of {many(len(source), 'image')} cannot be read",
            "mend them or take them away; --skip-bad leaves out exactly these",
            tuple(
                Item(facts={"id": error.name, "class": source.classes[source.labels[row]], "why": error.reason})
                for row, error in bad
            ),
        )


def headers(source: Source, workers: int | None = None) -> list[Header | None]:
    """How each image is stored; None where it lies in no file of its own."""

    def one(row: int) -> Header | None:
        file = source.file(row)
        try:
            return header(file) if file is not None else None
        except Exception:  # gone, or changed, since it was read
            return None

    with quiet():
        return list(in_threads(one, len(source), workers=workers))


ODD: tuple[tuple[str, str, Callable[[Header], bool]], ...] = (
    ("16-bit", "of 16 bits a value, which are scaled to 8", lambda s: s.mode.startswith("I")),
    ("cmyk", "in CMYK, for print; the colours are converted plainly", lambda s: s.mode == "CMYK"),
    ("palette", "with a palette", lambda s: s.mode == "P"),
    ("transparent", "transparent in places, which become white", lambda s: s.transparent),
    ("turned", "turned by an EXIF mark, which is obeyed", lambda s: s.turned),
    ("animated", "of several frames or pages; the first is taken", lambda s: s.animated),
)
"""Oddities of files: kind, what is said of them, and of which."""


def of_headers(found: Sequence[Header | None]) -> Iterator[Finding]:
    for kind, says, holds in ODD:
        rows = [row for row, one in enumerate(found) if one is not None and holds(one)]
        if rows:
            yield _some(kind, rows, len(found), says)


def formats(found: Sequence[Header | None]) -> list[tuple[str, str, int]]:
    """(format, mode, how many), the most common first."""
    seen = Counter((one.format, one.mode) for one in found if one is not None)
    return [(*kind, count) for kind, count in sorted(seen.items(), key=lambda row: (-row[1], row[0]))]


def of_pictures(scan: Scan) -> Iterator[Finding]:
    """Of colours and sizes."""
    grey, n = np.flatnonzero(scan.grey), len(scan.grey)
    if 0 < len(grey) < n:
        yield _some("grey-among-colour", grey.tolist(), n, "of greys alone; networks get all images as colour")
    if not n:
        return
    short, long = scan.sizes.min(1), scan.sizes.max(1)
    tiny = np.flatnonzero(short < TINY * np.median(short))
    if len(tiny):
        says = f"with a side below a quarter of the usual {np.median(short):,.0f} px, to be enlarged"
        yield _some("tiny", tiny.tolist(), n, says)
    slim = np.flatnonzero(long > SLIM * short)
    if len(slim):
        yield _some("slim", slim.tolist(), n, f"over {SLIM:g} times as long as wide; the middle is taken")


def _some(kind: str, rows: Sequence[int], n: int, says: str) -> Finding:
    return Finding(kind, "note", f"{len(rows):,} of {many(n, 'image')} {says}", "", tuple(Item((row,)) for row in rows))
