"""`opsin bench`: what networks take on this machine."""

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from opsin.errors import OpsinError
from opsin.words import three_digits

NUMBER = re.compile(r"\d+(?:\.\d+)?")

if TYPE_CHECKING:
    from rich.console import Console

    from opsin.bench.cell import Bench, Row


def bench(
    names: list[str] = typer.Argument(None, metavar="NAME...", help="Networks, shell patterns, or line-ups."),
    every: bool = typer.Option(
        False, "--all", help="Every network with a printed error on ImageNet; it can be stopped, and goes on."
    ),
    batch: str = typer.Option(None, "--batch", help="Images at once, with commas between. [default: 1]"),
    input_size: int = typer.Option(None, help="The images' side in px. [default: each paper's]"),
    threads: int = typer.Option(None, min=1, max=1024, help="Of the processor. [default: all its cores]"),
    backend: str = typer.Option(
        "eager", help="eager, channels_last, compile, onnxruntime, openvino; several with commas between."
    ),
    train: bool = typer.Option(False, "--train", help="Time a training step (AdamW), too."),
    device: str = typer.Option("auto", help="auto, cpu, cuda or mps."),
    power: bool = typer.Option(False, "--power", help="Read the energy that the processor or the GPU takes."),
    precision: str = typer.Option(
        None, help="How near the fastest runs must come to each other. [default: 2%; 5% with --all]"
    ),
    seconds: float = typer.Option(20.0, help="A row that does not settle is given up after so many seconds of runs."),
    page: bool = typer.Option(False, "--page", help="Write the charts as one page."),
    out: Path = typer.Option(None, "--out", help="The page's file. [default: bench.html]"),
    csv: Path = typer.Option(None, "--csv", help="Write a CSV with the columns of timm's benchmark results."),
    keep: Path = typer.Option(None, "--keep", help="The folder in which --all keeps its rows. [default: opsin-bench]"),
    as_json: bool = typer.Option(False, "--json", help="Print JSON, with all fields."),
) -> None:
    """Measure networks on this machine: time, images a second, memory, the largest batch; training and power if asked.

    Rows that other work on the machine has disturbed are marked unstable.
    """
    from rich.console import Console

    from opsin.bench import cell
    from opsin.bench.session import facts, measure
    from opsin.cli.progress import Terminal
    from opsin.costs.others import cores_here

    check_names(names, every, keep)
    if not seconds > 0:
        raise OpsinError(f"--seconds must be above 0, not {seconds:g}")
    options = cell.Options(share(precision or ("5%" if every else "2%")), seconds, power)
    backends, where = places(backend, device)
    batches = whole_numbers(batch) if batch is not None else (None if every else (1,))
    models, refused = cell.taking(cell.published(), input_size) if every else (cell.names(names), ())
    cells = cell.cells(
        models,
        batches,
        size=input_size,
        backends=backends,
        threads=threads or len(cores_here()) or os.cpu_count() or 1,
        device=where,
        train=train,
    )
    if out is not None and not page:
        raise OpsinError("--out names the page's file: add --page")
    html = (out or Path("bench.html")) if page else None
    check_files(html, csv)
    terminal = Terminal(Console(stderr=True))
    terminal.progress.live.refresh_per_second = 1  # drawing is work beside what is timed
    rows: list[Row] = []
    try:
        with terminal as watch:
            for why in refused:
                watch.say(f"left out: {why}")
            folder = (keep or Path("opsin-bench")) if every else None
            found = measure(cells, options, watch, folder=folder, skip=every, told=rows.append)
    except BaseException:  # Ctrl-C: what was measured is shown
        if rows and not every:
            print_table(Console(stderr=as_json, highlight=False), cell.Bench(facts(cells), options, tuple(rows)))
        raise
    tell(found, as_json, csv, html)
    if found.rows and all(row.status == "failed" for row in found.rows):
        raise typer.Exit(1)


def tell(found: "Bench", as_json: bool, csv: Path | None, page: Path | None) -> None:
    """Prints the rows, and writes the files that were asked for."""
    from rich.console import Console

    if as_json:
        print(json.dumps(found.to_dict()))
    else:
        print_table(Console(highlight=False), found)
    if csv is not None:
        write_csv(csv, found)
    if page is not None:
        from opsin.report.bench.page import write_bench

        Console(stderr=as_json, highlight=False).print(str(write_bench(page, found)), soft_wrap=True)


def check_names(names: list[str] | None, every: bool, keep: Path | None) -> None:
    """Raises OpsinError where it is not clear what to measure."""
    if not names and not every:
        raise OpsinError("name networks, patterns such as 'resnet*' or a line-up; or --all")
    if names and every:
        raise OpsinError("--all takes all networks: leave the names out, or --all")
    if keep is not None and not every:
        raise OpsinError("--keep is for --all: the rows of named networks are not kept; --csv and --json write them")


