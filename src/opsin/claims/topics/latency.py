"""Claims about time, measured on this machine: do operations saved become time saved?"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from opsin.claims import clock
from opsin.claims.chart import Bars, Grid, Lines
from opsin.claims.claim import Claim, Finding, Part, every, weigh
from opsin.claims.clock import Build, Figure, Times, decisive, law, through
from opsin.costs.memory import LiveTensors
from opsin.models import convnext, googlenet, vit

T = TypeVar("T")

MAC_RATIO = 589_824 / 69_632
"""Products of a 3x3 on 256 maps, and of the bottleneck of 64 in its place."""
WRITTEN, FUSED, WINDOWS = "attention as written", "attention, fused", "attention in windows of 49"
DEPTHWISE, DENSE = "depthwise 7x7", "3x3"
MOST_WRITTEN = 4900
"""Tokens for which attention is timed as it is written: 12,544 would take 8 GB."""


def full() -> nn.Module:
    """A 3x3 on 256 maps."""
    return nn.Conv2d(256, 256, 3, padding=1, bias=False)


def narrow() -> nn.Module:
    """1x1, 3x3 and 1x1 through 64 maps."""
    return nn.Sequential(
        nn.Conv2d(256, 64, 1, bias=False),
        nn.Conv2d(64, 64, 3, padding=1, bias=False),
        nn.Conv2d(64, 256, 1, bias=False),
    )


def bottleneck_in_time(sides: tuple[int, ...] = (7, 14, 28, 56), batches: tuple[int, ...] = (1, 16, 64)) -> Finding:
    """A 3x3 on 256 maps beside the bottleneck in its place: maps, batches and threads."""
    threads = sorted({1, torch.get_num_threads()})
    rounds: dict[Any, Any] = {}
    for used in threads:
        builds = {
            (batch, used, side, make): through(make, batch, 256, side, side)
            for batch, side, make in product(batches, sides, (full, narrow))
        }
        rounds |= clock.times(builds, threads=used, minutes=2.0 / len(threads)).rounds
    times = Times(rounds)
    rows = list(product(batches, threads))
    cells = list(product(rows, sides))

    def quicker(ms: Any, row: tuple[int, int], side: int) -> Any:
        return ms[*row, side, full] / ms[*row, side, narrow]

    share = times.figure(lambda ms: np.mean([quicker(ms, *cell) >= MAC_RATIO / 2 for cell in cells], axis=0))
    each = {cell: times.figure(partial(quicker, row=cell[0], side=cell[1])) for cell in cells}
    return weigh(
        Part(
            f"at least half of {MAC_RATIO:.2f}, the ratio of products, becomes time in three of four cells",
            f"in {share:.0%} of {len(cells)}",
            share.at_least(0.75),
        ),
        Part(
            "the bottleneck is quicker in every cell",
            f"{each[decisive(each, 1)]:.1f} times at the least",
            every(own.at_least(1) for own in each.values()),
        ),
        charts=(
            Grid(
                "Times quicker through the bottleneck",
                "times",
                tuple(f"batch {batch}, {used} thread{'s' * (used > 1)}" for batch, used in rows),
                tuple(f"{side} px" for side in sides),
                tuple(tuple(each[row, side].value for side in sides) for row in rows),
            ),
        ),
        notes=(clock.NOTE,),
    )


def naive(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention as it is written, with its table of n x n."""
    return (q @ k.transpose(2, 3) * q.shape[3] ** -0.5).softmax(3) @ v


def in_windows(q: Tensor, k: Tensor, v: Tensor, window: int = 49) -> Tensor:
    """Attention among so many neighbours."""
    q, k, v = (x.unflatten(2, (-1, window)) for x in (q, k, v))
    return nn.functional.scaled_dot_product_attention(q, k, v)


def alive(run: partial[Tensor]) -> int:
    """Bytes that a run has alive at its peak, what it is given with it."""
    with torch.no_grad(), LiveTensors([x for x in run.args if isinstance(x, Tensor)]) as tensors:
        run()
    return tensors.peak


