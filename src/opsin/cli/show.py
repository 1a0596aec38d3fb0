"""`opsin show`: one network's card, the figures as printed beside ours."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from opsin.cards import Card
    from opsin.costs.count import Count

OUTPUTS = {"segment": "a class for every pixel", "localize": "a box for every class"}
"""What a network puts out that does not classify images, by its card's task."""


def show(
    name: str = typer.Argument(help="A network, as `opsin list` names it."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Show a network's card: paper, inputs, counts, printed figures, departures."""
    from opsin import zoo
    from opsin.costs.count import count_model

    card = zoo.card(name)
    counted = count_model(name)
    if as_json:
        print(json.dumps(as_dict(card, counted)))
    else:
        print_card(card, counted)


def as_dict(card: "Card", counted: "Count") -> dict:
    from opsin.weights.catalogue import public

    return {
        "name": card.name,
        "family": card.family,
        "year": card.year,
        "paper": asdict(card.paper),
        "inputs": asdict(card.inputs) | {"takes": str(card.inputs)},
        "task": card.task,
        "num_classes": card.num_classes,
        "params": counted.params,
        "aux_params": counted.aux_params,
        "macs": counted.macs,
        "macs_executed": counted.executed,
        "published": [asdict(row) for row in card.published],
        "weights": [
            {"name": row.name, "licence": row.licence, "images": str(row.preprocess), "num_classes": row.num_classes}
            for row in public(card.name)
        ],
        "departures": list(card.departures),
        "note": card.note,
    }


def print_card(card: "Card", counted: "Count") -> None:
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
    facts.add_row("input", f"{card.inputs.channels} x {card.inputs.size} x {card.inputs.size} ({card.inputs})")
    if output := OUTPUTS.get(card.task):
        facts.add_row("output", output)
    facts.add_row("classes", f"{card.num_classes:,}")
    heads = f" (and {counted.aux_params:,} of auxiliary heads, in training alone)" if counted.aux_params else ""
    facts.add_row("parameters", f"{counted.params:,}{heads}")
    facts.add_row("MACs", f"{counted.macs:,}")
    if counted.executed != counted.macs:
        facts.add_row("executed", f"{counted.executed:,} MACs: layers sparse by a table run as dense ones")
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
