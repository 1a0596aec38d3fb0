"""`opsin plan`: what each network would take on your images and machine, before anything is trained."""

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from opsin.cli.data_help import DATA, ROOT
from opsin.words import compact, three_digits

if TYPE_CHECKING:
    from rich.console import Console

    from opsin.compare.outlook import Outlook
    from opsin.forecast.forecast import Row

WITHIN = {"whole": "green", "short": "yellow", "none": "dim"}


def plan(
    data: str = typer.Argument("digits", help=DATA),
    minutes: float = typer.Option(None, help="A time: what can be trained in it, and what compare would do with it."),
    models: str = typer.Option(
        None, help="Networks, with commas between them, or a pattern: 'resnet*'. [default: all]"
    ),
    lineup: str = typer.Option(None, help="A line-up instead: small, history, large or public."),
    epochs: int = typer.Option(None, help="Passes over the training images. [default: the recipe's]"),
    recipe: str = typer.Option(None, help="A recipe's name, or a .toml or .json file. [default: modern]"),
    input_size: int = typer.Option(None, help="The images' side in pixels. [default: as compare chooses it]"),
    thorough: bool = typer.Option(False, "--thorough", help="Measure every network, not one to three of a family."),
    groups: str = typer.Option(None, help="Keep images of one group in one part: a regex on paths, or a column."),
    skip_bad: bool = typer.Option(False, "--skip-bad", help="Leave out images that cannot be read."),
    root: Path = typer.Option(None, help=ROOT),
    device: str = typer.Option("auto", help="auto, cpu, cuda or mps."),
    workers: int = typer.Option(None, help="Processes that train at once. [default: one for each core]"),
    as_json: bool = typer.Option(False, "--json", help="Print JSON on standard output."),
) -> None:
    """Say what training each network from scratch would take here: time, memory, batch.

    A few networks of each family are measured for about a second each, the others estimated; what has been measured
    is remembered.
    """
    from rich.console import Console

    from opsin.cli.progress import Terminal
    from opsin.compare.outlook import look_ahead
    from opsin.compare.request import Request
    from opsin.errors import OpsinError

    if minutes is not None and epochs is not None:
        raise OpsinError("--minutes and --epochs exclude each other: give one of them")
    request = Request(
        data=data,
        models=named(models),
        lineup=lineup,
        start="scratch",
        epochs=epochs,
        minutes=minutes,
        recipe=recipe,
        input_size=input_size,
        groups=groups,
        skip_bad=skip_bad,
        root=root,
        device=device,
        workers=workers,
    )
    with Terminal(Console(stderr=True, highlight=False)) as terminal:
        outlook = look_ahead(request, terminal, thorough)
    if as_json:
        print(json.dumps(outlook.to_dict()))
    else:
        print_outlook(Console(highlight=False), outlook)


def named(text: str | None) -> tuple[str, ...] | None:
    """ "resnet18,vgg*" -> the names; of a pattern those that classify. Raises OpsinError where one matches nothing."""
    from opsin import zoo
    from opsin.errors import OpsinError

    if text is None:
        return None
    found: dict[str, None] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        if not any(mark in part for mark in "*?["):
            found[part] = None
            continue
        matching = [name for name in zoo.list_models(part) if zoo.card(name).task == "classify"]
        if not matching:
            raise OpsinError(f"no network matches {part!r}: `opsin list --all` shows them all")
        found |= dict.fromkeys(matching)
    return tuple(found)


def print_outlook(console: "Console", outlook: "Outlook") -> None:
    """The table at 80 columns, the quickest network first; what it means; what a comparison would do."""
    from rich.table import Table
    from rich.text import Text

    from opsin.cli.compare import shortened

    minutes, recipe = outlook.request.minutes, outlook.recipe
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    told = "minutes" if minutes is None else "epochs"
    for heading in ("network", "px", "params", "MACs", "s/epoch", told, "memory", "batch", "speed"):
        table.add_column(heading, justify="left" if heading in ("network", "speed") else "right", no_wrap=True)
    for row in outlook.forecast.rows:
        last = three_digits(row.minutes(recipe.epochs)) if minutes is None else within(row, minutes, recipe.epochs)
        table.add_row(
            shortened(row.model, 28),
            str(row.size),
            compact(row.params),
            compact(row.macs),
            three_digits(row.epoch),
            last,
            in_bytes(row.memory),
            str(row.batch) if row.batch else "-",
            "timed" if row.measured else "est.",
            style=None if minutes is None else WITHIN[outlook.verdict(row)],
        )
    console.print(table)
    for line in explained(outlook, console.is_terminal and not console.no_color):
        console.print(Text("\n" + line))
    if outlook.plan is not None or outlook.refused:
        print_comparison(console, outlook)


