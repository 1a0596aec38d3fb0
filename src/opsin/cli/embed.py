"""`opsin embed`: a network and images -> a file of embeddings."""

import sys
from pathlib import Path

import typer

from opsin.cli.data_help import DATA, ROOT
from opsin.cli.predict import BACKENDS
from opsin.words import printable


def embed(
    network: str = typer.Argument(help="A bundle's folder, or a network's name: `opsin list --weights`."),
    data: str = typer.Argument(help=f"{DATA} A folder of images alone will do, too."),
    out: Path = typer.Option(..., "--out", help="The .npz or .parquet file to write."),
    weights: str = typer.Option(
        None, help="For a name: torchvision, timm:TAG, a file ..., or none; its first public weights by default."
    ),
    batch_size: int = typer.Option(64, help="How many images go through the network at once."),
    device: str = typer.Option("auto", help="auto, cpu, cuda or mps."),
    input_size: int = typer.Option(None, help="The images' side in pixels, if not that of the weights."),
    skip_bad: bool = typer.Option(False, "--skip-bad", help="Leave out images that cannot be read."),
    root: Path = typer.Option(None, help=ROOT),
    backend: str = typer.Option("auto", help=f"What runs the network on a CPU: {BACKENDS}."),
    threads: int = typer.Option(None, help="How many threads the network takes; by default one for each core."),
    force: bool = typer.Option(False, "--force", help="Replace the file if it is there."),
) -> None:
    """Write what a network makes of each image, before its last layer: for search, clustering, your own classifier.

    A .npz file holds embeddings [n, D], paths, labels, classes and facts (JSON: weights, licence, preprocessing).
    """
    from rich.console import Console
    from rich.progress import Progress

    from opsin.data.sources import load_any
    from opsin.device import choose_device
    from opsin.embed import check_options, check_out, embedder
    from opsin.embed import embed as run

    check_out(out, force)
    source, where = load_any(data, root), choose_device(device)
    check_options(batch_size, where, backend, threads)
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bars:
        load = bars.add_task("weights", total=None)
        chosen = embedder(
            network, weights, input_size, lambda done, total: bars.update(load, completed=done, total=total)
        )
        bars.remove_task(load)
        for note in chosen.notes:
            print(f"opsin: {note}", file=sys.stderr)
        images = bars.add_task("images", total=len(source))
        found = run(
            source,
            chosen,
            batch_size=batch_size,
            device=where,
            skip_bad=skip_bad,
            progress=lambda done, total: bars.update(images, completed=done),
            backend=backend,
            threads=threads,
            say=lambda line: print(f"opsin: {line}", file=sys.stderr),
        )
    for line in found.bad:
        print(f"opsin: left out: {printable(line)}", file=sys.stderr)
    found.write(out, force)
    n, width = found.values.shape
    print(f"{out}: {n:,} embeddings of {width:,} numbers, {chosen}")
