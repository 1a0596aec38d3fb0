"""`opsin export`: a bundle as files of another library."""

from pathlib import Path

import typer


def export(
    bundle: Path = typer.Argument(help="A bundle, such as opsin-runs/…/seed-0/bundle."),
    to: str = typer.Option(..., "--to", help="timm or torchvision."),
    out: Path = typer.Option(
        None, "--out", help="The folder (timm) or .pth file (torchvision) to write: MODEL-timm, MODEL-torchvision.pth."
    ),
) -> None:
    """Write a trained network as timm or torchvision reads it, with its classes and preprocessing."""
    from opsin.bundle import Bundle
    from opsin.export.libraries import export as run
    from opsin.export.libraries import how_to_load

    network = Bundle.read(bundle)
    path = run(network, to, out)
    typer.echo(f"{path}: {how_to_load(network, to, path)}")
