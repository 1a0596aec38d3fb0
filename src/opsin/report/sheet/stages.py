"""What the drawing tells of a network, read off the rows of its sheet: stages, and how each block is wired."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from math import prod

from opsin.costs.blocks import Block, map_of
from opsin.costs.layers import Layer

Map = tuple[int, int, int]


def chw(shape: tuple[int, ...]) -> Map | None:
    """A map's channels, height and width, whichever way round it lies ([C, H, W] or [H, W, C]); None for others."""
    if len(shape) != 3:
        return None
    first, second, third = shape
    return (third, first, second) if first == second != third else (first, second, third)


def tokens(shape: tuple[int, ...]) -> tuple[int, int] | None:
    """How many tokens, and how long each is, of [L, D]; None for others."""
    return (shape[0], shape[1]) if len(shape) == 2 else None


@dataclass(frozen=True)
class Wiring:
    """How a block is wired inside.

    `adds` counts its shortcuts that are added, with `projected` where weights lie on the last; `branches` are the
    channels of parallel paths that are concatenated; `dense` counts concatenations with what came in.
    """

    adds: int = 0
    projected: bool = False
    branches: tuple[int, ...] = ()
    dense: int = 0


def wirings(blocks: Sequence[Block]) -> list[Wiring]:
    """Told by the operations that modules do between the calls of their parts, and by the names of these."""
    found = [wiring(block) for block in blocks]
    growing = {block.kind for block, wired in zip(blocks, found, strict=True) if wired.dense}
    return [
        replace(wired, branches=(), dense=wired.dense or 1) if block.kind in growing else wired
        for block, wired in zip(blocks, found, strict=True)
    ]


def wiring(block: Block) -> Wiring:
    adds = dense = 0
    branches: tuple[int, ...] = ()
    for at, row in enumerate(block.layers):
        does = () if row.executed else row.kind.split(", ")
        if "cat" in does and row.name:
            found = parallel(block.layers[:at], row)
            branches = branches or found
            dense += not found
        elif "add" in does and "cat" not in does:
            reads_one_map = row.data_bytes <= 2 * len(does) * 4 * prod(row.output_shape)
            adds += not reads_one_map
    return Wiring(adds, any("shortcut" in row.name.split(".") for row in block.layers), branches, dense)


def parallel(before: Sequence[Layer], joined: Layer) -> tuple[int, ...]:
    """Channels of the paths that `joined` concatenates; none where what came into the module is among them."""
    wanted = chw(joined.output_shape)
    if wanted is None:
        return ()
    inner = joined.name + "."
    for depth in (1, 2):
        ends: dict[tuple[str, ...], int] = {}
        for row in before:
            if row.name.startswith(inner) and (shape := chw(row.output_shape)):
                ends[tuple(row.name[len(inner) :].split(".")[:depth])] = shape[0]
        widths = list(ends.values())
        for start in range(len(widths) - 1):
            if sum(widths[start:]) == wanted[0]:
                return tuple(widths[start:])
    return ()


@dataclass(frozen=True)
class Stage:
    """Blocks in a row whose maps have one size: the `first` to the one before `last`; `grid` is (H, W), or None.

    `count` is more than their number where a row of blocks that are all alike stands as one.
    """

    first: int
    last: int
    count: int
    grid: tuple[int, int] | None
    end: Layer
    params: int
    macs: int

    @property
    def title(self) -> str:
        """ "56×56"; "vectors" where no positions are left."""
        if self.grid:
            return f"{self.grid[0]}×{self.grid[1]}"
        found = tokens(self.end.output_shape)
        return f"{found[0]} tokens" if found else "vectors"


def grid_of(shape: tuple[int, ...]) -> tuple[int, int] | None:
    """(H, W) of a map of more than one position; tokens lie on none."""
    found = chw(shape)
    return found[1:] if found and found[1:] != (1, 1) else None


def stages(blocks: Sequence[Block]) -> list[Stage]:
    found = []
    first = 0
    for (grid, _), group in groupby(blocks, key=lambda block: (grid_of(map_of(block)), len(map_of(block)) == 2)):
        rows = list(group)
        end = rows[-1].end or rows[-1].layers[-1]
        sums = sum(row.params for row in rows), sum(row.macs for row in rows)
        found.append(Stage(first, first + len(rows), sum(row.times for row in rows), grid, end, *sums))
        first += len(rows)
    return found
