"""`opsin compare`: the main job."""

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from opsin.cli.data_help import DATA, ROOT
from opsin.cli.program import program
from opsin.words import many, printable

if TYPE_CHECKING:
    from rich.console import Console

    from opsin.compare.comparison import Comparison


def compare(
    data: str = typer.Argument("digits", help=DATA),
    models: str = typer.Option(None, help="Networks to compare, with commas between them."),
    lineup: str = typer.Option(
        None, help="A line-up instead: small, history (every family), large or public. [default: what suits the images]"
    ),
    start: str = typer.Option(
        "auto",
        help="What networks start from: scratch; public weights to probe or finetune (or several: probe,finetune); or "
        "auto: photos from public weights, where these can be had.",
    ),
    weights: str = typer.Option(
        None, help="Which weights, instead of a network's first public ones: resnet18=timm:a1_in1k,vgg16=FILE."
    ),
    folds: int = typer.Option(None, help="Of a probe's cross-validation. [default: 5 below 3,000 images, else none]"),
    seeds: int = typer.Option(2, help="Runs of each network."),
    epochs: int = typer.Option(None, help="Passes over the training images. [default: the recipe's]"),
    minutes: float = typer.Option(None, help="A budget for the whole, instead of epochs."),
    recipe: str = typer.Option(
        None,
        help="A recipe's name, fitted to the images, or a .toml or .json file; era for that of each network's own "
        "paper; or several with commas between them: era,modern. [default: modern; finetune from public weights]",
    ),
    input_size: int = typer.Option(None, help="The images' side in pixels. [default: what suits them]"),
    metric: str = typer.Option(None, help="top1, balanced or macro_f1. [default: what suits the classes]"),
    margin: float = typer.Option(0.01, help="How far below the best the pick may be; 0.01 is one point."),
    tune: bool = typer.Option(True, help="Choose each network's learning rate by a short probe."),
    groups: str = typer.Option(None, help="Keep images of one group in one part: a regex on paths, or a column."),
    skip_bad: bool = typer.Option(False, "--skip-bad", help="Leave out images that cannot be read."),
    root: Path = typer.Option(None, help=ROOT),
    out: Path = typer.Option(None, help="The folder to write. [default: opsin-runs/<data>-<hash>]"),
    device: str = typer.Option("auto", help="auto, cpu, cuda or mps."),
    workers: int = typer.Option(None, help="Processes. [default: one for each core, or CPU of the cluster]"),
    cluster: str = typer.Option(
        None,
        help="Train on the nodes of a Ray cluster: HOST:PORT of its head, or auto for that which this machine belongs "
        "to.",
    ),
    as_json: bool = typer.Option(False, "--json", help="Print results.json on standard output."),
) -> None:
    """Train a line-up of networks on your images, and see which one to take, and why.

    The same command again goes on where it was stopped.
    """
    from rich.console import Console

    from opsin.cli.progress import Terminal
    from opsin.compare.comparison import run_comparison
    from opsin.compare.request import Request
    from opsin.errors import OpsinError
    from opsin.report.page import write_page

    request = Request(
        data=data,
        models=tuple(name.strip() for name in models.split(",") if name.strip()) if models is not None else None,
        lineup=lineup,
        start=start,
        weights=named_weights(weights),
        folds=folds,
        seeds=seeds,
        epochs=epochs,
        minutes=minutes,
        recipe=recipe,
        input_size=input_size,
        metric=metric,
        margin=margin,
        tune=tune,
        groups=groups,
        skip_bad=skip_bad,
        root=root,
        out=out,
        device=device,
        workers=workers,
        cluster=cluster,
        command=shlex.join(["opsin", *sys.argv[1:]]),
    )
    with Terminal(Console(stderr=True, highlight=False)) as terminal:
        comparison = run_comparison(request, terminal)
        page = write_page(comparison.folder)
    if as_json:
        print(json.dumps(comparison.results))
    else:
        print_summary(Console(highlight=False), comparison, page)
    if comparison.bundle is None:
        status = comparison.results["rows"][0]["status"]
        raise OpsinError(f"no network could be trained ({status}): see error.txt in {comparison.folder}/runs, if any")


def named_weights(text: str | None) -> dict[str, str]:
    """ "resnet18=timm:a1_in1k,vgg16=FILE" by network. Raises OpsinError for a part that names none."""
    from opsin.errors import OpsinError

    found = {}
    for part in (text or "").split(","):
        name, equals, what = part.strip().partition("=")
        if part.strip() and not (name and equals and what):
            raise OpsinError(f"--weights takes NETWORK=WEIGHTS, with commas between them, not {part.strip()!r}")
        if name in found:
            raise OpsinError(f"--weights names {name} more than once")
        if name:
            found[name] = what
    return found


