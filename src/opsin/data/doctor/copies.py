"""Images that are there more than once: across parts, under two classes, or just so; identical or nearly."""

from collections.abc import Iterator, Sequence

from opsin.data.doctor.finding import Finding, Item
from opsin.data.doctor.near import Alike
from opsin.data.scan import Scan
from opsin.data.sources import Source
from opsin.files import sha256
from opsin.words import many


def of_identical(scan: Scan) -> Iterator[Finding]:
    """Of sets of images with the same pixels."""
    source = scan.source
    items = [Item(rows, {"same_bytes": same_bytes(source, rows)}) for rows in scan.duplicates]
    yield from _of_sets(source, items, "identical", "")


def of_alike(scan: Scan, alike: Alike) -> Iterator[Finding]:
    """Of sets of images that are nearly the same; identical copies of theirs stand with them."""
    copies = {same[0]: same for same in scan.duplicates}
    items = []
    for rows, likeness in zip(alike.sets, alike.likeness, strict=True):
        every = sorted(row for first in rows for row in copies.get(first, (first,)))
        items.append(Item(tuple(every), {"likeness": round(likeness, 4)}))
    yield from _of_sets(scan.source, items, "nearly identical", "near-")


def same_bytes(source: Source, rows: Sequence[int]) -> bool | None:
    """Whether the files are the same byte for byte; None where images lie in no files of their own."""
    files = [source.file(row) for row in rows]
    try:
        return len({sha256(file) for file in files if file is not None}) == 1 if None not in files else None
    except OSError:
        return None


def _of_sets(source: Source, items: Sequence[Item], what: str, prefix: str) -> Iterator[Finding]:
    own = source.path is not None  # a set that is known by its name stays as it is published
    across, torn, others = [], [], []
    for item in items:
        several = len({source.labels[row] for row in item.rows}) > 1
        if several:
            torn.append(item)
        if source.parts is not None and len({source.parts[row] for row in item.rows}) > 1:
            across.append(item)
        elif not several:
            others.append(item)
    if across:
        yield Finding(
            f"{prefix}copies-across-parts",
            "fault" if own else "warning",
            f"{many(len(across), 'set')} of {what} images across parts: what is trained is tested",
            "keep one of each set, or all of a set in one part" if own else "so it is published: its test is too easy",
            tuple(across),
        )
    if torn:
        yield Finding(
            f"{prefix}conflicts",
            "fault" if own and not prefix else "warning",
            f"{many(len(torn), 'set')} of {what} images under different classes: a label is wrong",
            "decide on one class for each set",
            tuple(torn),
        )
    if others:
        exact = "they stay in one part when Opsin divides" if source.parts is None else "they count more than others"
        near = "when Opsin divides them, copies may come into different parts: keep one of each, or give --groups"
        yield Finding(
            f"{prefix}copies",
            "note" if source.parts is not None or not prefix else "warning",
            f"{many(len(others), 'set')} of {what} images",
            near if prefix and source.parts is None else exact,
            tuple(others),
        )
