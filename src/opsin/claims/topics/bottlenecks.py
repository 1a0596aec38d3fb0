"""Claims about 1x1 convolutions and bottlenecks, 2013 and 2014: what they save in weights and products."""

import torch
from torch import nn

from opsin.claims.chart import Bars
from opsin.claims.claim import Claim, Finding, Part, about, gap, weigh
from opsin.costs.count import count
from opsin.models import googlenet, nin


def products(*layers: tuple[int, int, int], side: int = 1) -> list[int]:
    """MACs of convolutions (maps in, maps out, kernel), counted one by one on maps of side x side."""
    with torch.device("meta"):
        return [count(nn.Conv2d(i, o, k, padding=k // 2, bias=False), i, side).macs for i, o, k in layers]


def bottleneck(maps: int = 256, narrow: int = 64) -> tuple[int, list[int]]:
    """Products at one position: of a 3x3 on all maps, and of 1x1, 3x3, 1x1 through a few."""
    (full,) = products((maps, maps, 3))
    return full, products((maps, narrow, 1), (narrow, narrow, 3), (narrow, maps, 1))


def ten_times_less() -> Finding:
    """256 maps by a 3x3, and by a bottleneck of 64."""
    full, steps = bottleneck()
    ratio = full / sum(steps)
    wide = sum(products((256, 256, 3), side=14))
    return weigh(
        Part("a 3x3 from 256 to 256 maps takes 589,000 products", f"{full:,} at each position", about(589e3, full)),
        Part("by a bottleneck of 64 about 70,000", f"{sum(steps):,}", about(70e3, sum(steps))),
        Part("almost ten times less", f"{ratio:.2f} times", about(10, ratio)),
        Part("a layer of 14 x 14 positions", f"{wide:,} products: {wide // full} times as many"),
        charts=(
            Bars(
                "Products at one position, 256 maps in and out",
                "MACs",
                (
                    ("3x3", "3x3, 256 to 256", float(full)),
                    *(
                        ("bottleneck", name, float(own))
                        for name, own in zip(("1x1, 256 to 64", "3x3, 64 to 64", "1x1, 64 to 256"), steps, strict=True)
                    ),
                ),
                stacked=True,
            ),
        ),
    )


def of_252_maps() -> Finding:
    """The same with the numbers of the paraphrase: 252 maps, of which it makes 250, and a quarter of them."""
    full, steps = bottleneck(252, 63)
    (as_written,) = products((250, 250, 3))
    return weigh(
        Part("252 maps come in, so it is 250 x 250 x 3 x 3", f"252 x 252 x 3 x 3 = {full:,}", full == as_written),
        Part("that is almost 600,000", f"{as_written:,} as written", about(600e3, as_written)),
        Part("by 63 maps about 70,000", f"{sum(steps):,}", about(70e3, sum(steps))),
        Part("the ratio of both", f"{full / sum(steps):.2f}"),
        charts=(
            Bars(
                "Products at one position",
                "MACs",
                (
                    ("250 maps, as written", "3x3", float(as_written)),
                    ("252 maps", "3x3", float(full)),
                    ("252 maps, through 63", "1x1, 3x3, 1x1", float(sum(steps))),
                ),
            ),
        ),
    )


def weights_of_1x1() -> Finding:
    """From three maps to four by 1x1 and by 3x3; a 1x1 is one matrix for every pixel."""
    small, large = nn.Conv2d(3, 4, 1, bias=False), nn.Conv2d(3, 4, 3, bias=False)
    x = torch.randn(2, 3, 5, 7)
    with torch.no_grad():
        by_matrix = torch.einsum("oi,nihw->nohw", small.weight[:, :, 0, 0], x)
        off = (small(x) - by_matrix).abs().max().item()
    found = small.weight.numel(), large.weight.numel()
    bars = tuple(("", name, float(own)) for name, own in zip(("1x1", "3x3"), found, strict=True))
    return weigh(
        Part("a 1x1 from 3 to 4 maps has 12 weights", str(found[0]), found[0] == 12),
        Part("a 3x3 has 108", str(found[1]), found[1] == 108),
        Part("a 1x1 convolution is one matrix on every pixel", f"differs {gap(off)}"),
        charts=(Bars("Weights from 3 maps to 4", "weights", bars),),
    )


# fmt: off
CLAIMS = (
    Claim(
        "X09", "A 1x1 has 12 weights, a 3x3 has 108",
        "From three maps to four a 1x1 convolution has 12 weights, a 3x3 has 108.",
        "3-by-4 ... 12 weights ... 3x3 ... 108 weights", "E", nin.PAPER,
        "arithmetic", "arithmetic",
        "exact", "the numbers of weights",
        weights_of_1x1,
    ),
    Claim(
        "X04", "A bottleneck takes almost ten times less",
        "256 maps to 256 by a 3x3 take 589,000 products, by a bottleneck of 64 maps about 70,000: almost ten times "
        "less.",
        "about 70,000 versus the almost 600,000 ... Almost 10x less operations", "ACD", googlenet.PAPER,
        "589,824 and 16,384 + 36,864 + 16,384 = 69,632", "arithmetic",
        "exact", "the numbers as said, within a twentieth",
        ten_times_less,
        errs="They are products at one position, not of the layer. GoogLeNet joins branches and has no 1x1 back to "
             "256: the block described is ResNet's. 8.5 is not 10.",
    ),
    Claim(
        "X05", "The same with 252 maps",
        "With 252 maps coming in the kernels are 250 x 250 x 3 x 3, almost 600,000 products; through 63 maps about "
        "70,000.",
        "252 features coming in ... 250X250 X 3X3 ... 63", "B", googlenet.PAPER,
        "arithmetic", "arithmetic",
        "exact", "the numbers as said, within a twentieth",
        of_252_maps,
        errs="252 and 250 are mixed; the paraphrase has also made \"median pooling\" of a mean.",
    ),
)
