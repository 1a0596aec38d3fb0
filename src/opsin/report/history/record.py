"""What the page of the history tells, taken from the cards: families, the figure's points, and what lacks a figure."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from opsin import zoo
from opsin.cards import Card, Paper
from opsin.costs.blocks import Block, blocks_of
from opsin.protocols import imagenet_error
from opsin.report.words import display_names


@dataclass(frozen=True)
class Family:
    """A model file: `slug` is its name, `brought` what its paper brought."""

    slug: str
    name: str
    year: int
    brought: str
    paper: Paper
    cards: tuple[Card, ...]

    @property
    def shown(self) -> tuple[Card, ...]:
        """The cards whose range stands for the family: without our own networks for small images."""
        return tuple(card for card in self.cards if not card.name.endswith("_32")) or self.cards


@dataclass(frozen=True)
class Point:
    """A network in the figure. `top1` is 100 less the printed error, in percent; `size` the side of its images."""

    model: str
    name: str
    family: str
    year: int
    size: int
    macs: int
    params: int
    top1: float
    one_crop: bool
    protocol: str
    place: str


@lru_cache(maxsize=1)
def families() -> tuple[Family, ...]:
    """All families, oldest paper first."""
    return tuple(
        Family(
            slug=module.__name__.rpartition(".")[2],
            name=module.CARDS[0].family,
            year=module.PAPER.year,
            brought=module.BROUGHT,
            paper=module.PAPER,
            cards=module.CARDS,
        )
        for module in zoo.FAMILIES
    )


def points() -> list[Point]:
    """Every network with a printed top-1 error on ImageNet, in the order of the zoo."""
    cards = [card for family in families() for card in family.cards]
    found = [(card, row) for card in cards if (row := imagenet_error(card))]
    names = titles([card for card, _ in found])
    return [
        Point(
            card.name,
            names[card.name],
            card.family,
            card.year,
            card.inputs.size,
            card.macs,
            card.params,
            round(100 - (row.top1_err or 0.0), 3),
            one_crop,
            row.protocol or "",
            row.place,
        )
        for card, (row, one_crop) in found
    ]


def lacking() -> list[tuple[str, list[str]]]:
    """The networks that the figure cannot show, by the reason."""
    drawn = {point.model for point in points()}
    rest = [card for family in families() for card in family.cards if card.name not in drawn]
    reasons: dict[str, list[str]] = {
        "Not in the chart, since no top-1 error on ImageNet is on their cards": [],
        "Made for other images: digits, traffic signs, CIFAR, street scenes": [],
        "Our own networks for images of 32 px": [],
        "Made for other outputs: boxes, a class for every pixel": [],
    }
    large, small, ours, other = reasons.values()
    for card in rest:
        if card.task != "classify":
            other.append(card.name)
        elif card.name.endswith("_32"):
            ours.append(card.name)
        else:
            (large if card.num_classes == 1000 else small).append(card.name)
    return [(reason, names) for reason, names in reasons.items() if names]


_TITLES = (
    (r"se_resnext(\d+)_.*", r"SE-ResNeXt-\1"),
    (r"se_resnet(\d+)", r"SE-ResNet-\1"),
    (r"plain(\d+)", r"Plain-\1"),
    (r"googlenet_bn", r"GoogLeNet with batch norm"),
    (r"mobilenet_v(\d)_(\d)(\d\d)", r"MobileNetV\1 ×\2.\3"),
    (r"squeezenet(\d)_(\d)", r"SqueezeNet \1.\2"),
    (r"squeezenet1_0_(\w+)_bypass", r"SqueezeNet, \1 bypass"),
    (r"vit_(\w+)_patch16_224", r"ViT \1"),
    (r"vit_(\w+)_patch16_384", "ViT \\1 384\u00a0px"),
)


def titles(cards: list[Card]) -> dict[str, str]:
    """What the figure calls each network."""
    names = display_names([(card.name, card.family) for card in cards])
    for card in cards:
        for pattern, title in _TITLES:
            if found := re.fullmatch(pattern, card.name):
                names[card.name] = found.expand(title)
    return names


def all_blocks(step: Callable[[str], None] = lambda name: None) -> dict[str, list[Block]]:
    """The blocks of every network; `step` hears the name of each before it is counted. Takes some twenty seconds."""
    found = {}
    for name in zoo.list_models():
        step(name)
        found[name] = blocks_of(name)
    return found
