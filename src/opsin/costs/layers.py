"""The rows of a cost sheet: every call of a module, with what it costs and sees, from a traced forward pass."""

import math
from collections import Counter
from dataclasses import dataclass, fields
from itertools import groupby, pairwise
from typing import Any

from torch import Tensor, nn

from opsin.costs.operators import ATTENTION, CONVOLUTIONS, MOVES, PRODUCTS, aten, base_name, elementwise, known
from opsin.costs.receptive import Receptive, receptive_fields
from opsin.costs.trace import Call, Trace, aux_parameters

LAYERS_THAT_ACTIVATE = CONVOLUTIONS | {aten.linear, aten.mm, aten.addmm}
SEEN = "receptive_field", "shortest_receptive_field", "local_receptive_field", "whole_image", "stride", "offset"
WORDS = {
    **dict.fromkeys(ATTENTION, "attention"),
    **dict.fromkeys(CONVOLUTIONS, "convolution"),
    **dict.fromkeys((aten.linear, aten.mm, aten.addmm), "linear"),
    **dict.fromkeys((aten.bmm, aten.baddbmm), "matmul"),
}
"""What products are called in a row's kind."""


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

    def to_dict(self) -> dict[str, Any]:
        """All of it, for JSON."""
        counted = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "sees"}
        return counted | {name: getattr(self, name) for name in SEEN}


def plain(pair: tuple[Any, Any]) -> Any:
    """A pair as one number where both are equal."""
    return pair[0] if pair[0] == pair[1] else pair


def layers_of(traced: Trace, sight: bool = True) -> tuple[Layer, ...]:
    """The rows of the sheet, in the order of the forward pass; without `sight`, without receptive fields."""
    seen = receptive_fields(traced) if sight else [None] * len(traced.calls)
    modules = dict(traced.net.named_modules())
    runs = []
    for (name, _), group in groupby(enumerate(traced.calls), key=lambda item: (item[1].layer, item[1].visit)):
        run = list(group)
        if any(not call.moves and (base_name(call.operator) not in MOVES or is_cat(call)) for _, call in run):
            runs.append((name, run))
    attends = attention_in_pieces(traced.calls)
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
        data, weight = moved(calls, traced.weights)
        rows.append(
            Layer(
                name=name,
                kind=kind_of(modules[name], calls, attends),
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


def kind_of(module: nn.Module, calls: list[Call], attends: set[int]) -> str:
    """A layer's class; of a module that holds others, what it computes itself: "add", "cat", "attention".

    Attention's scaling, masks and softmax go without saying.
    """
    if not any(True for _ in module.children()):
        return type(module).__name__
    names = ["attention" if id(call) in attends else word_for(call) for call in calls if not call.moves]
    if "attention" in names:
        names = [name for name in names if name in WORDS.values()]
    return ", ".join(dict.fromkeys(name for name in names if name not in MOVES or name in ("cat", "stack")))


def word_for(call: Call) -> str:
    return WORDS.get(call.operator, base_name(call.operator))


def attention_in_pieces(calls: list[Call]) -> set[int]:
    """The ids of products with a softmax between them: of queries and keys, and of the weights and values.

    The softmax may be a module of its own, inside of the one that multiplies.
    """
    found: set[int] = set()
    products = [k for k, call in enumerate(calls) if word_for(call) == "matmul"]
    for first, last in pairwise(products):
        inside = prefixes(calls[first].layer)[-1]
        between = [call for call in calls[first:last] if "softmax" in word_for(call)]
        if calls[first].layer == calls[last].layer and any(inside in ("", *prefixes(c.layer)) for c in between):
            found |= {id(calls[first]), id(calls[last])}
    return found


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
