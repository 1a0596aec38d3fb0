"""What a unit sees of the image: a square for each stage, drawn over a picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from opsin.costs.blocks import Block
from opsin.costs.sheet import Layer
from opsin.report.sheet.stages import Stage

SIDE = 224.0  # of the drawing, px
BEYOND = 2.5  # what lies further out than so many images is not drawn


@dataclass(frozen=True)
class Eye:
    """Receptive fields, in px of an image of `image` px: `sides` of each block, `stages` of each stage.

    None stands for the whole image; both are empty where receptive fields are not known.
    """

    image: int
    sides: tuple[int | None, ...]
    stages: tuple[int | None, ...]


def eye_of(image: int, blocks: Sequence[Block], stages: Sequence[Stage]) -> Eye:
    rows = [block.end or block.layers[-1] for block in blocks]
    if any(row.receptive_field is None for row in rows):
        return Eye(image, (), ())
    return Eye(image, tuple(map(side, rows)), tuple(side(stage.end) for stage in stages))


def side(row: Layer) -> int | None:
    """The longer side of a receptive field; None for the whole image."""
    field = row.receptive_field
    if row.whole_image or field is None:
        return None
    return max(field) if isinstance(field, tuple) else field


def picture(eye: Eye, stages: Sequence[Stage], steps: Sequence[int]) -> dict[str, Any]:
    """The image's place in the drawing, a square for each stage that fits about it, and a line of the key for each."""
    known = [seen for seen in eye.stages if seen is not None]
    reach = max([eye.image, *(seen for seen in known if seen <= BEYOND * eye.image)])
    px = SIDE / reach
    squares, last = [], 0.0
    for seen, step in zip(eye.stages, steps, strict=False):
        if seen is None or seen > reach:
            continue
        half = px * seen / 2
        squares.append({"half": half, "step": step, "text": f"{seen}" if half - last >= 11 else ""})
        last = half
    key = []
    for stage, seen, step in zip(stages, eye.stages, steps, strict=False):
        told = "whole image" if seen is None else f"{seen:,} px"
        key.append({"step": step, "name": stage.title, "seen": told})
    return {"side": SIDE, "image": px * eye.image, "squares": squares[::-1], "key": key}
