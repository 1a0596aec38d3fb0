"""How images are spread over classes and parts, and what follows from it."""

from collections.abc import Iterator

import numpy as np

from opsin.data.doctor.finding import Finding, Item
from opsin.data.sources import PARTS, Source
from opsin.words import listed

UNEVEN = 3
"""Beyond so many times the smallest class's images, `opsin compare` picks by balanced accuracy."""
SMALL = 10
"""Images of a class below which its share of a test part says next to nothing."""


def counts(source: Source) -> dict[str, np.ndarray]:
    """Images of each class, int64 [K], in each part; the one part is "all" where a source is not divided."""
    if source.parts is None:
        return {"all": np.bincount(source.labels, minlength=len(source.classes))}
    parts = np.array(source.parts)
    return {
        part: np.bincount(source.labels[parts == part], minlength=len(source.classes))
        for part in PARTS
        if part in source.parts
    }


def of_classes(source: Source) -> Iterator[Finding]:
    """Of a source of readable images: classes without images in a part, too small ones, and uneven ones."""
    found, names = counts(source), source.classes
    total = np.stack(list(found.values())).sum(0)
    missing = [(part, c) for part, n in found.items() for c in np.flatnonzero(n == 0)]
    if missing:
        yield Finding(
            "missing-class",
            "fault",
            f"{len({c for _, c in missing}):,} of {len(names):,} classes have no readable image in "
            f"{'a part' if source.parts else 'the data'}",
            "give every part images of every class, or take the class away",
            tuple(Item(facts={"class": names[c], "part": part}) for part, c in missing),
        )
    if len(names) < 2:
        yield Finding("one-class", "fault", "there is one class only: nothing to tell apart", "add another class")
    needed = 3 if source.parts is None else 1 if "val" in source.parts else 2
    train = total if source.parts is None else found["train"]
    few = [c for c in range(len(names)) if 0 < train[c] < needed]
    if few:
        yield Finding(
            "too-small-class",
            "fault",
            f"{len(few):,} of {len(names):,} classes have too few images to be divided",
            f"a class needs at least {needed} to stand in {listed(PARTS[:needed])}: add images",
            tuple(Item(facts={"class": names[c], "images": int(train[c])}) for c in few),
        )
    small = [c for c in range(len(names)) if needed <= total[c] < SMALL]
    if small:
        yield Finding(
            "small-class",
            "warning",
            f"{len(small):,} of {len(names):,} classes have fewer than {SMALL} images",
            "figures of such a class rest on one or two test images: add some, or join it with another class",
            tuple(Item(facts={"class": names[c], "images": int(total[c])}) for c in small),
        )
    yield from _uneven(source, total)


def _uneven(source: Source, total: np.ndarray) -> Iterator[Finding]:
    most, least = int(total.argmax()), int(np.where(total > 0, total, total.max() + 1).argmin())
    ratio = total[most] / max(1, total[least])
    if ratio > UNEVEN:
        yield Finding(
            "imbalance",
            "note",
            f"the largest class has {ratio:,.1f} times the images of the smallest: {source.classes[most]} "
            f"{total[most]:,}, {source.classes[least]} {total[least]:,}",
            "compare picks by balanced accuracy then, in which every class counts the same; "
            f"always saying the largest class is right {total[most] / total.sum():.0%} of the time",
        )