def places(backend: str, device: str) -> tuple[tuple[str, ...], str]:
    """The backends and the device. Raises OpsinError where one is not to be had, or not with the other."""
    from opsin.device import choose_device
    from opsin.runtime.backends import check_backend, check_place

    backends = tuple(dict.fromkeys(part.strip() for part in backend.split(",")))
    where = choose_device(device).type
    for each in backends:
        check_backend(each)
        check_place(each, where)
    return backends, where


def check_files(page: Path | None, csv: Path | None) -> None:
    """Raises OpsinError, before anything is measured, for files that cannot be written."""
    from opsin.report import html

    if page is not None:
        if page.suffix.lower() not in (".html", ".htm"):
            raise OpsinError(f"--out {page}: name a file that ends with .html")
        html.check(page)
    if csv is not None:
        html.check(csv)


def write_csv(path: Path, found: "Bench") -> None:
    from opsin.bench.table import to_csv
    from opsin.files import whole

    with whole(path) as part:
        part.write_text(to_csv(found.rows), encoding="utf-8")


def share(text: str) -> float:
    """ "2%" or "0.02" -> 0.02. Raises OpsinError for what is no share above 0."""
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise OpsinError(f"--precision {text}: write a share such as 2%")
    return value


def whole_numbers(text: str) -> tuple[int, ...]:
    """ "1,16" -> (1, 16). Raises OpsinError for what are no numbers from 1."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise OpsinError(f"--batch {text}: write whole numbers from 1, with commas between, such as 1,16")
    return tuple(dict.fromkeys(map(int, parts)))


def print_table(console: "Console", found: "Bench") -> None:
    from rich.table import Table
    from rich.text import Text

    from opsin.report.words import NONE

    plain = {row.cell.backend for row in found.rows} == {"eager"}
    table = Table(box=None, pad_edge=False, header_style="")
    table.add_column("network", overflow="fold")
    if not plain:
        table.add_column("backend", no_wrap=True)
    for heading in ("batch", "p50 ms", "p95 ms", "img/s", "MiB", "pred.", "fits"):
        table.add_column(heading, justify="right", no_wrap=True)
    if found.options.power and not found.power:
        table.add_column("J/image", justify="right", no_wrap=True)
    for row in found.rows:
        name = row.cell.model + (", training" if row.cell.train else "")
        cells = [Text(name), *([] if plain else [row.cell.backend]), str(row.cell.batch)]
        if row.p50 is None:
            table.add_row(*cells, row.status)
            continue
        cells += [
            told(row.p50) + ("*" if row.status == "unstable" else ""),
            told(row.p95),
            told(row.images_per_second),
            told(row.memory, 2**20),
            told(row.predicted, 2**20),
        ]
        cells += [f"{float(f'{row.fits:.2g}'):,.0f}" if row.fits else NONE]  # as exact as what is free
        if found.options.power and not found.power:
            cells.append(told(row.joules))
        table.add_row(*cells)
    console.print(table)
    notes(console, found)


def told(value: float | None, unit: int = 1) -> str:
    return "–" if value is None else three_digits(value / unit)


def notes(console: "Console", found: "Bench") -> None:
    machine = found.machine
    console.print()
    console.print(
        f"{machine['gpu'] or machine['cpu']}, {machine['threads']} threads, PyTorch {machine['torch']}, "
        f"{machine['precision']}. p50: the fastest runs that repeat; "
        "MiB: at the peak, measured and predicted; fits: the largest batch, about.",
    )
    if found.options.power and found.power:
        console.print(f"Power: not measured: {found.power}", markup=False)
    for row in found.rows:
        if row.status == "failed":
            console.print(f"{row.cell}: failed: {row.why}", markup=False)
    reasons: dict[str, list[Row]] = {}
    for row in found.rows:
        if row.status == "unstable":
            reasons.setdefault(NUMBER.sub("#", row.why), []).append(row)
    for own in reasons.values():
        which = "every row" if len(own) == len(found.rows) else ", ".join(str(row.cell) for row in own)
        console.print(f"* unstable: {ranged([row.why for row in own])}: {which}", markup=False)


def ranged(lines: Sequence[str]) -> str:
    """Lines that differ in a number alone as one: "other work took 1.3 to 1.4 cores meanwhile"."""
    numbers = sorted((float(found[0]), found[0]) for line in lines if (found := NUMBER.search(line)))
    if not numbers or numbers[0] == numbers[-1]:
        return lines[0]
    return NUMBER.sub(f"{numbers[0][1]} to {numbers[-1][1]}", lines[0], count=1)
