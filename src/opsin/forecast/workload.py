"""What a network asks of a machine for one image, counted on the `meta` device: the same on every machine."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from opsin import zoo
from opsin.costs import memory
from opsin.costs.count import count_trace
from opsin.costs.sheet import moved
from opsin.costs.trace import trace


@dataclass(frozen=True)
class Workload:
    """Of one image's forward pass: MACs executed, bytes of images and maps moved, operators called.

    `params` are all that train, auxiliary heads included; `macs` are connections used, as cards print them. `memory`
    are the bytes of a training step at its peak, for a batch of `batch` (see opsin.costs.memory.training).
    """

    executed: int
    bytes: int
    calls: int
    params: int
    macs: int
    memory: int
    batch: int


@dataclass(frozen=True)
class Network:
    """A network as it would be built, and the images of a training step."""

    model: str
    arguments: dict[str, Any]
    batch: int


def count_workload(network: Network, report: Callable[[Any], None]) -> Workload:
    """Counts a network. Raises OpsinError where it cannot be built so, or an operator is not known."""
    channels, size = network.arguments["in_chans"], network.arguments["input_size"]
    with torch.device("meta"):
        net = zoo.build_model(network.model, **network.arguments)
    traced = trace(net, channels, (size, size))
    counted = count_trace(traced)
    weights = {x.untyped_storage()._cdata for x in (*traced.net.parameters(), *traced.net.buffers())}
    return Workload(
        executed=counted.executed,
        bytes=moved(traced.calls, weights)[0],
        calls=sum(not call.moves for call in traced.calls),
        params=sum(p.numel() for p in net.parameters()),
        macs=counted.macs,
        memory=memory.training(net, channels, (size, size), network.batch),
        batch=network.batch,
    )
