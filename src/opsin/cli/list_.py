"""`opsin list`: the networks of the zoo."""

import json

import typer


def list_models(
    pattern: str = typer.Argument("*", help="A shell pattern, such as 'resnet*'."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """List the networks, oldest first: year, name, input, parameters, MACs, printed error.

    `opsin show NAME` and --json have the exact counts.
    """
    from rich.console import Console
    from rich.table import Table

    from opsin import zoo
    from opsin.errors import OpsinError
    from opsin.report.words import count

    cards = [zoo.card(name) for name in zoo.list_models(pattern)]
    if not cards:
        raise OpsinError(f"no network matches {pattern!r}: `opsin list` shows them all")
    if as_json:
        keys = ("name", "family", "year", "task", "params", "macs", "num_classes")
        print(json.dumps([{key: getattr(card, key) for key in keys} | {"input": card.inputs.size} for card in cards]))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("year", justify="right")
    table.add_column("name", no_wrap=True)
    for heading in ("input", "parameters", "MACs", "printed top-1 error"):
        table.add_column(heading, justify="right")
    for card in cards:
        errors = [row.top1_err for row in card.published if row.top1_err is not None]
        error = f"{errors[0]:g} %" if errors else ""
        table.add_row(str(card.year), card.name, f"{card.inputs.size}", count(card.params), count(card.macs), error)
    Console().print(table)
