"""BN-Inception: batch normalization, to reduce internal covariate shift (Ioffe and Szegedy, 2015).

What a layer gets to see shifts while the layers below it learn; batch norm holds the mean and the variance of each map
to those of a batch, so that learning rates can be many times higher, and dropout and response norms can go. The
network is GoogLeNet's successor: two 3x3 convolutions for each 5x5, and modules of stride 2 in place of poolings.
"""

from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from opsin.cards import Card, Inputs, Paper, Published
from opsin.models.layers import ConvBNReLU
from opsin.models.network import Network

Row = tuple[int, int, int, int, int, Literal["avg", "max"], int]

# fmt: off
FIGURE_5: tuple[tuple[Row, ...], ...] = (
    ((64, 64, 64, 64, 96, "avg", 32),         # 3a
     (64, 64, 96, 64, 96, "avg", 64)),        # 3b
    ((0, 128, 160, 64, 96, "max", 0),         # 3c, stride 2
     (224, 64, 96, 96, 128, "avg", 128),      # 4a
     (192, 96, 128, 96, 128, "avg", 128),     # 4b
     (160, 128, 160, 128, 160, "avg", 128),   # 4c
     (96, 128, 192, 160, 192, "avg", 128)),   # 4d
    ((0, 128, 192, 192, 256, "max", 0),       # 4e, stride 2
     (352, 192, 320, 160, 224, "avg", 128),   # 5a
     (352, 192, 320, 192, 224, "max", 128)),  # 5b
)
# fmt: on
"""The modules by the side of their maps: #1x1, #3x3 reduce, #3x3, double #3x3 reduce, double #3x3, pool + proj.

A module without 1x1 has a stride of 2, and what it pools passes through.
"""


class Inception(nn.Module):
    """A row of figure 5. N C H W -> N C' H W, or N C' H/2 W/2 where the stride is 2, rounded up."""

    def __init__(self, in_channels: int, row: Row, *, bias: bool):
        super().__init__()
        w1x1, reduce3x3, w3x3, reduce_double, double3x3, pool, pool_proj = row
        stride = 1 if w1x1 else 2
        conv = partial(ConvBNReLU, bias=bias, eps=1e-5)
        branches: list[nn.Module] = [conv(in_channels, w1x1, 1)] if w1x1 else []
        branches.append(nn.Sequential(conv(in_channels, reduce3x3, 1), conv(reduce3x3, w3x3, 3, stride, 1)))
        branches.append(
            nn.Sequential(
                conv(in_channels, reduce_double, 1),
                conv(reduce_double, double3x3, 3, padding=1),
                conv(double3x3, double3x3, 3, stride, 1),
            )
        )
        if stride == 2:
            # with a row and a column of zeros (nothing is less behind a ReLU) odd sides, too, end as the convolutions'
            branches.append(nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.MaxPool2d(3, stride=2, ceil_mode=True)))
        else:
            window = nn.AvgPool2d(3, 1, padding=1) if pool == "avg" else nn.MaxPool2d(3, 1, padding=1)
            branches.append(nn.Sequential(window, conv(in_channels, pool_proj, 1)))
        self.branches = nn.ModuleList(branches)
        self.out_channels = w1x1 + w3x3 + double3x3 + (in_channels if stride == 2 else pool_proj)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], dim=1)


