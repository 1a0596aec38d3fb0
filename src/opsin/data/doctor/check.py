"""The check: every look at the data, one after another, and what they find."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from opsin import __version__
from opsin.data.doctor import classes, copies, reading
from opsin.data.doctor.doubts import LEAST, Doubts, find_doubts
from opsin.data.doctor.finding import LEVELS, Finding, Item, item_to_dict
from opsin.data.doctor.near import Alike, near_duplicates
from opsin.data.images import BadImage
from opsin.data.look import PHOTO, look_at, outline
from opsin.data.scan import Scan, assembled
from opsin.data.sources import Source
from opsin.watch import Watch
from opsin.words import many

SCHEMA = 1
TRUSTED = 0.9
"""Share of labels that the learner must find for its doubts to be a warning."""


@dataclass(frozen=True)
class Asked:
    """What to look for.

    Attributes:
        near: near duplicates; None for those of images of at least 64 px.
        doubts: labels that a quickly trained learner doubts.
        minutes: after which no further candidates are compared, and the learner begins no further block of images.
        workers: threads.
    """

    near: bool | None = None
    doubts: bool = True
    minutes: float = 3.0
    workers: int | None = None


@dataclass(frozen=True, eq=False)
class Checked:
    """What a check found.

    Attributes:
        source: all images, and `scan` what could be read of them; rows of findings are the scan's.
        bad: those that cannot be read: row in `source`, and why.
        findings: the worst first.
        formats: (format, mode, how many) of the files, the most common first.
        alike: near duplicates; None where they were not looked for.
        doubts: None where labels were not doubted.
        notes: what was not looked for, and why.
    """

    source: Source
    scan: Scan
    bad: tuple[tuple[int, BadImage], ...]
    findings: tuple[Finding, ...]
    formats: tuple[tuple[str, str, int], ...]
    alike: Alike | None
    doubts: Doubts | None
    notes: tuple[str, ...]

    @property
    def faults(self) -> int:
        """Findings that stop training, or make its figures untrue."""
        return sum(finding.level == "fault" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """The manifest: plain values, all images that are left out, all findings; not where the data lies."""
        source, scan = self.source, self.scan
        return {
            "schema": SCHEMA,
            "opsin": __version__,
            "data": source.name,
            "fingerprint": scan.fingerprint,
            "images": len(source),
            "readable": len(scan.source),
            "classes": list(source.classes),
            "counts": {part: count.tolist() for part, count in classes.counts(scan.source).items()},
            "channels": scan.channels,
            "sizes": [{"height": h, "width": w, "images": n} for h, w, n in scan.native_sizes],
            "stored": [{"format": form, "mode": mode, "images": n} for form, mode, n in self.formats],
            "left_out": [
                {"id": error.name, "class": source.classes[source.labels[row]], "why": error.reason}
                for row, error in self.bad
            ],
            "findings": [
                {
                    "kind": finding.kind,
                    "level": finding.level,
                    "says": finding.says,
                    "mend": finding.mend,
                    "items": [item_to_dict(scan.source, item) for item in finding.items],
                }
                for finding in self.findings
            ],
            "faults": self.faults,
            "near": None if self.alike is None else {"candidates": self.alike.candidates, "whole": self.alike.whole},
            "learner": None
            if self.doubts is None
            else {"accuracy": self.doubts.accuracy, "images": self.doubts.looked_at},
            "notes": list(self.notes),
        }


def check(source: Source, asked: Asked = Asked(), watch: Watch | None = None) -> Checked:
    """Looks at every image of a source; nothing is changed. `watch` is told of progress."""
    watch = watch or Watch()
    watch.stage("reading images", len(source))
    seen = look_at(source, watch.counter(), asked.workers)
    bad = tuple((row, found) for row, found in enumerate(seen) if isinstance(found, BadImage))
    scan = assembled(source, seen)
    notes = list(source.notes)
    heads = reading.headers(scan.source, asked.workers)
    findings = [
        *reading.of_bad(source, bad),
        *classes.of_classes(scan.source),
        *copies.of_identical(scan),
        *reading.of_headers(heads),
        *reading.of_pictures(scan),
    ]
    alike = _near(scan, asked, watch, notes)
    if alike is not None:
        findings += copies.of_alike(scan, alike)
    doubts = _doubts(scan, alike, asked, watch, notes)
    if doubts is not None:
        findings += _of_doubts(scan, doubts)
    findings.sort(key=lambda finding: LEVELS.index(finding.level))
    formats = tuple(reading.formats(heads))
    return Checked(source, scan, bad, tuple(findings), formats, alike, doubts, tuple(notes))


def _near(scan: Scan, asked: Asked, watch: Watch, notes: list[str]) -> Alike | None:
    small = not len(scan.sizes) or np.median(scan.sizes.min(1)) < PHOTO
    if asked.near is False or (asked.near is None and small):
        why = "" if asked.near is False else f": most images are below {PHOTO} px, and alike as they are; --near does"
        notes.append(f"near duplicates were not looked for{why}")
        return None
    outlines = scan.outlines.copy()
    for row in np.flatnonzero(scan.sizes.min(1) < PHOTO):
        outlines[row] = outline(scan.source.image(int(row)))
    copied = [row for same in scan.duplicates for row in same[1:]]
    rows = np.setdiff1d(np.arange(len(outlines)), copied)

    def stage(total: int):
        watch.stage("comparing near duplicates", total)
        return watch.counter()

    alike = near_duplicates(scan.source, outlines, rows, stage, asked.workers, 60 * asked.minutes)
    if not alike.whole:
        notes.append("candidates for near duplicates are so many that not all were compared")
    return alike


def _doubts(scan: Scan, alike: Alike | None, asked: Asked, watch: Watch, notes: list[str]) -> Doubts | None:
    n, n_classes = len(scan.source), len(scan.source.classes)
    if not asked.doubts or n_classes < 2 or n < LEAST * n_classes:
        few = "" if not asked.doubts else f": that takes {LEAST} images a class, and two classes"
        notes.append(f"labels were not doubted{few}")
        return None
    watch.stage(f"doubting labels, at most {asked.minutes:g} min", n)
    told = watch.counter()
    doubts = find_doubts(scan, alike.sets if alike else (), 60 * asked.minutes, told, asked.workers)
    if doubts.looked_at < n:
        notes.append(f"labels of {doubts.looked_at:,} of {many(n, 'image')} were looked at in {asked.minutes:g} min")
    return doubts


def _of_doubts(scan: Scan, doubts: Doubts) -> Iterator[Finding]:
    if not len(doubts.rows):
        return
    names, trusted = scan.source.classes, doubts.accuracy >= TRUSTED
    mostly = "look at them" if trusted else "most of these are its own mistakes: look at the first ones"
    yield Finding(
        "doubted-labels",
        "warning" if trusted else "note",
        f"{many(len(doubts.rows), 'label')} of {doubts.looked_at:,} look doubtful to a quick learner",
        f"it finds {doubts.accuracy:.0%} of all labels by itself; {mostly}",
        tuple(
            Item((int(row),), {"believed": names[c], "sure": round(float(sure), 3), "given_sure": round(float(own), 3)})
            for row, c, (sure, own) in zip(doubts.rows, doubts.believed, doubts.sure, strict=True)
        ),
    )
