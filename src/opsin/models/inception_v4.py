"""Inception-v4: Inception without old baggage, one module for each grid (Szegedy, Ioffe, Vanhoucke and Alemi, 2016).

Inception-v3 had grown under limits of memory and was never simplified. Here the modules of a grid size are all alike,
there are more of them, and the stem already joins branches; no residual connections are needed to train it.
"""

from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from opsin.cards import Card, Inputs, Paper, Published
from opsin.models.layers import (
    ForkedBranch,
    GridReduction,
    InceptionV4Stem,
    SmallInceptionStem,
    conv_branch,
    scaled,
    truncated_he_,
)
from opsin.models.network import Network


def pool_branch(in_channels: int, channels: int, width: float) -> nn.Sequential:
    """The mean of the pixels in 3x3 (padding does not count, as released), then a 1x1 convolution."""
    pool = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
    return nn.Sequential(pool, *conv_branch(in_channels, (channels, 1), width=width))


class InceptionA(nn.Module):
    """Figure 4, for the 35 x 35 grid. N in_channels H W -> N 384 H W."""

    def __init__(self, in_channels: int, width: float):
        super().__init__()
        self.branch1x1 = conv_branch(in_channels, (96, 1), width=width)
        self.branch3x3 = conv_branch(in_channels, (64, 1), (96, 3), width=width)
        self.branch3x3_twice = conv_branch(in_channels, (64, 1), (96, 3), (96, 3), width=width)
        self.branch_pool = pool_branch(in_channels, 96, width)
        self.out_channels = 4 * scaled(96, width)

    def forward(self, x: Tensor) -> Tensor:
        branches = self.branch1x1, self.branch3x3, self.branch3x3_twice, self.branch_pool
        return torch.cat([branch(x) for branch in branches], dim=1)


class InceptionB(nn.Module):
    """Figure 5, for the 17 x 17 grid, 1x7 and 7x1 in the released order. N in_channels H W -> N 1024 H W."""

    def __init__(self, in_channels: int, width: float):
        super().__init__()
        self.branch1x1 = conv_branch(in_channels, (384, 1), width=width)
        self.branch7x7 = conv_branch(in_channels, (192, 1), (224, (1, 7)), (256, (7, 1)), width=width)
        self.branch7x7_twice = conv_branch(
            in_channels, (192, 1), (192, (7, 1)), (224, (1, 7)), (224, (7, 1)), (256, (1, 7)), width=width
        )
        self.branch_pool = pool_branch(in_channels, 128, width)
        self.out_channels = sum(scaled(channels, width) for channels in (384, 256, 256, 128))

    def forward(self, x: Tensor) -> Tensor:
        branches = self.branch1x1, self.branch7x7, self.branch7x7_twice, self.branch_pool
        return torch.cat([branch(x) for branch in branches], dim=1)


class InceptionC(nn.Module):
    """Figure 6, for the 8 x 8 grid, 3x1 before 1x3 as released. N in_channels H W -> N 1536 H W."""

    def __init__(self, in_channels: int, width: float):
        super().__init__()
        self.branch1x1 = conv_branch(in_channels, (256, 1), width=width)
        self.branch3x3 = ForkedBranch(in_channels, (384, 1), fork=256, width=width)
        self.branch3x3_twice = ForkedBranch(in_channels, (384, 1), (448, (3, 1)), (512, (1, 3)), fork=256, width=width)
        self.branch_pool = pool_branch(in_channels, 256, width)
        self.out_channels = 6 * scaled(256, width)

    def forward(self, x: Tensor) -> Tensor:
        branches = self.branch1x1, self.branch3x3, self.branch3x3_twice, self.branch_pool
        return torch.cat([branch(x) for branch in branches], dim=1)


