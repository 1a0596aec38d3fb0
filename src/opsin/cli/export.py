"""`opsin export`: a bundle as files of another library or runtime."""

from pathlib import Path
from typing import Any

import typer

from opsin.words import printable

LIBRARIES = ("timm", "torchvision")


def export(
    bundle: Path = typer.Argument(help="A bundle, such as opsin-runs/…/seed-0/bundle."),
    to: str = typer.Option(..., "--to", help="onnx, openvino, torch (a .pt2 program), timm or torchvision."),
    out: Path = typer.Option(None, "--out", help="The folder to write; a .pth file for torchvision. [MODEL-TO]"),
    uint8: bool = typer.Option(
        False, "--uint8", help="The file takes pixels, uint8 [N, S, S, C], and normalises them itself."
    ),
    int8: str = typer.Option(
        None, "--int8", help="Quantise to 8-bit integers, by the training images of this data (onnx, openvino)."
    ),
    calibrate: int = typer.Option(None, help="How many training images --int8 takes. [default: 200]"),
    max_loss: float = typer.Option(
        None, help="Percentage points of validation accuracy that --int8 may lose. [default: 2]"
    ),
    groups: str = typer.Option(None, help="With --int8: which images belong together, as for compare."),
    skip_bad: bool = typer.Option(False, "--skip-bad", help="With --int8: leave out images that cannot be read."),
    root: Path = typer.Option(None, help="With --int8: where a copy of a named set lies."),
) -> None:
    """Write a trained network for other software, with its classes and preprocessing; it is verified before it stays.

    onnx, openvino and torch are run against the network; the lines of Python that run them are printed.
    """
    from opsin.bundle import Bundle
    from opsin.errors import OpsinError, unknown
    from opsin.export import deploy, libraries

    if to not in (*deploy.TARGETS, *LIBRARIES):
        raise unknown("format to export to", to, (*deploy.TARGETS, *LIBRARIES))
    if to in LIBRARIES and (uint8 or int8):
        option, takers = ("--uint8", "onnx, openvino and torch") if uint8 else ("--int8", "onnx and openvino")
        raise OpsinError(f"{option} is for --to {takers}, not for {to}")
    own: dict[str, Any] = {
        "calibrate": calibrate,
        "max_loss": max_loss,
        "groups": groups,
        "skip_bad": skip_bad or None,
        "root": root,
    }
    given = {name: value for name, value in own.items() if value is not None}
    if given and not int8:
        raise OpsinError(f"--{next(iter(given)).replace('_', '-')} is for --int8, which names the images")
    network = Bundle.read(bundle)
    if to in LIBRARIES:
        path = libraries.export(network, to, out)
        typer.echo(f"{path}: {libraries.how_to_load(network, to, path)}")
        return
    how = deploy.Int8(int8, **given) if int8 else None
    written = deploy.export(network, to, out, uint8=uint8, int8=how)
    for note in written.notes:
        typer.echo(f"opsin: {printable(note)}", err=True)
    typer.echo(f"{written}\n\n{written.how_to_run}")
