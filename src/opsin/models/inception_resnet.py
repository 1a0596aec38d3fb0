"""Inception-ResNet: Inception modules as residuals (Szegedy, Ioffe, Vanhoucke and Alemi, 2016).

The branches of an Inception module are joined, brought back to the width of the module's input by a 1x1 convolution
without activation, and added to it. Such networks train much faster than those without the addition; very wide ones
die early unless the residual is scaled down, by 0.1 to 0.3, before it is added.
"""

from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from opsin.cards import Card, Inputs, Paper, Published
from opsin.models.layers import (
    ConvBNReLU,
    GridReduction,
    InceptionV4Stem,
    SmallInceptionStem,
    conv_branch,
    scaled,
    truncated_he_,
)
from opsin.models.network import Network

Branches = tuple[tuple[tuple[int, int | tuple[int, int]], ...], ...]

# Each branch of a module on a line, as its convolutions (channels, kernel) in order. What ends the modules A, B and C,
# the linear 1x1 back to the grid's channels, ResidualInception adds; the max pooling of reductions GridReduction.
# fmt: off

V1: dict[str, Branches] = {
    "A": (((32, 1),),                                             # figure 10
          ((32, 1), (32, 3)),
          ((32, 1), (32, 3), (32, 3))),                           # linear 1x1: 256
    "reduction A": (((384, 3),),                                  # figure 7: n of table 1
                    ((192, 1), (192, 3), (256, 3))),              # k, l, m of table 1
    "B": (((128, 1),),                                            # figure 11
          ((128, 1), (128, (1, 7)), (128, (7, 1)))),              # linear 1x1: 896 = 256 + 384 + 256
    "reduction B": (((256, 1), (384, 3)),                         # figure 12
                    ((256, 1), (256, 3)),
                    ((256, 1), (256, 3), (256, 3))),
    "C": (((192, 1),),                                            # figure 13
          ((192, 1), (192, (1, 3)), (192, (3, 1)))),              # linear 1x1: 1792 = 896 + 384 + 256 + 256
}
V2: dict[str, Branches] = {
    "A": (((32, 1),),                                             # figure 16
          ((32, 1), (32, 3)),
          ((32, 1), (48, 3), (64, 3))),                           # linear 1x1: 384
    "reduction A": (((384, 3),),                                  # figure 7: n of table 1
                    ((256, 1), (256, 3), (384, 3))),              # k, l, m of table 1
    "B": (((192, 1),),                                            # figure 17
          ((128, 1), (160, (1, 7)), (192, (7, 1)))),              # linear 1x1: 1152 = 3 * 384 (printed: 1154)
    "reduction B": (((256, 1), (384, 3)),                         # figure 18
                    ((256, 1), (288, 3)),
                    ((256, 1), (288, 3), (320, 3))),
    "C": (((192, 1),),                                            # figure 19
          ((192, 1), (224, (1, 3)), (256, (3, 1)))),              # linear 1x1: 2144 = 1152 + 992 (printed: 2048)
}
# fmt: on


class StemV1(nn.Module):
    """The stem of Inception-ResNet-v1, figure 14. N C H W -> N 256 (H-19)/8 (W-19)/8."""

    def __init__(self, in_chans: int, width: float):
        super().__init__()
        w32, w64, w80, w192, w256 = (scaled(channels, width) for channels in (32, 64, 80, 192, 256))
        self.conv1 = ConvBNReLU(in_chans, w32, 3, stride=2)
        self.conv2 = ConvBNReLU(w32, w32, 3)
        self.conv3 = ConvBNReLU(w32, w64, 3, padding=1)
        self.pool = nn.MaxPool2d(3, stride=2)
        self.conv4 = ConvBNReLU(w64, w80, 1)
        self.conv5 = ConvBNReLU(w80, w192, 3)
        self.conv6 = ConvBNReLU(w192, w256, 3, stride=2)
        self.out_channels = w256

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv3(self.conv2(self.conv1(x)))  # N 64 147 147 (at 299 px)
        x = self.conv5(self.conv4(self.pool(x)))  # N 192 71 71
        return self.conv6(x)  # N 256 35 35


