"""Inception-v3: rethinking the Inception architecture (Szegedy, Vanhoucke, Ioffe, Shlens and Wojna, 2015).

Large filters are factorised: a 5x5 into two 3x3, a 7x7 into a 1x7 and a 7x1, which sees as much for less. The grid is
halved by convolutions and a pooling side by side, so that no layer is a bottleneck, and a classifier with batch norm
in the middle of the network regularises it while it trains.

Section 6 (on arXiv) calls the network of table 1 Inception-v2. Inception-v3 is the same with all that table 3 adds
line by line: RMSProp, label smoothing, three 3x3 for the first 7x7, and batch norm throughout the auxiliary head.
"""

from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from opsin.cards import Card, Inputs, Paper, Published
from opsin.models.layers import (
    ConvBNReLU,
    ForkedBranch,
    GridReduction,
    SmallInceptionStem,
    conv_branch,
    scaled,
    truncated_he_,
)
from opsin.models.network import Network


def pool_branch(in_channels: int, channels: int, width: float) -> nn.Sequential:
    """The mean of 3x3, padding counted as zeros (as torchvision has it: the card's departures), then a 1x1."""
    return nn.Sequential(nn.AvgPool2d(3, stride=1, padding=1), *conv_branch(in_channels, (channels, 1), width=width))


class Stem(nn.Module):
    """The rows of table 1 above the Inception modules, as released. N C H W -> N 192 (H-19)/8 (W-19)/8."""

    def __init__(self, in_chans: int, width: float):
        super().__init__()
        w32, w64, w80, w192 = (scaled(channels, width) for channels in (32, 64, 80, 192))
        self.conv1 = ConvBNReLU(in_chans, w32, 3, stride=2)
        self.conv2 = ConvBNReLU(w32, w32, 3)
        self.conv3 = ConvBNReLU(w32, w64, 3, padding=1)
        self.conv4 = ConvBNReLU(w64, w80, 1)
        self.conv5 = ConvBNReLU(w80, w192, 3)
        self.pool = nn.MaxPool2d(3, stride=2)
        self.out_channels = w192

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv3(self.conv2(self.conv1(x)))  # N 64 147 147 (at 299 px)
        x = self.conv5(self.conv4(self.pool(x)))  # N 192 71 71
        return self.pool(x)  # N 192 35 35


class Inception3x3(nn.Module):
    """Figure 5: two 3x3 in place of a 5x5 (released as Mixed_5b to 5d). N C H W -> N 224+pool_width H W.

    The other branch keeps its 5x5 in the released network, where the figure has one 3x3.
    """

    def __init__(self, in_channels: int, pool_width: int, width: float):
        super().__init__()
        self.branch1x1 = conv_branch(in_channels, (64, 1), width=width)
        self.branch5x5 = conv_branch(in_channels, (48, 1), (64, 5), width=width)
        self.branch3x3_twice = conv_branch(in_channels, (64, 1), (96, 3), (96, 3), width=width)
        self.branch_pool = pool_branch(in_channels, pool_width, width)
        self.out_channels = sum(scaled(channels, width) for channels in (64, 64, 96, pool_width))

    def forward(self, x: Tensor) -> Tensor:
        branches = self.branch1x1, self.branch5x5, self.branch3x3_twice, self.branch_pool
        return torch.cat([branch(x) for branch in branches], dim=1)


class Inception7x7(nn.Module):
    """Figure 6 with n = 7: 1x7 and 7x1 in place of 7x7 (released as Mixed_6b to 6e). N C H W -> N 768 H W.

    `inner` are the channels between the convolutions of the factorised branches. The longer one begins with 7x1, as
    released; in the figure it begins with 1x7.
    """

    def __init__(self, in_channels: int, inner: int, width: float):
        super().__init__()
        self.branch1x1 = conv_branch(in_channels, (192, 1), width=width)
        self.branch7x7 = conv_branch(in_channels, (inner, 1), (inner, (1, 7)), (192, (7, 1)), width=width)
        self.branch7x7_twice = conv_branch(
            in_channels, (inner, 1), (inner, (7, 1)), (inner, (1, 7)), (inner, (7, 1)), (192, (1, 7)), width=width
        )
        self.branch_pool = pool_branch(in_channels, 192, width)
        self.out_channels = 4 * scaled(192, width)

    def forward(self, x: Tensor) -> Tensor:
        branches = self.branch1x1, self.branch7x7, self.branch7x7_twice, self.branch_pool
        return torch.cat([branch(x) for branch in branches], dim=1)


