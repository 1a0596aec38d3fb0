"""How the shadow of an operator's result comes from those of its arguments: a rule for each kind of operator."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from opsin.costs import shadows
from opsin.costs.operators import ATTENTION, CONVOLUTIONS, POINTWISE, REDUCTIONS, base_name
from opsin.costs.shadows import AXES, NOTHING, Shadow
from opsin.costs.trace import Call

Look = Callable[[Any], Shadow | None]
"""The shadow of an argument; None where it is a constant, or no tensor."""
Rule = Callable[[Call, Look], Shadow | list[Shadow]]
"""The shadow of the result, or of the first results; those behind are not known. ValueError where none is known."""


def shape_of(call: Call) -> torch.Size:
    assert call.result is not None
    return call.result.shape


def one(call: Call, look: Look) -> Shadow:
    """The shadow of the first argument, where nothing else that the operator takes depends on the images."""
    s = look(call.args[0])
    if s is None or any(look(x) for x in call.tensors[1:]):
        raise ValueError("depends on the images in another argument")
    return s


def pointwise(call: Call, look: Look) -> Shadow:
    return shadows.union([s for x in call.tensors if (s := look(x))], shape_of(call))


def batch_norm(call: Call, look: Look) -> Shadow:
    """With statistics of its own batch, as in instance normalisation, it sees all positions."""
    s = one(call, look)
    by_batch = any(argument is True for argument in call.args)
    return normalised(s, [dim for dim in range(len(s.shape)) if dim != 1]) if by_batch else s


def normalised(s: Shadow, dims: Sequence[int]) -> Shadow:
    """Values, each with the statistics of all along the dimensions."""
    statistics, everything = shadows.contracted(s, dims)
    if everything:
        return replace(s, whole=True)
    return replace(shadows.union([s, statistics], s.shape), shortest=s.shortest)


def layer_norm(call: Call, look: Look) -> Shadow:
    return normalised(one(call, look), range(-len(call.args[1]), 0))


def group_norm(call: Call, look: Look) -> Shadow:
    s, groups = one(call, look), call.args[6]
    split = shadows.reshaped(s, (s.shape[0], groups, s.shape[1] // groups, *s.shape[2:]))
    return shadows.reshaped(normalised(split, range(2, len(split.shape))), s.shape)


def softmax(call: Call, look: Look) -> Shadow:
    s = one(call, look)
    total, everything = shadows.contracted(s, [call.args[1]])
    return shadows.sees_all(s, s.shape, s.at) if everything else shadows.union([s, total], s.shape)


def reduction(call: Call, look: Look) -> list[Shadow]:
    """Sums and extremes along dimensions."""
    s, out = one(call, look), shape_of(call)
    place = 2 if base_name(call.operator) in ("norm", "linalg_vector_norm") else 1
    dims = call.kwargs.get("dim", call.args[place] if len(call.args) > place else None)
    dims = [dims] if isinstance(dims, int) else list(dims or range(len(s.shape)))
    found = shadows.reshaped(shadows.contracted(s, dims)[0], out)
    return [found, found]


def product(parts: Sequence[tuple[Shadow, bool]], shape: Sequence[int]) -> Shadow:
    """Of sums of products: the parts are what each factor gives, and whether its sum is global."""
    (first, first_everything), *_ = parts
    seen = shadows.union([s for s, _ in parts], shape)
    if any(everything for _, everything in parts):
        return shadows.sees_all(seen, shape, None if first_everything else first.at)
    longest = tuple(max(s.shortest[axis] for s, _ in parts) for axis in AXES)
    return replace(seen, at=first.at, shortest=longest)


def matmul(call: Call, look: Look) -> Shadow:
    """Of mm and bmm; addmm and baddbmm have what is added in front."""
    *added, left, right = [look(x) for x in call.args[:3]]
    parts = [shadows.contracted(s, [dim]) for s, dim in ((left, -1), (right, -2)) if s]
    found = [product(parts, shape_of(call))] if parts else []
    return shadows.union([*found, *(s for s in added if s)], shape_of(call))


def attention(call: Call, look: Look) -> Shadow:
    """Fused: query [..., L, D], key and value [..., S, D]; what is returned beside the result is not known."""
    dims = ([-1], [-1, -2], [-1, -2])
    parts = [shadows.contracted(s, d) for x, d in zip(call.args[:3], dims, strict=True) if (s := look(x))]
    return product(parts, shape_of(call))


def nth(numbers: int | Sequence[int], k: int) -> int:
    """Of a number for each dimension, or one for all."""
    return numbers if isinstance(numbers, int) else numbers[k if len(numbers) > 1 else 0]


def sliding(results: int, kernel: int, stride: int, padding: int, dilation: int) -> tuple[Tensor, Tensor]:
    """What windows read [results, kernel], and where they look."""
    starts = torch.arange(results) * stride - padding
    return starts[:, None] + torch.arange(kernel) * dilation, starts + (kernel - 1) * dilation / 2


def spreading(results: int, kernel: int, stride: int, padding: int, dilation: int) -> tuple[Tensor, Tensor]:
    """The same for a transposed convolution."""
    reached = torch.arange(results)[:, None] + padding - torch.arange(kernel) * dilation
    taps = torch.where(reached % stride == 0, reached.div(stride, rounding_mode="floor"), NOTHING)
    return taps, (torch.arange(results) + padding - (kernel - 1) * dilation / 2) / stride


def convolution(call: Call, look: Look) -> Shadow:
    """A unit sees all channels of its group."""
    s, out = one(call, look), shape_of(call)
    weight, (stride, padding, dilation, transposed, _, groups) = call.args[1], call.args[3:9]
    split = shadows.reshaped(s, (s.shape[0], groups, s.shape[1] // groups, *s.shape[2:]))
    each = out[1] // groups

    def over_channels(a: Tensor) -> Tensor:  # N groups 1 H W -> N C H W
        return a.expand(*a.shape[:2], each if a.shape[1] > 1 else 1, *a.shape[3:]).flatten(1, 2)

    s = shadows.joined(split, [2]).map(over_channels, (*out[:2], *s.shape[2:]))
    for k, dim in enumerate(range(2, len(out))):
        step, windows = nth(stride, k), spreading if transposed else sliding
        taps, centres = windows(out[dim], weight.shape[dim], step, nth(padding, k), nth(dilation, k))
        s = shadows.windowed(s, dim, taps, centres, ratio=1 / step if transposed else step)
    return s


def pooling(call: Call, look: Look) -> list[Shadow]:
    """Max pooling with its indices, and average pooling, which is global where it is over the whole map."""
    s, out, name = one(call, look), shape_of(call), base_name(call.operator)
    given = dict(enumerate(call.args))
    kernel, padding, dilation = call.args[1], given.get(3, 0), given.get(4, 1) if "max" in name else 1
    stride = given.get(2) or kernel
    sides = list(enumerate(range(len(out) - (3 if "3d" in name else 2), len(out))))
    windows = [sliding(out[dim], nth(kernel, k), nth(stride, k), nth(padding, k), nth(dilation, k)) for k, dim in sides]
    covered = [out[dim] == 1 and nth(kernel, k) - nth(padding, k) >= s.shape[dim] for k, dim in sides]
    if "avg" in name and all(covered):
        return [shadows.contracted(s, [dim for _, dim in sides])[0]]
    for (k, dim), (taps, centres) in zip(sides, windows, strict=True):
        s = shadows.windowed(s, dim, taps, centres, ratio=nth(stride, k))
    return [s, s]


def adaptive_pooling(call: Call, look: Look) -> list[Shadow]:
    s, out = one(call, look), shape_of(call)
    sides = range(len(out) - 2, len(out))
    if all(out[dim] == 1 for dim in sides):
        found = shadows.contracted(s, list(sides))[0]
        return [found, found]
    for dim in sides:
        n, results = s.shape[dim], torch.arange(out[dim])
        starts, ends = results * n // out[dim], -((-results - 1) * n // out[dim])
        taps = torch.minimum(starts[:, None] + torch.arange(int((ends - starts).max())), ends[:, None] - 1)
        s = shadows.windowed(s, dim, taps, (starts + ends - 1) / 2, ratio=n / out[dim])
    return [s, s]


def resampling(call: Call, look: Look) -> Shadow:
    """Nearest: the value around; linear and cubic: the nearest two and four, but for weights of 0."""
    s, out, name = one(call, look), shape_of(call), base_name(call.operator)
    scales = [x for x in call.args[2:] if isinstance(x, float)]
    for k, dim in enumerate(range(2, len(out))):
        n, results = s.shape[dim], torch.arange(out[dim]).double()
        scale = 1 / scales[k] if len(scales) == 2 else n / out[dim]
        centres = (results + 0.5) * scale - 0.5
        if any(x is True for x in call.args):  # the corners are aligned
            scale = (n - 1) / max(1, out[dim] - 1)
            centres = results * scale
        if "nearest" in name:
            taps = (results * scale if "exact" not in name else (results + 0.5) * scale).floor().long()[:, None]
        else:
            taps = around(centres, (2 if "cubic" in name else 1) * (max(1, scale) if name.endswith("aa") else 1))
        s = shadows.windowed(s, dim, taps, centres, ratio=scale)
    return s


def around(centres: Tensor, reach: float) -> Tensor:
    """Positions less than `reach` from the centres [results, taps]; a centre on a position has that one alone."""
    first, last = (centres - reach).floor().long() + 1, (centres + reach).ceil().long() - 1
    taps = torch.minimum(first[:, None] + torch.arange(int((last - first).max()) + 1), last[:, None])
    on_one = (centres == centres.round()) & (reach in (1, 2))
    return torch.where(on_one[:, None], centres.long()[:, None], taps)


def unpooling(call: Call, look: Look) -> Shadow:
    """A value goes to a place of its window by its index, and depends on both."""
    s, out = shadows.union([s for x in call.args[:2] if (s := look(x))], call.args[0].shape), shape_of(call)
    for dim in range(len(out) - 2, len(out)):
        scale, results = s.shape[dim] / out[dim], torch.arange(out[dim])
        taps = (results * scale).floor().long()[:, None]
        s = shadows.windowed(s, dim, taps, (results + 0.5) * scale - 0.5, ratio=scale)
    return s


def padding(call: Call, look: Look) -> Shadow:
    """A padded image goes on beyond the border; what channels are padded with sees nothing."""
    s, pads = one(call, look), call.args[1]
    for k in range(len(pads) // 2):
        dim, before, after = len(s.shape) - 1 - k, pads[2 * k], pads[2 * k + 1]
        if before or after:
            places = torch.arange(-before, s.shape[dim] + after)
            outside = (places < 0) | (places >= s.shape[dim])
            if not any(s.step(axis, dim) for axis in AXES):
                places = places.masked_fill(outside, NOTHING)
            s = shadows.windowed(s, dim, places[:, None])
    return s


def rolling(call: Call, look: Look) -> Shadow:
    """What is pushed over the end comes in at the other side, as if the image were repeated there."""
    s = one(call, look)
    for shift, dim in zip(call.args[1], call.args[2], strict=True):
        dim = dim % len(s.shape)
        s = shadows.windowed(s, dim, (torch.arange(s.shape[dim]) - shift)[:, None], periodic=True)
    return s


def keeping(call: Call, look: Look) -> Shadow:
    return one(call, look)


def reshaping(call: Call, look: Look) -> Shadow:
    return shadows.reshaped(one(call, look), shape_of(call))


def restriding(call: Call, look: Look) -> Shadow:
    """In place, as `meta` does with a fresh result: the same values, laid out otherwise."""
    if call.operator.__name__ != "as_strided_":
        raise ValueError("other values may be shown")
    return one(call, look)


def expanding(call: Call, look: Look) -> Shadow:
    return shadows.union([one(call, look)], shape_of(call))


def moving(call: Call, look: Look) -> list[Shadow]:
    """What moves whole values: the operator itself, on the arrays."""
    s = one(call, look)
    shapes = [x.shape for x in tree_leaves(call.out)]

    def moved(a: Tensor, k: int) -> Tensor:
        return shadows.shrunk(tree_leaves(call.operator(a.expand(s.shape), *call.args[1:], **call.kwargs))[k])

    return [s.map(lambda a, k=k: moved(a, k), shape) for k, shape in enumerate(shapes)]


def concatenation(call: Call, look: Look) -> Shadow:
    tensors, dim = call.args[0], call.args[1] if len(call.args) > 1 else call.kwargs.get("dim", 0)
    known = next(s for x in tensors if (s := look(x)))
    parts = [look(x) or shadows.constant(known, x.shape) for x in tensors if x.shape != (0,)]
    dim %= len(shape_of(call))
    if base_name(call.operator) == "stack":
        parts = [shadows.reshaped(s, (*s.shape[:dim], 1, *s.shape[dim:])) for s in parts]
    return shadows.concatenated(parts, dim, shape_of(call))


def copying(call: Call, look: Look) -> Shadow:
    """Into a tensor, whose values before do not count."""
    return shadows.union([s for x in call.args[1:2] if (s := look(x))], shape_of(call))


RULES: dict[Any, Rule] = {
    **dict.fromkeys(POINTWISE, pointwise),
    **dict.fromkeys(REDUCTIONS - {"cumsum"}, reduction),
    **dict.fromkeys(("_softmax", "_safe_softmax", "_log_softmax", "log_softmax"), softmax),
    **dict.fromkeys(("native_batch_norm", "cudnn_batch_norm"), batch_norm),
    **dict.fromkeys(("_native_batch_norm_legit", "_native_batch_norm_legit_no_training"), batch_norm),
    "native_layer_norm": layer_norm,
    "native_group_norm": group_norm,
    **dict.fromkeys(("mm", "bmm", "addmm", "baddbmm"), matmul),
    **dict.fromkeys(ATTENTION, attention),
    **dict.fromkeys(CONVOLUTIONS, convolution),
    **dict.fromkeys(("max_pool2d", "max_pool2d_with_indices", "max_pool3d_with_indices"), pooling),
    **dict.fromkeys(("avg_pool2d", "avg_pool3d"), pooling),
    **dict.fromkeys(("_adaptive_avg_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d"), adaptive_pooling),
    **dict.fromkeys(("upsample_nearest2d", "_upsample_nearest_exact2d"), resampling),
    **dict.fromkeys(("upsample_bilinear2d", "_upsample_bilinear2d_aa"), resampling),
    **dict.fromkeys(("upsample_bicubic2d", "_upsample_bicubic2d_aa"), resampling),
    "max_unpool2d": unpooling,
    **dict.fromkeys(("constant_pad_nd", "reflection_pad2d", "replication_pad2d"), padding),
    "roll": rolling,
    **dict.fromkeys(("clone", "_to_copy", "detach", "alias", "contiguous", "native_dropout", "dropout"), keeping),
    **dict.fromkeys(("view", "_unsafe_view", "reshape", "_reshape_alias", "squeeze", "unsqueeze"), reshaping),
    "expand": expanding,
    "as_strided": restriding,
    **dict.fromkeys(("t", "transpose", "permute", "slice", "select", "split", "split_with_sizes"), moving),
    **dict.fromkeys(("unbind", "diagonal", "movedim", "repeat", "tile", "flip", "unfold"), moving),
    **dict.fromkeys(("pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "chunk"), moving),
    **dict.fromkeys(("cat", "stack"), concatenation),
    "copy": copying,
}
"""By operator, or by its name."""
