"""Dividing labelled images into parts in the same proportions of every class, with what belongs together kept so.

A unit is what must stay in one part: a single image, or all images of a group and those identical to one of them.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from opsin.data.counted import hashes, key
from opsin.errors import OpsinError
from opsin.words import listed, many, named

_STREAM = 3  # of counted numbers: what divides sources
_TRIES = 8


def units(n: int, groups: Sequence[str] | None, duplicates: Iterable[Sequence[int]]) -> np.ndarray:
    """The unit of each image: int64 [n], numbers from 0. Groups and sets of duplicates may chain."""
    above = list(range(n))

    def top(i: int) -> int:
        while above[i] != i:
            above[i] = above[above[i]]
            i = above[i]
        return i

    first: dict[str, int] = {}
    for i, group in enumerate(groups or ()):
        above[i] = first.setdefault(group, i)
    for same in duplicates:
        for i in same[1:]:
            one, other = sorted((top(same[0]), top(i)))
            above[other] = one
    return np.unique([top(i) for i in range(n)], return_inverse=True)[1].astype(np.int64)


def assign(
    labels: np.ndarray,
    classes: Sequence[str],
    unit: np.ndarray,
    fractions: Sequence[float],
    parts: Sequence[str],
    seed: int,
) -> np.ndarray:
    """The index of a part for each image: int64 [n], the best of a few tries where units are larger than one image.

    Raises OpsinError which lists the classes that cannot stand in every part.
    """
    _, unit = np.unique(unit, return_inverse=True)
    cells = _Cells(labels, unit, len(classes))
    _check_large_enough(cells, classes, parts)
    quotas = shares(np.bincount(labels, minlength=len(classes)), fractions)
    best, least = None, np.inf
    lacking: set[int] = set()
    for attempt in range(_TRIES):
        part = _place(cells, quotas, key(_STREAM, seed, attempt))
        gaps = _repair(cells, part, len(parts))
        if gaps:
            lacking |= gaps
            continue
        off = (cells.table(part, len(parts)) - quotas) / quotas.sum(axis=1, keepdims=True)
        cost = float((off * off).sum())
        if cost < least:
            best, least = part, cost
        if cost == 0:
            break
    if best is None:
        raise OpsinError(
            f"found no way to put every class into {listed(parts)} and to keep groups and identical images together; "
            f"classes that missed a part: {named([classes[c] for c in sorted(lacking)])}; add images or smaller groups"
        )
    return best[unit]


def shares(counts: np.ndarray, fractions: Sequence[float]) -> np.ndarray:
    """How many images of each class each part should have: int64 [classes, parts], none of them 0.

    Each is the exact share rounded up or down. What is left over in one class goes to the parts that have had too few
    so far, so that the totals keep their proportions too.
    """
    quotas = np.zeros((len(counts), len(fractions)), dtype=np.int64)
    owed = [0.0] * len(fractions)
    for c, count in enumerate(counts.tolist()):
        exact = [count * fraction for fraction in fractions]
        share = [int(x + 1e-9) for x in exact]
        owed = [o + x - s for o, x, s in zip(owed, exact, share, strict=True)]
        uneven = [p for p, x in enumerate(exact) if x - share[p] > 1e-9]
        for p in sorted(uneven, key=lambda p: -round(owed[p], 6))[: count - sum(share)]:
            share[p] += 1
            owed[p] -= 1
        while 0 in share:
            most, least = share.index(max(share)), share.index(0)
            share[most], share[least] = share[most] - 1, 1
            owed[most], owed[least] = owed[most] + 1, owed[least] - 1
        quotas[c] = share
    return quotas


class _Cells:
    """How many images of which class a unit has: only the pairs (unit, class) that occur, ordered by unit."""

    def __init__(self, labels: np.ndarray, unit: np.ndarray, n_classes: int) -> None:
        pairs, self.count = np.unique(unit * n_classes + labels, return_counts=True)
        self.unit, self.label = np.divmod(pairs, n_classes)
        self.size = np.bincount(unit)  # images in each unit
        self.start = np.searchsorted(self.unit, np.arange(len(self.size) + 1))
        self.n_classes = n_classes

    def of(self, u: int) -> slice:
        return slice(self.start[u], self.start[u + 1])

    def table(self, part: np.ndarray, n_parts: int, images: bool = True) -> np.ndarray:
        """Images (or units) of each class in each part: int64 [classes, parts]. `part` is of each unit."""
        at = self.label * n_parts + part[self.unit]
        table = np.zeros(self.n_classes * n_parts, dtype=np.int64)
        np.add.at(table, at, self.count if images else 1)
        return table.reshape(self.n_classes, n_parts)


def _check_large_enough(cells: _Cells, classes: Sequence[str], parts: Sequence[str]) -> None:
    n_units = np.bincount(cells.label, minlength=len(classes))
    n_images = np.bincount(cells.label, weights=cells.count, minlength=len(classes)).astype(np.int64)
    small = []
    for c in np.flatnonzero(n_units < len(parts)).tolist():
        bound = f" in {n_units[c]} groups or sets of identical ones" if n_units[c] < n_images[c] else ""
        small.append(f"{classes[c]} ({many(int(n_images[c]), 'image')}{bound})")
    if small:
        raise OpsinError(
            f"too few images to stand in {listed(parts)}: {named(small)}; "
            f"a class needs at least {len(parts)} that are neither identical nor of one group"
        )


def _place(cells: _Cells, quotas: np.ndarray, stream: int) -> np.ndarray:
    """A part for each unit, int64: the larger ones in random order, each where it is missed most; singles fill up."""
    order = np.argsort(hashes(stream, np.arange(len(cells.size))), kind="stable")
    part = np.zeros(len(order), dtype=np.int64)
    missing = quotas.copy()
    weight = 1.0 / np.maximum(quotas.sum(axis=1), 1)  # a rare class counts as much as a frequent one
    for u in order[cells.size[order] > 1].tolist():
        here = cells.of(u)
        label, count = cells.label[here], cells.count[here]
        p = int(np.argmax((count * weight[label]) @ missing[label]))
        part[u] = p
        missing[label, p] -= count
    single = order[cells.size[order] == 1]
    single = single[np.argsort(cells.label[cells.start[single]], kind="stable")]
    ends = np.searchsorted(cells.label[cells.start[single]], np.arange(cells.n_classes + 1))
    for c in range(cells.n_classes):
        mine = single[ends[c] : ends[c + 1]]
        share = np.maximum(missing[c], 0)
        while share.sum() > len(mine):
            share[np.argmax(share)] -= 1
        part[mine] = np.repeat(np.arange(len(share)), share)
    return part


def _repair(cells: _Cells, part: np.ndarray, n_parts: int) -> set[int]:
    """Moves units, in place, until every class stands in every part; returns the classes for which no move is left."""
    while True:
        presence = cells.table(part, n_parts, images=False)
        gaps = np.argwhere(presence == 0)
        if len(gaps) == 0:
            return set()
        c, p = gaps[0].tolist()
        able = [  # units whose classes also stay where they are taken from
            u for u in cells.unit[cells.label == c].tolist() if (presence[cells.label[cells.of(u)], part[u]] > 1).all()
        ]
        if not able:
            return set(gaps[:, 0].tolist())
        part[min(able, key=lambda u: (cells.size[u], u))] = p
