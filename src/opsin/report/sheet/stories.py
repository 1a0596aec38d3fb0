"""What a sheet tells in sentences: where operations and parameters sit, and what a unit sees."""

from collections.abc import Sequence

from opsin.costs.blocks import Block, map_of
from opsin.costs.sheet import CostSheet
from opsin.report import words
from opsin.report.sheet.eye import Eye
from opsin.report.sheet.stages import Stage, grid_of, tokens


def told(sheet: CostSheet, blocks: Sequence[Block], stages: Sequence[Stage], eye: Eye) -> str:
    return " ".join(filter(None, (costs(sheet, stages), sight(blocks, stages, eye))))


def costs(sheet: CostSheet, stages: Sequence[Stage]) -> str:
    """Where most operations and most parameters are; nothing where all blocks are of one kind."""
    if len(stages) < 2:
        return ""
    busy = max(stages, key=lambda stage: stage.macs)
    large = max(stages, key=lambda stage: stage.params)
    work, size = words.percent(busy.macs / sheet.macs, 0), words.percent(large.params / max(1, sheet.params), 0)
    doing = f"{words.sentence(where(busy))} {verb(busy, 'take')} {work} of the operations"
    if busy is large:
        return f"{doing} and {size} of the parameters."
    return f"{doing}; {where(large)} {verb(large, 'hold')} {size} of the parameters."


def verb(stage: Stage, plural: str) -> str:
    return plural + "s" if stage.count == 1 else plural


def where(stage: Stage) -> str:
    blocks = "the block" if stage.count == 1 else f"the {words.spelled(stage.count)} blocks"
    if stage.grid:
        return f"{blocks} on maps of {stage.title}"
    return f"{blocks} on {stage.title}" if "tokens" in stage.title else f"{blocks} behind the maps"


def sight(blocks: Sequence[Block], stages: Sequence[Stage], eye: Eye) -> str:
    """How far a unit of the last maps sees, or from where on all is seen."""
    if not eye.sides:
        return ""
    whole = next((k for k, side in enumerate(eye.sides) if side is None), None)
    if whole is not None and (grid_of(map_of(blocks[whole])) or tokens(map_of(blocks[whole]))):
        return f"From {blocks[whole].name} on, every unit sees the whole image."
    maps = [k for k, stage in enumerate(stages) if stage.grid]
    if not maps:
        return ""
    stage, seen = stages[maps[-1]], eye.stages[maps[-1]]
    assert seen is not None
    ratio = seen / eye.image
    if ratio > 1.05:
        against = f"{words.times(ratio)} times the side of the image" if ratio >= 1.15 else "more than the image"
    else:
        against = f"{words.percent(ratio, 0)} of the image’s side" if ratio < 0.95 else "as much as the image has"
    return f"A unit of the last maps, {stage.title}, sees {seen:,}{words.GAP}px: {against}."
