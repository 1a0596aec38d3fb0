"""A network's blocks in order, each with its output's shape, parameters and MACs: the layers of its cost sheet, folded.

A block is a module on one level of the tree of modules, as deep a level as leaves at most 24 of them. A module that
computes something itself between the calls of its parts (an addition, a concatenation) is never cut in pieces, nor are
others of its class. What has no products (activations, normalisation, pooling) belongs to the block before it. In very
deep networks a row of blocks that are all alike stands as one.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from torch import nn

from opsin import zoo
from opsin.costs.layers import Layer, layers_of, prefixes
from opsin.costs.sheet import CostSheet, cost
from opsin.costs.trace import trace

AT_MOST = 24


@dataclass(frozen=True)
class Block:
    """`name` is the module's in the network, `kind` its class; `shape` that of its output for one image, [C, H, W].

    `times` blocks in a row are alike; `params` and `macs` are those of all of them, `layers` their rows of the sheet.
    `end` is the row of the block's own output, before what is pooled behind it.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    params: int
    macs: int
    times: int = 1
    layers: tuple[Layer, ...] = ()
    end: Layer | None = None

    @property
    def activations(self) -> int:
        """Values that convolutions and linear layers put out."""
        return sum(layer.activations for layer in self.layers)

    @property
    def data_bytes(self) -> int:
        """Bytes of images and maps read and written for one image."""
        return sum(layer.data_bytes for layer in self.layers)

    @property
    def weight_bytes(self) -> int:
        return sum(layer.weight_bytes for layer in self.layers)


def blocks(layers: Sequence[Layer], net: nn.Module) -> list[Block]:
    """The blocks of a network from the rows of its cost sheet; `net` tells their classes; sums are the sheet's."""
    found = [folded(layers, names, net) for names in cuts(layers, net)] or [folded(layers, set(), net)]
    found = [rows if len(rows) <= AT_MOST else in_runs(rows) for rows in found]
    fitting = [rows for rows in found if len(rows) <= AT_MOST]
    return max(fitting, key=len) if fitting else min(found, key=len)


def cuts(layers: Sequence[Layer], net: nn.Module) -> Iterator[set[str]]:
    """The levels of the tree of what was called, with nn.Sequential as a level and without."""
    modules = dict(net.named_modules())
    computing = {type(modules[row.name]) for row in layers if row.name and has_parts(modules[row.name])}
    whole = {name for name, module in modules.items() if name and type(module) in computing}
    reached = {row.name: prefixes(row.name) for row in layers if row.name}
    for name, above in reached.items():
        end = next((k for k, p in enumerate(above) if p in whole), len(above))
        reached[name] = [p for p in above[: end + 1] if not isinstance(modules[p], nn.ModuleList | nn.ModuleDict)]
    without = {
        name: [p for p in above if not isinstance(modules[p], nn.Sequential)] or above[-1:]
        for name, above in reached.items()
    }
    for levels in (reached, without):
        for level in range(max(map(len, levels.values()), default=0)):
            yield {above[min(level, len(above) - 1)] for above in levels.values()}


def has_parts(module: nn.Module) -> bool:
    return any(True for _ in module.children())


def folded(layers: Sequence[Layer], names: set[str], net: nn.Module) -> list[Block]:
    """The blocks that the modules of `names` make, none of which lies in another, in the order of their ends."""

    def owner(row: Layer) -> str:
        return next((p for p in prefixes(row.name) if p in names), "")

    working = {owner(row) for row in layers if row.executed} or {""}
    here = next((owner(row) for row in layers if owner(row) in working), "")
    parts: dict[str, list[Layer]] = {}
    ends: dict[str, Layer] = {}
    for row in layers:
        if (own := owner(row)) in working:
            here, ends[own] = own, row
            parts[own] = parts.pop(own, [])  # to the end
        parts.setdefault(here, []).append(row)
    return [
        Block(
            name=name,
            kind=kind_of(net.get_submodule(name)),
            shape=rows[-1].output_shape,
            params=sum(row.params for row in rows),
            macs=sum(row.macs for row in rows),
            layers=tuple(rows),
            end=ends.get(name, rows[-1]),
        )
        for name, rows in parts.items()
    ]


def kind_of(module: nn.Module) -> str:
    """A module's class; of a sequence, those of its parts with parameters: "3 Bottleneck"."""
    if not isinstance(module, nn.Sequential):
        return type(module).__name__
    parts = Counter(kind_of(part) for part in module if any(True for _ in part.parameters()))
    return ", ".join(f"{n} {kind}" if n > 1 else kind for kind, n in parts.items())


def in_runs(rows: list[Block]) -> list[Block]:
    """Blocks in a row that are all alike, as one block."""
    found: list[Block] = []
    for row in rows:
        last = found[-1] if found else None
        if last and (last.kind, map_of(last), last.params, last.macs) == (
            row.kind,
            map_of(row),
            row.params * last.times,
            row.macs * last.times,
        ):
            found[-1] = replace(
                last,
                shape=row.shape,
                params=last.params + row.params,
                macs=last.macs + row.macs,
                times=last.times + 1,
                layers=last.layers + row.layers,
                end=row.end,
            )
        else:
            found.append(row)
    return found


def map_of(block: Block) -> tuple[int, ...]:
    """The shape of the block's own output, before what is pooled behind it."""
    return block.end.output_shape if block.end else block.shape


def blocks_of(name: str) -> list[Block]:
    """The blocks of a network of the zoo at its paper's input size, without receptive fields."""
    inputs = zoo.card(name).inputs
    net = zoo.meta_model(name)
    return blocks(layers_of(trace(net, inputs.channels, inputs.size), sight=False), net)


def sheet_of(name: str, input_size: int | None = None, batch: int = 1) -> tuple[CostSheet, list[Block]]:
    """The cost sheet of a network of the zoo, and its blocks. Raises OpsinError for a size that it does not take."""
    inputs = zoo.card(name).inputs
    size = inputs.size if input_size is None else input_size
    inputs.check(name, size)
    net = zoo.meta_model(name, input_size=size)
    sheet = replace(cost(net, (inputs.channels, size, size), batch), name=name)
    return sheet, blocks(sheet.layers, net)
