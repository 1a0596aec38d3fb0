"""LeNet of 1989: backpropagation on handwritten zip codes (LeCun, Boser, Denker and others).

The first convolutional network that learned all its layers by backpropagation on real images. Units of a map share
their 5x5 kernel, so that a feature is looked for everywhere, and stand two pixels apart, which gives up exact places.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from opsin.cards import Card, Inputs, Paper, Published
from opsin.models.layers import ScaledTanh, TableConv2d, lecun_uniform_
from opsin.models.network import Network

H2_TABLE = (
    *[(0, 1, 2, 3, 4, 5, 6, 7)] * 4,
    *[(4, 5, 6, 7, 8, 9, 10, 11)] * 4,
    *[(0, 1, 2, 3, 8, 9, 10, 11)] * 4,
)
"""The maps of H1 that each map of H2 sees."""


class LeNet1989(Network):
    """Figure 3 of the paper. N C S S -> N num_classes, S = `input_size`.

    Each unit of H1 and H2 has a bias of its own, so a network is built for one size. What lies outside the image, and
    outside the maps of H1, is `padding_value`.
    """

    last_layer = "output"

    def __init__(
        self,
        *,
        hidden: int = 30,
        padding_value: float = -1.0,
        input_size: int = 16,
        num_classes: int = 10,
        in_chans: int = 1,
    ):
        super().__init__()
        side1, side2 = input_size // 2, input_size // 4
        self.padding_value = padding_value
        self.h1 = nn.Conv2d(in_chans, 12, 5, stride=2, bias=False)
        self.h1_bias = nn.Parameter(torch.empty(12, side1, side1))
        self.h2 = TableConv2d(12, H2_TABLE, 5, stride=2, bias=False)
        self.h2_bias = nn.Parameter(torch.empty(12, side2, side2))
        self.h3 = nn.Linear(12 * side2**2, hidden)
        self.output = nn.Linear(hidden, num_classes)
        self.squash = ScaledTanh()
        for layer in (self.h1, self.h2, self.h3, self.output):  # U(-2.4/F, 2.4/F), F the fan-in (section 4)
            lecun_uniform_(layer)
        for bias, fan_in in ((self.h1_bias, 25 * in_chans), (self.h2_bias, 25 * 8)):
            nn.init.uniform_(bias, -2.4 / fan_in, 2.4 / fan_in)

    def surround(self, x: Tensor) -> Tensor:
        return F.pad(x, (2, 2, 2, 2), value=self.padding_value)

    def forward_features(self, x: Tensor) -> Tensor:
        x = self.squash(self.h1(self.surround(x)) + self.h1_bias)  # N 12 S/2 S/2
        return self.squash(self.h2(self.surround(x)) + self.h2_bias)  # N 12 S/4 S/4

    def forward(self, x: Tensor) -> Tensor:
        x = self.forward_features(x).flatten(1)  # N 192
        return self.output(self.squash(self.h3(x)))


PAPER = Paper(
    title="Backpropagation Applied to Handwritten Zip Code Recognition",
    authors="LeCun, Boser, Denker, Henderson, Howard, Hubbard, Jackel",
    year=1989,
    venue="Neural Computation 1(4)",
    url="https://doi.org/10.1162/neco.1989.1.4.541",
)
BROUGHT = (
    "The first convolutional network that learns all its layers by backpropagation from real images, digits off "
    "envelopes. Local fields and maps of one feature are older (the neocognitron, 1980); here the kernels are learned "
    "too."
)

# fmt: off
CARDS = (
    Card("lenet1989", "LeNet-1989", PAPER, Inputs(channels=1, size=16, minimum=16, multiple=4, fixed=True), LeNet1989,
         9_760, 63_660, 10, published=(
        Published("section 3.3", params="9,760", macs="64,660 connections"),
        Published("section 5", top1_err=5.0, protocol="zip codes of the US mail, 2,007 test digits, single network"),
    ), departures=(
        "Which 8 of the 12 maps of H1 a map of H2 sees is not published: here three groups of four maps each leave out "
        "another third of H1.",
        "The border is filled with -1, the background of the paper's images in [-1, 1]. Images normalised by mean and "
        "standard deviation have another background (for dark ones with light ink mostly between -1 and -0.4); the "
        "argument padding_value sets it. H2's border is filled with the same value.",
        "The output units are weighted sums: their squashing, before the paper's squared error, is the loss's part.",
        "The scaled hyperbolic tangent is 1.7159 tanh(2x/3), the constants that the authors print in later papers.",
    ), note="Every unit of H1 and H2 has its own bias: with one a map the network would have 8,824 parameters. The "
            "paper's connections include its 1,000 biases: 63,660 products and 1,000 additions."),
)