class InceptionV4(Network):
    """The network of figure 9, whose output sizes stand beside its parts. N C H W -> N num_classes.

    `depths` gives the modules A, B and C; `width` multiplies all channels. The small stem is for images of
    16 to 64 px.
    """

    def __init__(
        self,
        depths: tuple[int, int, int] = (4, 7, 3),
        *,
        width: float = 1.0,
        stem: Literal["imagenet", "small"] = "imagenet",
        dropout: float = 0.2,
        num_classes: int = 1000,
        in_chans: int = 3,
    ):
        super().__init__()
        # Stem, figure 3: 35 x 35 x 384
        self.stem = InceptionV4Stem(in_chans, width) if stem == "imagenet" else SmallInceptionStem(in_chans, width)
        channels = self.stem.out_channels
        self.inception_a = nn.Sequential()  # 4 x Inception-A: 35 x 35 x 384
        for _ in range(depths[0]):
            module = InceptionA(channels, width)
            self.inception_a.append(module)
            channels = module.out_channels
        self.reduction_a = GridReduction(  # figure 7 with n; k, l, m of table 1: 17 x 17 x 1024
            channels, ((384, 3),), ((192, 1), (224, 3), (256, 3)), width=width
        )
        channels = self.reduction_a.out_channels
        self.inception_b = nn.Sequential()  # 7 x Inception-B: 17 x 17 x 1024
        for _ in range(depths[1]):
            module = InceptionB(channels, width)
            self.inception_b.append(module)
            channels = module.out_channels
        self.reduction_b = GridReduction(  # figure 8: 8 x 8 x 1536
            channels, ((192, 1), (192, 3)), ((256, 1), (256, (1, 7)), (320, (7, 1)), (320, 3)), width=width
        )
        channels = self.reduction_b.out_channels
        self.inception_c = nn.Sequential()  # 3 x Inception-C: 8 x 8 x 1536
        for _ in range(depths[2]):
            module = InceptionC(channels, width)
            self.inception_c.append(module)
            channels = module.out_channels
        self.dropout = nn.Dropout(dropout)  # behind the average pooling (in forward), keep 0.8: 1536
        self.fc = nn.Linear(channels, num_classes)  # 1000; the softmax is in the loss
        self.initialise()

    def initialise(self) -> None:
        """The paper names no initial weights; the authors' released code draws N(0, 2/fan-in), cut off at two sigma.

        Its fully connected layer begins as Glorot and Bengio have it.
        """
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                truncated_he_(module.weight)
        nn.init.xavier_uniform_(self.fc.weight)
        nn.init.zeros_(self.fc.bias)

    def forward_features(self, x: Tensor) -> Tensor:
        x = self.inception_a(self.stem(x))  # N 384 35 35 (at 299 px)
        x = self.inception_b(self.reduction_a(x))  # N 1024 17 17
        return self.inception_c(self.reduction_b(x))  # N 1536 8 8

    def forward(self, x: Tensor) -> Tensor:
        x = self.forward_features(x).mean(dim=(2, 3))  # N 1536
        return self.fc(self.dropout(x))


PAPER = Paper(
    title="Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning",
    authors="Szegedy, Ioffe, Vanhoucke, Alemi",
    year=2016,
    venue="AAAI 2017",
    url="https://arxiv.org/abs/1602.07261",
)
BROUGHT = (
    "Inception without what old limits of memory had forced on it: modules of one kind for each size of grid, more of "
    "them, and a stem that joins branches. It shows that so deep a network also trains without shortcuts."
)
IMAGENET = Inputs(channels=3, size=299, minimum=75)
SMALL = Inputs(channels=3, size=32, minimum=15)
ONE_CROP = "ImageNet validation without its blacklisted images, 1 crop, single network"
ALL_IMAGES = "ImageNet validation, all 50,000 images"

EIGHTH = partial(InceptionV4, depths=(1, 1, 1), width=1 / 8, stem="small")

# Tables and figures have their numbers of arXiv; in the AAAI version tables 2 to 4 are 1 to 3.
# fmt: off
CARDS = (
    Card("inception_v4", "Inception-v4", PAPER, IMAGENET, InceptionV4, 42_679_816, 12_253_974_624, published=(
        Published("table 2", top1_err=20.0, top5_err=5.0, protocol=ONE_CROP, checked=True),
        Published("table 3", top1_err=18.7, top5_err=4.2, protocol=f"{ALL_IMAGES}, 12 crops, single network",
                  checked=True),
        Published("table 4", top1_err=17.7, top5_err=3.8, protocol=f"{ALL_IMAGES}, 144 crops, single network",
                  checked=True),
        Published("table 4 of the AAAI version", top1_err=16.4, top5_err=3.1, checked=True,
                  protocol=f"{ALL_IMAGES}, 144 crops, one network with three Inception-ResNet-v2"),
        Published("table 5", top5_err=3.08, checked=True,
                  protocol="ImageNet test, 144 crops, one network with three Inception-ResNet-v2"),
    ), departures=(
        "Where convolutions of 1x7 and 7x1, or of 1x3 and 3x1, follow each other their order is that of the network "
        "which the authors released, to which the public weights belong; no count depends on it. Figure 3 has the 7x1 "
        "first, the longer branch of figure 5 begins with 1x7 and that of figure 6 with 1x3, and figure 5 prints two "
        "1x7 in its shorter branch.",
        "The means of 3x3 leave the padding out, as in the released network; the paper does not say.",
        "The last convolution of the stem has a stride of 2, which figure 3 does not print, but the grid behind it "
        "asks for.",
    ), note="The paper prints neither parameters nor operations. About 1,700 blacklisted images were left out by "
            "mistake, it says, and with them the single-crop errors would be some 0.3 % (top-1) and 0.15 % (top-5) "
            "higher. Tables are numbered as on arXiv, from 2 to 5; the AAAI version has them from 1 to 4."),
    Card("inception_v4_32", "Inception-v4", PAPER, SMALL, EIGHTH, 203_758, 8_540_192, 10, departures=(
        "For images of 16 to 64 px: of the stem the first three convolutions and a pooling, the convolutions with "
        "padding and the first at a stride of 1. The grids are 15, 7 and 3 px wide for images of 32 px.",
        "One module each of figures 4, 5 and 6 instead of 4, 7 and 3, and an eighth of the channels.",
    )),
)
