"""The drawing of a network, in px: its blocks as boxes as high as their maps, and under each what it costs.

A box is as high as its maps have rows and as wide as they are many, both by the root; a vector is a bar, as long as it
has numbers. Blocks have slots of one width, so that bars stand under what they tell of.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from opsin.costs.blocks import Block, map_of
from opsin.costs.sheet import CostSheet
from opsin.report import words
from opsin.report.sheet.eye import Eye
from opsin.report.sheet.stages import Stage, Wiring, chw, tokens, wirings
from opsin.words import compact

WIDTH, HEIGHT = 1200, 518
LEFT = 292.0  # where the slots begin; the picture is left of it
MIDDLE = 107.0  # the line through all boxes
TALLEST = 164.0
LABELS, ROWS, ROW = 222.0, 250.0, 66.0
DEEP = 0.3  # of a box's height: how far its far side stands off to the right, and half as far up


@dataclass(frozen=True)
class Row:
    """Bars: what they tell, their sum in words, and a value for each block."""

    title: str
    total: str
    values: list[float]
    texts: list[str]


def steps_of(stages: Sequence[Stage]) -> list[int]:
    """A colour for each stage, of those that the style sheet has for the years."""
    return [round(1 + 8 * k / max(1, len(stages) - 1)) for k in range(len(stages))]


def rows_of(sheet: CostSheet, blocks: Sequence[Block]) -> list[Row]:
    told: tuple[tuple[str, str, Callable[[Block], float], float], ...] = (
        ("Operations", "MACs", lambda block: block.macs, sheet.macs),
        ("Parameters", "", lambda block: block.params, sheet.params),
        ("Activations", "values", lambda block: block.activations, sheet.activations),
    )
    return [
        Row(title, f"{compact(total)} {unit}".strip(), [value(b) for b in blocks], [compact(value(b)) for b in blocks])
        for title, unit, value, total in told
    ]


def wide(sheet: CostSheet, blocks: Sequence[Block], stages: Sequence[Stage], eye: Eye) -> dict[str, Any]:
    """What the template draws for a wide page."""
    slot = (WIDTH - LEFT) / len(blocks)
    steps = steps_of(stages)
    stage_of = [k for k, stage in enumerate(stages) for _ in range(stage.first, stage.last)]
    boxes = [
        box(block, wired, blocks, LEFT + k * slot, slot) | {"step": steps[stage_of[k]]}
        for k, (block, wired) in enumerate(zip(blocks, wirings(blocks), strict=True))
    ]
    rows = rows_of(sheet, blocks)
    bars = [bar_row(row, ROWS + k * ROW, slot, [box["step"] for box in boxes]) for k, row in enumerate(rows)]
    seen = eye_row(eye, ROWS + len(rows) * ROW, slot, [box["step"] for box in boxes])
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "left": LEFT,
        "middle": MIDDLE,
        "boxes": boxes,
        "labels": labels(blocks, slot),
        "borders": [LEFT + stage.first * slot for stage in stages[1:]],
        "bars": [*bars, *([seen] if seen else [])],
        "top": LABELS - 20,
    }


def box(block: Block, wired: Wiring, blocks: Sequence[Block], left: float, slot: float) -> dict[str, Any]:
    """A block's front, its far edge, its shortcut and its branches."""
    shape = map_of(block)
    largest = max([1.0, *(found[1] for b in blocks if (found := extent(b)))])
    most = max([1, *(found[0] for b in blocks if (found := extent(b)))])
    longest = max([1, *(map_of(b)[0] for b in blocks if extent(b) is None)])
    found = extent(block)
    if found:
        high = max(5.0, TALLEST * math.sqrt(found[1] / largest))
        across = max(3.0, min(0.42 * slot, 56.0) * math.sqrt(found[0] / most))
        deep = min(DEEP * high, 0.42 * slot, 36.0)
    else:
        high, across, deep = max(5.0, 0.6 * TALLEST * math.sqrt(shape[0] / longest)), 7.0, 0.0
    centre = left + slot / 2
    x, y = centre - (across + deep) / 2, MIDDLE - high / 2 + deep / 4
    top = y - deep / 2
    return {
        "left": left,
        "slot": slot,
        "x": x,
        "y": y,
        "width": across,
        "height": high,
        "deep": deep,
        "rise": deep / 2,
        "vector": found is None,
        "times": block.times,
        "times_x": centre,
        "times_y": top - (16 if wired.adds or wired.dense else 6),
        "hop": hop(left, slot, top - 9) if wired.adds else None,
        "projected": wired.projected,
        "dense": [hop(left + 0.12 * slot * k, slot * (1 - 0.12 * k) - 4 * k, top - 19 + 5 * k) for k in range(3)]
        if wired.dense
        else [],
        "branches": branches(wired.branches, left, slot, x, high),
        "tip": tip(block),
    }


