"""Claims about time, measured on this machine: do operations saved become time saved?"""

from collections.abc import Callable
from functools import partial
from itertools import product

import numpy as np
import torch
from torch import Tensor, nn

from opsin.claims.chart import Bars, Grid, Lines
from opsin.claims.claim import Claim, Finding, Part, Verdict, weigh
from opsin.claims.clock import Law, law, milliseconds
from opsin.costs.memory import LiveTensors
from opsin.models import convnext, googlenet, vit

MAC_RATIO = 589_824 / 69_632
"""Products of a 3x3 on 256 maps, and of the bottleneck of 64 in its place."""
WRITTEN, FUSED = "attention as written", "attention, fused"
MOST_WRITTEN = 4900
"""Tokens for which attention is timed as it is written: 12,544 would take 8 GB."""


def with_threads(threads: int, run: Callable[[], dict[str, float]]) -> dict[str, float]:
    """What is measured on so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return run()
    finally:
        torch.set_num_threads(before)


def bottleneck_in_time(sides: tuple[int, ...] = (7, 14, 28, 56), batches: tuple[int, ...] = (1, 16, 64)) -> Finding:
    """A 3x3 on 256 maps beside 1x1, 3x3, 1x1 through 64: maps, batches and threads."""
    full = nn.Conv2d(256, 256, 3, padding=1, bias=False)
    narrow = nn.Sequential(
        nn.Conv2d(256, 64, 1, bias=False),
        nn.Conv2d(64, 64, 3, padding=1, bias=False),
        nn.Conv2d(64, 256, 1, bias=False),
    )
    threads = sorted({1, torch.get_num_threads()})
    cells: dict[tuple[str, str], float] = {}
    spread: dict[tuple[str, str], float] = {}
    for side, batch, used in product(sides, batches, threads):
        x = torch.randn(batch, 256, side, side)
        rounds = []
        for _ in range(3):
            ms = with_threads(
                used, lambda x=x: milliseconds({"full": lambda: full(x), "narrow": lambda: narrow(x)}, rounds=3)
            )
            rounds.append(ms["full"] / ms["narrow"])
        at = (f"batch {batch}, {used} thread{'s' * (used > 1)}", f"{side} px")
        cells[at], spread[at] = float(np.median(rounds)), min(rounds)
    good = sum(value >= MAC_RATIO / 2 for value in cells.values()) / len(cells)
    always = all(value > 1 for value in spread.values())
    verdict = Verdict.HOLDS if good >= 0.75 else Verdict.PARTLY if always else Verdict.NOT_HERE
    rows, columns = tuple(dict.fromkeys(r for r, _ in cells)), tuple(dict.fromkeys(c for _, c in cells))
    return Finding(
        verdict,
        (
            Part(
                f"at least half of {MAC_RATIO:.2f}, the ratio of products, becomes time in three of four cells",
                f"in {good:.0%} of {len(cells)}",
                good >= 0.75,
            ),
            Part(
                "the bottleneck is quicker in every cell",
                f"{min(spread.values()):.1f} to {max(cells.values()):.1f} times",
                always,
            ),
        ),
        (
            Grid(
                "Times quicker through the bottleneck",
                "times",
                rows,
                columns,
                tuple(tuple(cells[r, c] for c in columns) for r in rows),
            ),
        ),
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


def quadratic_attention(sides: tuple[int, ...] = (7, 14, 21, 28, 42, 56, 70, 112), most: int = MOST_WRITTEN) -> Finding:
    """Time and memory of attention and of convolutions for 49 to 12,544 tokens of 384 channels."""
    dim, heads = 384, 6
    depthwise = nn.Conv2d(dim, dim, 7, padding=3, groups=dim)
    dense = nn.Conv2d(dim, dim, 3, padding=1)
    times: dict[str, list[tuple[float, float]]] = {}
    memory: dict[str, list[tuple[float, float]]] = {}
    for side in sides:
        n = side * side
        q, k, v = torch.randn(3, 1, heads, n, dim // heads)
        x = torch.randn(1, dim, side, side)
        runs = {
            WRITTEN: partial(naive, q, k, v),
            FUSED: partial(nn.functional.scaled_dot_product_attention, q, k, v),
            "attention in windows of 49": partial(in_windows, q, k, v),
            "depthwise 7x7": partial(depthwise, x),
            "3x3": partial(dense, x),
        }
        counted = runs | {WRITTEN: partial(naive, *(own.to("meta") for own in (q, k, v)))}
        for name, run in counted.items():
            memory.setdefault(name, []).append((n, alive(run) / 2**20))
        for name, ms in milliseconds({name: run for name, run in runs.items() if name != WRITTEN or n <= most}).items():
            times.setdefault(name, []).append((n, ms))

    def laws(of: dict[str, list[tuple[float, float]]]) -> dict[str, Law]:
        return {name: law(*zip(*points[len(points) // 2 :], strict=True)) for name, points in of.items()}

    grows, takes = laws(times), laws(memory)
    products = {n: 2 * n * n * dim / (49 * n * dim) for n in (14**2, 28**2, 56**2)}
    return weigh(
        Part(
            "attention's time grows with the square of the tokens (exponent over 1.8)",
            f"as written {grows[WRITTEN]}, fused {grows[FUSED]}",
            all(grows[name].exponent > 1.8 for name in (WRITTEN, FUSED)),
        ),
        Part(
            "a convolution's with their number (0.9 to 1.15)",
            f"depthwise 7x7 {grows['depthwise 7x7']}, 3x3 {grows['3x3']}",
            all(0.9 <= grows[name].exponent <= 1.15 for name in ("depthwise 7x7", "3x3")),
        ),
        Part(
            "and so does attention's memory, however it is computed",
            f"as written {takes[WRITTEN].exponent:.2f}, fused {takes[FUSED].exponent:.2f}",
            all(takes[name].exponent > 1.8 for name in (WRITTEN, FUSED)),
        ),
        Part("time of attention in windows, as Swin has it", str(grows["attention in windows of 49"])),
        Part(
            "products of attention for one of a depthwise 7x7",
            ", ".join(f"{ratio:.0f} times at {n:,} tokens" for n, ratio in products.items()),
        ),
        Part(
            "where attention's own products pass those of its projections", f"from {2 * dim} tokens, twice the channels"
        ),
        charts=tuple(
            Lines(title, "tokens", unit, {name: tuple(points) for name, points in of.items()}, log="xy")
            for title, unit, of in (
                ("Time by tokens, 384 channels", "ms", times),
                ("Memory at its peak by tokens", "MiB", memory),
            )
        ),
        notes=(
            "Exponents are fitted to the upper half of the sizes. Memory is that of all tensors alive at once; "
            f"attention as written is timed up to {most:,} tokens, where its tables are still small enough.",
        ),
    )


def patches_and_depthwise() -> Finding:
    """The stems of ResNet and ConvNeXt on one image; separable and full convolutions."""
    image = torch.randn(1, 3, 224, 224)
    stem = nn.Sequential(nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.MaxPool2d(3, 2, 1))
    patches = nn.Conv2d(3, 64, 4, 4)
    ms = milliseconds({"stem": lambda: stem(image), "patches": lambda: patches(image)}, seconds=0.2)
    cheaper = ms["patches"] / ms["stem"]
    rows, kept = [], {}
    for channels, side in ((96, 56), (192, 28), (384, 14), (768, 7)):
        x = torch.randn(8, channels, side, side)
        full = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        apart = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
            nn.Conv2d(channels, channels, 1, bias=False),
        )
        own = milliseconds({"full": lambda f=full, x=x: f(x), "apart": lambda a=apart, x=x: a(x)}, seconds=0.1)
        products, measured = 9 * channels / (9 + channels), own["full"] / own["apart"]
        kept[channels] = measured / products
        name = f"{channels} maps, {side} px"
        rows += [(name, "products", products), (name, "time", measured)]
    return weigh(
        Part(
            "patches of 4x4 take a third of the time of a 7x7 and a pooling, at most",
            f"{cheaper:.2f} of it ({ms['patches']:.2f} for {ms['stem']:.2f} ms)",
            cheaper <= 1 / 3,
        ),
        Part(
            "of what depthwise separable convolutions save in products, half or more is saved in time",
            ", ".join(f"{share:.0%} at {channels} maps" for channels, share in kept.items()),
            min(kept.values()) >= 0.5,
        ),
        charts=(Bars("Depthwise separable for full 3x3: times fewer products, times less time", "times", tuple(rows)),),
        notes=("Both stems with 64 maps, batch 1; the convolutions with batch 8.",),
    )


# fmt: off
CLAIMS = (
    Claim(
        "X06", "A bottleneck keeps inference quick",
        "Reducing the maps before the large kernel keeps the time of inference low.",
        "thereby keeping the inference time low", "ABCD", googlenet.PAPER,
        "operations are a reliable estimate of the inference time (Canziani and others, 2016)", "memory",
        "cost", "half of the ratio of products, 8.47, or more in three of four cells; partly where all are quicker",
        bottleneck_in_time,
        full="the same grid on a GPU",
        minutes=2.5,
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
        minutes=3.0,
    ),
    Claim(
        "X25", "Patches and depthwise convolutions are efficient",
        "A 4x4 stem of stride 4 and depthwise separable convolutions make ConvNeXt efficient.",
        "more computationally efficient way with the depthwise separable convolutions", "E", convnext.PAPER,
        "patches for the stem: 79.4 to 79.5 % (section 2.2)", "memory",
        "cost", "patches take a third of the stem's time, and half of the saving in products becomes time",
        patches_and_depthwise,
        minutes=0.3,
    ),
)