class StemSlim(nn.Module):
    """The stem of the network that the authors released in TF-slim (tensorflow/models, research/slim).

    That of Inception-v3 and an Inception module. N C H W -> N 320 (H-19)/8 (W-19)/8.
    """

    def __init__(self, in_chans: int, width: float):
        super().__init__()
        w32, w64, w80, w192 = (scaled(channels, width) for channels in (32, 64, 80, 192))
        self.conv1 = ConvBNReLU(in_chans, w32, 3, stride=2)
        self.conv2 = ConvBNReLU(w32, w32, 3)
        self.conv3 = ConvBNReLU(w32, w64, 3, padding=1)
        self.pool = nn.MaxPool2d(3, stride=2)
        self.conv4 = ConvBNReLU(w64, w80, 1)
        self.conv5 = ConvBNReLU(w80, w192, 3)
        self.branch1x1 = conv_branch(w192, (96, 1), width=width)
        self.branch5x5 = conv_branch(w192, (48, 1), (64, 5), width=width)
        self.branch3x3_twice = conv_branch(w192, (64, 1), (96, 3), (96, 3), width=width)
        mean = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
        self.branch_pool = nn.Sequential(mean, *conv_branch(w192, (64, 1), width=width))
        self.out_channels = sum(scaled(channels, width) for channels in (96, 64, 96, 64))

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv3(self.conv2(self.conv1(x)))  # N 64 147 147 (at 299 px)
        x = self.pool(self.conv5(self.conv4(self.pool(x))))  # N 192 35 35
        branches = self.branch1x1, self.branch5x5, self.branch3x3_twice, self.branch_pool
        return torch.cat([branch(x) for branch in branches], dim=1)  # N 320 35 35


# v1: figure 14; v2: figure 3; slim: of the network released in TF-slim; small: for images of 16 to 64 px
STEMS = {"v1": StemV1, "v2": InceptionV4Stem, "slim": StemSlim, "small": SmallInceptionStem}


class ResidualInception(nn.Module):
    """Branches, a linear 1x1 back to the input's channels, scaling, addition (figure 20). N C H W -> N C H W.

    The 1x1 has a bias and no batch norm: so the released code; the figures say no more than that it is linear. With
    `relu` a ReLU follows the addition.
    """

    def __init__(self, channels: int, branches: Branches, scale: float, width: float, relu: bool = True):
        super().__init__()
        self.branches = nn.ModuleList(conv_branch(channels, *layers, width=width) for layers in branches)
        self.expand = nn.Conv2d(sum(scaled(layers[-1][0], width) for layers in branches), channels, 1)
        self.scale, self.relu = scale, relu

    def forward(self, x: Tensor) -> Tensor:
        residual = self.expand(torch.cat([branch(x) for branch in self.branches], dim=1))
        x = x + self.scale * residual
        return F.relu(x) if self.relu else x


