"""The cost sheet: what a network costs and sees, layer by layer and in total, from one traced forward pass.

Numbers are exact and the same on every machine; what is measured (latency, memory in use) is `opsin bench`'s.
"""

import math
from collections import Counter
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

from opsin import zoo
from opsin.costs import memory
from opsin.costs.operators import ATTENTION, CONVOLUTIONS, MOVES, PRODUCTS, aten, base_name, elementwise, known
from opsin.costs.receptive import Receptive, receptive_fields
from opsin.costs.trace import Call, Trace, trace
from opsin.errors import OpsinError

Size = int | tuple[int, int] | tuple[int, int, int]
LAYERS_THAT_ACTIVATE = CONVOLUTIONS | {aten.mm, aten.addmm}


@dataclass(frozen=True)
class Layer:
    """One call of a module, or what a module that holds others computes between their calls (an addition, attention).

    For one image: `output_shape` without the batch, `params` and `buffers` (numbers; where a module is called again,
    0), `macs` (connections used; `executed` where that is more), `elementwise` (operations that are no products),
    `activations` (values that convolutions and linear layers put out), `data_bytes` (of images and maps read and
    written, once for each operator) and `weight_bytes` (read once for a batch). `unknown` names the operators that
    are not in these numbers, because nobody told what they cost.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    params: int
    buffers: int
    macs: int
    executed: int
    elementwise: int
    activations: int
    data_bytes: int
    weight_bytes: int
    sees: Receptive | None
    unknown: tuple[str, ...] = ()

    @property
    def receptive_field(self) -> int | tuple[int, int] | None:
        """What one unit sees of the image over all paths, in px: a side, or (H, W) where these differ."""
        return plain(self.sees.size) if self.sees else None

    @property
    def shortest_receptive_field(self) -> int | tuple[int, int] | None:
        """The same over the path that sees least."""
        return plain(self.sees.shortest) if self.sees else None

    @property
    def local_receptive_field(self) -> int | tuple[int, int] | None:
        """The same over the paths that no pooling or attention over the whole image lies on; None where none is."""
        return plain(self.sees.local) if self.sees and self.sees.local else None

    @property
    def whole_image(self) -> bool:
        """Whether every unit sees the whole image, by global pooling, global attention or a linear layer."""
        return self.sees is not None and self.sees.whole

    @property
    def stride(self) -> int | float | tuple[int | float, int | float] | None:
        """Pixels of the image between neighbouring units; None where no position is left."""
        return plain(self.sees.stride) if self.sees and self.sees.stride else None

    @property
    def offset(self) -> float | tuple[float, float] | None:
        """Where the first unit looks: the middle of what it sees, in px from the middle of the image's first pixel."""
        return plain(self.sees.offset) if self.sees and self.sees.offset else None


def plain(pair: tuple[Any, Any]) -> Any:
    """A pair as one number where both are equal."""
    return pair[0] if pair[0] == pair[1] else pair