def attention(way: Callable[..., Tensor], tokens: int, dim: int = 384, heads: int = 6) -> Build:
    """What builds queries, keys and values, and their run through one kind of attention."""
    return lambda: partial(way, *torch.randn(3, 1, heads, tokens, dim // heads))


def quadratic_attention(sides: tuple[int, ...] = (7, 14, 21, 28, 42, 56, 70, 112), most: int = MOST_WRITTEN) -> Finding:
    """Time and memory of attention and of convolutions for 49 to 12,544 tokens of 384 channels."""
    dim = 384
    ways = {WRITTEN: naive, FUSED: nn.functional.scaled_dot_product_attention, WINDOWS: in_windows}
    layers = {
        DEPTHWISE: lambda: nn.Conv2d(dim, dim, 7, padding=3, groups=dim),
        DENSE: lambda: nn.Conv2d(dim, dim, 3, padding=1),
    }
    builds: dict[tuple[str, int], Build] = {}
    for side in sides:
        builds |= {(name, side**2): attention(way, side**2, dim) for name, way in ways.items()}
        builds |= {(name, side**2): through(make, 1, dim, side, side) for name, make in layers.items()}
    times = clock.times(
        {(name, n): build for (name, n), build in builds.items() if name != WRITTEN or n <= most}, minutes=2.5
    )
    memory: dict[str, list[tuple[float, float]]] = {name: [] for name in (*ways, *layers)}
    for (name, n), build in builds.items():
        with torch.device("meta" if name == WRITTEN else "cpu"):
            run = build()
        memory[name].append((n, alive(run) / 2**20))
    sizes = {name: [n for own, n in times.rounds if own == name] for name in memory}

    def upper(of: Sequence[T]) -> Sequence[T]:
        return of[len(of) // 2 :]

    def grows(name: str) -> Figure:
        own = upper(sizes[name])
        return times.figure(lambda ms: law(own, [ms[name, n] for n in own]).exponent)

    time = {name: grows(name) for name in memory}
    space = {name: float(law(*zip(*upper(points), strict=True)).exponent) for name, points in memory.items()}
    products = {n: 2 * n * n * dim / (49 * n * dim) for n in (14**2, 28**2, 56**2)}
    return weigh(
        Part(
            "attention's time grows with the square of the tokens (exponent over 1.8)",
            f"as written {time[WRITTEN]:.2f}, fused {time[FUSED]:.2f}",
            every(time[name].at_least(1.8) for name in (WRITTEN, FUSED)),
        ),
        Part(
            "a convolution's with their number (0.9 to 1.15)",
            f"depthwise 7x7 {time[DEPTHWISE]:.2f}, 3x3 {time[DENSE]:.2f}",
            every(time[name].within(0.9, 1.15) for name in layers),
        ),
        Part(
            "and so does attention's memory, however it is computed",
            f"as written {space[WRITTEN]:.2f}, fused {space[FUSED]:.2f}",
            all(space[name] > 1.8 for name in (WRITTEN, FUSED)),
        ),
        Part("time of attention in windows, as Swin has it", f"{time[WINDOWS]:.2f}"),
        Part(
            "products of attention for one of a depthwise 7x7",
            ", ".join(f"{ratio:.0f} times at {n:,} tokens" for n, ratio in products.items()),
        ),
        Part(
            "where attention's own products pass those of its projections", f"from {2 * dim} tokens, twice the channels"
        ),
        charts=(
            Lines(
                "Time by tokens, 384 channels",
                "tokens",
                "ms",
                {name: tuple((float(n), times.ms[name, n]) for n in own) for name, own in sizes.items()},
                log="xy",
            ),
            Lines(
                "Memory at its peak by tokens",
                "tokens",
                "MiB",
                {name: tuple(points) for name, points in memory.items()},
                log="xy",
            ),
        ),
        notes=(
            "Exponents are fitted to the upper half of the sizes. Memory is that of all tensors alive at once; "
            f"attention as written is timed up to {most:,} tokens, where its tables are still small enough.",
            clock.NOTE,
        ),
    )


def stem() -> nn.Module:
    """That of ResNet."""
    return nn.Sequential(nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.MaxPool2d(3, 2, 1))


def patches() -> nn.Module:
    """That of ConvNeXt, with as many maps."""
    return nn.Conv2d(3, 64, 4, 4)


def dense(channels: int) -> nn.Module:
    """A 3x3."""
    return nn.Conv2d(channels, channels, 3, padding=1, bias=False)


def separable(channels: int) -> nn.Module:
    """A 3x3 in each map, then 1x1 across them."""
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
        nn.Conv2d(channels, channels, 1, bias=False),
    )


def patches_and_depthwise() -> Finding:
    """The stems of ResNet and ConvNeXt on one image; separable and full convolutions."""
    sides = {96: 56, 192: 28, 384: 14, 768: 7}  # of the maps, by their number
    stems = clock.times({make: through(make, 1, 3, 224, 224) for make in (stem, patches)}, seconds=0.1)
    layers = clock.times(
        {
            (make, channels): through(partial(make, channels), 8, channels, side, side)
            for channels, side in sides.items()
            for make in (dense, separable)
        },
        seconds=0.1,
    )
    products = {channels: 9 * channels / (9 + channels) for channels in sides}

    def saved(channels: int) -> Figure:
        return layers.figure(lambda ms: ms[dense, channels] / ms[separable, channels] / products[channels])

    share = stems.figure(lambda ms: ms[patches] / ms[stem])
    kept = {channels: saved(channels) for channels in sides}
    rows = []
    for channels, side in sides.items():
        name = f"{channels} maps, {side} px"
        rows += [(name, "products", products[channels]), (name, "time", kept[channels].value * products[channels])]
    return weigh(
        Part(
            "patches of 4x4 take a third of the time of a 7x7 and a pooling, at most",
            f"{share:.2f} of it ({stems.ms[patches]:.2f} for {stems.ms[stem]:.2f} ms)",
            share.at_most(1 / 3),
        ),
        Part(
            "of what depthwise separable convolutions save in products, half or more is saved in time",
            ", ".join(f"{own:.0%} at {channels} maps" for channels, own in kept.items()),
            every(own.at_least(0.5) for own in kept.values()),
        ),
        charts=(Bars("Depthwise separable for full 3x3: times fewer products, times less time", "times", tuple(rows)),),
        notes=("Both stems with 64 maps, batch 1; the convolutions with batch 8.", clock.NOTE),
    )


# fmt: off
CLAIMS = (
    Claim(
        "X06", "A bottleneck keeps inference quick",
        "Reducing the maps before the large kernel keeps the time of inference low.",
        "thereby keeping the inference time low", "ABCD", googlenet.PAPER,
        "operations are a reliable estimate of the inference time (Canziani and others, 2016)", "memory",
        "cost", "half of the ratio of products, 8.47, or more in three of four cells, and quicker in all; partly where "
                "one of the two is so",
        bottleneck_in_time,
        full="the same grid on a GPU",
        minutes=2.3,
    ),
    Claim(
        "X24", "Attention is quadratic, convolution is not",
        "The cost of self-attention grows with the square of the sequence, that of a convolution does not.",
        "Self-Attention scales quadratically with sequence length and Convolution doesn't", "E", vit.PAPER,
        "2 n^2 d products for 49 n d of a depthwise 7x7: 8, 32 and 128 times at 14^2, 28^2 and 56^2 tokens",
        "arithmetic",
        "cost", "exponent of time by tokens over 1.8 for attention, 0.9 to 1.15 for convolutions, in the upper half of "
                "the sizes, and of attention's memory, too; partly where some of it is so",
        quadratic_attention,
        errs="That is global attention: in windows, as Swin has it, it grows with the number of tokens; and fused, its "
             "memory does.",
        full="on a GPU with fused attention: time quadratic, memory linear",
        minutes=2.7,
    ),
    Claim(
        "X25", "Patches and depthwise convolutions are efficient",
        "A 4x4 stem of stride 4 and depthwise separable convolutions make ConvNeXt efficient.",
        "more computationally efficient way with the depthwise separable convolutions", "E", convnext.PAPER,
        "patches for the stem: 79.4 to 79.5 % (section 2.2)", "memory",
        "cost", "patches take a third of the stem's time, and half of the saving in products becomes time",
        patches_and_depthwise,
        minutes=0.5,
    ),
)