def extent(block: Block) -> tuple[int, float] | None:
    """A block's channels, and the side of its maps; of tokens, that of the square that they would make."""
    shape = map_of(block)
    if found := chw(shape):
        return found[0], math.sqrt(found[1] * found[2])
    if found := tokens(shape):
        return found[1], math.sqrt(found[0])
    return None


def hop(left: float, slot: float, top: float) -> str:
    """A shortcut's path: off the line before the block, over it, and back on the line behind it."""
    a, b, r = left + 2.5, left + slot - 2.5, 5.0
    top = min(top, MIDDLE - 2 * r)
    return (
        f"M{a:.1f},{MIDDLE:.1f}V{top + r:.1f}Q{a:.1f},{top:.1f} {a + r:.1f},{top:.1f}"
        f"H{b - r:.1f}Q{b:.1f},{top:.1f} {b:.1f},{top + r:.1f}V{MIDDLE:.1f}"
    )


def branches(widths: Sequence[int], left: float, slot: float, x: float, high: float) -> dict[str, Any] | None:
    """Parallel paths before a box, one above the other: where they part, a small box each, and where they meet."""
    room = x - left
    if not widths or room < 9:
        return None
    apart = min(max(high, 34.0), 80.0) / len(widths)
    at = [MIDDLE + (k - (len(widths) - 1) / 2) * apart for k in range(len(widths))]
    return {
        "from": left + 1,
        "to": x,
        "x": left + 0.4 * room,
        "width": max(3.0, 0.3 * room),
        "height": min(9.0, 0.6 * apart),
        "at": at,
    }


def tip(block: Block) -> str:
    """What a pointer is told of a block."""
    times = f"{block.times} × " if block.times > 1 else ""
    shape = " × ".join(map(str, map_of(block)))
    return (
        f"{block.name}: {times}{block.kind}, {shape}; {words.count(block.macs)} MACs, "
        f"{words.count(block.params)} parameters"
    )


def labels(blocks: Sequence[Block], slot: float) -> list[dict[str, Any]]:
    """Under each run of blocks of one shape: the size of its maps, how many they are, and its name."""
    runs: list[list[int]] = []
    for k, block in enumerate(blocks):
        if runs and map_of(blocks[runs[-1][0]]) == map_of(block):
            runs[-1].append(k)
        else:
            runs.append([k])
    return [
        {
            "x": LEFT + (run[0] + len(run) / 2) * slot,
            "from": LEFT + run[0] * slot + 3,
            "to": LEFT + (run[-1] + 1) * slot - 3,
            "lines": shape_lines(map_of(blocks[run[0]])),
            "name": named([blocks[k].name for k in run], len(run) * slot),
            "y": LABELS,
        }
        for run in runs
    ]


def shape_lines(shape: tuple[int, ...]) -> tuple[str, str]:
    if found := chw(shape):
        return f"{found[1]}×{found[2]}", f"{found[0]:,} {'map' if found[0] == 1 else 'maps'}"
    if found := tokens(shape):
        return f"{found[0]:,} tokens", f"of {found[1]:,}"
    return f"{math.prod(shape):,}", "values"


def named(names: Sequence[str], room: float) -> str:
    """One name for several blocks, in `room` px: what they have in common, "stages.1"; else the first and the last."""
    parts = [name.split(".") for name in names]
    common = [each[0] for each in zip(*parts, strict=False) if len(set(each)) == 1]
    whole = names[0] if len(names) == 1 else ".".join(common) or f"{names[0]}–{names[-1]}"
    return fitted(whole if len(whole) <= letters(room) or len(names) == 1 else f"{names[0]}–", room)


