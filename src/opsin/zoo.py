"""The zoo: every network by its name. One explicit registry, `FAMILIES`, in order of year."""

import fnmatch
import inspect
import operator
from functools import partial
from typing import Any, Literal, get_args, get_origin

import torch
from torch import Tensor, nn

from opsin.cards import Card
from opsin.errors import OpsinError, unknown
from opsin.models import (
    alexnet,
    alexnet_owt,
    bn_inception,
    ciresan_mlp,
    convnext,
    densenet,
    enet,
    fractalnet,
    googlenet,
    inception_resnet,
    inception_v3,
    inception_v4,
    lenet5,
    lenet1989,
    mobilenet_v1,
    mobilenet_v2,
    multiscale,
    nin,
    overfeat,
    preact_resnet,
    resnet,
    senet,
    squeezenet,
    swin,
    vgg,
    vit,
    xception,
)
from opsin.models.network import Network

FAMILIES = (
    lenet1989,
    lenet5,
    ciresan_mlp,
    multiscale,
    alexnet,
    nin,
    overfeat,
    alexnet_owt,
    vgg,
    googlenet,
    bn_inception,
    inception_v3,
    resnet,
    inception_v4,
    inception_resnet,
    squeezenet,
    preact_resnet,
    fractalnet,
    enet,
    densenet,
    xception,
    mobilenet_v1,
    senet,
    mobilenet_v2,
    vit,
    swin,
    convnext,
)
"""The model modules, oldest paper first; each has its PAPER and its CARDS."""

_CARDS: dict[str, Card] = {card.name: card for family in FAMILIES for card in family.CARDS}


def list_models(pattern: str = "*") -> list[str]:
    """Names of the networks that match a shell pattern ("resnet*"), oldest family first."""
    return [name for name in _CARDS if fnmatch.fnmatchcase(name, pattern)]


def card(name: str) -> Card:
    """The card of a network. Raises OpsinError with the nearest names where there is none."""
    if name not in _CARDS:
        raise unknown("model", name, _CARDS)
    return _CARDS[name]


class InputCheck:
    """A forward pre-hook that turns a wrong input into one clear line instead of a shape error from within."""

    def __init__(self, card: Card, in_chans: int, size: int | None):
        self.name, self.inputs, self.in_chans, self.size = card.name, card.inputs, in_chans, size

    def __call__(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        x = args[0]
        if not isinstance(x, Tensor) or x.ndim != 4:
            raise OpsinError(f"{self.name} takes a batch of images [N, C, H, W], not {describe(x)}")
        channels, height, width = x.shape[1:]
        if channels != self.in_chans:
            raise OpsinError(
                f"{self.name} was built for {self.in_chans} channels and got {channels}: "
                f"create it with in_chans={channels}"
            )
        if self.size is not None and (height, width) != (self.size, self.size):
            raise OpsinError(
                f"{self.name} was built for {self.size} x {self.size} px and got {height} x {width}: "
                "resize the images, or create it with another input_size"
            )
        for side in (height, width):
            if not self.inputs.admits(side):
                raise OpsinError(f"{self.name} cannot take {height} x {width} px: it takes {self.inputs}")


def describe(x: object) -> str:
    return f"shape {list(x.shape)}" if isinstance(x, Tensor) else type(x).__name__


def check_whole(name: str, what: str, value: Any, least: int | None) -> None:
    try:
        operator.index(value)
    except TypeError:
        raise OpsinError(f"{what} of {name} must be a whole number, not {value!r}") from None
    if least is not None and value < least:
        raise OpsinError(f"{what} of {name} must be at least {least}, not {value}")


def build_model(name: str, *, num_classes: int | None = None, in_chans: int | None = None, **arguments: Any) -> Network:
    """Builds a network, in training mode, with the initialisation of its paper.

    `opsin.create_model` is the same with public weights, too.

    Args:
        name: one of `list_models()`.
        num_classes: outputs; the paper's by default.
        in_chans: channels of the images; the paper's by default.
        arguments: of the network's constructor, in the paper's words (`depths`, `widths`, `dropout`, ...); and
            `input_size`, the images' side in pixels, which the card must admit.

    Returns:
        A module from [N, in_chans, H, W] to logits [N, num_classes], without softmax; in training a network with
        auxiliary heads gives a tuple, its logits and those of each head. What networks that do not classify put out
        stands on their card (`task`).

    A network that is built on the `meta` device (`meta_model`) shows shapes and counts. Some hold tables outside their
    state_dict, so build them anew on a real device before weights are loaded.

    Raises:
        OpsinError: an unknown name, argument or choice (the nearest ones are named), or a size that the card does not
            admit.
    """
    entry = card(name)
    inputs = entry.inputs
    size = arguments.pop("input_size", None)
    for what, value, least in (("num_classes", num_classes, 1), ("in_chans", in_chans, 1), ("input_size", size, None)):
        if value is not None:
            check_whole(name, what, value, least)
    if size is not None:
        inputs.check(name, size)
    if inputs.fixed:
        size = size or inputs.size
        arguments["input_size"] = size
    known = inspect.signature(entry.build).parameters
    for argument, value in arguments.items():
        if argument not in known:
            raise unknown(f"argument of {name}", argument, known)
        choices = get_args(known[argument].annotation) if get_origin(known[argument].annotation) is Literal else ()
        if choices and value not in choices:
            raise unknown(f"{argument} of {name}", str(value), choices)
    num_classes = entry.num_classes if num_classes is None else num_classes
    in_chans = inputs.channels if in_chans is None else in_chans
    net: Network = entry.build(num_classes=num_classes, in_chans=in_chans, **arguments)
    net.constructor = partial(build_model, name, **arguments | {"num_classes": num_classes, "in_chans": in_chans})
    net.register_forward_pre_hook(InputCheck(entry, in_chans, size if inputs.fixed else None))
    return net


def meta_model(name: str, **arguments: Any) -> Network:
    """The same without numbers, on the `meta` device: shapes and counts, in no memory and hardly any time."""
    with torch.device("meta"):
        return build_model(name, **arguments)


def built_as(net: Network) -> tuple[Card, dict[str, Any]]:
    """A network's card, and the arguments that `build_model` had. Raises OpsinError where it was built otherwise."""
    if not isinstance(net.constructor, partial):
        raise OpsinError(f"{type(net).__name__} was not built by its name: use opsin.create_model")
    return card(net.constructor.args[0]), dict(net.constructor.keywords)
