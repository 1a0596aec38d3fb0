"""Counts: trainable parameters and multiply-accumulate operations (MACs), exact, layer by layer.

Every operator of one forward pass is looked up in a table (`operators`): products are counted, operators known to have
no products (activations, normalisation, pooling, additions) are not, and one that the table does not know is an error,
never a silent zero. Papers that print "FLOPs" mostly mean MACs; the unit here is always MACs. Biases are additions and
count nothing.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from opsin import zoo
from opsin.costs.operators import PRODUCTS, known
from opsin.costs.trace import Trace, aux_parameters, trace
from opsin.errors import OpsinError


@dataclass
class Count:
    """Totals of one network for one image.

    `params` are the trainable numbers of the network that predicts; those of its auxiliary heads, which work in
    training alone, are `aux_params`. `macs` counts the connections that a layer uses; `executed` what the processor
    multiplies, which is more where a layer that is sparse by a table runs as a dense convolution with zeros in it.
    `by_layer` gives `macs` by the name of the innermost module.
    """

    params: int
    macs: int
    executed: int
    aux_params: int = 0
    by_layer: dict[str, int] = field(default_factory=dict)


def count(net: nn.Module, channels: int, size: int | tuple[int, int]) -> Count:
    """Counts a network for one image of `channels` x `size` (a side, or (H, W)).

    A module with a method `macs(output) -> int` states its own count (per image, from its output of one image): layers
    sparse by a table, whose unused connections are not counted, and layers whose products are no operator of PyTorch.
    Auxiliary heads are the network's children whose name starts with "aux".

    Raises:
        OpsinError: an operator that the table does not know; what `trace` raises.
    """
    return count_trace(trace(net, channels, size))


def count_trace(traced: Trace) -> Count:
    """The counts of a trace; raises OpsinError for an operator that the table does not know."""
    executed = Counter[str]()
    for call in traced.calls:
        if not known(call.operator):
            raise OpsinError(f"the counter does not know the operator {call.operator}: add it to opsin.costs.operators")
        if call.operator in PRODUCTS:
            assert call.result is not None
            executed[call.layer] += PRODUCTS[call.operator](call.args, call.result)
    by_layer = without_stated(dict(executed), traced)
    executed |= {name: macs for name, macs in traced.stated.items() if name not in executed}
    numbers = {name: p.numel() for name, p in traced.net.named_parameters() if p.requires_grad}
    aux_params = sum(numbers.get(name, 0) for name in aux_parameters(traced))
    params = sum(numbers.values()) - aux_params
    return Count(params, sum(by_layer.values()), sum(executed.values()), aux_params, by_layer)


def without_stated(by_layer: dict[str, int], traced: Trace) -> dict[str, int]:
    """MACs by layer, with those that modules state for themselves in the place of what was executed inside of them."""
    for name, macs in traced.stated.items():
        for layer in [x for x in by_layer if x == name or x.startswith(name + ".")]:
            del by_layer[layer]
        by_layer[name] = macs
    return by_layer


def count_model(name: str, *, input_size: int | None = None, in_chans: int | None = None, **arguments: Any) -> Count:
    """Counts a network of the zoo, built by `build_model` on the `meta` device: no memory, hardly any time."""
    inputs = zoo.card(name).inputs
    size = inputs.size if input_size is None else input_size
    net = zoo.meta_model(name, input_size=size, in_chans=in_chans, **arguments)
    return count(net, inputs.channels if in_chans is None else in_chans, size)
