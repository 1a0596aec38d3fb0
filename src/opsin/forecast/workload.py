"""What a network asks of a machine for one image, counted on the `meta` device: the same on every machine."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from opsin import zoo
from opsin.costs import memory
from opsin.costs.count import count_trace
from opsin.costs.layers import moved
from opsin.costs.trace import trace


@dataclass(frozen=True)
class Workload:
    """Of one image's forward pass: MACs executed, bytes of images and maps moved, operators called.

    `weights` are all that train, those of auxiliary heads among them; `params` and `macs` are as cards print them.
    `memory` are the bytes of a training step at its peak, for the batch of the network that was asked for.
    """

    executed: int
    bytes: int
    calls: int
    weights: int
    params: int
    macs: int
    memory: int


@dataclass(frozen=True)
class Network:
    """A network as it would be built, and the images of a training step."""

    model: str
    arguments: dict[str, Any]
    batch: int
    moments: int = 2
    """Numbers that the optimizer keeps for a weight."""


@dataclass(frozen=True)
class Room:
    """Bytes that are available to train a network with."""

    network: Network
    available: int


def count_workload(network: Network, report: Callable[[Any], None]) -> Workload:
    """Counts a network. Raises OpsinError where it cannot be built so, or an operator is not known."""
    channels, size = network.arguments["in_chans"], network.arguments["input_size"]
    net = zoo.meta_model(network.model, **network.arguments)
    traced = trace(net, channels, (size, size))
    counted = count_trace(traced)
    return Workload(
        executed=counted.executed,
        bytes=moved(traced.calls, traced.weights)[0],
        calls=sum(not call.moves for call in traced.calls),
        weights=sum(p.numel() for p in net.parameters()),
        params=counted.params,
        macs=counted.macs,
        memory=memory.training(net, channels, (size, size), network.batch, network.moments),
    )


def fit_batch(room: Room, report: Callable[[Any], None]) -> tuple[int, int]:
    """The largest batch, at most the network's, whose training step fits, and its bytes; (0, bytes of two) for none.

    Two images are the least that batch normalisation can train with.
    """
    network = room.network
    channels, size = network.arguments["in_chans"], network.arguments["input_size"]
    net = zoo.meta_model(network.model, **network.arguments)

    def peak(batch: int) -> int:
        return memory.training(net, channels, (size, size), batch, network.moments)

    batch = min(network.batch, memory.largest_batch(peak, room.available, smallest=2))
    return batch, peak(batch or 2)
