"""A network's blocks in order, each with its output's shape, parameters and MACs: the counts of its layers, folded.

A block is a module on one level of the tree of modules, as deep a level as leaves at most 24 of them; what has no
products (activations, normalisation, pooling) belongs to the block before it. In very deep networks a row of blocks
that are all alike stands as one.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from opsin import zoo
from opsin.costs.count import Count, count

AT_MOST = 24
Calls = list[tuple[str, tuple[int, ...]]]


@dataclass(frozen=True)
class Block:
    """`name` is the module's in the network, `kind` its class; `shape` that of its output for one image, [C, H, W].

    `times` blocks in a row are alike; `params` and `macs` are those of all of them.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    params: int
    macs: int
    times: int = 1


def blocks(net: nn.Module, channels: int, size: int) -> tuple[list[Block], Count]:
    """The blocks of a network that lives on the `meta` device, for one image, and the count of which they are parts.

    Auxiliary heads are left out of both sums.
    """
    calls: Calls = []

    def log(name: str):
        return lambda module, args, out: calls.append((name, shape_of(out)))

    hooks = [module.register_forward_hook(log(name)) for name, module in net.named_modules() if name]
    try:
        counted = count(net, channels, size)
    finally:
        for hook in hooks:
            hook.remove()
    found = [folded(net, calls, counted, names) for names in cuts(net, {name for name, _ in calls})]
    found = [rows if len(rows) <= AT_MOST else in_runs(rows) for rows in found]
    fitting = [rows for rows in found if len(rows) <= AT_MOST]
    return (max(fitting, key=len) if fitting else min(found, key=len)), counted


def shape_of(out: object) -> tuple[int, ...]:
    while isinstance(out, tuple | list):
        out = out[0]
    return tuple(out.shape[1:]) if isinstance(out, Tensor) else ()


def cuts(net: nn.Module, called: set[str]) -> Iterator[set[str]]:
    """The levels of the tree, with nn.Sequential as a level and without; lists of modules are none."""
    modules = dict(net.named_modules())
    above = {name: [p for p in prefixes(name) if p in called and p != name] for name in called}
    inner = {parent for parents in above.values() for parent in parents}
    for levels in (called, {name for name in called if not isinstance(modules[name], nn.Sequential)}):
        level_of = {name: 1 + sum(p in levels for p in above[name]) for name in levels}
        for level in range(1, max(level_of.values()) + 1):
            yield {n for n, own in level_of.items() if own == level or (own < level and n not in inner)}


def prefixes(name: str) -> list[str]:
    """A module's name and those of all it lies in: "a.b" -> ["a", "a.b"]."""
    parts = name.split(".")
    return [".".join(parts[: k + 1]) for k in range(len(parts))]


def folded(net: nn.Module, calls: Calls, counted: Count, names: set[str]) -> list[Block]:
    """The blocks that the modules of `names` make, none of which lies in another, in the order of their ends."""

    def owner(name: str) -> str:
        return next((p for p in prefixes(name) if p in names), "")

    macs, params = Counter[str](), Counter[str]()
    for layer, n in counted.by_layer.items():
        macs[owner(layer)] += n
    for name, parameter in net.named_parameters():
        if parameter.requires_grad and not name.startswith("aux"):
            params[owner(name)] += parameter.numel()
    found: list[Block] = []
    for name, shape in calls:
        if name not in names:
            continue
        block = Block(name, kind_of(net.get_submodule(name)), shape, params.pop(name, 0), macs.pop(name, 0))
        if found and (block.macs == 0 or found[-1].macs == 0):
            last = found.pop()
            block = replace(
                last if last.macs else block,
                shape=shape,
                params=last.params + block.params,
                macs=last.macs + block.macs,
            )
        found.append(block)
    found[0] = replace(found[0], params=found[0].params + params[""], macs=found[0].macs + macs[""])
    return found


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
        if last and (last.kind, last.shape, last.params, last.macs) == (
            row.kind,
            row.shape,
            row.params * last.times,
            row.macs * last.times,
        ):
            found[-1] = replace(last, params=last.params + row.params, macs=last.macs + row.macs, times=last.times + 1)
        else:
            found.append(row)
    return found


def blocks_of(name: str) -> list[Block]:
    """The blocks of a network of the zoo at its paper's input size."""
    inputs = zoo.card(name).inputs
    with torch.device("meta"):
        net = zoo.build_model(name)
    return blocks(net, inputs.channels, inputs.size)[0]