class BNInception(Network):
    """The network of figure 5. N C H W -> N num_classes.

    `stages` gives the modules that work at 28, 14 and 7 pixels (of an image of 224 px); `stem` the widths of the
    convolutions before them: three are the paper's 7x7, 1x1 and 3x3; one is a 3x3 that keeps the image's size, for
    small images. `bias` adds biases to the convolutions, which batch norm takes away again: the public weights have
    them.
    """

    def __init__(
        self,
        stages: tuple[tuple[Row, ...], ...] = FIGURE_5,
        stem: tuple[int, ...] = (64, 64, 192),
        *,
        bias: bool = False,
        num_classes: int = 1000,
        in_chans: int = 3,
    ):
        super().__init__()
        conv = partial(ConvBNReLU, bias=bias, eps=1e-5)
        pool = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        if len(stem) == 3:
            conv1, reduce, conv2 = stem
            layers: list[nn.Module] = [conv(in_chans, conv1, 7, 2, 3), pool]  # N 64 H/4 W/4
            layers += [conv(conv1, reduce, 1), conv(reduce, conv2, 3, padding=1), pool]  # N 192 H/8 W/8
        else:
            layers = [conv(in_chans, stem[0], 3, padding=1), pool]  # N C H/2 W/2
        self.stem = nn.Sequential(*layers)

        channels = stem[-1]
        trunk = []
        for rows in stages:
            stage = nn.Sequential()
            for row in rows:
                module = Inception(channels, row, bias=bias)
                stage.append(module)
                channels = module.out_channels
            trunk.append(stage)
        self.stages = nn.Sequential(*trunk)
        self.fc = nn.Linear(channels, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")  # the paper names none
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward_features(self, x: Tensor) -> Tensor:
        return self.stages(self.stem(x))  # N 1024 H/32 W/32

    def forward(self, x: Tensor) -> Tensor:
        x = self.forward_features(x).mean(dim=(2, 3))  # N 1024
        return self.fc(x)


PAPER = Paper(
    title="Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate Shift",
    authors="Ioffe, Szegedy",
    year=2015,
    venue="ICML 2015",
    url="https://arxiv.org/abs/1502.03167",
)
BROUGHT = (
    "Batch normalization: each map is held to the mean and variance of its batch, so that learning rates can be many "
    "times higher and dropout can go. GoogLeNet's successor reaches the same accuracy in 14 times fewer steps."
)
IMAGENET = Inputs(channels=3, size=224, minimum=32)
SMALL = Inputs(channels=3, size=32, minimum=16)
ONE_CROP = "ImageNet validation, 1 crop of 224, single network"
FIGURE_5_SMALL: tuple[tuple[Row, ...], ...] = (
    ((16, 16, 24, 8, 16, "avg", 8),),
    ((0, 24, 32, 12, 16, "max", 0), (32, 24, 40, 12, 24, "avg", 16)),
    ((0, 24, 32, 16, 24, "max", 0), (64, 32, 56, 24, 40, "max", 24)),
)
INITIALISATION = "The paper names no initial weights; ours are He's, N(0, 2 / fan-in), as TF-slim's are by default."

# fmt: off
CARDS = (
    Card("bn_inception", "BN-Inception", PAPER, IMAGENET, partial(BNInception, bias=True), 11_295_240, 2_032_600_064,
         published=(
             Published("section 4.2", params="13.6·10^6", checked=True),
             Published("figure 4", top1_err=25.2, top5_err=7.82, protocol=ONE_CROP, checked=True),
             Published("figure 3, BN-Baseline: accuracy of 72.7%", top1_err=27.3, protocol=ONE_CROP, checked=True),
             Published("figure 3, BN-x5: accuracy of 73.0%", top1_err=27.0, protocol=ONE_CROP, checked=True),
             Published("figure 4", top1_err=21.99, top5_err=5.82,
                       protocol="ImageNet validation, 144 crops of 224, single network", checked=True),
             Published("figure 4", top1_err=20.1, top5_err=4.9,
                       protocol="ImageNet validation, 144 crops of 224, 6 networks", checked=True),
             Published("Inception-v3's paper, table 3", macs="2.0B", top1_err=25.2, top5_err=7.8, protocol=ONE_CROP),
         ), departures=(
             "The network of the public weights (Caffe), where figure 5 contradicts itself: its branches give 4c and "
             "4d 608 maps and 4e 1,056, as here, while its column of output sizes says 576 and 1,024; that would take "
             "96 maps of pool projection in 4c and 4d, 90,240 parameters and 13,748,224 MACs fewer. (The column also "
             "gives 4e 14 x 14 pixels, which its stride of 2 makes 7 x 7.)",
             "The first convolution is a plain 7x7, as figure 5 lists it and Caffe has it. The paper's is separable, 8 "
             "maps of each colour and a 1x1 behind them: 6,696 parameters and 83,994,624 MACs fewer.",
             "The convolutions have biases, 10,016 in all, which the public weights have too; batch norm takes them "
             "away again, and `bias=False` leaves them out: 11,285,224 parameters.",
             "Average poolings within the modules count what lies outside the map as zeros, as in Caffe.",
             INITIALISATION,
         ), note="No reading of figure 5 gives the 13.6 million parameters of section 4.2: its branches have 11.29 "
                 "million, its output sizes 11.19 million. The errors are those of different trainings: BN-Baseline "
                 "adds batch norm and changes nothing else; BN-x5, and BN-x30, whose error figure 4 repeats, have 5 "
                 "and 30 times its learning rate, less weight decay and no dropout."),
    Card("bn_inception_32", "BN-Inception", PAPER, SMALL, partial(BNInception, stages=FIGURE_5_SMALL, stem=(24,)),
         134_626, 7_719_728, 10, departures=(
             "The stem is one 3x3 convolution of 24 maps and a pooling: the image is divided by 8 in all, not by 32.",
             "Five modules instead of ten, those of 3a, 3c, 4a, 4e and 5b, at about a sixth of the width. 10 classes.",
             INITIALISATION,
         )),
)
