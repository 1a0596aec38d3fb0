"""One look at every image before anything is trained: what can be read, sizes, colours, identical images."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from opsin.data.images import BadImage
from opsin.data.look import Look, look_at
from opsin.data.sources import Source, check_classes
from opsin.data.sources.source import nfc
from opsin.data.threads import Progress
from opsin.errors import OpsinError
from opsin.words import many, named


@dataclass(frozen=True, eq=False)
class Scan:
    """What one pass over a source found.

    Attributes:
        source: the images that can be read.
        sizes: int64 [n, 2], height and width of each, upright.
        grey: bool [n], whether an image shows only greys, however it is stored.
        hashes: SHA-256 of each image's pixels: the same for a copy that was saved anew without loss.
        bad: a line for each image that was left out: its id and why it cannot be read.
        outlines: uint64 [n], see `opsin.data.look.outline`; 0 for small images.
    """

    source: Source
    sizes: np.ndarray
    grey: np.ndarray
    hashes: tuple[str, ...]
    bad: tuple[str, ...] = ()
    outlines: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint64))

    @property
    def channels(self) -> int:
        """1 where every image is grey, else 3."""
        return 1 if self.grey.all() else 3

    @cached_property
    def native_sizes(self) -> tuple[tuple[int, int, int], ...]:
        """(height, width, how many), the most common first."""
        sizes, counts = np.unique(self.sizes, axis=0, return_counts=True)
        found = [(h, w, count) for (h, w), count in zip(sizes.tolist(), counts.tolist(), strict=True)]
        return tuple(sorted(found, key=lambda size: (-size[2], size)))

    @cached_property
    def duplicates(self) -> tuple[tuple[int, ...], ...]:
        """Sets of images whose pixels are identical, as rows of the source; whatever their classes or parts."""
        rows: defaultdict[str, list[int]] = defaultdict(list)
        for i, pixels in enumerate(self.hashes):
            rows[pixels].append(i)
        return tuple(tuple(same) for same in rows.values() if len(same) > 1)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over every image's id, class, part, group and pixels. Where the folder lies does not matter."""
        source, total = self.source, hashlib.sha256()
        for i, pixels in enumerate(self.hashes):
            part = source.parts[i] if source.parts is not None else None
            group = source.groups[i] if source.groups is not None else None
            row = [nfc(source.ids[i]), source.classes[source.labels[i]], part, group, pixels]
            total.update(json.dumps(row).encode() + b"\n")
        return total.hexdigest()


def scan(source: Source, progress: Progress | None = None, skip_bad: bool = False) -> Scan:
    """Decodes every image once, in threads; `progress(done, total)` is called as it goes.

    Raises one OpsinError for all images that cannot be read (at most ten are named). With `skip_bad` they are left out
    instead, and listed; it is an error if a class loses all its images so.
    """

    seen = look_at(source, progress)
    bad = tuple(str(result) for result in seen if isinstance(result, BadImage))
    if bad and not skip_bad:
        where, it = source.path or source.name, "it" if len(bad) == 1 else "them"
        count = f"{len(bad):,} of {many(len(source), 'image')} in {where}"
        raise OpsinError(f"{count} cannot be read; mend {it}, take {it} away, or give --skip-bad: {named(bad)}")
    scanned = assembled(source, seen)
    if bad:
        check_classes(scanned.source)
    return scanned


def assembled(source: Source, seen: Sequence[Look | BadImage]) -> Scan:
    """The scan that the looks at a source's images make; a class may have lost all of its."""
    good = [i for i, result in enumerate(seen) if isinstance(result, Look)]
    looks = [result for result in seen if isinstance(result, Look)]
    return Scan(
        source=source if len(good) == len(source) else source.take(good),
        sizes=np.array([(look.height, look.width) for look in looks], dtype=np.int64).reshape(-1, 2),
        grey=np.array([look.grey for look in looks], dtype=bool),
        hashes=tuple(look.pixels for look in looks),
        bad=tuple(str(result) for result in seen if isinstance(result, BadImage)),
        outlines=np.array([look.outline for look in looks], dtype=np.uint64),
    )
