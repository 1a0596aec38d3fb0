"""Shapes of a pass on the `meta` device, forward or backward, found in about half of the time.

PyTorch finds the results of some operators there by taking them to pieces, in Python, a millisecond each time or more.
For those that a network has by the hundred the shapes are plain: they are made at once.
"""

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode


def like_the_first(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    return torch.empty_like(x)


def batch_norm(x: Tensor, *args: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Maps, and the mean and spread of each channel."""
    return torch.empty_like(x), *statistics(x, [x.shape[1]])


def layer_norm(x: Tensor, shape: list[int], *args: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Values, and the mean and spread at each position."""
    own = [*x.shape[: -len(shape)], *(1 for _ in shape)]
    return torch.empty_like(x, memory_format=torch.contiguous_format), *statistics(x, own)


def batch_norm_backward(grad: Tensor, x: Tensor, weight: Tensor | None, *args: Any) -> tuple[Tensor | None, ...]:
    """Gradients of the maps, the scales and the shifts, those that are asked for."""
    of_channels = x.new_empty(x.shape[1], dtype=x.dtype if weight is None else weight.dtype)
    gradients = torch.empty_like(x), of_channels, torch.empty_like(of_channels)
    return tuple(gradient if asked else None for gradient, asked in zip(gradients, args[-1], strict=True))


def like_the_second(grad: Tensor, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    return torch.empty_like(x)


def statistics(x: Tensor, shape: list[int]) -> tuple[Tensor, Tensor]:
    mean = x.new_empty(shape, dtype=torch.promote_types(x.dtype, torch.float32))
    return mean, torch.empty_like(mean)


aten = torch.ops.aten
SHAPES = {
    aten.native_batch_norm.default: batch_norm,
    aten.native_layer_norm.default: layer_norm,
    **dict.fromkeys(
        (aten.relu.default, aten.hardtanh.default, aten.gelu.default, aten._prelu_kernel.default), like_the_first
    ),
    aten.native_batch_norm_backward.default: batch_norm_backward,
    **dict.fromkeys((aten.threshold_backward.default, aten.gelu_backward.default), like_the_second),
}
"""Operators whose results are made at once: shaped as an argument is, or a value for each channel or place."""


class Shapes(TorchDispatchMode):
    """While it is on, operators of `SHAPES` on `meta` tensors are not taken to pieces; all others run as they do."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        quick = func in SHAPES and args[0].is_meta
        return (SHAPES[func] if quick else func)(*args, **kwargs or {})
