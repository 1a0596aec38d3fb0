"""`opsin show`: one network's card, the figures as printed beside ours, and what it costs block by block."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from opsin.errors import OpsinError

if TYPE_CHECKING:
    from opsin.cards import Card
    from opsin.costs.sheet import CostSheet

OUTPUTS = {"segment": "a class for every pixel", "localize": "a box for every class"}
"""What a network puts out that does not classify images, by its card's task."""


def show(
    name: str = typer.Argument(help="A network, as `opsin list` names it."),
    layers: bool = typer.Option(False, "--layers", help="Every layer in the table, not blocks."),
    input_size: int | None = typer.Option(None, "--input-size", help="Side of the images, px; the paper's by default."),
    batch: int = typer.Option(1, "--batch", min=1, help="Images of a forward pass, for bytes and memory."),
    html: Path | None = typer.Option(None, "--html", help="Write a page with the network drawn to this file."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON: the card, and the sheet with all layers."),
) -> None:
    """Show a network: its card, and what it costs, block by block.

    Paper, inputs, printed figures, departures; parameters, operations (MACs), what a unit sees of the image
    (receptive field), bytes moved, and the memory that it takes.
    """
    from opsin import zoo

    card = zoo.card(name)
    if html is not None:
        from opsin.report.html import check

        if html.suffix.lower() not in (".html", ".htm"):
            raise OpsinError(f"--html {html}: name a file that ends with .html")
        check(html)
    from opsin.cli import sheet as text
    from opsin.costs.blocks import sheet_of

    sheet, blocks = sheet_of(name, input_size, batch)
    if html is not None:
        from opsin.report.sheet.page import write_sheet

        write_sheet(html, card, sheet, blocks)
    if as_json:
        print(json.dumps(as_dict(card, sheet) | {"sheet": text.as_dict(sheet, blocks)}))
    elif html is not None:
        print(html)
    else:
        print_card(card, sheet)
        text.print_sheet(sheet, blocks, layers)


def as_dict(card: "Card", sheet: "CostSheet") -> dict:
    from opsin.weights.catalogue import public

    return {
        "name": card.name,
        "family": card.family,
        "year": card.year,
        "paper": asdict(card.paper),
        "inputs": asdict(card.inputs) | {"takes": str(card.inputs)},
        "task": card.task,
        "num_classes": card.num_classes,
        "params": sheet.params,
        "aux_params": sheet.aux_params,
        "macs": sheet.macs,
        "macs_executed": sheet.executed,
        "published": [asdict(row) for row in card.published],
        "weights": [
            {"name": row.name, "licence": row.licence, "images": str(row.preprocess), "num_classes": row.num_classes}
            for row in public(card.name)
        ],
        "departures": list(card.departures),
        "note": card.note,
    }


def print_card(card: "Card", sheet: "CostSheet") -> None:
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    from opsin.weights.catalogue import instead, public

    console = Console(highlight=False)
    paper = card.paper
    console.print(Text.assemble((card.name, "bold"), f"  {card.family}, {card.year}"))
    console.print(Text(f"{paper.authors}: {paper.title}. {paper.venue}."))
    console.print(Text(paper.url), soft_wrap=True)
    console.print()
    facts = Table(box=None, show_header=False, pad_edge=False)
    facts.add_row("input", f"{' x '.join(map(str, sheet.input_shape))} ({card.inputs})")
    if output := OUTPUTS.get(card.task):
        facts.add_row("output", output)
    facts.add_row("classes", f"{card.num_classes:,}")
    heads = f" (and {sheet.aux_params:,} of auxiliary heads, in training alone)" if sheet.aux_params else ""
    facts.add_row("parameters", f"{sheet.params:,}{heads}")
    facts.add_row("MACs", f"{sheet.macs:,}")
    if sheet.executed != sheet.macs:
        facts.add_row("executed", f"{sheet.executed:,} MACs: layers sparse by a table run as dense ones")
    console.print(facts)
    if card.published:
        console.print("\n[bold]As printed[/]")
        table = Table(box=None, pad_edge=False, header_style="")
        for heading in ("parameters", "MACs", "top-1", "top-5", "where, and how measured"):
            table.add_column(heading, justify="left" if heading.startswith("where") else "right")
        for row in card.published:
            where = row.place if row.protocol is None else f"{row.place}: {row.protocol}"
            unchecked = "" if row.checked else " (from memory)"
            errors = ("" if error is None else f"{error:g} %" for error in (row.top1_err, row.top5_err))
            table.add_row(row.params or "", row.macs or "", *errors, Text(where + unchecked))
        console.print(table)
    console.print("\n[bold]Public weights[/]")
    weights = public(card.name)
    if not weights:
        console.print(Padding(Text(f"none{instead(card.name)}"), (0, 0, 0, 2)))
    else:
        table = Table(box=None, pad_edge=False, header_style="")
        for heading in ("name", "px", "classes", "licence"):
            table.add_column(heading, justify="right" if heading in ("px", "classes") else "left")
        for row in weights:
            table.add_row(row.name, f"{row.preprocess.size}", f"{row.num_classes:,}", row.licence)
        console.print(table)
    if card.note:
        console.print("\n[bold]Note[/]")
        console.print(Padding(Text(card.note), (0, 0, 0, 2)))
    console.print("\n[bold]Departures from the paper[/]")
    for line in card.departures or ("none",):
        console.print(Padding(Text(line), (0, 0, 0, 2)))
