"""Shadows: for every value of a tensor, which box of the image's pixels it depends on, and where in the image it looks.

A box is the smallest one around all pixels that the value depends on over any path; the image goes on beyond its
border, so that padding shortens no box. What sees no pixel has the empty box.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

Pair = tuple[Any, ...]
AXES = (0, 1)  # down the image, across the image
NOTHING = -(2**40)
"""A tap that stands for no position at all."""


@dataclass(frozen=True, eq=False)
class Shadow:
    """The boxes of a tensor of `shape`, in px; every field has one entry for each axis of the image.

    `low` and `high` are the first and the last pixel of each value's box, (inf, -inf) where it is empty, and `at` the
    place where the value looks, NaN where it looks at none. These arrays broadcast to `shape`: a dimension along which
    all values are alike has size 1. `jump` is the least that lies between neighbours, by the convolutions and poolings
    so far, and `shortest` the size of the box over the path that sees least. Where `whole`, a global operation lies on
    some path; it is not in the boxes. `image` is (H, W).
    """

    shape: torch.Size
    low: Pair
    high: Pair
    at: Pair
    jump: Pair
    shortest: Pair
    image: Pair
    whole: bool = False

    @cached_property
    def stride(self) -> Pair:
        """The distance of neighbours, of which there may be several along a dimension that holds windows or tokens."""
        return tuple(self.gap(axis) for axis in AXES)

    def gap(self, axis: int) -> float:
        """One entry of `stride`. What is less than three quarters of the jump tells apart channels, not positions."""
        at, least = self.at[axis], 0.75 * self.jump[axis]
        found = []
        for dim in (dim for dim, n in enumerate(at.shape) if n > 1):
            gaps = at.diff(dim=dim).abs()
            found += [abs(step)] if (step := self.step(axis, dim)) else gaps[gaps >= least].unique().tolist()
        return min((gap for gap in found if gap >= least), default=self.jump[axis])

    def step(self, axis: int, dim: int) -> float:
        """How many px down or across the image the next position along a dimension is, 0 where it is not a way."""
        if self.shape[dim] == 1:
            return self.jump[axis] if dim - len(self.shape) == axis - 2 else 0.0
        gaps = self.at[axis].diff(dim=dim)
        gaps = gaps[~gaps.isnan()]
        one_way = gaps.numel() > 0 and bool((gaps > 0).all() or (gaps < 0).all())
        return float(gaps.mean()) if one_way else 0.0

    def map(self, function: Callable[[Tensor], Tensor], shape: Sequence[int], **changes: Any) -> "Shadow":
        """The same function of all arrays; what it gives broadcasts to `shape`."""
        low, high, at = (tuple(function(a) for a in pair) for pair in (self.low, self.high, self.at))
        return replace(self, shape=torch.Size(shape), low=low, high=high, at=at, **changes)


def of_images(shape: torch.Size) -> Shadow:
    """Of images N C H W themselves: every value sees its own pixel."""
    height, width = shape[-2:]
    places = torch.arange(height).double()[:, None], torch.arange(width).double()[None]
    arrays = tuple(place.expand([1] * (len(shape) - 2) + list(place.shape)) for place in places)
    return Shadow(shape, arrays, arrays, arrays, (1.0, 1.0), (1.0, 1.0), (height, width))


def blind(s: Shadow, shape: Sequence[int], at: Pair | None = None, **changes: Any) -> Shadow:
    """What sees no pixel, and looks at none or `at`."""

    def full(value: float) -> Pair:
        return (torch.full([1] * len(shape), value, dtype=torch.float64),) * 2

    shape = torch.Size(shape)
    return replace(s, shape=shape, low=full(math.inf), high=full(-math.inf), at=at or full(math.nan), **changes)


def constant(s: Shadow, shape: Sequence[int]) -> Shadow:
    """Of a constant that lies among values which have a shadow: no path leads to it."""
    return blind(s, shape, shortest=(math.inf, math.inf), whole=False)


def sees_all(s: Shadow, shape: Sequence[int], at: Pair | None = None) -> Shadow:
    """The result of a global operation: it depends on the whole image, and no local path is left."""
    return blind(s, shape, at, whole=True, shortest=s.image)


def union(shadows: Sequence[Shadow], shape: Sequence[int]) -> Shadow:
    """Of what is made from values of several tensors that broadcast, one by one; it looks where the first does."""
    first = shadows[0]
    if len(shadows) == 1 and len(first.shape) == len(shape):
        return replace(first, shape=torch.Size(shape)) if first.shape != torch.Size(shape) else first
    shadows = [s.map(lambda a: a.reshape([1] * (len(shape) - a.ndim) + list(a.shape)), shape) for s in shadows]
    low, high, at = list(shadows[0].low), list(shadows[0].high), list(shadows[0].at)
    for s in shadows[1:]:
        for axis in AXES:
            low[axis] = torch.minimum(low[axis], s.low[axis])
            high[axis] = torch.maximum(high[axis], s.high[axis])
            at[axis] = torch.where(at[axis].isnan(), s.at[axis], at[axis]) if at[axis].isnan().any() else at[axis]
    return replace(
        shadows[0],
        low=tuple(low),
        high=tuple(high),
        at=tuple(at),
        jump=next((s.jump for s in shadows if not s.at[0].isnan().all()), shadows[0].jump),
        shortest=least(shadows),
        whole=any(s.whole for s in shadows),
    )


def alike(s: Shadow, dims: Sequence[int]) -> bool:
    """Whether all values along the dimensions see the same."""
    return all(a.shape[dim] == 1 for pair in (s.low, s.high, s.at) for a in pair for dim in dims)


def joined(s: Shadow, dims: list[int]) -> Shadow:
    """Of what is made from all values along dimensions, which stay with size 1; it looks at the middle of them."""
    shape = [1 if dim in dims else n for dim, n in enumerate(s.shape)]
    if alike(s, dims):
        return replace(s, shape=torch.Size(shape))
    low = tuple(a.amin(dims, keepdim=True) for a in s.low)
    high = tuple(a.amax(dims, keepdim=True) for a in s.high)
    at = tuple((first + last) / 2 for first, last in (ends(a, dims) for a in s.at))
    return replace(s, shape=torch.Size(shape), low=low, high=high, at=at)


def ends(at: Tensor, dims: list[int]) -> tuple[Tensor, Tensor]:
    """The first and the last place along dimensions; (inf, -inf) where there is none."""
    none = at.isnan()
    return (
        at.masked_fill(none, math.inf).amin(dims, keepdim=True),
        at.masked_fill(none, -math.inf).amax(dims, keepdim=True),
    )


def contracted(s: Shadow, dims: Sequence[int]) -> tuple[Shadow, bool]:
    """Of a sum over dimensions, which stay with size 1; and whether it is global: over all positions of a map."""
    dims = sorted(dim % len(s.shape) for dim in dims)
    summed = joined(s, dims)
    if alike(s, dims):
        return summed, False
    shortest, by_place, by_box, positions = list(s.shortest), True, True, 0
    for axis in AXES:
        first, last = ends(s.at[axis], dims)
        if not first.isfinite().any():
            return summed, False
        start, stop = first.min(), last[last.isfinite()].max()
        found = first.isfinite()
        first, last = first[found], last[found]
        positions += int(stop > start)
        spread, gap = float((last - first).max()), s.stride[axis]
        shortest[axis] += spread if spread >= 0.75 * s.jump[axis] else 0  # less is between channels
        by_place &= bool((first - start < gap).all() and (stop - last < gap).all())
        seeing = summed.low[axis].isfinite()
        low, high = summed.low[axis][seeing], summed.high[axis][summed.high[axis].isfinite()]
        by_box &= low.numel() > 0 and bool((low == low.min()).all() and (high == high.max()).all())
    if positions and (by_place or by_box):
        return sees_all(summed, summed.shape), True
    return replace(summed, shortest=tuple(shortest)), False


def windowed(
    s: Shadow, dim: int, taps: Tensor, centres: Tensor | None = None, ratio: float = 1.0, periodic: bool = False
) -> Shadow:
    """Of what is made from windows along a dimension.

    Args:
        taps: positions that each result reads [results, taps], inside of the map or not; NOTHING fills up.
        centres: the position where each result looks; the mean of its taps if not given.
        ratio: positions from one result to the next.
        periodic: whether the map goes on with itself beyond its end, one period further, as where it was rolled.
    """
    real = taps != NOTHING
    some = real.any(1)
    if centres is None:
        centres = (taps * real).sum(1) / real.sum(1).clamp(min=1)
    steps = [s.step(axis, dim) for axis in AXES]
    floors = centres.floor().long()

    def read(a: Tensor, step: float, index: Tensor, missing: float) -> Tensor:  # ... n ... -> ... results taps ...
        if a.shape[dim] == 1 and step == 0 and bool(some.all()):
            return a.unsqueeze(dim)
        n, flat = s.shape[dim], torch.where(index == NOTHING, 0, index).flatten()
        inside = flat.remainder(n) if periodic else flat.clamp(0, n - 1)
        along = [-1 if k == dim else 1 for k in range(a.ndim)]
        values = a.expand([n if k == dim else m for k, m in enumerate(a.shape)]).index_select(dim, inside)
        values = values + ((flat - inside) * step).view(along)
        values = values.masked_fill((index == NOTHING).flatten().view(along), missing)
        return values.unflatten(dim, index.shape)

    def at(a: Tensor, step: float) -> Tensor:
        places = read(a, step, torch.where(some, floors, NOTHING)[:, None], math.nan).squeeze(dim + 1)
        rest = [-1 if k == dim else 1 for k in range(a.ndim)]
        return places + ((centres - floors) * step).view(rest) if step else places

    spans = torch.where(real, taps, taps.amax(1, keepdim=True))
    span = int((taps.amax(1) - spans.amin(1)).max())
    pairs = list(enumerate(steps))
    return Shadow(
        shape=torch.Size(len(taps) if k == dim else n for k, n in enumerate(s.shape)),
        low=tuple(read(s.low[axis], step, taps, math.inf).amin(dim + 1) for axis, step in pairs),
        high=tuple(read(s.high[axis], step, taps, -math.inf).amax(dim + 1) for axis, step in pairs),
        at=tuple(at(s.at[axis], step) for axis, step in pairs),
        jump=tuple(abs(step) * ratio if step else s.jump[axis] for axis, step in pairs),
        shortest=tuple(s.shortest[axis] + span * abs(step) for axis, step in pairs),
        image=s.image,
        whole=s.whole,
    )


def reshaped(s: Shadow, shape: Sequence[int]) -> Shadow:
    """The same values in the same order, in another shape."""
    groups = list(matching(list(s.shape), list(shape)))

    def reshape(a: Tensor) -> Tensor:
        before, after = [], []
        for old, new in groups:
            varies = any(a.shape[k] > 1 for k in old)
            before += [s.shape[k] if varies else 1 for k in old]
            after += [shape[k] if varies else 1 for k in new]
        return a.expand(before).reshape(after)

    return s.map(reshape, shape)


def matching(old: list[int], new: list[int]) -> list[tuple[range, range]]:
    """The smallest runs of dimensions of two shapes that hold as many values: (2, 3, 4), (6, 4) -> 2 3 | 6, 4 | 4."""
    groups, i, j = [], 0, 0
    while i < len(old) or j < len(new):
        a, b = i, j
        p, q = 1, 1
        if i < len(old):
            p, i = old[i], i + 1
        if j < len(new):
            q, j = new[j], j + 1
        while p != q:
            if p < q:
                p, i = p * old[i], i + 1
            else:
                q, j = q * new[j], j + 1
        groups.append((range(a, i), range(b, j)))
    return groups


def merged(parts: Sequence[Shadow], shape: Sequence[int], function: Callable[[list[Tensor]], Tensor]) -> Shadow:
    """What holds the values of several shadows, each in its place: the same function of their arrays."""
    return replace(
        parts[0],
        shape=torch.Size(shape),
        low=tuple(function([s.low[axis] for s in parts]) for axis in AXES),
        high=tuple(function([s.high[axis] for s in parts]) for axis in AXES),
        at=tuple(function([s.at[axis] for s in parts]) for axis in AXES),
        jump=next((s.jump for s in parts if not s.at[0].isnan().all()), parts[0].jump),
        shortest=least(parts),
        whole=any(s.whole for s in parts),
    )


def concatenated(parts: Sequence[Shadow], dim: int, shape: Sequence[int]) -> Shadow:
    """Of tensors one behind the other along a dimension."""

    def cat(arrays: list[Tensor]) -> Tensor:
        if all(a.shape[dim] == 1 and same(a, arrays[0]) for a in arrays):
            return arrays[0]
        ones = [[1 if k == dim else n for k, n in enumerate(a.shape)] for a in arrays]
        rest = torch.broadcast_shapes(*ones)
        wide = [[s.shape[dim] if k == dim else n for k, n in enumerate(rest)] for s in parts]
        return torch.cat([a.expand(w) for a, w in zip(arrays, wide, strict=True)], dim)

    return merged(parts, shape, cat)


def least(parts: Sequence[Shadow]) -> Pair:
    """The size over the shortest of all paths."""
    return tuple(min(s.shortest[axis] for s in parts) for axis in AXES)


def same(a: Tensor, b: Tensor) -> bool:
    """Whether two arrays are equal, NaN being equal to NaN."""
    return a is b or (a.shape == b.shape and bool(((a == b) | (a.isnan() & b.isnan())).all()))


def equal(s: Shadow, t: Shadow) -> bool:
    """Whether two shadows say the same of all values."""
    numbers = s.shape == t.shape and (s.shortest, s.whole) == (t.shortest, t.whole)
    return numbers and all(
        same(*torch.broadcast_tensors(a, b))
        for one, other in ((s.low, t.low), (s.high, t.high), (s.at, t.at))
        for a, b in zip(one, other, strict=True)
    )


def shrunk(a: Tensor) -> Tensor:
    """An array with size 1 along the dimensions along which all its values are equal."""
    a = a[tuple(slice(0, 1) if step == 0 else slice(None) for step in a.stride())]
    for dim, n in enumerate(a.shape):
        if n > 1 and same(a.narrow(dim, 0, 1).expand_as(a), a):
            a = a.narrow(dim, 0, 1)
    return a
