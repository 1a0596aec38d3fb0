"""The page of the zoo, one self-contained file: timeline, the articles' figure, networks side by side, cards."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from opsin import __version__
from opsin.cards import Card
from opsin.costs.blocks import Block
from opsin.report import html
from opsin.report.history import figure, record, stories, timeline
from opsin.report.history.record import Family
from opsin.report.scales import year_steps
from opsin.weights.catalogue import public

DEFAULT = ("vgg16", "resnet50")
COLUMNS = 3


def write_history(out: Path, blocks: Mapping[str, Sequence[Block]]) -> Path:
    """Writes the page with `blocks` (of `record.all_blocks`) to `out`, whole or not at all, and returns its path."""
    return html.write(out, render(blocks))


def render(blocks: Mapping[str, Sequence[Block]]) -> str:
    """The page as text."""
    families, points = record.families(), record.points()
    colours = dict.fromkeys((card.year for family in families for card in family.cards), 0)
    colours |= year_steps(point.year for point in points)  # what is older than the figure has the oldest colour
    specs: dict[str, Any] = {}
    data: dict[str, Any] = {}
    views: dict[str, Any] = {}
    for size, layout in (("wide", figure.WIDE), ("narrow", figure.NARROW)):
        key = f"figure-{size}"
        specs[key], sets = figure.chart(points, colours, layout)
        data.update({f"{key}-{name}": values for name, values in sets.items()})
        views[key] = {"spec": key, "data": {name: f"{key}-{name}" for name in sets}}
    sides = {card.name: side(card, blocks[card.name]) for family in families for card in family.cards}
    return html.render(
        "history.html",
        {"specs": specs, "data": data, "views": views, "networks": sides},
        ("charts.js", "history.js"),
        ("style.css", "history.css"),
        version=__version__,
        families=[
            told(family, silent, colours) for family, silent in zip(families, timeline.silences(families), strict=True)
        ],
        n_networks=sum(len(family.cards) for family in families),
        first=families[0].year,
        last=families[-1].year,
        timeline_title=stories.timeline_title(families),
        timeline_note=stories.timeline_note(families),
        drawings={
            "wide": timeline.drawing(families, colours, 1008, timeline.WIDE),
            "narrow": timeline.drawing(families, colours, 358),
        },
        figure_title=stories.figure_title(points),
        figure_notes=[note for note in (stories.progress(points), stories.waste(points)) if note],
        figure_alt=figure.alt_text(points),
        solid=sum(point.one_crop for point in points),
        hollow=sum(not point.one_crop for point in points),
        points=sorted(points, key=lambda point: -point.top1),
        years=sorted((year, step) for year, step in colours.items() if year in {point.year for point in points}),
        steps=colours,
        lacking=record.lacking(),
        sides=[{"name": name, **sides[name]} for name in DEFAULT],
        columns=COLUMNS,
    )


def side(card: Card, blocks: Sequence[Block]) -> dict[str, Any]:
    """A network as the page sets it beside others."""
    return {
        "family": card.family,
        "year": card.year,
        "size": card.inputs.size,
        "params": card.params,
        "macs": card.macs,
        "rows": [[b.name, b.kind, "×".join(map(str, b.shape)), b.macs, b.params, b.times] for b in blocks],
    }


def told(family: Family, silent: int, colours: Mapping[int, int]) -> dict[str, Any]:
    """What the timeline and the card of a family say."""
    papers = list(dict.fromkeys([family.paper, *(card.paper for card in family.cards)]))
    return {
        "slug": family.slug,
        "name": family.name,
        "year": family.year,
        "step": colours[family.year],
        "brought": typeset(family.brought),
        "silent": silent if silent > 5 else 0,
        "params": stories.span(family.shown, "params"),
        "macs": stories.span(family.shown, "macs"),
        "papers": [(paper, paper.url if paper.url.startswith(("https://", "http://")) else None) for paper in papers],
        "cards": [(card, public(card.name)) for card in family.cards],
        "printed": [(card.name, row) for card in family.cards for row in card.published],
        "departures": shared(family.cards, lambda card: card.departures),
        "notes": shared(family.cards, lambda card: (card.note,) if card.note else ()),
    }


def typeset(text: str) -> str:
    """A sentence with the signs of print: "LeNet's 3x3" -> "LeNet’s 3×3"."""
    return re.sub(r"(?<=[\dn])x(?=[\dn])", "×", text.replace("'", "’"))


def shared(cards: Sequence[Card], lines_of: Callable[[Card], Sequence[str]]) -> list[tuple[str, list[str]]]:
    """Each line that cards have, once, with the names of those that have it; no names where all do."""
    found: dict[str, list[str]] = {}
    for card in cards:
        for line in lines_of(card):
            found.setdefault(line, []).append(card.name)
    return [(line, names if len(names) < len(cards) else []) for line, names in found.items()]
