"""What a check of data finds: how bad it is, in a sentence, with the images that it is about."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from opsin.data.sources import Source

Level = Literal["fault", "warning", "note"]
"""fault: training stops, or its figures would not be true. warning: worth a look. note: good to know."""
LEVELS: tuple[Level, ...] = ("fault", "warning", "note")


@dataclass(frozen=True)
class Item:
    """One case: its images (rows of the readable source), and what is known of it, plain values for JSON."""

    rows: tuple[int, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    """What is found of one kind.

    Attributes:
        kind: a name for machines: "unreadable", "copies-across-parts".
        says: a sentence, with the count.
        mend: what to do about it.
        items: all of them; the worst first where they have an order.
    """

    kind: str
    level: Level
    says: str
    mend: str
    items: tuple[Item, ...] = ()


def named_image(source: Source, row: int) -> dict[str, str]:
    """An image as records name it: id, class and, where there are parts, part."""
    named = {"id": source.ids[row], "class": source.classes[source.labels[row]]}
    return named if source.parts is None else named | {"part": source.parts[row]}


def item_to_dict(source: Source, item: Item) -> dict[str, Any]:
    images = [named_image(source, row) for row in item.rows]
    return {**({"images": images} if images else {}), **item.facts}