class InceptionResNet(Network):
    """The networks of figure 15, whose output sizes stand beside the parts (v1; v2). N C H W -> N num_classes.

    `modules` are the branches of the modules and reductions, `depths` and `scales` the numbers of modules A, B, C and
    the factors of their residuals. `last`, of the released network alone: the channels of a 1x1 convolution behind the
    modules, the last of which then is not scaled and has no ReLU. `width` multiplies all channels.
    """

    def __init__(
        self,
        modules: dict[str, Branches],
        stem: Literal["v1", "v2", "slim", "small"],
        depths: tuple[int, int, int] = (5, 10, 5),
        scales: tuple[float, float, float] = (0.17, 0.10, 0.20),  # as released; section 3.3: 0.1 to 0.3
        *,
        last: int | None = None,
        width: float = 1.0,
        dropout: float = 0.2,
        num_classes: int = 1000,
        in_chans: int = 3,
    ):
        super().__init__()
        self.stem = STEMS[stem](in_chans, width)  # 35 x 35 x 256; 384
        channels = self.stem.out_channels
        self.inception_a = nn.Sequential(  # 5 x Inception-resnet-A: 35 x 35 x 256; 384
            *(ResidualInception(channels, modules["A"], scales[0], width) for _ in range(depths[0]))
        )
        self.reduction_a = GridReduction(channels, *modules["reduction A"], width=width)  # 17 x 17 x 896; 1152
        channels = self.reduction_a.out_channels
        self.inception_b = nn.Sequential(  # 10 x Inception-resnet-B: 17 x 17 x 896; 1152
            *(ResidualInception(channels, modules["B"], scales[1], width) for _ in range(depths[1]))
        )
        self.reduction_b = GridReduction(channels, *modules["reduction B"], width=width)  # 8 x 8 x 1792; 2144
        channels = self.reduction_b.out_channels
        self.inception_c = nn.Sequential(  # 5 x Inception-resnet-C: 8 x 8 x 1792; 2144
            *(ResidualInception(channels, modules["C"], scales[2], width) for _ in range(depths[2]))
        )
        self.conv_last = nn.Identity()
        if last is not None:
            self.inception_c[-1] = ResidualInception(channels, modules["C"], 1.0, width, relu=False)
            self.conv_last = ConvBNReLU(channels, scaled(last, width), 1)
            channels = scaled(last, width)
        self.dropout = nn.Dropout(dropout)  # behind the average pooling (in forward), keep 0.8: 1792; 2144
        self.fc = nn.Linear(channels, num_classes)  # 1000; the softmax is in the loss
        self.initialise()

    def initialise(self) -> None:
        """The paper names no initial weights; the authors' released code draws N(0, 2/fan-in), cut off at two sigma.

        Its fully connected layer begins as Glorot and Bengio have it; all biases are zero.
        """
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                truncated_he_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        nn.init.xavier_uniform_(self.fc.weight)
        nn.init.zeros_(self.fc.bias)

    def forward_features(self, x: Tensor) -> Tensor:
        x = self.inception_a(self.stem(x))  # N 256 35 35 (v1 at 299 px; 384 in v2)
        x = self.inception_b(self.reduction_a(x))  # N 896 17 17 (1152 in v2)
        x = self.inception_c(self.reduction_b(x))  # N 1792 8 8 (2144 in v2)
        return self.conv_last(x)

    def forward(self, x: Tensor) -> Tensor:
        x = self.forward_features(x).mean(dim=(2, 3))  # N 1792
        return self.fc(self.dropout(x))


PAPER = Paper(
    title="Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning",
    authors="Szegedy, Ioffe, Vanhoucke, Alemi",
    year=2016,
    venue="AAAI 2017",
    url="https://arxiv.org/abs/1602.07261",
)
BROUGHT = (
    "ResNet's shortcut around Inception modules, which makes them train much faster at the same cost; and the remedy "
    "for very wide ones that die early, residuals scaled down before they are added."
)
IMAGENET = Inputs(channels=3, size=299, minimum=75)
SMALL = Inputs(channels=3, size=32, minimum=15)
ONE_CROP = "ImageNet validation without its blacklisted images, 1 crop, single network"
ALL_IMAGES = "ImageNet validation, all 50,000 images"
SCALES = (
    "The residuals are scaled by 0.17, 0.10 and 0.20 in modules A, B and C, as in the network that the authors "
    "released; the paper says between 0.1 and 0.3."
)
V2_STEM = (
    "In the stem the 1x7 convolution comes before the 7x1, as in the released Inception-v4, where figure 3 has the 7x1 "
    "first; no count depends on it. Its last convolution has a stride of 2, which the figure does not print, but the "
    "grid behind it asks for."
)
LINEAR_BIAS = (
    "The linear 1x1 convolutions have biases and no batch norm, as in the released network; the paper does not say."
)
UNPRINTED = (
    "The paper prints neither parameters nor operations. About 1,700 blacklisted images were left out by mistake, it "
    "says, and with them the single-crop errors would be some 0.3 % (top-1) and 0.15 % (top-5) higher. Tables are "
    "numbered as on arXiv, from 2 to 5; the AAAI version has them from 1 to 4."
)


