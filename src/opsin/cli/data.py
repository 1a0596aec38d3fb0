"""`opsin data check`: what is wrong with a set of images, before anything is trained."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from opsin.cli.data_help import DATA, ROOT

if TYPE_CHECKING:
    from rich.console import Console

    from opsin.data.doctor import Checked, Finding

app = typer.Typer(help="Look into a set of images.", no_args_is_help=True, rich_markup_mode=None)
SHOWN = 5
"""Cases of a finding on the terminal; of images that cannot be read, all."""
MANIFEST, PAGE = "manifest.json", "check.html"


@app.callback()
def data() -> None:
    """What is in a set of images."""


@app.command()
def check(
    data: str = typer.Argument("digits", help=DATA),
    out: Path = typer.Option(None, help="Write the manifest there (.json), or manifest and page into this folder."),
    page: Path = typer.Option(None, help="Write the page with pictures to this .html file."),
    near: bool = typer.Option(None, "--near/--no-near", help="Near duplicates. [default: of images from 64 px]"),
    doubts: bool = typer.Option(True, "--doubts/--no-doubts", help="Labels that a quick learner doubts."),
    minutes: float = typer.Option(3.0, help="For near duplicates, and for doubts, at most."),
    groups: str = typer.Option(None, help="Images that belong together: a regex on paths, or a column."),
    root: Path = typer.Option(None, help=ROOT),
    workers: int = typer.Option(None, help="Threads. [default: one for each core]"),
    as_json: bool = typer.Option(False, "--json", help="Print the manifest on standard output."),
) -> None:
    """Find what cannot be read, leaks between parts, contradicts itself or looks wrong.

    Exit code 1 where there are faults: files that cannot be read, classes that are missing or too small, the same
    picture in two parts or under two classes. Warnings and notes leave it at 0.
    """
    from rich.console import Console

    from opsin.cli.progress import Terminal
    from opsin.data.doctor import Asked
    from opsin.data.doctor import check as look
    from opsin.data.sources import load
    from opsin.errors import OpsinError

    if workers is not None and workers < 1:
        raise OpsinError(f"--workers must be at least 1, not {workers}")
    if not minutes > 0:
        raise OpsinError(f"--minutes must be above 0, not {minutes:g}")
    manifest, pages = files_to_write(out, page)
    source = load(data, groups, root, strict=False)
    with Terminal(Console(stderr=True, highlight=False)) as terminal:
        checked = look(source, Asked(near, doubts, minutes, workers), terminal)
    record = write(checked, manifest, pages)
    if as_json:
        print(json.dumps(record))
    else:
        print_checked(Console(highlight=False), checked, [*([manifest] if manifest else []), *pages])
    if checked.faults:
        raise typer.Exit(1)


def files_to_write(out: Path | None, page: Path | None) -> tuple[Path | None, list[Path]]:
    """The manifest and the pages that are asked for. Raises OpsinError where one cannot be written."""
    from opsin.errors import OpsinError
    from opsin.files import check_writable

    if page is not None and page.suffix.lower() not in (".html", ".htm"):
        raise OpsinError(f"--page {page}: name a file that ends with .html")
    if out is None or out.suffix.lower() == ".json":
        manifest, pages = out, [page] if page else []
    else:
        manifest, pages = out / MANIFEST, [page or out / PAGE]
    for path, option in ((manifest, "--out"), *((path, "--page" if page else "--out") for path in pages)):
        if path is not None:
            if path.is_dir():
                raise OpsinError(f"cannot write {path}: it is a folder; name another with {option}")
            check_writable(path, option)
    return manifest, pages


def write(checked: "Checked", manifest: Path | None, pages: list[Path]) -> dict[str, Any]:
    """Writes manifest and pages, and returns the manifest."""
    from opsin.files import seal, write_json

    record = seal(checked.to_dict())
    if manifest is not None:
        write_json(manifest, record)
    for path in pages:
        from opsin.report.doctor.page import write_check

        write_check(path, checked)
    return record


def print_checked(console: "Console", checked: "Checked", written: list[Path]) -> None:
    """What there is, what is wrong with it, and what to do: at 80 columns."""
    from rich.padding import Padding
    from rich.text import Text

    from opsin.words import many, printable

    source, scan = checked.source, checked.scan
    console.print(Text(f"{printable(source.name)}: {many(len(source), 'image')}, {len(source.classes):,} classes"))
    for title, told in facts(checked):
        console.print(Text(f"  {title:8} {told}"), soft_wrap=True)
    styles = {"fault": "bold red", "warning": "bold yellow", "note": "bold"}
    for finding in checked.findings:
        console.print(Text.assemble("\n", (finding.level, styles[finding.level]), f": {printable(finding.says)}"))
        shown = len(finding.items) if finding.kind == "unreadable" else SHOWN
        for line in cases(scan.source, finding)[:shown]:
            console.print(Text(f"  {printable(line)}"), soft_wrap=True)
        if len(finding.items) > shown:
            console.print(Text(f"  and {len(finding.items) - shown:,} more", "dim"))
        if finding.mend:
            console.print(Padding(Text(f"-> {printable(finding.mend)}"), (0, 0, 0, 2), expand=False))
    for note in checked.notes:
        console.print(Text(f"\n{note}", "dim"))
    if not checked.faults:
        console.print(Text("\nno faults", "bold green"))
    for path in written:
        console.print(Text(f"\nwritten: {printable(str(path))}"), soft_wrap=True)


def facts(checked: "Checked") -> list[tuple[str, str]]:
    """What there is."""
    from opsin.data.doctor.classes import counts
    from opsin.words import many

    found = counts(checked.scan.source)
    sizes = checked.scan.native_sizes
    told = [("parts", ", ".join(f"{part} {count.sum():,}" for part, count in found.items()))] if len(found) > 1 else []
    some = ", ".join(f"{w} x {h} px ({count:,})" for h, w, count in sizes[:3])
    told.append(("sizes", some + (f" and {len(sizes) - 3:,} more" if len(sizes) > 3 else "")))
    told.append(("colours", "grey" if checked.scan.channels == 1 else "colour"))
    if checked.formats:
        kinds = [f"{form} {mode} ({count:,})" for form, mode, count in checked.formats]
        told.append(("files", ", ".join(kinds[:6]) + (f" and {many(len(kinds) - 6, 'kind')}" if kinds[6:] else "")))
    return told


def cases(source: Any, finding: "Finding") -> list[str]:
    """A line for each case of a finding."""
    lines = []
    for item in finding.items:
        names = [source.ids[row] for row in item.rows]
        known = item.facts
        if "why" in known:
            lines.append(f"{known['id']} {known['why']}")
        elif "believed" in known:
            given = source.classes[source.labels[item.rows[0]]]
            lines.append(f"{names[0]}: {given}, or rather {known['believed']} ({known['sure']:.0%})?")
        elif "class" in known:
            lines.append(" ".join(str(value) for value in known.values()))
        elif len(names) > 1:
            more = f" = {len(names) - 4:,} more" if len(names) > 4 else ""
            lines.append(" = ".join(names[:4]) + more)
        else:
            lines += names
    return lines
