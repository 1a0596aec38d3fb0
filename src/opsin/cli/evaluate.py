"""`opsin evaluate`: a network and labelled images -> how good it is on them."""

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from opsin.cli.data_help import DATA, ROOT
from opsin.cli.predict import BACKENDS
from opsin.errors import OpsinError
from opsin.words import many, printable

if TYPE_CHECKING:
    from rich.console import Console

    from opsin.engine.world import World
    from opsin.evaluation import Evaluation

WORST, PAIRS = 10, 8


def evaluate(
    network: str = typer.Argument(help="A bundle or a run's folder; or a network's name: `opsin list --weights`."),
    data: str = typer.Argument(help=DATA),
    part: str = typer.Option(None, help="train, val, test or all; test by default, all where the data is not divided."),
    crops: str = typer.Option("single", help="single, or ten: corners and centre, each mirrored."),
    scales: str = typer.Option(None, help="Short sides in pixels, such as 256,288,320: the whole image at each."),
    weights: str = typer.Option(None, help="For a name: torchvision, timm:TAG ...; its first public ones by default."),
    ignore_unknown: bool = typer.Option(False, "--ignore-unknown", help="Leave out classes that the network lacks."),
    root: Path = typer.Option(None, help=ROOT),
    skip_bad: bool = typer.Option(False, "--skip-bad", help="Leave out images that cannot be read."),
    device: str = typer.Option("auto", help="auto, cpu, cuda or mps."),
    batch_size: int = typer.Option(None, help="How many images go through the network at once."),
    backend: str = typer.Option("auto", help=f"What runs the network on a CPU: {BACKENDS}."),
    threads: int = typer.Option(None, help="How many threads the network takes; by default one for each core."),
    as_json: bool = typer.Option(False, "--json", help="Print all figures as JSON."),
    out: Path = typer.Option(None, help="A .json file for all figures."),
    predictions: Path = typer.Option(None, help="A .csv file: truth and answers, a row an image."),
    page: Path = typer.Option(None, help="An .html file: confusion, calibration, every class, the surest mistakes."),
) -> None:
    """Say how good a network is on labelled images: accuracy, class by class, and whether its probabilities hold.

    Classes are matched by name, whatever their order. Softmax probabilities are averaged over the views of an image.
    On many processes, which share the images: torchrun --nproc-per-node N -m opsin evaluate ...
    """
    from rich.console import Console
    from rich.progress import Progress

    from opsin.evaluation import evaluate as run

    def checked() -> tuple[int, ...]:
        check_files({".json": ("--out", out), ".csv": ("--predictions", predictions), ".html": ("--page", page)})
        return whole_numbers(scales) if scales is not None else ()

    console = Console(stderr=True)
    with processes(device) as here:
        sizes, quiet = here.first(checked), here.rank > 0
        with Progress(console=console, transient=True, disable=quiet or not console.is_terminal) as bars:
            task = bars.add_task("images", total=None)
            found = run(
                network,
                data,
                part=part,
                weights=weights,
                crops=crops,
                scales=sizes,
                ignore_unknown=ignore_unknown,
                skip_bad=skip_bad,
                world=here,
                batch_size=batch_size,
                backend=backend,
                threads=threads,
                root=root,
                progress=lambda done, total: bars.update(task, completed=done, total=total),
                say=lambda line: None if quiet else print(f"opsin: {printable(line)}", file=sys.stderr),
            )
    if quiet:
        return
    for line in found.facts["left_out"]:
        print(f"opsin: left out: {printable(line)}", file=sys.stderr)
    if out is not None:
        found.write(out)
    if predictions is not None:
        found.write_predictions(predictions)
    if page is not None:
        from opsin.report.evaluation.page import write_evaluation

        write_evaluation(page, found)
    if as_json:
        print(json.dumps(found.to_dict(), ensure_ascii=False, allow_nan=False))
    else:
        show(Console(highlight=False), found)
        for file in (out, predictions, page):
            if file is not None:
                print(printable(str(file)))


