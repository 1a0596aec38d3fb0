"""The maps inside a network: `opsin.features`."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from opsin import zoo
from opsin.errors import OpsinError, unknown
from opsin.models.network import Network
from opsin.shapes import Shapes

GROWTH = 576
"""Pixels by which an image grows to show the strides: a multiple of them all (up to 64, and 36), and of size steps."""


@dataclass(frozen=True)
class Map:
    """What a module puts out for each place of the image.

    Attributes:
        name: the module's; with #2 for its second call, where it is called several times.
        channels: C.
        stride: pixels of the image from one place to the next.
        layout: "NCHW", "NHWC", or "tokens" [N, 1 + h * w, C], of which the first is no place.
    """

    name: str
    channels: int
    stride: int
    layout: Literal["NCHW", "NHWC", "tokens"]

    @property
    def module(self) -> str:
        return self.name.partition("#")[0]

    @property
    def call(self) -> int:
        return int(self.name.partition("#")[2] or 1)

    def as_map(self, x: Tensor) -> Tensor:
        """-> N C h w"""
        if self.layout == "tokens":
            side = round((x.shape[1] - 1) ** 0.5)
            return x[:, 1:].transpose(1, 2).unflatten(2, (side, side))
        return x.permute(0, 3, 1, 2) if self.layout == "NHWC" else x


class Features(nn.Module):
    """A network that gives its maps instead of its logits; `opsin.features` builds it around the network itself.

    It trains with the network's parameters, and follows its modes and devices. What comes behind the last of the maps
    is not computed.

    Attributes:
        net: the network.
        names, channels, strides: of the maps, in their order.
    """

    def __init__(self, net: Network, maps: Iterable[Map]):
        super().__init__()
        self.net = net
        self.maps = tuple(maps)
        self.names = tuple(map.name for map in self.maps)
        self.channels = tuple(map.channels for map in self.maps)
        self.strides = tuple(map.stride for map in self.maps)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """N C H W -> for each name a map [N, channels, h, w]"""
        outputs: dict[str, list[Tensor]] = {map.module: [] for map in self.maps}

        def keep(seen: list[Tensor], module: nn.Module, inputs: Any, output: Tensor) -> None:
            seen.append(output)
            if all(len(outputs[map.module]) >= map.call for map in self.maps):
                raise _Complete

        hooks = [
            self.net.get_submodule(name).register_forward_hook(partial(keep, seen)) for name, seen in outputs.items()
        ]
        try:
            with suppress(_Complete):
                self.net(x)
        finally:
            for hook in hooks:
                hook.remove()
        return {map.name: map.as_map(outputs[map.module][map.call - 1]) for map in self.maps}


class _Complete(Exception):
    """All maps are there."""


def features(net: Network, names: str | Iterable[str] | None = None) -> Features:
    """The maps inside a network, for what is built upon them: detection, segmentation, a look inside.

        backbone = opsin.features(opsin.create_model("resnet50_v1_5", pretrained=True))
        maps = backbone(images)     # {"bn1": [N, 64, H/2, W/2], "stages.0": [N, 256, H/4, W/4], ...}

    Args:
        net: built by its name (`opsin.create_model`). It is not copied.
        names: modules of the network, one or several, as `net.named_modules()` has them; "pool#2" is the second call
            of one that is called several times. By default the last map of each stride, without the layer that gives
            the logits.

    A map is what its module puts out: an activation that the network applies as a function is not yet in it.

    Raises:
        OpsinError: a name that is none of a module with a map (the nearest ones are named), or a network without maps.
    """
    if not isinstance(net, Network):
        raise OpsinError(f"features takes a network that opsin.create_model built, not a {type(net).__name__}")
    known = maps_of(net)
    of = type(net).__name__ if net.constructor is None else zoo.built_as(net)[0].name
    if not known:
        raise OpsinError(
            f"{of} has no maps: it looks at the image as one vector; net.embed(images) gives its embedding"
        )
    names = last_of_each_stride(net, known) if names is None else [names] if isinstance(names, str) else list(names)
    if not names:
        raise OpsinError(f"no maps of {of} are named: leave names out for the last of each stride")
    for name in names:
        if name not in known:
            raise unknown(f"map of {of}", name, known)
    return Features(net, [known[name] for name in names])


def maps_of(net: Network) -> dict[str, Map]:
    """All maps of a network, in the order in which they are computed, up to its last layer.

    Maps are what grows with the image: two images of different size run through a copy on `meta`.
    """
    card, arguments = zoo.built_as(net)
    size = arguments.get("input_size", card.inputs.size)
    shapes = []
    for side in (size, size + GROWTH):
        with torch.device("meta"), Shapes():
            copy = zoo.build_model(card.name, **arguments | ({"input_size": side} if card.inputs.fixed else {})).eval()
            shapes.append(output_shapes(copy, torch.zeros(1, arguments["in_chans"], side, side)))
    found = (grown(name, shape, shapes[1].get(name, ())) for name, shape in shapes[0].items())
    return {map.name: map for map in found if map}


@torch.no_grad()
def output_shapes(net: Network, x: Tensor) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor that a module puts out, in order; none of the last layer and what comes after it."""
    calls: dict[str, list[tuple[int, tuple[int, ...]]]] = {}
    order = iter(range(10**9))

    def keep(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if name == net.last_layer:
                raise _Complete
            calls.setdefault(name, []).append((next(order), getattr(output, "shape", ())))

        return hook

    for name, module in net.named_modules():
        if name and not isinstance(module, nn.modules.dropout._DropoutNd):
            module.register_forward_hook(keep(name))
    with suppress(_Complete):
        net(x)
    named = [
        (at, f"{name}#{i}" if len(seen) > 1 else name, shape)
        for name, seen in calls.items()
        for i, (at, shape) in enumerate(seen, 1)
    ]
    return {name: shape for _, name, shape in sorted(named)}


def grown(name: str, small: tuple[int, ...], large: tuple[int, ...]) -> Map | None:
    """The map of these two shapes; None where they are of none."""
    if len(small) == 3 == len(large):
        sides = [round((shape[1] - 1) ** 0.5) for shape in (small, large)]
        if any(side**2 + 1 != shape[1] for side, shape in zip(sides, (small, large), strict=True)):
            return None
        more, channels, layout = [sides[1] - sides[0]], small[2], "tokens"
    elif len(small) == 4 == len(large):
        differ = [b - a for a, b in zip(small, large, strict=True)]
        layout = "NCHW" if differ[1] == 0 else "NHWC"
        channels, more = (small[1], differ[2:]) if layout == "NCHW" else (small[3], differ[1:3])
        if differ[0] or differ[3 if layout == "NHWC" else 1] or more[0] != more[1]:
            return None
    else:
        return None
    return Map(name, channels, GROWTH // more[0], layout) if more[0] > 0 and GROWTH % more[0] == 0 else None


def last_of_each_stride(net: Network, maps: dict[str, Map]) -> list[str]:
    last = {maps[name].stride: name for name in sorted(outline(net, maps, "", set()), key=list(maps).index)}
    return [last[stride] for stride in sorted(last)]


def has_stages(name: str, module: nn.Module, maps: dict[str, Map]) -> bool:
    """Whether a sequence goes through blocks of layers whose maps have another stride than its last."""
    if not isinstance(module, nn.Sequential) or name not in maps:
        return False
    blocks = [f"{name}.{i}" for i, child in module.named_children() if len(list(child.children()))]
    return any(maps[block].stride != maps[name].stride for block in blocks if block in maps)


def outline(net: Network, maps: dict[str, Map], inside: str, seen: set[int]) -> list[str]:
    """The maps of the largest modules that show all strides: one is opened where a stride is within it alone, where it
    is a sequence of stages, and where its own output is no map.

    `inside` is the prefix of the modules looked at, and `seen` has the strides found before, to which new ones are
    added.
    """
    names = []
    children = [
        inside + name.removeprefix(inside).split(".")[0].partition("#")[0] for name in maps if name.startswith(inside)
    ]
    for child in dict.fromkeys(children):
        own = [name for name, map in maps.items() if map.module == child]
        strides = {maps[name].stride for name in own}
        within = {map.stride for name, map in maps.items() if name.startswith(f"{child}.")}
        module = net.get_submodule(child)
        if not own or within - strides - seen or has_stages(child, module, maps):
            names += outline(net, maps, f"{child}.", seen)
            own = [] if isinstance(module, nn.Sequential) else own
        seen |= strides
        names += own
    return names