def print_summary(console: "Console", comparison: "Comparison", page: Path) -> None:
    """The results as a table at 80 columns, the pick in a sentence, and where everything lies."""
    from rich.table import Table
    from rich.text import Text

    results = comparison.results
    table = Table(box=None, pad_edge=False, header_style="bold")
    several = len(results["plan"].get("recipes", [])) > 1
    kind = "start" if results["plan"]["starts"] != ["scratch"] else "recipe" if several else None
    first = ("network", kind) if kind else ("year", "network")
    for heading in (*first, "accuracy", "95 %", "params", "MACs", "ms/image"):
        table.add_column(heading, justify="left" if heading in ("network", kind) else "right", no_wrap=True)
    pick = results["pick"]
    for row in sorted(results["rows"], key=lambda row: (row["year"], row["model"])):
        style = "bold green" if pick and row["entry"] == pick["entry"] else None
        name = shortened(row["model"], 21 if kind else 26)
        names = (name, shortened(row[kind], 8)) if kind else (str(row["year"]), name)
        if row["top1_mean"] is None:
            table.add_row(*names, "-", row["status"].partition(":")[0][:10], "", "", "", style="red")
            continue
        low, high = row["top1_ci"]
        cells = (
            f"{row['top1_mean']:.1%}",
            f"{100 * low:.1f}-{100 * high:.1f}",
            short(row["params"]),
            short(row["macs"]),
            f"{row['latency_ms_p50']:.2f}",
        )
        table.add_row(*names, *cells, style=style)
    for row in results["baselines"]:
        if row["top1"] is not None:
            name = row["name"].removesuffix(" on pixels")
            table.add_row(*((name, "") if kind else ("", name)), f"{row['top1']:.1%}", style="dim")
    console.print(table)
    for gain in results.get("gains", []):
        print_gains(console, gain, results["fitted"])
    console.print()
    if pick:
        console.print(Text.assemble("Take ", (pick["entry"], "bold green"), ". ", pick["why"]))
        weights = next(row["weights"] for row in results["rows"] if row["entry"] == pick["entry"])
        if weights:
            console.print(Text(f"\nWeights:  {weights['name']}, licence: {weights['licence'] or 'not stated'}"))
        command = shlex.join([program(), "predict", str(comparison.bundle)])
        console.print(Text(f"\nPredict:  {command} IMAGE"), soft_wrap=True)
    console.print(Text(f"Page:     {page}"), soft_wrap=True)


def print_gains(console: "Console", gain: dict, fitted: dict[str, dict]) -> None:
    """What training and architecture gained between two recipes, in points."""
    from rich.table import Table
    from rich.text import Text

    def points(part: dict) -> str:
        low, high = (100 * end for end in part["ci"])
        return f"{100 * part['top1']:+.1f} ({low:+.1f} to {high:+.1f})"

    old, new = (printable(gain[key]) for key in ("old", "new"))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in (f"points from {shortened(old, 8)} to {shortened(new, 8)}", "training", "architecture"):
        table.add_column(heading, justify="right" if heading in ("training", "architecture") else "left", no_wrap=True)
    table.add_row(f"mean of {many(len(gain['networks']), 'network')}", points(gain["training_mean"]), "")
    told = f"Intervals of 95 % resample {gain['whole']['ci_over']}."
    if gain["oldest"] != gain["best"]:
        for way, order in (*gain["orders"].items(), ("mean of both orders", gain["mean"])):
            table.add_row(way, points(order["training"]), points(order["architecture"]))
        told = (
            f"The last three rows divide {points(gain['whole'])}, from {gain['oldest']} ({old}) to {gain['best']} "
            f"({new}, the best on validation). {told}"
        )
    console.print()
    console.print(table)
    console.print(Text(f"{told} {tuning(fitted)}".strip()))


def tuning(fitted: dict[str, dict]) -> str:
    """Whose learning rates were tuned, where not all were treated alike."""
    ways = {how: sorted({each["asked"] for each in fitted.values() if each["tuned"] is how}) for how in (True, False)}
    if not all(ways.values()):
        return ""
    tuned, kept = (printable(", ".join(ways[how])) for how in (True, False))
    return f"Learning rates were tuned under {tuned}, not under {kept} (--no-tune: under none)."


def shortened(name: str, width: int) -> str:
    return name if len(name) <= width else name[: width - 1] + "…"


def short(count: int) -> str:
    """A count with three digits and its unit: 269722 -> 270 k."""
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return str(count)
