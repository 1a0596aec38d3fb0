"""The page of a check of data, one self-contained file: what is wrong, with pictures; then what there is."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from opsin import __version__
from opsin.data.cache import thumbnail
from opsin.data.doctor import Checked, Finding, Item
from opsin.data.doctor.classes import counts
from opsin.data.images import BadImage, quiet
from opsin.data.sources import Source
from opsin.report import html, words

SIDE = 104
"""Of a picture, in pixels, at most."""
SETS, ACROSS, SINGLES, ODD, ROWS, CLASSES, SIZES = 24, 6, 48, 12, 500, 200, 12
"""What is shown of a finding: sets, pictures of a set, doubted labels, oddities, lines; classes, sizes."""
LEVELS = {"fault": "Faults", "warning": "Worth a look", "note": "Good to know"}


def write_check(out: Path, checked: Checked) -> Path:
    """Writes the page to `out`, whole or not at all, and returns its path."""
    return html.write(out, render(checked))


def render(checked: Checked) -> str:
    """The page as text. It has no script."""
    source = checked.scan.source
    with quiet():
        findings = [(level, LEVELS[level], found(checked, level)) for level in LEVELS]
        samples = samples_of(source)
    return html.static(
        "check.html",
        ("style.css", "check.css"),
        version=__version__,
        title=f"{source.name}: data check",
        name=source.name,
        headline=headline(checked),
        standfirst=standfirst(checked),
        summary=summary(checked),
        samples=samples,
        small=bool(len(checked.scan.sizes)) and checked.scan.native_sizes[0][0] <= 64,
        findings=[section for section in findings if section[2]],
        parts=list(counts(source)),
        classes=class_rows(source)[:CLASSES],
        n_classes=len(source.classes),
        sizes=size_rows(checked),
        n_sizes=len(checked.scan.native_sizes),
        formats=checked.formats,
        notes=[words.sentence(note) for note in checked.notes],
        fingerprint=checked.scan.fingerprint,
    )


def headline(checked: Checked) -> str:
    n = words.plural(len(checked.source), "image")
    if not checked.faults:
        return f"No faults in {n}"
    kinds = words.plural(checked.faults, "kind of fault", "kinds of faults")
    return f"{words.sentence(kinds)} in {n}"


def standfirst(checked: Checked) -> str:
    """The worst in a sentence or two."""
    levels = [finding.level for finding in checked.findings]
    faults = [words.sentence(finding.says) for finding in checked.findings if finding.level == "fault"]
    if faults:
        return ". ".join(faults[:2]) + ("." if len(faults) < 3 else f"; and {words.spelled(len(faults) - 2)} more.")
    seen, known = levels.count("warning"), levels.count("note")
    rest = [f"{words.spelled(n)} {what}" for n, what in ((seen, "worth a look"), (known, "good to know")) if n]
    return f"All can be read. {words.sentence(words.listed(rest))}." if rest else "All can be read."


def summary(checked: Checked) -> list[tuple[str, str]]:
    scan = checked.scan
    found = counts(scan.source)
    rows = [("images that can be read", words.number(len(scan.source))), ("classes", f"{len(scan.source.classes):,}")]
    if len(found) > 1:
        rows.append(("parts", ", ".join(f"{part} {count.sum():,}" for part, count in found.items())))
    if scan.native_sizes:
        h, w, n = scan.native_sizes[0]
        most = "all of them" if len(scan.native_sizes) == 1 else f"{n:,} of them"
        rows.append(("size", f"{w} × {h} px, {most}"))
    rows.append(("colours", "grey" if scan.channels == 1 else "colour"))
    return rows


def samples_of(source: Source) -> list[dict[str, Any]]:
    """A picture of each of the first classes."""
    labels = source.labels.tolist()
    first = {label: row for row, label in reversed(list(enumerate(labels)))}
    return [picture(source, first[c]) for c in sorted(first)[:10]]


def picture(source: Source, row: int) -> dict[str, Any]:
    """An image as the page shows it."""
    try:
        image = thumbnail(source, row, SIDE)
    except BadImage:  # it has changed since it was read
        image = None
    part = source.parts[row] if source.parts is not None else ""
    return {"image": image, "id": source.ids[row], "label": source.classes[source.labels[row]], "part": part}


def found(checked: Checked, level: str) -> list[dict[str, Any]]:
    return [shown(checked, finding) for finding in checked.findings if finding.level == level]


def shown(checked: Checked, finding: Finding) -> dict[str, Any]:
    """A finding with as many of its cases as the page has room for, in one of the shapes of the template."""
    source, items = checked.scan.source, finding.items
    rest: dict[str, Any] = {"shape": "text"}
    if finding.kind == "doubted-labels":
        rest = {"shape": "doubts", "cases": [case(source, item) for item in items[:SINGLES]]}
    elif items and not items[0].rows:
        rest = {"shape": "table", "cases": table(items[:ROWS]), "columns": columns(items)}
    elif "copies" in finding.kind or "conflicts" in finding.kind:
        rest = {"shape": "sets", "cases": [case(source, item) for item in items[:SETS]]}
    elif items:
        rest = {"shape": "pictures", "cases": [case(source, item) for item in items[:ODD]]}
    more = len(items) - len(rest.get("cases", items))
    return {"kind": finding.kind, "says": words.sentence(finding.says), "mend": finding.mend, "more": more} | rest


def case(source: Source, item: Item) -> dict[str, Any]:
    pictures = [picture(source, row) for row in item.rows[:ACROSS]]
    return {"pictures": pictures, "more": len(item.rows) - len(pictures), "facts": item.facts}


def columns(items: Sequence[Item]) -> list[str]:
    return [str(name) for name in items[0].facts]


def table(items: Sequence[Item]) -> list[list[str]]:
    return [[f"{value:,}" if isinstance(value, int) else str(value) for value in item.facts.values()] for item in items]


def class_rows(source: Source) -> list[dict[str, Any]]:
    """Each class with its images in each part, and all of them as a share of the largest class's."""
    found = np.stack(list(counts(source).values()), axis=1)
    most = max(1, found.sum(1).max(initial=0))
    return [
        {"name": name, "counts": row.tolist(), "share": row.sum() / most}
        for name, row in zip(source.classes, found, strict=True)
    ]


def size_rows(checked: Checked) -> list[dict[str, Any]]:
    sizes = checked.scan.native_sizes
    most = max((n for _, _, n in sizes), default=1)
    return [{"size": f"{w} × {h}", "count": n, "share": n / most} for h, w, n in sizes[:SIZES]]