@dataclass(frozen=True)
class CostSheet:
    """What a network costs. Counts are for one image, `bytes` and the memory for a batch of `batch`.

    `params` are those of the network that predicts; those of auxiliary heads, which work in training alone, are
    `aux_params`. `memory` and `training_memory` are predicted peaks, in bytes, in float32: of a forward pass, and of a
    training step with two moments of the optimizer (AdamW). `training_memory` is None where the network cannot be
    trained on such a batch. What stands in `unknown` (operators, and how often they ran) is in no sum.
    """

    name: str
    input_shape: tuple[int, int, int]
    batch: int
    layers: tuple[Layer, ...]
    params: int
    aux_params: int
    buffers: int
    memory: int
    training_memory: int | None

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations of one image, by the connections that are used."""
        return sum(layer.macs for layer in self.layers)

    @property
    def executed(self) -> int:
        """MACs that the processor executes: more than `macs` where a layer sparse by a table runs as a dense one."""
        return sum(layer.executed for layer in self.layers)

    @property
    def elementwise(self) -> int:
        return sum(layer.elementwise for layer in self.layers)

    @property
    def activations(self) -> int:
        return sum(layer.activations for layer in self.layers)

    @property
    def bytes(self) -> int:
        """Bytes read and written by a batch, each operator for itself: weights once, maps for each image."""
        return sum(layer.weight_bytes + self.batch * layer.data_bytes for layer in self.layers)

    @property
    def intensity(self) -> float:
        """Arithmetic intensity of a batch: operations (two for a MAC) for a byte moved."""
        return self.batch * (2 * self.executed + self.elementwise) / max(1, self.bytes)

    @property
    def weight_bytes(self) -> dict[str, int]:
        """Size of parameters and buffers with 4, 2 and 1 bytes a number, without the scales that int8 takes."""
        numbers = self.params + self.buffers
        return {"fp32": 4 * numbers, "fp16": 2 * numbers, "int8": numbers}

    @property
    def unknown(self) -> dict[str, int]:
        return dict(Counter(name for layer in self.layers for name in layer.unknown))


def cost(network: str | nn.Module, input_size: Size | None = None, batch: int = 1) -> CostSheet:
    """What a network of the zoo, or any module that takes images [N, C, H, W], costs.

    Args:
        network: a name of the zoo, or a module; it is left as it is, and nothing of it is copied or computed.
        input_size: a side, (H, W), or (C, H, W); a network of the zoo has its paper's. Channels that are not given are
            those that the module's first convolution takes.
        batch: images of a forward pass, for bytes moved and for memory.

    Raises:
        OpsinError: no such network, images that it does not take, or a forward pass that branches on data.
    """
    if batch < 1:
        raise OpsinError(f"batch must be at least 1, not {batch}")
    if isinstance(network, str):
        card = zoo.card(network)
        channels, height, width = shape_of(input_size, card.inputs.channels, card.inputs.size)
        with torch.device("meta"):
            net = zoo.build_model(network, in_chans=channels, input_size=max(height, width))
        name = network
    else:
        if input_size is None:
            raise OpsinError("input_size is missing: give the side of the images that the module takes, in px")
        net, name = network, type(network).__name__
        channels, height, width = shape_of(input_size, channels_of(net), 0)
    traced = trace(net, channels, (height, width))
    layers = layers_of(traced)
    aux = sum(p.numel() for p in aux_parameters(traced).values())
    training = memory.training if traced.net is not None and any(True for _ in net.parameters()) else None
    return CostSheet(
        name=name,
        input_shape=(channels, height, width),
        batch=batch,
        layers=layers,
        params=sum(p.numel() for p in net.parameters()) - aux,
        aux_params=aux,
        buffers=sum(b.numel() for b in net.buffers()),
        memory=memory.inference(net, channels, (height, width), batch),
        training_memory=training(net, channels, (height, width), batch) if training else None,
    )


def shape_of(size: Size | None, channels: int, side: int) -> tuple[int, int, int]:
    """(C, H, W) of what a user gives as the size of images. Raises OpsinError for what is none."""
    sizes = (side,) if size is None else (size,) if isinstance(size, int) else tuple(size)
    if not 1 <= len(sizes) <= 3 or not all(isinstance(n, int) and n > 0 for n in sizes):
        raise OpsinError(f"input_size must be a side, (H, W) or (C, H, W) in px, not {size!r}")
    height, width = sizes[-2:] if len(sizes) > 1 else (sizes[0], sizes[0])
    return (sizes[0] if len(sizes) == 3 else channels), height, width


def channels_of(net: nn.Module) -> int:
    """The channels that a module's first convolution takes; 3 where it has none."""
    first = next((m for m in net.modules() if isinstance(m, nn.Conv2d)), None)
    return first.in_channels if first else 3


def aux_parameters(traced: Trace) -> dict[str, nn.Parameter]:
    """Parameters of auxiliary heads: of children whose name starts with "aux" that the forward pass did not call."""
    called = {name.partition(".")[0] for name, _, _ in traced.outputs}
    return {
        name: parameter
        for name, parameter in traced.net.named_parameters()
        if name.startswith("aux") and name.partition(".")[0] not in called
    }