def letters(room: float) -> int:
    return max(3, int((room - 6) / 6.1))


def fitted(name: str, room: float) -> str:
    """A name cut off at its head to what fits into `room` px, between its parts where these tell enough."""
    most = letters(room)
    if len(name) <= most:
        return name
    last = name.rpartition(".")[2]
    return f"…{last}" if 2 < len(last) < most else "…" + name[1 - most :].lstrip(".")


def bar_row(row: Row, top: float, slot: float, steps: Sequence[int]) -> dict[str, Any]:
    """Bars on a line; a number stands on a bar where it is another than the one before."""
    most = max(row.values) or 1.0
    high = ROW - 27
    bars = []
    for k, (value, text, step) in enumerate(zip(row.values, row.texts, steps, strict=True)):
        height = high * value / most
        fresh = k == 0 or row.texts[k - 1] != text
        bars.append(
            {
                "x": LEFT + k * slot + (slot - min(0.66 * slot, 64.0)) / 2,
                "middle": LEFT + (k + 0.5) * slot,
                "width": min(0.66 * slot, 64.0),
                "y": top + ROW - 6 - height,
                "height": max(height, 0.75),
                "text": text if fresh and value else "",
                "step": step,
            }
        )
    return {"title": row.title, "total": row.total, "y": top + ROW - 6, "bars": bars, "line": None}


def eye_row(eye: Eye, top: float, slot: float, steps: Sequence[int]) -> dict[str, Any] | None:
    """Receptive fields as bars, with the image's side as a line; what sees all of it has a bar up to the line."""
    if not eye.sides:
        return None
    values = [float(eye.image if side is None else side) for side in eye.sides]
    texts = ["all" if side is None else f"{side}" for side in eye.sides]
    row = bar_row(Row("Sees", f"px; image: {eye.image}", values, texts), top, slot, steps)
    most = max(values)
    row["line"] = top + ROW - 6 - (ROW - 27) * eye.image / most if most > eye.image else None
    return row


NARROW, LINE, TOP = 358, 46.0, 216.0
_BARS, _LONGEST = 246.0, 76.0  # where the bars begin, and how long they may be


def narrow(sheet: CostSheet, blocks: Sequence[Block], stages: Sequence[Stage]) -> dict[str, Any]:
    """What the template draws for a phone: a line for each block, from the image downwards."""
    steps = [step for stage, step in zip(stages, steps_of(stages), strict=True) for _ in range(stage.first, stage.last)]
    rows = rows_of(sheet, blocks)
    largest = max([1.0, *(found[1] for b in blocks if (found := extent(b)))])
    most = max([1, *(found[0] for b in blocks if (found := extent(b)))])
    lines = []
    for k, (block, wired) in enumerate(zip(blocks, wirings(blocks), strict=True)):
        found, y = extent(block), TOP + (k + 0.5) * LINE
        across = max(4.0, 84.0 * math.sqrt(found[1] / largest)) if found else 40.0
        high = max(3.0, 26.0 * math.sqrt(found[0] / most)) if found else 4.0
        lines.append(
            {
                "y": y,
                "x": 50.0 - across / 2,
                "width": across,
                "height": high,
                "step": steps[k],
                "vector": found is None,
                "joined": bool(wired.adds or wired.dense),
                "projected": wired.projected,
                "branches": len(wired.branches),
                "name": fitted(block.name, 150),
                "times": f" × {block.times}" if block.times > 1 else "",
                "shape": " ".join(shape_lines(map_of(block))),
                "bars": [
                    {
                        "y": y - 13 + 10 * j,
                        "width": _LONGEST * row.values[k] / (max(row.values) or 1),
                        "text": row.texts[k],
                    }
                    for j, row in enumerate(rows)
                ],
            }
        )
    return {
        "width": NARROW,
        "height": TOP + len(blocks) * LINE + 8,
        "top": TOP,
        "line": LINE,
        "bars": _BARS,
        "titles": [row.title for row in rows],
        "lines": lines,
    }
