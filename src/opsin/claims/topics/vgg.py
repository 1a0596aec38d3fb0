"""Claims about VGG, 2014: what small kernels in a row see and cost."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from opsin.claims.chart import Bars, Grid, Lines
from opsin.claims.claim import Claim, Finding, Part, weigh
from opsin.models import vgg
from opsin.words import many

Floats = NDArray[np.float64]


def in_a_row(kernel_size: int, layers: int) -> nn.Sequential:
    """So many convolutions of one map, their weights all ones."""
    convolutions = [nn.Conv2d(1, 1, kernel_size, padding=kernel_size // 2, bias=False) for _ in range(layers)]
    for convolution in convolutions:
        nn.init.ones_(convolution.weight)
    return nn.Sequential(*convolutions)


def weights(kernel_size: int, layers: int) -> int:
    """Their weights, for a pair of maps."""
    return sum(p.numel() for p in in_a_row(kernel_size, layers).parameters())


def support(kernel_size: int, layers: int) -> int:
    """The side of what one unit sees behind so many convolutions, by the gradient of its value."""
    net = in_a_row(kernel_size, layers)
    x = torch.zeros(1, 1, 31, 31, requires_grad=True)
    net(x)[0, 0, 15, 15].backward()
    assert x.grad is not None
    return int((x.grad[0, 0].abs().sum(0) > 0).sum())


def stacks_of_3x3() -> Finding:
    """Receptive fields and weights of two and three 3x3 convolutions beside one 5x5 and one 7x7."""
    seen = {layers: support(3, layers) for layers in (1, 2, 3)}
    small, large = {layers: weights(3, layers) for layers in seen}, {k: weights(k, 1) for k in (5, 7)}
    break_even = large[5] / small[2]
    middle = np.linspace(0.25, 2.5, 10)
    return weigh(
        Part("two 3x3 see what one 5x5 does", f"{seen[2]} px", seen[2] == support(5, 1)),
        Part("with 18 weights for 25", f"{small[2]} for {large[5]}", (small[2], large[5]) == (18, 25)),
        Part("three 3x3 see what one 7x7 does", f"{seen[3]} px", seen[3] == support(7, 1)),
        Part("with 27 weights for 49", f"{small[3]} for {large[7]}", (small[3], large[7]) == (27, 49)),
        Part("the paper: a 7x7 takes 81 % more weights than three 3x3", f"{large[7] / small[3] - 1:.0%} more"),
        Part(
            "where the maps between the two 3x3 are more than those around them",
            f"the two stay cheaper than one 5x5 below {break_even:.2f} times as many",
        ),
        charts=(
            Lines(
                "Two 3x3 are cheaper than one 5x5 as long as the maps between them are few",
                "maps between, as a multiple of those outside",
                "weights for a pair of maps",
                {
                    "two 3x3": tuple((float(m), float(18 * m)) for m in middle),
                    "one 5x5": tuple((float(m), 25.0) for m in middle),
                },
                said=(("as many maps", 1.0),),
                upright=True,
            ),
        ),
        notes=("The numbers of weights are for each pair of maps, one coming in and one going out.",),
    )


def composed(first: Floats, second: Floats) -> Floats:
    """The kernel [5, 5] of two 3x3 convolutions in a row through several maps: their kernels [m, 3, 3] each."""
    total = np.zeros((5, 5))
    for a, b in zip(first, second, strict=True):
        for i in range(3):
            for j in range(3):
                total[i : i + 3, j : j + 3] += a[i, j] * b
    return total


def shifts(kernels: Floats) -> Floats:
    """The matrix [25, 9 m] by which the other kernels, laid flat, give the composed one."""
    columns = np.zeros((len(kernels), 3, 3, 5, 5))
    for m, kernel in enumerate(kernels):
        for i in range(3):
            for j in range(3):
                columns[m, i, j, i : i + 3, j : j + 3] = kernel
    return columns.reshape(-1, 25).T


def solved(kernels: Floats, target: Floats) -> Floats:
    """The other kernels that come nearest to a target, for given ones: a linear problem."""
    return np.linalg.lstsq(shifts(kernels), target.ravel(), rcond=None)[0].astype(np.float64).reshape(-1, 3, 3)


def residual(target: Floats, maps: int, rng: np.random.Generator, starts: int = 4, rounds: int = 300) -> float:
    """How far two 3x3 convolutions with so many maps between them stay from a kernel [5, 5], as a share of it.

    Alternating least squares: for given first kernels the second ones are a linear problem, and the other way about.
    """
    best = 1.0
    for _ in range(starts):
        second: Floats = rng.standard_normal((maps, 3, 3))
        gap = 1.0
        for _ in range(rounds):
            first = solved(second, target)
            second = solved(first, target)
            before, gap = gap, float(np.linalg.norm(composed(first, second) - target) / np.linalg.norm(target))
            if gap < 1e-9 or before - gap < 1e-9 * before:
                break
        best = min(best, gap)
        if best < 1e-9:
            break
    return best


def dimension(maps: int, rng: np.random.Generator) -> int:
    """The dimension of the kernels that two 3x3 with so many maps between them can be: the rank of its tangent."""
    first, second = rng.standard_normal((2, maps, 3, 3))
    return int(np.linalg.matrix_rank(np.concatenate([shifts(first), shifts(second)], axis=1)))


def emulated_5x5(kernels: int = 200) -> Finding:
    """Random 5x5 kernels as two linear 3x3 in a row, with 1 to 8 maps between them."""
    rng = np.random.default_rng(0)
    targets = rng.standard_normal((kernels, 5, 5))
    gaps = {m: np.array([residual(target, m, rng) for target in targets]) for m in (1, 2, 4, 8)}
    middle = {m: float(np.median(gap)) for m, gap in gaps.items()}
    dimensions = {m: dimension(m, rng) for m in gaps}
    enough = min((m for m in gaps if middle[m] < 1e-6), default=None)
    cheap = max(m for m in gaps if 18 * m <= 25)
    example = targets[0]
    reached = ", ".join(f"{many(m, 'map')}: {d}" for m, d in dimensions.items())
    return weigh(
        Part("two 3x3 in a row see 5x5", f"{support(3, 2)} px", support(3, 2) == 5),
        Part(
            "and can be any 5x5 kernel, with no more weights than it has",
            f"with {cheap} map between, {18 * cheap} weights, the median kernel is missed by {middle[cheap]:.0%}",
            middle[cheap] < 1e-6,
        ),
        Part("maps between them from which they can", f"{enough}, {18 * (enough or 0)} weights" if enough else "none"),
        Part("dimensions of the 25 that they reach", reached),
        charts=(
            Bars(
                "What two 3x3 in a row miss of a random 5x5 kernel, by the maps between them",
                "share of the kernel, median",
                tuple(("", f"{m} ({18 * m} weights)", max(gap, 1e-10)) for m, gap in middle.items()),
                log=True,
            ),
            Grid(
                "A random 5x5 kernel",
                "",
                tuple("12345"),
                tuple("12345"),
                tuple(tuple(float(value) for value in row) for row in example),
            ),
        ),
        notes=(
            "Without a ReLU between them, as a question of linear algebra; with one they are another function still.",
            "The protocol judges the kernels alone; that the field is 5x5 is a part of its own here.",
        ),
    )


# fmt: off
CLAIMS = (
    Claim(
        "X07", "Two 3x3 see what a 5x5 sees, for less",
        "Two layers of 3x3 have the receptive field of one 5x5 with 18 weights for 25, three that of a 7x7 with 27 for "
        "49.",
        "same receptive field ... 18 weights ... 25", "ACDE", vgg.PAPER,
        "three 3x3 have 27 C^2 weights, one 7x7 has 49 C^2: 81 % more (section 2.3)", "arithmetic",
        "exact", "fields by the gradient of one unit, and the numbers of weights",
        stacks_of_3x3,
        errs="The numbers are for one pair of maps, and only where the maps between are as many as those outside.",
    ),
    Claim(
        "X08", "3x3 in a row emulate large kernels",
        "Several 3x3 convolutions in a row can emulate larger ones.",
        "multiple 3x3 convolution in sequence can emulate the effect of larger receptive fields", "ACD", vgg.PAPER,
        "Inception-v3: with a ReLU between the two 77.2 %, without 76.2 % (section 3.1)", "memory",
        "exact", "the field is as large, and a random 5x5 kernel is met within 1e-6 with no more weights than it has",
        emulated_5x5,
        errs="The field is the same, the kernels that they can be are not.",
        minutes=0.25,
    ),
)