def _imagenet(name, modules, stem, params, macs, published=(), departures=(), note=UNPRINTED, **arguments):
    build = partial(InceptionResNet, modules=modules, stem=stem, **arguments)
    return Card(name, "Inception-ResNet", PAPER, IMAGENET, build, params, macs, 1000, published, departures, note)


EIGHTH = partial(InceptionResNet, modules=V2, stem="small", depths=(2, 2, 2), width=1 / 8)

# Tables and figures have their numbers of arXiv; in the AAAI version tables 2 to 4 are 1 to 3.
# fmt: off
CARDS = (
    _imagenet("inception_resnet_v1", V1, "v1", 22_756_328, 6_206_361_696, published=(
        Published("table 2", top1_err=21.3, top5_err=5.5, protocol=ONE_CROP, checked=True),
        Published("table 3", top1_err=19.8, top5_err=4.6, protocol=f"{ALL_IMAGES}, 12 crops, single network",
                  checked=True),
        Published("table 4", top1_err=18.8, top5_err=4.3, protocol=f"{ALL_IMAGES}, 144 crops, single network",
                  checked=True),
    ), departures=(SCALES, LINEAR_BIAS),
       note=f"{UNPRINTED} The text has it at roughly the cost of Inception-v3, whose operations are 8 % fewer (5.71 "
            "against 6.21 billion)."),
    _imagenet("inception_resnet_v2", V2, "v2", 32_433_928, 9_257_953_632, published=(
        Published("table 2", top1_err=19.9, top5_err=4.9, protocol=ONE_CROP, checked=True),
        Published("table 3", top1_err=18.7, top5_err=4.1, protocol=f"{ALL_IMAGES}, 12 crops, single network",
                  checked=True),
        Published("table 4", top1_err=17.8, top5_err=3.7, protocol=f"{ALL_IMAGES}, 144 crops, single network",
                  checked=True),
        Published("table 4 of the AAAI version", top1_err=16.4, top5_err=3.1, checked=True,
                  protocol=f"{ALL_IMAGES}, 144 crops, three networks with one Inception-v4"),
        Published("table 5", top5_err=3.08, checked=True,
                  protocol="ImageNet test, 144 crops, three networks with one Inception-v4"),
    ), departures=(
        "The linear 1x1 convolutions of modules B and C have 1152 and 2144 channels, as what they are added to: 384 + "
        "384 + 384 and 1152 + 384 + 288 + 320. Figures 17 and 19 say 1154 and 2048, with which no addition is "
        "possible.", SCALES, V2_STEM, LINEAR_BIAS,
    ), note=f"{UNPRINTED} The text has it at the cost of Inception-v4, whose operations are 32 % more (12.25 against "
            "9.26 billion)."),
    _imagenet("inception_resnet_v2_slim", V2, "slim", 55_843_464, 13_155_794_016, depths=(10, 20, 10), last=1536,
              departures=(
        "The network that the authors released under this name, to which the public weights belong, and not that of "
        "the paper's figures: 23,409,536 parameters and 3,897,840,384 MACs more.",
        "The stem is that of Inception-v3 and an Inception module of 320 channels, instead of figure 3 with 384; so "
        "the other grids have 1088 and 2080 channels instead of 1152 and 2144.",
        "10, 20 and 10 modules A, B and C instead of 5, 10 and 5; the last one is not scaled and has no ReLU, and a "
        "1x1 convolution of 1536 channels with batch norm follows.",
        SCALES,
    ), note="The errors of the paper's tables are those of inception_resnet_v2; whether they were measured on this "
            "network the paper does not say."),
    Card("inception_resnet_32", "Inception-ResNet", PAPER, SMALL, EIGHTH, 177_886, 7_279_160, 10, departures=(
        "For images of 16 to 64 px: of the stem the first three convolutions and a pooling, the convolutions with "
        "padding and the first at a stride of 1. The grids are 15, 7 and 3 px wide for images of 32 px.",
        "Two modules each of figures 16, 17 and 19 instead of 5, 10 and 5, and an eighth of the channels.",
        SCALES, LINEAR_BIAS,
    )),
)
