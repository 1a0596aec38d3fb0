"""`opsin predict`: a bundle and images -> classes."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from opsin.words import printable

if TYPE_CHECKING:
    from opsin.predict import Prediction

BACKENDS = "auto, best, eager, channels_last, compile, onnxruntime or openvino"


def predict(
    bundle: Path = typer.Argument(help="A bundle, such as opsin-runs/…/seed-0/bundle."),
    images: list[Path] = typer.Argument(metavar="IMAGES...", help="Images, or folders of images."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object a line."),
    top: int = typer.Option(1, help="How many classes to print for each image, the likeliest first."),
    backend: str = typer.Option("auto", help=f"What runs the network: {BACKENDS}."),
    threads: int = typer.Option(None, help="How many threads the network takes; by default one for each core."),
) -> None:
    """Name what is on images, with a network that `opsin compare` trained.

    Which backend is quickest here is found out once, where the images are many (with --backend best at once), and
    remembered in the folder BUNDLE.fast. None is used whose logits are not those of PyTorch, to 1e-4 of the largest.
    """
    from rich.console import Console
    from rich.progress import Progress

    from opsin.bundle import Bundle
    from opsin.predict import find_images
    from opsin.predict import predict as run

    network = Bundle.read(bundle)
    files, console = list(find_images(images)), Console(stderr=True)
    hidden = sys.stdout.isatty() or not console.is_terminal  # lines that scroll by are progress enough
    with Progress(console=console, transient=True, disable=hidden, redirect_stdout=False) as bars:
        task = bars.add_task("images", total=len(files))
        predictions = run(
            network,
            files,
            top=top,
            backend=backend,
            threads=threads,
            progress=lambda done, total: bars.update(task, completed=done),
            say=lambda line: print(f"opsin: {line}", file=sys.stderr),
        )
        bad = sum(not show(prediction, as_json) for prediction in predictions)
    if bad:
        raise typer.Exit(1)


def show(found: "Prediction", as_json: bool) -> bool:
    """Prints what was found of an image; False where it could not be read."""
    pairs = list(zip(found.classes, found.probabilities, strict=True))
    if found.error:
        print(f"opsin: {printable(found.error)}", file=sys.stderr)
    elif as_json:
        predictions = [{"class": name, "probability": chance} for name, chance in pairs]
        print(json.dumps({"image": str(found.path), "predictions": predictions}, ensure_ascii=False))
    else:
        told = ", ".join(f"{name} ({chance:.1%})" for name, chance in pairs)
        print(printable(f"{found.path}: {told}"))
    return not found.error