@contextmanager
def processes(device: str) -> Iterator["World"]:
    """The processes that torchrun started, or this one alone; the first one speaks for all."""
    from opsin.engine.world import leave, world

    here = world(device)
    if here.rank:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        with here.one_voice():
            yield here
    finally:
        leave()


def check_files(files: dict[str, tuple[str, Path | None]]) -> None:
    """Raises OpsinError, before the work, for a file that cannot be written, or has not the suffix of its kind."""
    from opsin.files import check_writable

    for suffix, (option, path) in files.items():
        if path is None:
            continue
        if path.suffix.lower() != suffix:
            raise OpsinError(f"{option} {path}: name a file that ends with {suffix}")
        if path.is_dir():
            raise OpsinError(f"{option} {path}: that is a folder; name a file")
        check_writable(path, option)


def whole_numbers(text: str) -> tuple[int, ...]:
    """ "256,320" -> (256, 320). Raises OpsinError for what are no numbers from 1."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise OpsinError(f"--scales {text}: write short sides in pixels with commas between, such as 256,288,320")
    return tuple(map(int, parts))


def show(console: "Console", found: "Evaluation") -> None:
    """The head figures, the worst classes and the most frequent confusions."""
    from rich.table import Table
    from rich.text import Text

    facts, figures = found.facts, found.figures
    which = "all images" if facts["part"] == "all" else f"the {facts['part']} part"
    asked = f"{facts['network']} on {facts['data']}: {which}, {many(figures['n'], 'image')}"
    console.print(Text(printable(asked), style="bold"))
    for line in (facts["images"], *found.notes):
        console.print(Text(printable(line), style="dim"))
    console.print()
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column()
    table.add_column(justify="right", no_wrap=True)
    table.add_column()
    for row in head(figures):
        table.add_row(*row)
    console.print(table)
    rows = sorted(
        ((name, c) for name, c in zip(found.classes, found.by_class, strict=True) if c.support),
        key=lambda row: (row[1].f1, row[1].recall),
    )
    table = Table(box=None, pad_edge=False, header_style="")
    table.add_column("the worst classes" if len(rows) > WORST else "classes, the worst first", overflow="fold")
    for heading in ("precision", "recall", "F1", "images"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, c in rows[:WORST]:
        table.add_row(Text(printable(name)), *map(percent, (c.precision, c.recall, c.f1)), f"{c.support:,}")
    console.print()
    console.print(table)
    pairs = found.confused()[:PAIRS]
    if pairs:
        table = Table(box=None, pad_edge=False, header_style="")
        for heading in ("truth", "taken for"):
            table.add_column(heading, overflow="fold")
        for heading in ("times", "of"):
            table.add_column(heading, justify="right", no_wrap=True)
        for i, j, n in pairs:
            names = (Text(printable(found.classes[k])) for k in (i, j))
            table.add_row(*names, f"{n:,}", f"{found.by_class[i].support:,}")
        console.print()
        console.print(table)


def head(figures: dict) -> list[tuple[str, str, str]]:
    """Name, figure and what it means."""
    rows = [("top-1", percent(figures["top1"]), interval(figures["top1_ci"]))]
    if figures["top5"] is not None:
        rows.append(("top-5", percent(figures["top5"]), interval(figures["top5_ci"])))
    return [
        *rows,
        ("balanced accuracy", percent(figures["balanced"]), "mean recall of the classes"),
        ("macro F1", percent(figures["macro_f1"]), "mean F1 of the classes"),
        ("log loss", f"{figures['log_loss']:.4f}", "nats an image"),
        ("Brier score", f"{figures['brier']:.4f}", "0 to 2"),
        ("calibration error", percent(figures["ece"]), f"15 bins; about {figures['ece_by_chance']:.1%} if calibrated"),
    ]


def percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


def interval(ends: list[float] | None) -> str:
    return "images come in groups: no interval" if ends is None else "95 % over images: {:.1%} to {:.1%}".format(*ends)
