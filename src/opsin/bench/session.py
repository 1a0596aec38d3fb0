"""A bench as a library call: cells that fit are measured, rows are kept where asked, the machine is described."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from opsin import __version__
from opsin.bench import fits
from opsin.bench.cell import Bench, Cell, Options, Row
from opsin.bench.kept import Kept
from opsin.bench.runs import Estimate, bench
from opsin.costs import machine, power
from opsin.costs.free import free_memory
from opsin.errors import OpsinError
from opsin.runtime.backends import OF_GRAPHS, check_backend
from opsin.watch import Watch


def facts(cells: Sequence[Cell]) -> dict[str, Any]:
    """The machine and the versions, for the record."""
    first = cells[0]
    found = machine.describe(torch.device(first.device)) | {"opsin": __version__, "threads": first.threads}
    found["precision"] = "bfloat16" if first.device == "cuda" else "float32"
    for package in OF_GRAPHS:
        if any(cell.backend == package for cell in cells):
            try:
                found[package] = version(package)
            except PackageNotFoundError:
                found[package] = None
    return found


def measure(
    cells: Sequence[Cell],
    options: Options,
    watch: Watch | None = None,
    *,
    folder: Path | None = None,
    skip: bool = False,
    told: Callable[[Row], None] = lambda row: None,
) -> Bench:
    """Measures cells, one device and number of threads for all; what stops it (Ctrl-C) leaves the rows of `folder`.

    Args:
        folder: where rows are kept as they are measured, and taken from where they are there.
        skip: leave out cells that do not fit in memory, instead of raising.
        told: hears of each row as it is there.

    Raises:
        OpsinError: a backend that is not installed, or a batch that does not fit.
    """
    watch = watch or Watch()
    for backend in dict.fromkeys(cell.backend for cell in cells):
        check_backend(backend)
    device = torch.device(cells[0].device)
    reason = no_power(device) if options.power else "not asked for (--power)"
    if skip and options.power and reason:  # it is told before the hour, not after it
        watch.say(f"power: not measured: {reason}")
    fitting, skipped = sorted_out(cells, free_memory(device), skip, watch)
    for why in skipped:
        watch.say(f"left out: {why}")
    as_read = replace(options, power=options.power and not reason)  # rows without energy are of another kind
    kept = Kept(folder, facts(cells), as_read) if folder else None
    rows = kept.rows(fitting) if kept else {}
    todo = [cell for cell in fitting if cell not in rows]
    if kept and rows:
        watch.say(f"{len(rows)} of {len(fitting)} rows are there already ({kept.file})")
    estimate = Estimate(device)
    if skip and todo:
        watch.say(f"{len(todo)} rows to measure: about {sum(map(estimate.expected, todo)) / 60:.0f} minutes")
    with at_rest():
        for row in bench(todo, options, watch, estimate):
            rows[row.cell] = row
            told(row)
            if kept:
                kept.add(row)
            if row.status == "failed":
                watch.say(f"{row.cell}: failed: {row.why}")
    return Bench(facts(cells), options, tuple(rows[cell] for cell in fitting), tuple(skipped), reason)


def no_power(device: torch.device) -> str:
    """Why no energy can be read; "" where it can."""
    found = power.find_meter(device)
    return found if isinstance(found, str) else ""


def sorted_out(cells: Sequence[Cell], free: int | None, skip: bool, watch: Watch) -> tuple[list[Cell], list[str]]:
    """The cells that fit, and why the others do not."""
    fitting: list[Cell] = []
    lines: list[str] = []
    watch.stage("what fits in memory", len(cells))
    for cell in cells:
        watch.advance(1)
        try:
            fits.check(cell, free)
            fitting.append(cell)
        except OpsinError as error:
            if not skip:
                raise
            lines.append(str(error))
    return fitting, lines


@contextmanager
def at_rest() -> Iterator[None]:
    """The parent computes nothing while its worker is timed: PyTorch's threads here sleep."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
