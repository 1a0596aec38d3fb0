"""`opsin recipes`: how networks are trained, each era's own way and ours."""

import json
from typing import TYPE_CHECKING

import typer

from opsin.errors import OpsinError

if TYPE_CHECKING:
    from rich.console import Console

    from opsin.engine.recipe import Recipe
    from opsin.recipes import Era

WIDE, NARROW = 108, 76  # columns from which papers are listed, and what the others take


def recipes(
    name: str = typer.Argument(None, help="A recipe, to be shown in full, or a .toml or .json file."),
    model: str = typer.Option(None, "--for", help="The recipe of this network's own paper."),
    as_toml: bool = typer.Option(False, "--toml", help="Print it as TOML, to copy and to change."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON, with all fields."),
) -> None:
    """List the recipes by year, or show one: its numbers, their source, what was chosen and what departs."""
    from opsin.recipes import ERAS, era, recipe

    if name is not None and model is not None:
        raise OpsinError("name a recipe or --for a network, not both")
    if name is None and model is None:
        if as_toml:
            raise OpsinError("--toml prints one recipe: name it, or --for a network")
        if as_json:
            print(json.dumps([as_dict(entry.recipe, entry) for entry in ERAS.values()]))
            return
        from rich.console import Console

        print_all(Console(highlight=False), list(ERAS.values()))
        return
    chosen = era(model) if model is not None else recipe(name)
    entry = ERAS.get(chosen.name) if name is None or name in ERAS else None
    if as_json:
        print(json.dumps(as_dict(chosen, entry)))
        return
    from opsin.engine.settings import to_toml

    if as_toml:
        print(to_toml(chosen), end="")
        return
    from rich.console import Console

    print_one(Console(highlight=False), chosen, entry, model)


def as_dict(recipe: "Recipe", entry: "Era | None") -> dict:
    source = {"year": None} | ({key: value for key, value in vars(entry).items() if key != "recipe"} if entry else {})
    return recipe.to_dict() | {"source": source}


def print_all(console: "Console", entries: list["Era"]) -> None:
    from rich.table import Table
    from rich.text import Text

    wide = console.width >= WIDE
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("year", justify="right", no_wrap=True)
    table.add_column("recipe", no_wrap=True)
    for title in ("epochs", "batch"):
        table.add_column(title, justify="right", no_wrap=True)
    for title in ("optimizer", "rate", "schedule"):
        table.add_column(title, no_wrap=True)
    if wide:
        table.add_column("paper", no_wrap=True, overflow="ellipsis", max_width=console.width - NARROW)
    before = None
    for entry in entries:
        own, year = entry.recipe, "ours" if not entry.images else str(entry.year)
        batch = "auto" if own.batch_size is None else f"{own.batch_size:,}"
        cells = [year if year != before else "", own.name, str(own.epochs), batch, own.optimizer.kind]
        cells += [f"{own.learning_rate:.2g}", own.schedule.kind]
        table.add_row(*cells, *([entry.paper] if wide else []))
        before = year
    console.print(table)
    told = (
        "\nEpochs and batches are the papers', of ImageNet for most; lengths inside a run are shares of it, so that "
        "fewer epochs have the same shape. `opsin recipes NAME` has the source; `--for NETWORK` a network's own."
    )
    console.print(Text(told, "dim"))


def print_one(console: "Console", recipe: "Recipe", entry: "Era | None", model: str | None) -> None:
    from rich.text import Text

    from opsin.parts import told
    from opsin.words import printable

    of = f", for {model}" if model else ""
    console.print(Text(f"{printable(recipe.name)}{of}", "bold"))
    if entry:
        for title, text in (
            ("paper", entry.paper),
            ("printed", entry.printed),
            ("chosen", entry.chosen),
            ("departs", entry.departs),
            ("cost", f"{entry.steps:,} steps on the paper's {entry.images:,} images" if entry.images else ""),
        ):
            if text:
                console.print(indented(console, title, text))
    console.print()
    for key, value in vars(recipe).items():
        if key != "name":
            console.print(indented(console, key, printable(told(value)), 16))


def indented(console: "Console", title: str, text: str, at: int = 9):
    """A title, and text beside it that wraps below itself."""
    from rich.table import Table

    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(width=at - 1, style="dim", no_wrap=True)
    grid.add_column(max_width=max(20, console.width - at), overflow="fold")
    grid.add_row(title, text)
    return grid
