"""The cost sheet: what a network costs and sees, layer by layer and in total, from one traced forward pass.

Numbers are exact and the same on every machine; what is measured (latency, memory in use) is `opsin bench`'s.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from torch import nn

from opsin import zoo
from opsin.costs import memory
from opsin.costs.layers import Layer, layers_of
from opsin.costs.trace import aux_parameters, trace
from opsin.errors import OpsinError
from opsin.words import mebibytes

Size = int | tuple[int, int] | tuple[int, int, int]


@dataclass(frozen=True, repr=False)
class CostSheet:
    """What a network costs. Counts are for one image; `bytes`, `intensity` and the memory for a batch of `batch`.

    `params` and `buffers` are numbers, shared ones once, whether they are frozen or not; parameters of auxiliary heads,
    which work in training alone, are `aux_params`. `memory` and `training_memory` are predicted peaks, in bytes and in
    the type of the network's numbers: of a forward pass, and of a training step of all parameters with two moments of
    the optimizer (AdamW). `training_memory` is None where the network cannot be trained on such a batch;
    `untrainable` says why.

    Sums are exact where `unknown` is empty; else they are the least that the network takes: what is in `unknown` (an
    operator that nobody told us the costs of, and the layers it runs in) is in no sum.
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
    untrainable: str = ""

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
        """Operations of one image that are no products: additions, comparisons, functions of one value."""
        return sum(layer.elementwise for layer in self.layers)

    @property
    def activations(self) -> int:
        """Values that convolutions and linear layers put out for one image, as RegNet counts; attention's are none."""
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
    def unknown(self) -> dict[str, tuple[str, ...]]:
        """Operators whose costs are not known, and the layers that they run in ("" is the network's own forward)."""
        found: dict[str, dict[str, None]] = {}
        for layer in self.layers:
            for operator in layer.unknown:
                found.setdefault(operator, {})[layer.name] = None
        return {operator: tuple(layers) for operator, layers in found.items()}

    def to_dict(self) -> dict[str, Any]:
        """All of it, layers too, for JSON; in the units that the attributes have."""
        totals = ("macs", "executed", "elementwise", "activations", "bytes", "intensity", "weight_bytes", "unknown")
        counted = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "layers"}
        counted |= {name: getattr(self, name) for name in totals}
        return counted | {"layers": [layer.to_dict() for layer in self.layers]}

    def __str__(self) -> str:
        least = "at least " if self.unknown else ""
        training = "" if self.training_memory is None else f", {mebibytes(self.training_memory)} to train"
        macs = f"{self.macs / 1e9:,.3f} GMACs" if self.macs >= 1e8 else f"{self.macs / 1e6:,.3f} MMACs"
        lines = [
            f"{self.name}, {' x '.join(map(str, self.input_shape))}: {self.params:,} parameters, "
            f"{least}{macs}, {self.activations / 1e6:,.2f} M activations",
            f"batch {self.batch}: {mebibytes(self.memory)} to predict{training}, "
            f"{self.intensity:.1f} operations a byte",
        ]
        for operator, layers in self.unknown.items():
            lines.append(f"not counted: {operator} in {', '.join(name or 'its own forward' for name in layers)}")
        if self.untrainable:
            lines.append(f"memory of training: not known: {self.untrainable}")
        return "\n".join(lines)

    __repr__ = __str__  # the fields have a row for each layer


def cost(network: str | nn.Module, input_size: Size | None = None, batch: int = 1) -> CostSheet:
    """What a network of the zoo, or any module that takes images [N, C, H, W], costs.

    Args:
        network: a name of the zoo, or a module, in any mode and on any device; it is left as it is.
        input_size: a side, (H, W), or (C, H, W); a network of the zoo has its paper's. Channels that are not given are
            those that the module's first convolution takes.
        batch: images of a forward pass, for bytes moved and for memory.

    Raises:
        OpsinError: no such network, images that it does not take, or a forward pass that branches on data.
    """
    if type(batch) is not int or batch < 1:
        raise OpsinError(f"batch must be a whole number from 1, not {batch!r}")
    if isinstance(network, str):
        card = zoo.card(network)
        channels, height, width = shape_of(input_size, card.inputs.channels, card.inputs.size)
        net = zoo.meta_model(network, in_chans=channels, input_size=max(height, width))
        name = network
    else:
        if not isinstance(network, nn.Module):
            raise OpsinError(f"cost takes a network's name or a module, not {type(network).__name__}")
        if input_size is None:
            raise OpsinError("input_size is missing: give the side of the images that the module takes, in px")
        net, name = network, type(network).__name__
        channels, height, width = shape_of(input_size, channels_of(net), 0)
    traced = trace(net, channels, (height, width))
    aux = sum(p.numel() for p in aux_parameters(traced).values())
    training, why = training_memory(net, channels, (height, width), batch)
    return CostSheet(
        name=name,
        input_shape=(channels, height, width),
        batch=batch,
        layers=layers_of(traced),
        params=sum(p.numel() for p in traced.net.parameters()) - aux,
        aux_params=aux,
        buffers=sum(b.numel() for b in traced.net.buffers()),
        memory=memory.inference(net, channels, (height, width), batch),
        training_memory=training,
        untrainable=why,
    )


def training_memory(net: nn.Module, channels: int, size: tuple[int, int], batch: int) -> tuple[int | None, str]:
    """The predicted bytes of a training step, or why there are none."""
    try:
        return memory.training(net, channels, size, batch), ""
    except OpsinError as error:  # one value a channel for batch normalisation, integers for weights, a task of its own
        return None, str(error)


def shape_of(size: Size | None, channels: int, side: int) -> tuple[int, int, int]:
    """(C, H, W) of what a user gives as the size of images. Raises OpsinError for what is none."""
    sizes = (side,) if size is None else tuple(size) if isinstance(size, Iterable) else (size,)
    if not 1 <= len(sizes) <= 3 or not all(type(n) is int and n > 0 for n in sizes):
        raise OpsinError(f"input_size must be a side, (H, W) or (C, H, W) in px, not {size!r}")
    height, width = (sizes * 2)[-2:]
    return (sizes[0] if len(sizes) == 3 else channels), height, width


def channels_of(net: nn.Module) -> int:
    """The channels that a module's first convolution takes; 3 where it has none."""
    first = next((m for m in net.modules() if isinstance(m, nn.Conv2d)), None)
    return first.in_channels if first else 3
