"""LeNet-5: gradient-based learning applied to document recognition (LeCun, Bottou, Bengio and Haffner, 1998).

Convolutions alternate with sub-sampling that is itself trained, a coefficient and a bias a map. Maps of C3 see
different subsets of S2's, which forces them to differ. The output compares the last layer with a small picture of each
class: the unit with the least distance wins.
"""

import hashlib

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from opsin.cards import Card, Inputs, Paper, Published
from opsin.models.layers import ScaledTanh, TableConv2d, lecun_uniform_
from opsin.models.network import Network

C3_TABLE = (
    *[(0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5)],
    *[(0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5)],
    *[(0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5)],
    (0, 1, 2, 3, 4, 5),
)
"""Table I: the maps of S2 that each map of C3 sees."""

BITMAPS = """
..###.. ...#... ..###.. .#####. .....#. ####### ...###. ####### ..###.. ..###..
.#...#. ..##... .#...#. #.....# ....##. #...... ..#.... ......# .#...#. .#...#.
#.....# .#.#... #.....# ......# ....##. #...... .#..... ......# #.....# #.....#
#.....# ...#... ......# ......# ...#.#. #...... #...... .....#. #.....# #.....#
#.....# ...#... ......# .....#. ...#.#. #####.. #...... .....#. .#...#. #.....#
#.....# ...#... .....#. ..###.. ..#..#. .....#. #.###.. ....#.. ..###.. .#...##
#.....# ...#... ....#.. .....#. ..#..#. ......# ##...#. ....#.. .#...#. ..###.#
#.....# ...#... ...#... ......# .#...#. ......# #.....# ...#... #.....# ......#
#.....# ...#... ..#.... ......# ####### ......# #.....# ...#... #.....# ......#
#.....# ...#... .#..... ......# .....#. ......# #.....# ..#.... #.....# .....#.
.#...#. ...#... #...... #.....# .....#. #....#. .#...#. ..#.... .#...#. ....#..
..###.. .#####. ####### .#####. .....#. .####.. ..###.. ..#.... ..###.. .###...
"""
"""The ten digits, 7 x 12 each."""


def output_codes(num_classes: int) -> Tensor:
    """What F6 should show for each class, [num_classes, 84] of ±1: the bitmaps of ten digits, else bits of a hash."""
    if num_classes == 10:
        rows = [line.split() for line in BITMAPS.split("\n") if line]
        codes = [[1.0 if dot == "#" else -1.0 for row in rows for dot in row[digit]] for digit in range(10)]
    else:
        hashes = [hashlib.sha256(str(label).encode()).digest() for label in range(num_classes)]
        codes = [[1.0 if digest[bit // 8] >> bit % 8 & 1 else -1.0 for bit in range(84)] for digest in hashes]
    return torch.tensor(codes)


class Subsampling(nn.Module):
    """The sum of 2x2 units times a coefficient, plus a bias, one of each a map. N C H W -> N C H/2 W/2."""

    def __init__(self, channels: int):
        super().__init__()
        self.coefficient = nn.Parameter(torch.empty(channels, 1, 1))
        self.bias = nn.Parameter(torch.empty(channels, 1, 1))
        for parameter in (self.coefficient, self.bias):
            nn.init.uniform_(parameter, -2.4 / 4, 2.4 / 4)

    def forward(self, x: Tensor) -> Tensor:
        return 4 * F.avg_pool2d(x, 2) * self.coefficient + self.bias


class RBF(nn.Module):
    """Minus the squared distance of x to each code (equation 7). N 84 -> N num_classes. The codes are not trained."""

    codes: Tensor

    def __init__(self, num_classes: int):
        super().__init__()
        self.register_buffer("codes", output_codes(num_classes))

    def forward(self, x: Tensor) -> Tensor:
        length = x.square().sum(1, keepdim=True) + self.codes.shape[1]  # |x|^2 + |code|^2
        return 2 * F.linear(x, self.codes) - length


class LeNet5(Network):
    """Figure 2 of the paper, its layers by their names there. N C S S -> N num_classes, S = `input_size`."""

    last_layer = "output"

    def __init__(self, *, input_size: int = 32, num_classes: int = 10, in_chans: int = 1):
        super().__init__()
        self.c1 = nn.Conv2d(in_chans, 6, 5)
        self.s2 = Subsampling(6)
        self.c3 = TableConv2d(6, C3_TABLE, 5)
        self.s4 = Subsampling(16)
        self.c5 = nn.Conv2d(16, 120, input_size // 4 - 3)  # the kernel covers the whole of S4
        self.f6 = nn.Linear(120, 84)
        self.output = RBF(num_classes)
        self.squash = ScaledTanh()
        for layer in (self.c1, self.c3, self.c5, self.f6):  # U(-2.4/F, 2.4/F), F the fan-in (appendix A)
            lecun_uniform_(layer)

    def forward_features(self, x: Tensor) -> Tensor:
        x = self.squash(self.c1(x))  # N 6 28 28 (at 32 px)
        x = self.squash(self.s2(x))  # N 6 14 14
        x = self.squash(self.c3(x))  # N 16 10 10
        x = self.squash(self.s4(x))  # N 16 5 5
        return self.squash(self.c5(x))  # N 120 1 1

    def forward(self, x: Tensor) -> Tensor:
        x = self.forward_features(x).flatten(1)  # N 120
        return self.output(self.squash(self.f6(x)))


PAPER = Paper(
    title="Gradient-Based Learning Applied to Document Recognition",
    authors="LeCun, Bottou, Bengio, Haffner",
    year=1998,
    venue="Proceedings of the IEEE 86(11)",
    url="https://doi.org/10.1109/5.726791",
)
BROUGHT = (
    "Sub-sampling that is itself trained, a table of which maps see which, and outputs that compare with a picture of "
    "each class; around it, graph transformers that train a whole reader of cheques from end to end. The MNIST digits "
    "come from this paper."
)
PAGE = "the first author's page of MNIST"

# fmt: off
CARDS = (
    Card("lenet5", "LeNet-5", PAPER, Inputs(channels=1, size=32, minimum=28, multiple=4, fixed=True), LeNet5,
         60_000, 326_520, 10, published=(
        Published("section II.B", params="60,000", macs="340,908 connections"),
        Published(f"figure 9; {PAGE}", top1_err=0.95, protocol="MNIST test, single network", checked=True),
        Published(f"figure 9; {PAGE}", top1_err=0.8, checked=True,
                  protocol="MNIST test, trained with distorted digits too, single network"),
        Published(PAGE, top1_err=0.85, checked=True,
                  protocol="MNIST test, trained with strongly distorted digits too, single network"),
    ), departures=(
        "The bitmaps of the ten digits are drawn anew, 7 x 12 in the manner of figure 3: they are not the original "
        "ones and differ from them in an unknown number of dots. Other numbers of classes get codes of ±1 from a hash.",
        "The logits are minus the output units' distances. Cross-entropy on them is the paper's criterion of maximum a "
        "posteriori probability (equation 9) without its class of rubbish.",
    ), note="The paper's connections count biases and the sums of the sub-sampling; the products here are 326,520, "
            "with 840 of the output units, whose weights are fixed and no parameters. Tutorials connect C3 fully and "
            "have 61,706 parameters."),
)
