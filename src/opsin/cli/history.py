"""`opsin history`: the page of the zoo."""

import json
from dataclasses import asdict
from pathlib import Path

import typer

from opsin.errors import OpsinError


def history(
    out: Path = typer.Option("history.html", "--out", help="The file to write."),
    as_json: bool = typer.Option(False, "--json", help="Print the figure's data instead of writing the page."),
) -> None:
    """Write the page of the zoo: timeline, accuracy against cost, networks side by side, every card.

    One file that needs no network; it opens in any browser and prints. All networks are counted anew for it, which
    takes half a minute.
    """
    from opsin.report.history import record

    if as_json:
        points = [asdict(point) for point in record.points()]
        print(json.dumps({"points": points, "lacking": dict(record.lacking())}))
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    from opsin import zoo
    from opsin.report import html
    from opsin.report.history.page import write_history

    if out.suffix.lower() not in (".html", ".htm"):
        raise OpsinError(f"--out {out}: name a file that ends with .html")
    html.check(out)
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("counting"),
        BarColumn(),
        TextColumn("{task.completed:.0f} of {task.total:.0f} {task.description}"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task("", total=len(zoo.list_models()))
        blocks = record.all_blocks(lambda name: bar.update(task, advance=1, description=name))
    print(write_history(out, blocks))
