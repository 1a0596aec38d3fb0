"""`opsin predict`: a bundle and images -> classes."""

import json
import sys
from pathlib import Path

import typer


def predict(
    bundle: Path = typer.Argument(help="A bundle, such as opsin-runs/…/seed-0/bundle."),
    images: list[Path] = typer.Argument(help="Images, or folders of images."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object a line."),
    top: int = typer.Option(1, help="How many classes to print for each image, the likeliest first."),
) -> None:
    """Name what is on images, with a network that `opsin compare` trained."""
    from opsin.bundle import Bundle
    from opsin.predict import find_images
    from opsin.predict import predict as run

    network = Bundle.read(bundle)
    bad = 0
    for found in run(network, list(find_images(images)), top=top):
        if found.error:
            bad += 1
            print(f"opsin: {found.error}", file=sys.stderr)
        elif as_json:
            pairs = zip(found.classes, found.probabilities, strict=True)
            predictions = [{"class": name, "probability": chance} for name, chance in pairs]
            print(json.dumps({"image": str(found.path), "predictions": predictions}, ensure_ascii=False))
        else:
            pairs = zip(found.classes, found.probabilities, strict=True)
            print(f"{found.path}: " + ", ".join(f"{name} ({chance:.1%})" for name, chance in pairs))
    if bad:
        raise typer.Exit(1)
