"""`opsin list`: the networks of the zoo, as a picture of their history or one by one."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Literal

import typer

from opsin.errors import OpsinError, unknown

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from opsin.cards import Card

TASKS = ("classify", "segment", "localize")
SCALE = (4.0, 11.5)  # the drawn scale of MACs, powers of ten
WIDE = 108  # columns from which it is drawn


def list_models(
    pattern: str = typer.Argument(None, help="A shell pattern, such as 'resnet*': a row a network."),
    every: bool = typer.Option(False, "--all", help="A row a network, for all of them."),
    year: str = typer.Option(None, "--year", help="Published then: 2012, 2012-2016, 2012- or -2000."),
    max_macs: str = typer.Option(None, "--max-macs", help="At most so many MACs for one image, such as 1G or 300M."),
    max_params: str = typer.Option(None, "--max-params", help="At most so many parameters, such as 25M."),
    min_size: int = typer.Option(
        None, "--min-size", min=1, help="Can be built for images of so many px a side; others need them enlarged."
    ),
    weights: bool = typer.Option(False, "--weights", help="Only networks with public weights."),
    task: str = typer.Option(None, "--task", help=f"{TASKS[0]}, {TASKS[1]} or {TASKS[2]}."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON, with all fields."),
) -> None:
    """List the networks by year: parameters, MACs, printed errors, public weights.

    A row is a family, with the range of its networks; with a pattern, --all or a filter other than --year it is a
    network. `opsin show NAME` has the whole card, `opsin history` the same as a page.
    """
    tests = [
        *([in_years(year)] if year is not None else []),
        *([at_most("--max-macs", max_macs, "macs")] if max_macs is not None else []),
        *([at_most("--max-params", max_params, "params")] if max_params is not None else []),
        *([lambda card: card.inputs.admits(min_size)] if min_size else []),
        *([lambda card: bool(public(card.name))] if weights else []),
        *([of_task(task)] if task is not None else []),
    ]
    from rich.console import Console

    from opsin import zoo
    from opsin.weights.catalogue import public

    named = [zoo.card(name) for name in zoo.list_models(pattern or "*")]
    if not named:
        raise OpsinError(f"no network matches {pattern!r}: `opsin list --all` shows them all")
    cards = [card for card in named if all(test(card) for test in tests)]
    if not cards:
        raise OpsinError("no network passes all of these filters: leave one out")
    if as_json:
        print(json.dumps([as_dict(card) for card in cards]))
    elif pattern or every or len(tests) > bool(year):
        print_networks(Console(highlight=False), cards)
    else:
        print_families(Console(highlight=False), cards)


def in_years(text: str) -> Callable[["Card"], bool]:
    found = re.fullmatch(r"(\d{4})?(-)?(\d{4})?", text)
    if not found or not (found[1] or found[3]) or (found[1] and found[3] and int(found[1]) > int(found[3])):
        raise OpsinError(f"--year {text}: write 2012, 2012-2016, 2012- or -2000")
    first = int(found[1] or 0)
    last = int(found[3] or 9999) if found[2] else first
    return lambda card: first <= card.year <= last


def at_most(option: str, text: str, field: str) -> Callable[["Card"], bool]:
    found = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)\s*([kMGB]?)", text.strip(), re.IGNORECASE)
    if not found:
        raise OpsinError(f"{option} {text}: write a number such as 300M, 1.5G or 60000")
    limit = float(found[1]) * {"": 1, "K": 1e3, "M": 1e6, "G": 1e9, "B": 1e9}[found[2].upper()]
    return lambda card: getattr(card, field) <= limit


def of_task(task: str) -> Callable[["Card"], bool]:
    if task not in TASKS:
        raise unknown("task", task, TASKS)
    return lambda card: card.task == task


def as_dict(card: "Card") -> dict:
    from opsin.weights.catalogue import public

    keys = ("name", "family", "year", "task", "params", "macs", "aux_params", "num_classes")
    return {key: getattr(card, key) for key in keys} | {
        "input": card.inputs.size,
        "inputs": asdict(card.inputs) | {"takes": str(card.inputs)},
        "published": [asdict(row) for row in card.published],
        "weights": [
            {key: getattr(row, key) for key in ("name", "source", "tag", "licence")} for row in public(card.name)
        ],
    }


def error_of(card: "Card") -> tuple[float, str] | None:
    """A card's printed top-1 error and its mark: "" on one crop of ImageNet, "*" otherwise, "†" on other images."""
    from opsin.protocols import imagenet_error

    if found := imagenet_error(card):
        row, one_crop = found
        return row.top1_err or 0.0, "" if one_crop else "*"
    errors = [row.top1_err for row in card.published if row.top1_err is not None]
    return (errors[0], "†") if errors and card.task == "classify" else None


