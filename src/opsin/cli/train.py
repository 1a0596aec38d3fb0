"""`opsin train`: one network, one recipe, one run."""

import json
import shlex
import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from opsin.cli.data_help import DATA, ROOT
from opsin.cli.program import program
from opsin.errors import OpsinError

if TYPE_CHECKING:
    from rich.console import Console

    from opsin.training.run import Run


def train(
    data: str = typer.Argument(None, help=DATA),
    model: str = typer.Option(None, help="The network: see `opsin list`."),
    recipe: str = typer.Option(
        None, help="A name (`opsin recipes`), era, or a .toml or .json file. [default: modern; finetune from weights]"
    ),
    settings: list[str] = typer.Option(
        [], "--set", help="A change of the recipe: learning_rate=0.1, optimizer.momentum=0.8. May be repeated."
    ),
    epochs: int = typer.Option(None, help="Passes over the training images. [default: the recipe's]"),
    seed: int = typer.Option(0, help="Of the initial weights, the order, and all that is drawn."),
    pretrained: bool = typer.Option(False, "--pretrained", help="Start from the network's first public weights."),
    weights: str = typer.Option(None, help="Start from these: timm:a1_in1k, torchvision, or a file."),
    input_size: int = typer.Option(None, help="The images' side in pixels. [default: what suits network and images]"),
    val: float = typer.Option(None, help="The share of images that validate; 0 trains on them too. [default: 0.2]"),
    groups: str = typer.Option(None, help="Keep images of one group in one part: a regex on paths, or a column."),
    root: Path = typer.Option(None, help=ROOT),
    skip_bad: bool = typer.Option(False, "--skip-bad", help="Leave out images that cannot be read."),
    out: Path = typer.Option(None, help="The run's folder. [default: opsin-runs/<data>-<network>-<hash>]"),
    resume: Path = typer.Option(None, help="Go on with the run in this folder, as it was asked for."),
    device: str = typer.Option("auto", help="auto, cpu, cuda or mps."),
    workers: int = typer.Option(None, help="Threads that decode images meanwhile. [default: one for each core]"),
    compiled: bool = typer.Option(
        False, "--compile", help="Compile the network's steps: quicker on a GPU, and on a CPU in long runs."
    ),
    deterministic: bool = typer.Option(False, "--deterministic", help="The same bits on CUDA, too; slower."),
    save_steps: int = typer.Option(None, help="A checkpoint after so many steps; it is after 30 s in any case."),
    as_json: bool = typer.Option(False, "--json", help="Print run.json, and where its page lies, on standard output."),
) -> None:
    """Train one network on your images under one recipe: era by era, or as today.

    The same command again goes on where it was stopped, to the same bits. SIGTERM and Ctrl-C end it after a save; a
    second one at once. On many processes: torchrun --nproc-per-node N -m opsin train ...
    """
    from rich.console import Console

    from opsin.engine.stop import Stopped
    from opsin.engine.world import leave
    from opsin.report.run.live import Live
    from opsin.training.run import resume as resumed
    from opsin.training.run import run_training
    from opsin.training.training import Training

    if pretrained and weights:
        raise OpsinError("--pretrained and --weights exclude each other: give one of them")
    given = {
        "data": data,
        "model": model,
        "recipe": recipe,
        "settings": tuple(settings),
        "epochs": epochs,
        "seed": seed,
        "pretrained": weights or ("default" if pretrained else None),
        "input_size": input_size,
        "val": val,
        "groups": groups,
        "root": str(root) if root else None,
        "skip_bad": skip_bad,
        "out": out,
        "device": device,
        "compiled": compiled,
        "deterministic": deterministic,
        "save_steps": save_steps,
    }
    if resume is not None:
        usual = {each.name: each.default for each in fields(Training)} | {"data": None, "model": None}
        if extra := [name for name, value in given.items() if value != usual[name]]:
            raise OpsinError(f"--resume goes on as the run was asked for: leave out {', '.join(extra)}")
        training = resumed(resume, workers)
    elif data is None or model is None:
        raise OpsinError("name the data and the network: opsin train DATA --model resnet18 (see `opsin list`)")
    else:
        training = Training(**given, workers=workers, command=shlex.join(["opsin", *sys.argv[1:]]))
    with terminal() as watch:
        live = Live(watch.say)
        try:
            run = run_training(training, watch, signals=True, follow=live)
        except Stopped as stopped:
            again = shlex.join([program(), "train", "--resume", str(stopped.folder)])
            print(f"opsin: stopped; to go on: {again}", file=sys.stderr)
            raise SystemExit(stopped.code) from None
        finally:
            leave()
    if run.rank:
        return
    if as_json:
        print(json.dumps(run.facts | {"page": live.page and str(live.page)}))
    if run.facts["status"] != "ok":
        raise Failed(run, live.page)
    if not as_json:
        print_summary(Console(highlight=False), run, live.page, grouped=training.groups is not None)


class Failed(OpsinError):
    """A run whose loss, gradient or metric became no number."""

    code = 3

    def __init__(self, run: "Run", page: Path | None):
        super().__init__(
            f"{run.facts['status']}; a smaller rate may do: --set learning_rate=... ({page or run.folder})"
        )


def terminal():
    """A progress bar, and a line for each epoch."""
    from rich.console import Console

    from opsin.cli.progress import Terminal

    class Epochs(Terminal):
        def started(self, run: str, epochs: float) -> None:
            super().started(run, epochs)
            self.epochs = epochs

        def epoch(self, run: str, metrics: dict[str, Any]) -> None:
            super().epoch(run, metrics)
            if "train_loss" in metrics:
                self.say(line(metrics, int(self.epochs)))

        def ended(self, run: str, status: str) -> None:
            self.last.pop(run, None)
            super().ended(run, "ok")

    return Epochs(Console(stderr=True, highlight=False))


def line(metrics: dict[str, Any], epochs: int) -> str:
    """An epoch in at most 80 columns."""
    width = len(str(epochs))
    told = f"epoch {metrics['epoch']:>{width}}/{epochs}  loss {metrics['train_loss']:.4f}"
    if "val_loss" in metrics:
        told += f"  val loss {metrics['val_loss']:.4f}  top-1 {metrics['val_top1']:6.1%}"
    return told + f"  rate {metrics['learning_rate']:.2g}  {metrics['seconds']:.1f} s"


def print_summary(console: "Console", run: "Run", page: Path | None, grouped: bool) -> None:
    """The test's accuracy, with its interval where images come in no groups, and where everything lies."""
    from rich.text import Text

    from opsin.tasks.metrics import wilson

    figures = run.facts["figures"]
    images, top1 = figures["test_images"], figures["test_top1"]
    low, high = wilson(round(top1 * images), images)
    within = "which come in groups: no interval" if grouped else f"95 %: {low:.1%} to {high:.1%}"
    console.print(
        Text.assemble(
            "test top-1 ", (f"{top1:.1%}", "bold green"), f" (error {1 - top1:.2%}) on {images:,} images, {within}",
        )
    )  # fmt: skip
    console.print(Text(f"\nPredict:  {shlex.join([program(), 'predict', str(run.folder)])} IMAGE"), soft_wrap=True)
    if page:
        console.print(Text(f"Page:     {page}"), soft_wrap=True)
    console.print(Text(f"Run:      {run.folder}"), soft_wrap=True)