def layers_of(traced: Trace) -> tuple[Layer, ...]:
    """The rows of the sheet, in the order of the forward pass."""
    seen = receptive_fields(traced)
    modules = dict(traced.net.named_modules())
    weights = {x.untyped_storage()._cdata for x in (*traced.net.parameters(), *traced.net.buffers())}
    runs = []
    for (name, _), group in groupby(enumerate(traced.calls), key=lambda item: (item[1].layer, item[1].visit)):
        run = list(group)
        if any(not call.moves and (base_name(call.operator) not in MOVES or is_cat(call)) for _, call in run):
            runs.append((name, run))
    params, buffers = owned(traced, {name for name, _ in runs})
    stated = dict(traced.stated)
    rows = []
    for name, run in runs:
        calls = [call for _, call in run]
        last, result = run[-1][0], calls[-1].result
        assert result is not None
        products = [(c, c.result) for c in calls if c.operator in PRODUCTS and c.result is not None]
        executed = sum(PRODUCTS[call.operator](call.args, out) for call, out in products)
        by = next((p for p in prefixes(name) if p in traced.stated), None)
        macs = executed if by is None else stated.pop(by, 0)
        data, weight = moved(calls, weights)
        rows.append(
            Layer(
                name=name,
                kind=kind_of(modules[name], calls),
                output_shape=tuple(result.shape[1:] if result.shape[:1] == (1,) else result.shape),
                params=params.pop(name, 0),
                buffers=buffers.pop(name, 0),
                macs=macs,
                executed=executed or macs,
                elementwise=sum(elementwise(c.operator, c.args, c.result) for c in calls if c.result is not None),
                activations=sum(out.numel() for call, out in products if call.operator in LAYERS_THAT_ACTIVATE),
                data_bytes=data,
                weight_bytes=weight,
                sees=seen[last],
                unknown=tuple(str(call.operator) for call in calls if not known(call.operator)),
            )
        )
    return tuple(rows)


def is_cat(call: Call) -> bool:
    return base_name(call.operator) in ("cat", "stack")


def prefixes(name: str) -> list[str]:
    """A module's name and those of all it lies in: "a.b" -> ["a", "a.b"]."""
    parts = name.split(".")
    return [".".join(parts[: k + 1]) for k in range(len(parts))]


def owned(traced: Trace, rows: set[str]) -> tuple[Counter[str], Counter[str]]:
    """Parameters and buffers by the row that they belong to: the innermost around them; the first row has the rest."""
    first = next((call.layer for call in traced.calls if call.layer in rows), "")
    aux = aux_parameters(traced)

    def owner(name: str) -> str:
        return next((p for p in reversed(prefixes(name)) if p in rows), "" if "" in rows else first)

    params, buffers = Counter[str](), Counter[str]()
    for name, parameter in traced.net.named_parameters():
        if name not in aux:
            params[owner(name)] += parameter.numel()
    for name, buffer in traced.net.named_buffers():
        buffers[owner(name)] += buffer.numel()
    return params, buffers


def kind_of(module: nn.Module, calls: list[Call]) -> str:
    """A layer's class; of a module that holds others, what it computes itself: "add", "cat", "attention"."""
    if not any(True for _ in module.children()):
        return type(module).__name__
    names = [
        "attention" if call.operator in ATTENTION else base_name(call.operator) for call in calls if not call.moves
    ]
    telling = [name for name in names if name not in MOVES or name in ("cat", "stack")]
    return ", ".join(dict.fromkeys(telling))


def moved(calls: list[Call], weights: set[int]) -> tuple[int, int]:
    """Bytes that operators read and write, of images and maps, and of weights."""
    data = weight = 0
    for call in calls:
        if call.moves:
            continue
        for x in (*call.tensors, *([call.result] if call.result is not None else [])):
            if x.untyped_storage()._cdata in weights:
                weight += nbytes(x)
            else:
                data += nbytes(x)
    return data, weight


def nbytes(x: Tensor) -> int:
    """Bytes of the values that a tensor shows; those that it shows again along a dimension of stride 0 but once."""
    return x.element_size() * math.prod(n for n, step in zip(x.shape, x.stride(), strict=True) if step or n == 0)