def errors_told(cards: Iterable["Card"]) -> str:
    """The least and the most error of the best protocol that any of the cards has, with its mark: "18.7–25.0"."""
    found = [error for card in cards if (error := error_of(card))]
    for mark in ("", "*", "†"):
        values = [value for value, own in found if own == mark]
        if values:
            return span(min(values), max(values), lambda x: f"{x:.1f}" if x >= 1 else f"{x:.2f}") + mark
    return ""


def span(low: float, high: float, show: Callable[[float], str]) -> str:
    """ "0.27–60.2 M": a unit that both share stands once."""
    first, last = show(low), show(high)
    if first == last:
        return first
    unit = last.partition("\u00a0")[2]
    return f"{first.removesuffix(chr(0xA0) + unit) if unit else first}–{last}"


def sources(cards: Sequence["Card"]) -> str:
    from opsin.weights.catalogue import public

    short: dict[str, str] = {"torchvision": "tv"}
    found: set[str] = {row.source for card in cards for row in public(card.name)}
    return " ".join(short.get(source) or source for source in sorted(found, key=len, reverse=True))


def print_families(console: "Console", cards: list["Card"]) -> None:
    from opsin.report.words import count

    wide = console.width >= WIDE
    table = heads(("year", "right"), ("family", "left"), ("nets", "right"), ("parameters", "right"), ("MACs", "right"))
    if wide:
        table.add_column("MACs, 10 k to 300 G", no_wrap=True)
    tail(table)
    groups: dict[str, list[Card]] = {}
    for card in cards:
        groups.setdefault(card.family, []).append(card)
    before = None
    for family, own in groups.items():
        year = own[0].year
        if before is not None and year - before > 2:
            table.add_row("⋮", f"{year - before} years", style="dim")
        shown = [card for card in own if not card.name.endswith("_32")] or own
        params, macs = [card.params for card in shown], [card.macs for card in shown]
        cells = [str(year) if year != before else "", family, str(len(own))]
        cells += [span(min(params), max(params), count), span(min(macs), max(macs), count)]
        if wide:
            cells.append(drawn(min(macs), max(macs)))
        table.add_row(*cells, *ends(shown))
        before = year
    console.print(table)
    explain(console, "Ranges leave out NAME_32, our own networks for small images.")


def print_networks(console: "Console", cards: list["Card"]) -> None:
    from opsin.report.words import count

    table = heads(("year", "right"), ("network", "left"), ("px", "right"), ("parameters", "right"), ("MACs", "right"))
    tail(table)
    before = None
    for card in cards:
        year = str(card.year) if card.year != before else ""
        table.add_row(year, card.name, str(card.inputs.size), count(card.params), count(card.macs), *ends([card]))
        before = card.year
    console.print(table)
    explain(console)


def heads(*columns: tuple[str, Literal["left", "right"]]) -> "Table":
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title, side in columns:
        table.add_column(title, justify=side, no_wrap=True)
    return table


def tail(table: "Table") -> None:
    table.add_column("error %", justify="right", no_wrap=True)
    table.add_column("weights", no_wrap=True)


def ends(cards: Sequence["Card"]) -> tuple["Text", str]:
    """The last two cells of a row: error, dimmed where it is not of one crop of ImageNet, and public weights."""
    from rich.text import Text

    error = errors_told(cards)
    marked = error.endswith(("*", "†"))
    return Text(error if marked else f"{error} ", "dim" if marked else ""), sources(cards)


def drawn(low: float, high: float, columns: int = 30) -> str:
    """The range as a stroke on a logarithmic scale."""
    from math import log10

    first, last = (round((log10(x) - SCALE[0]) / (SCALE[1] - SCALE[0]) * (columns - 1)) for x in (low, high))
    line = "·" * columns
    return line[:first] + "━" * (last - first) + "●" + line[last + 1 :]


def explain(console: "Console", first: str = "") -> None:
    from rich.text import Text

    told = (
        "Error: printed top-1, of one network on one crop of ImageNet; * several crops, sizes or more training "
        "images; † other images (digits, traffic signs, CIFAR). Weights: tv is torchvision."
    )
    console.print(Text(f"\n{first} {told}".replace("\n ", "\n"), "dim"))
