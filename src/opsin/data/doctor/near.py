"""Near duplicates: copies that were resized, saved anew with loss or cropped a little.

Outlines that differ in few bits give candidates; the pixels decide: one picture is shifted and stretched until it fits
the other best, and what is left of the difference must be small, everywhere.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from tempfile import TemporaryFile

import numpy as np

from opsin.data.doctor.align import SIDE, likeness, small
from opsin.data.images import quiet
from opsin.data.sources import Source
from opsin.data.stratify import units
from opsin.data.threads import Progress, in_threads

RADIUS = 11
"""Bits in which the outlines of candidates may differ."""
BAND, FLIPPED = 16, RADIUS // 4
"""Outlines are looked up by each quarter of their bits: in one of them, at most `FLIPPED` differ."""
AT_ONCE = 2**18
MOST = 20
"""Candidates for each image, on average. Where there are more (a film's frames), not all are looked at."""


@dataclass(frozen=True)
class Alike:
    """Near duplicates: rows in sets, and the least likeness by which a set holds together.

    Attributes:
        candidates: pairs whose pixels were compared, or found to be in one set already.
        whole: whether all candidates were looked at.
    """

    sets: tuple[tuple[int, ...], ...]
    likeness: tuple[float, ...]
    candidates: int
    whole: bool


def near_duplicates(
    source: Source,
    outlines: np.ndarray,
    rows: np.ndarray,
    stage: Callable[[int], Progress] | None = None,
    workers: int | None = None,
    seconds: float = np.inf,
) -> Alike:
    """The near duplicates among `rows`, one of each set of identical images.

    Args:
        outlines: uint64, of every image of the source; 0 where there is none.
        stage: called with how many images are to be decoded once more and pairs compared; gives what is told of it.
        seconds: for comparing, the closest candidates first.
    """
    rows = rows[outlines[rows] != 0]
    codes = outlines[rows]
    pairs, whole = close_pairs(codes)
    pairs = pairs[np.argsort(np.bitwise_count(codes[pairs[:, 0]] ^ codes[pairs[:, 1]]), kind="stable")]
    needed, at = np.unique(pairs, return_inverse=True)
    at = at.reshape(-1, 2)
    kept: list[tuple[int, int, float]] = []
    total = len(needed) + len(pairs)
    told = stage(total) if stage and len(pairs) else lambda done, total: None
    with TemporaryFile() as file:
        pictures = _pictures(source, rows[needed], file, lambda done, _: told(done, total), workers)
        began = time.monotonic()
        above = list(range(len(needed)))

        def top(i: int) -> int:
            while above[i] != i:
                above[i] = above[above[i]]
                i = above[i]
            return i

        for done, (i, j) in enumerate(at.tolist()):
            if done % 100 == 0:
                told(len(needed) + done, total)
                if time.monotonic() - began > seconds:
                    whole = False
                    break
            if top(i) != top(j) and (like := likeness(pictures[i], pictures[j])) > 0:
                above[top(j)] = top(i)
                kept.append((i, j, like))
    unit = units(len(needed), None, [(i, j) for i, j, _ in kept])
    least: dict[int, float] = {}
    for i, _, like in kept:
        least[int(unit[i])] = min(like, least.get(int(unit[i]), 1.0))
    sets = {u: tuple(rows[needed[unit == u]].tolist()) for u in sorted(least, key=lambda u: -least[u])}
    return Alike(tuple(sets.values()), tuple(least[u] for u in sets), len(pairs), whole)


def close_pairs(codes: np.ndarray, most: int = MOST) -> tuple[np.ndarray, bool]:
    """Pairs i < j, int64 [m, 2], of codes (uint64) that differ in at most RADIUS bits; and whether these are all.

    A table for each quarter of the bits is asked for every quarter that is nearly the same, so that the work grows
    with the images and not with their pairs.
    """
    n, limit, total = len(codes), most * len(codes) + 1000, 0
    found: list[np.ndarray] = [np.zeros(0, np.int64)]
    for left, right in _lookups(codes):
        near = (left < right) & (np.bitwise_count(codes[left] ^ codes[right]) <= RADIUS)
        found.append(left[near] * n + right[near])
        total += len(found[-1])
        if total > 2 * limit:
            found = [_distinct(found)]
            total = len(found[0])
            if total > limit:
                break
    pairs = _distinct(found)
    return np.stack([pairs // max(n, 1), pairs % max(n, 1)], axis=1), len(pairs) <= limit


def _distinct(parts: list[np.ndarray]) -> np.ndarray:
    """All numbers, none negative, once and in order: a hundred times as fast as np.unique on millions."""
    values = np.sort(np.concatenate(parts))
    return values[np.diff(values, prepend=-1) != 0]


def _lookups(codes: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of which a quarter differs in few bits, some millions at a time; each at least once."""
    bits = [1 << b for b in range(BAND)]
    masks = [sum(some) for k in range(FLIPPED + 1) for some in combinations(bits, k)]
    for shift in range(0, 64, BAND):
        keys = ((codes >> np.uint64(shift)) & np.uint64(2**BAND - 1)).astype(np.int64)
        order = np.argsort(keys, kind="stable")
        starts = np.searchsorted(keys[order], np.arange(2**BAND + 1))
        for mask in masks:
            first, counts = starts[keys ^ mask], starts[(keys ^ mask) + 1] - starts[keys ^ mask]
            asking = np.flatnonzero(counts)
            ends = np.cumsum(counts[asking])
            cuts = np.searchsorted(ends, np.arange(AT_ONCE, ends[-1] if len(ends) else 0, AT_ONCE), side="right")
            for part in np.split(asking, np.unique(cuts)):
                each = counts[part]
                place = np.arange(each.sum()) - np.repeat(np.cumsum(each) - each, each)
                yield np.repeat(part, each), order[np.repeat(first[part], each) + place]


def _pictures(source: Source, rows: np.ndarray, file, progress: Progress, workers: int | None) -> np.ndarray:
    """What is compared of each image, uint8 [n, SIDE, SIDE], in a file without a name."""
    if not len(rows):
        return np.zeros((0, SIDE, SIDE), np.uint8)
    with quiet():
        for picture in in_threads(lambda k: small(source.image(int(rows[k]))), len(rows), progress, workers):
            file.write(picture.tobytes())
    file.flush()
    return np.memmap(file, np.uint8, "r", shape=(len(rows), SIDE, SIDE))
