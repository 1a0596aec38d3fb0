"""Images for a network that was trained before, maybe on others: which part of them, and their classes by its order."""

import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any

import numpy as np

from opsin.data.scan import scan
from opsin.data.sources import PARTS, Source, regrouped
from opsin.data.split import divide
from opsin.data.threads import Progress
from opsin.errors import OpsinError, unknown
from opsin.words import listed, many, named

USE = {"train": "trained", "val": "selected"}


def take_part(
    source: Source,
    part: str | None,
    trained: str | None,
    split: Mapping[str, Any] = MappingProxyType({}),
    skip_bad: bool = False,
    progress: Progress | None = None,
) -> tuple[Source, str, list[str], tuple[str, ...]]:
    """The images of a part, its name, what to know of it, and what could not be read.

    `part` is "train", "val", "test" or "all"; None is "test" where the source is divided, or was for training, else
    "all". `trained` is the fingerprint of the images that a network was trained on (see `opsin.data.scan.Scan`): unless
    a test part is given and asked for, all images are looked at, to see whether it is theirs, and undivided ones are
    then divided as they were for training. That is said by `split` (see `opsin.bundle.Bundle`); images are grouped as
    it has it where they can be. Raises OpsinError for a part that there is not, and as `scan` does.
    """
    if part not in (None, "all", *PARTS):
        raise unknown("--part", str(part), ("all", *PARTS))
    if source.groups is None and split.get("groups"):
        with suppress(OpsinError):  # where they have none by that name
            source = regrouped(source, split["groups"])
    of, where = source.parts, source.path or source.name
    part = part or ("test" if of else None)
    bad: tuple[str, ...] = ()
    notes: list[str] = []
    if trained is not None and not (of and part == "test"):
        scanned = scan(source, progress, skip_bad)
        source, of, bad = scanned.source, scanned.source.parts, scanned.bad
        if scanned.fingerprint == trained:
            of, part = tuple(divide(scanned, val=split.get("val")).parts.tolist()), part or "test"
            notes.append(trained_on(of, part))
    if part in (None, "all"):
        return source, "all", notes, bad
    if of is None:
        raise OpsinError(f"{where} is not divided, and the network was not trained on it: leave --part {part} out")
    rows = [i for i, each in enumerate(of) if each == part]
    if not rows:
        raise OpsinError(f"{where} has no {part} part: take {listed([*filter(of.count, PARTS)])}, or all")
    return source.take(rows), str(part), notes, bad


def trained_on(parts: tuple[str, ...], part: str) -> str:
    """What to know where the images are those of the network's training, so divided."""
    n = {each: parts.count(each) for each in PARTS}
    if part == "test":
        return (
            f"the network was trained on this data: figures are of its test part, {n['test']:,} of {len(parts):,} "
            "images, which it has not seen"
        )
    seen = f"{n['train']:,} trained it and {n['val']:,} selected it" if part == "all" else f"this part {USE[part]} it"
    return f"the network was trained on this data: {seen}; for figures of new images take its test part"


def match(
    source: Source, classes: tuple[str, ...], network: str, ignore_unknown: bool = False
) -> tuple[Source, np.ndarray, list[str]]:
    """The images whose classes are among a network's, their indices int64 [n] there, and what to know of it.

    Names are the same where their letters are, in whatever Unicode form. Raises OpsinError for a class that the
    network does not know, unless they are to be ignored; and where it knows none.
    """
    index = {unicodedata.normalize("NFC", name): k for k, name in enumerate(classes)}
    index |= {name: k for k, name in enumerate(classes)}
    numbers = [index.get(name, index.get(unicodedata.normalize("NFC", name), -1)) for name in source.classes]
    truth = np.array(numbers, dtype=np.int64)[source.labels]
    counts = np.bincount(source.labels, minlength=len(source.classes))
    strange = [name for k, name in enumerate(source.classes) if numbers[k] < 0 and counts[k]]
    where, knows = source.path or source.name, f"it knows {named(classes, 5)}"
    if not (truth >= 0).any():
        raise OpsinError(f"{network} knows none of the classes of {where} ({named(strange, 5)}); {knows}")
    if strange and not ignore_unknown:
        mend = "give --ignore-unknown to leave their images out"
        raise OpsinError(f"{network} does not know {named(strange)}, classes of {where}; {knows}; {mend}")
    notes = []
    if strange:
        lost = many(int((truth < 0).sum()), "image")
        notes.append(f"left out, since the network does not know their classes: {lost} of {named(strange)}")
    absent = [name for k, name in enumerate(classes) if k not in set(truth.tolist())]
    if absent:
        has = "have" if len(absent) > 1 else "has"
        notes.append(
            f"{len(absent):,} of the network's {len(classes):,} classes {has} no image here: {named(absent, 5)}"
        )
    return source.take(np.flatnonzero(truth >= 0)), truth[truth >= 0], notes
