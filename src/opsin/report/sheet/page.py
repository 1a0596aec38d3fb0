"""The page of one network: drawn, with what each block costs and sees; then the sheet as a table, and the card."""

from collections.abc import Sequence
from pathlib import Path

from opsin import __version__, zoo
from opsin.cards import Card
from opsin.costs.blocks import Block
from opsin.costs.sheet import CostSheet
from opsin.report import html, words
from opsin.report.history import record
from opsin.report.sheet import drawing
from opsin.report.sheet.eye import eye_of, picture
from opsin.report.sheet.stages import stages


def write_sheet(out: Path, card: Card, sheet: CostSheet, blocks: Sequence[Block]) -> Path:
    """Writes the page to `out`, whole or not at all, and returns its path."""
    return html.write(out, render(card, sheet, blocks))


def render(card: Card, sheet: CostSheet, blocks: Sequence[Block]) -> str:
    """The page as text. It has no script."""
    parts = stages(blocks)
    eye = eye_of(max(sheet.input_shape[1:]), blocks, parts)
    steps = drawing.steps_of(parts)
    return html.static(
        "sheet.html",
        ("style.css", "sheet.css"),
        version=__version__,
        title=title_of(card),
        card=card,
        channels=sheet.input_shape[0],
        headline=headline(sheet),
        told="",
        alt="",
        seen=picture(eye, parts, steps),
        seen_title="What one unit sees of the image",
        drawings={"wide": drawing.wide(sheet, blocks, parts, eye)},
    )


def title_of(card: Card) -> str:
    cards = [zoo.card(name) for name in zoo.list_models() if zoo.card(name).family == card.family]
    return record.titles(cards)[card.name]


def headline(sheet: CostSheet) -> list[tuple[str, str]]:
    return [
        ("parameters", words.count(sheet.params)),
        ("MACs an image", words.count(sheet.macs)),
        ("activations", words.count(sheet.activations)),
    ]