class InceptionExpanded(nn.Module):
    """Figure 7: branches end in a 1x3 and a 3x1 side by side (released as Mixed_7b, 7c). N C H W -> N 2048 H W."""

    def __init__(self, in_channels: int, width: float):
        super().__init__()
        self.branch1x1 = conv_branch(in_channels, (320, 1), width=width)
        self.branch3x3 = ForkedBranch(in_channels, (384, 1), fork=384, width=width)
        self.branch3x3_twice = ForkedBranch(in_channels, (448, 1), (384, 3), fork=384, width=width)
        self.branch_pool = pool_branch(in_channels, 192, width)
        self.out_channels = sum(scaled(channels, width) for channels in (320, 384, 384, 384, 384, 192))

    def forward(self, x: Tensor) -> Tensor:
        branches = self.branch1x1, self.branch3x3, self.branch3x3_twice, self.branch_pool
        return torch.cat([branch(x) for branch in branches], dim=1)


class AuxiliaryHead(nn.Module):
    """The classifier on top of the last 17 x 17 layer (section 4, figure 8). N C 17 17 -> N num_classes.

    Its fully connected layer, here a 5x5 convolution, has batch norm too ("BN-auxiliary" of table 3). Grids below
    17 x 17 are pooled to 5 x 5 by windows that fit them.
    """

    def __init__(self, in_channels: int, num_classes: int, width: float):
        super().__init__()
        w128, w768 = scaled(128, width), scaled(768, width)
        self.conv1 = ConvBNReLU(in_channels, w128, 1)  # 5 x 5 x 128, behind the pooling
        self.conv2 = ConvBNReLU(w128, w768, 5)  # 1 x 1 x 768; both widths as released
        self.fc = nn.Linear(w768, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.avg_pool2d(x, 5, stride=3) if min(x.shape[2:]) >= 17 else F.adaptive_avg_pool2d(x, 5)  # N 768 5 5
        x = self.conv2(self.conv1(x)).mean(dim=(2, 3))  # N 768
        return self.fc(x)


# Table 1                  its input        here, as released                             output, from 299 px
# conv 3x3/2               299 x 299 x 3    stem.conv1 3x3/2                              149 x 149 x 32
# conv 3x3/1               149 x 149 x 32   stem.conv2 3x3/1                              147 x 147 x 32
# conv padded 3x3/1        147 x 147 x 32   stem.conv3 3x3/1, padded                      147 x 147 x 64
# pool 3x3/2               147 x 147 x 64   stem.pool 3x3/2, the maximum                  73 x 73 x 64
# conv 3x3/1               73 x 73 x 64     stem.conv4 1x1/1                              73 x 73 x 80
# conv 3x3/2               71 x 71 x 80     stem.conv5 3x3/1                              71 x 71 x 192
# conv 3x3/1               35 x 35 x 192    stem.pool 3x3/2, the maximum                  35 x 35 x 192
# 3 x Inception, figure 5  35 x 35 x 288    inception35: 3 x Inception3x3                 35 x 35 x 256, 288, 288
#                                           reduction17: figure 10, stride 2              17 x 17 x 768
# 5 x Inception, figure 6  17 x 17 x 768    inception17: 4 x Inception7x7, aux behind     17 x 17 x 768
#                                           reduction8: figure 10, stride 2               8 x 8 x 1280
# 2 x Inception, figure 7  8 x 8 x 1280     inception8: 2 x InceptionExpanded             8 x 8 x 2048
# pool 8x8                 8 x 8 x 2048     the mean of the grid, dropout                 2048
# linear, logits           1 x 1 x 2048     fc                                            1000
# softmax, classifier      1 x 1 x 1000     (in the loss)


class InceptionV3(Network):
    """The network of table 1. N C H W -> N num_classes; in training (logits, auxiliary logits).

    `pool_widths` has a number for each module of figure 5: the channels behind its pooling. `inner_widths` has one for
    each module of figure 6: the channels between its 1x7 and 7x1 convolutions. `expanded` is how many modules of
    figure 7 there are. `width` multiplies all channels.
    """

    def __init__(
        self,
        pool_widths: tuple[int, ...] = (32, 64, 64),  # Mixed_5b to 5d of the released code, as all widths
        inner_widths: tuple[int, ...] = (128, 160, 160, 192),  # Mixed_6b to 6e
        expanded: int = 2,  # Mixed_7b, 7c
        *,
        width: float = 1.0,
        stem: Literal["imagenet", "small"] = "imagenet",
        aux_heads: bool = True,
        dropout: float = 0.2,  # as released; not in the paper
        num_classes: int = 1000,
        in_chans: int = 3,
    ):
        super().__init__()
        self.stem = Stem(in_chans, width) if stem == "imagenet" else SmallInceptionStem(in_chans, width)
        channels = self.stem.out_channels
        self.inception35 = nn.Sequential()
        for pool_width in pool_widths:
            module = Inception3x3(channels, pool_width, width)
            self.inception35.append(module)
            channels = module.out_channels
        # Both reductions: the last convolution of each branch, and the pooling beside them, have a stride of 2.
        self.reduction17 = GridReduction(channels, ((384, 3),), ((64, 1), (96, 3), (96, 3)), width=width)  # Mixed_6a
        channels = self.reduction17.out_channels
        self.inception17 = nn.Sequential()
        for inner in inner_widths:
            module = Inception7x7(channels, inner, width)
            self.inception17.append(module)
            channels = module.out_channels
        self.aux = AuxiliaryHead(channels, num_classes, width) if aux_heads else None
        self.reduction8 = GridReduction(  # Mixed_7a
            channels, ((192, 1), (320, 3)), ((192, 1), (192, (1, 7)), (192, (7, 1)), (192, 3)), width=width
        )
        channels = self.reduction8.out_channels
        self.inception8 = nn.Sequential()
        for _ in range(expanded):
            module = InceptionExpanded(channels, width)
            self.inception8.append(module)
            channels = module.out_channels
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(channels, num_classes)
        self.initialise()

    def initialise(self) -> None:
        """The paper names no initial weights; the authors' released code draws N(0, 2/fan-in), cut off at two sigma."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                truncated_he_(module.weight)
        nn.init.zeros_(self.fc.bias)
        if self.aux is not None:
            nn.init.trunc_normal_(self.aux.conv2.conv.weight, std=0.01, a=-0.02, b=0.02)
            nn.init.trunc_normal_(self.aux.fc.weight, std=0.001, a=-0.002, b=0.002)
            nn.init.zeros_(self.aux.fc.bias)

    def features17(self, x: Tensor) -> Tensor:
        """What the auxiliary head sees. N C H W -> N 768 17 17 (at 299 px)."""
        x = self.inception35(self.stem(x))  # N 288 35 35
        return self.inception17(self.reduction17(x))

    def features8(self, x: Tensor) -> Tensor:
        return self.inception8(self.reduction8(x))  # N 2048 8 8

    def forward_features(self, x: Tensor) -> Tensor:
        return self.features8(self.features17(x))

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        middle = self.features17(x)
        x = self.features8(middle).mean(dim=(2, 3))  # N 2048
        logits = self.fc(self.dropout(x))
        if self.training and self.aux is not None:
            return logits, self.aux(middle)
        return logits


PAPER = Paper(
    title="Rethinking the Inception Architecture for Computer Vision",
    authors="Szegedy, Vanhoucke, Ioffe, Shlens, Wojna",
    year=2015,
    venue="CVPR 2016",
    url="https://arxiv.org/abs/1512.00567",
)
BROUGHT = (
    "Large filters are factorised into small ones and into pairs of 1xn and nx1, grids are halved without a "
    "bottleneck, and labels are smoothed: rules for making an Inception network larger without waste."
)
IMAGENET = Inputs(channels=3, size=299, minimum=75)
SMALL = Inputs(channels=3, size=32, minimum=15)
NOT_BLACKLISTED = "the 48,238 images of ImageNet validation that are not blacklisted"

EIGHTH = partial(InceptionV3, pool_widths=(64,), inner_widths=(128,), expanded=1, width=1 / 8, stem="small")

# fmt: off
CARDS = (
    Card("inception_v3", "Inception-v3", PAPER, IMAGENET, InceptionV3, 23_834_568, 5_713_216_096, published=(
        Published("abstract", params="25 million", macs="5 billion", top1_err=21.2, top5_err=5.6,
                  protocol=f"{NOT_BLACKLISTED}, 1 crop, single network", checked=True),
        Published("table 3", macs="4.8G", top1_err=21.2, top5_err=5.6,
                  protocol=f"{NOT_BLACKLISTED}, 1 crop, single network"),
        Published("table 4", top1_err=19.47, top5_err=4.48,
                  protocol=f"{NOT_BLACKLISTED}, 12 crops, single network"),
        Published("table 4", top1_err=18.77, top5_err=4.20,
                  protocol=f"{NOT_BLACKLISTED}, 144 crops, single network"),
        Published("abstract", top1_err=17.3, top5_err=3.5, protocol="ImageNet validation, many crops, 4 networks",
                  checked=True),
        Published("abstract", top5_err=3.6, protocol="ImageNet test, many crops, 4 networks", checked=True),
        Published("table 5", top1_err=17.2, protocol=f"{NOT_BLACKLISTED}, 144 crops, 4 networks"),
        Published("table 5, its caption", top5_err=3.46, protocol=f"{NOT_BLACKLISTED}, 144 crops, 4 networks",
                  checked=True),
        Published("table 5", top5_err=3.58, protocol="ImageNet test, 144 crops, 4 networks"),
        Published("Inception-v4's paper, table 3", top1_err=19.8, top5_err=4.6, checked=True,
                  protocol="ImageNet validation, all 50,000 images, 12 crops, single network"),
        Published("Inception-v4's paper, table 4", top1_err=18.9, top5_err=4.3, checked=True,
                  protocol="ImageNet validation, all 50,000 images, 144 crops, single network"),
        Published("Inception-v4's paper, table 5", top1_err=17.3, top5_err=3.6, checked=True,
                  protocol="ImageNet validation, all 50,000 images, 144 crops, 4 networks"),
    ), departures=(
        "The network that the authors released, to which the public weights belong. The paper leaves the widths inside "
        "the modules to a file beside it, and its tables and figures are not quite the released network:",
        "Stem: table 1 has 3x3 convolutions of 64 to 80, 80 to 192 (stride 2) and 192 to 288 channels, 1,011,271,680 "
        "MACs; released are a 1x1 of 64 to 80, a 3x3 of 80 to 192 and a max pooling, 724,152,320 MACs, and the "
        "Inception modules begin with 192 and 256 channels instead of 288.",
        "One branch of figure 5 has a 5x5 convolution instead of a 3x3: in three modules 147,456 parameters and "
        "180,633,600 MACs more.",
        "Four modules of figure 6, where table 1 counts five (one more, as wide as the last, has 2,141,952 parameters "
        "and 617,914,368 MACs). The first grid reduction has no 1x1 before its single 3x3, and the second a 1x7 and a "
        "7x1 where figure 10 has a 3x3.",
        "The longer branch of figure 6 is 1x7, 7x1, 1x7, 7x1; released is 7x1, 1x7, 7x1, 1x7, which changes no count.",
        "The auxiliary head's 128 and 768 channels are the released network's.",
        "The means of 3x3 count their padding as zeros, as torchvision and timm have it, whose weights are public; "
        "TensorFlow, where the network was released, leaves the padding out.",
        "Dropout of 0.2 before the classifier, as released; the paper does not mention it.",
    ), aux_params=3_326_696,
       note="\"Less than 25 million parameters\", says the abstract. The paper counts 4.8 or 5 billion multiply-adds, "
            "the released network has 5.71: 19 % more than table 3 says. The stem of table 1 does not explain it, as "
            "it would need 6.05 billion (5,713,216,096 + 287,119,360 for its convolutions + 45,158,400 for the wider "
            "inputs of the first two modules). On all 50,000 images of the validation the errors are 0.2 % (top-1) and "
            "0.1 % (top-5) higher, says the text."),
    Card("inception_v3_32", "Inception-v3", PAPER, SMALL, EIGHTH, 151_986, 4_895_072, 10, departures=(
        "For images of 16 to 64 px: of the stem the first three convolutions and the pooling, the convolutions with "
        "padding and the first at a stride of 1, as section 9 takes images of low resolution. The "
        "grids are 15, 7 and 3 px wide for images of 32 px.",
        "One module each of figures 5, 6 and 7 instead of 3, 4 and 2, and an eighth of the channels.",
        "The auxiliary head pools its grid to 5 x 5 by windows that fit it.",
    ), aux_params=41_130),
)