def explained(outlook: "Outlook", coloured: bool) -> list[str]:
    """What the table means; `coloured` where its rows have colours."""
    from opsin.compare.outlook import LEAST_EPOCHS
    from opsin.words import many

    recipe, rows, minutes = outlook.recipe, outlook.forecast.rows, outlook.request.minutes
    train, val, _ = outlook.images
    processes = outlook.request.processes
    lines = [
        f"One run from scratch, recipe {recipe.name} ({many(recipe.epochs, 'epoch')}, batch {recipe.batch_size}), "
        f"{train:,} images to train and {val:,} to validate, beside "
        f"{many(processes - 1, 'other run')}. Speed: timed here, or estimated from those timed. "
        "Memory: the predicted peak of a training step."
    ]
    if minutes is not None:
        verdicts = [outlook.verdict(row) for row in rows]
        colour = {name: f" ({name})" if coloured else "" for name in ("green", "yellow", "dim")}
        whole, short, few = (verdicts.count(verdict) for verdict in ("whole", "short", "none"))
        told = f"Within {minutes:g} min a run of {whole} of {many(len(rows), 'network')} ends all its epochs"
        told += colour["green"]
        told += f", of {short} at least {LEAST_EPOCHS} of them{colour['yellow']}" if short else ""
        told += f", of {few} fewer{colour['dim']}" if few else ""
        lines.append(f"{told}.")
    if any(row.batch == 0 for row in rows):
        lines.append("Batch -: not even two images fit into the free memory.")
    elif any(row.batch != recipe.batch_size for row in rows):
        lines.append("A smaller batch than the recipe's: the largest that fits into the free memory of one process.")
    if any(row.size != outlook.input_size for row in rows):
        lines.append(f"Networks that cannot take {outlook.input_size} px get images enlarged to what they take.")
    if outlook.forecast.left_out:
        out = "; ".join(f"{each['model']} ({each['why']})" for each in outlook.forecast.left_out)
        lines.append(f"Left out: {out}.")
    if outlook.forecast.busy:
        lines.append("Others were at work meanwhile: times may be too long, and are measured anew next time.")
    return lines


def print_comparison(console: "Console", outlook: "Outlook") -> None:
    """What `opsin compare` would train within the minutes, or that these are too few."""
    from rich.text import Text

    request, plan = outlook.request, outlook.plan
    words = ["opsin", "compare", request.data, "--minutes", f"{request.minutes:g}", "--start", "scratch"]
    for option, value in (
        ("--models", ",".join(request.models or ())),
        ("--lineup", request.lineup),
        ("--recipe", request.recipe),
        ("--input-size", request.input_size),
        ("--groups", request.groups),
        ("--workers", request.workers),
    ):
        words += [option, str(value)] if value else []
    words += ["--skip-bad"] if request.skip_bad else []
    words += ["--device", request.device] if request.device != "auto" else []
    console.print(Text(f"\n{shlex.join(words)}", "bold"), soft_wrap=True)
    if plan is None:
        console.print(Text(f"would not start: {outlook.refused}"))
        return
    console.print(Text(f"would train {plan}, in about {outlook.needs:.1f} minutes: {', '.join(plan.names)}."))
    if plan.notes:
        console.print(Text(f"To keep to the time: {'; '.join(plan.notes)}."))


def within(row: "Row", minutes: float, epochs: int) -> str:
    """How many of the recipe's epochs one run ends: "30", or "12/30"."""
    done = row.epochs(minutes)
    return str(epochs) if done >= epochs else f"{done}/{epochs}"


def in_bytes(size: int) -> str:
    """ "803k", "12.3M", "1.23G" bytes, by powers of 1,024."""
    power = next(power for power in (1, 2, 3) if size < 999.5 * 1024**power or power == 3)
    value = size / 1024**power
    return f"{value:.3g}{' kMG'[power]}" if value < 999.5 else f"{value:.0f}G"
