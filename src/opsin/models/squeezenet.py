"""SqueezeNet: AlexNet's accuracy with a fiftieth of its parameters (Iandola, Han, Moskewicz, Ashraf and others, 2016).

Three strategies make a network small (section 3.1): 1x1 filters take the place of most 3x3 ones, the 3x3 filters that
stay see few channels, and downsampling comes late. A Fire module does the first two: a squeeze layer of 1x1 filters
narrows the channels, an expand layer widens them again, half with 1x1 and half with 3x3 filters. No layer is fully
connected. Bypasses around the modules (section 6) carry past the squeeze layers what these would lose.
"""

from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from opsin.cards import Card, Inputs, Paper, Published
from opsin.models.network import Network

Bypass = Literal["none", "simple", "complex"]

# Columns: squeeze (the table's s1x1), expand (its e1x1, and as many e3x3). Sides of the maps are the table's (227 px).
TABLE_1 = (
    # conv1: 96 filters of 7x7, stride 2 -> 111; maxpool1: 3x3, stride 2 -> 55
    (16, 64),  # fire2, 55
    (16, 64),  # fire3
    (32, 128),  # fire4; maxpool4: 3x3, stride 2 -> 27
    (32, 128),  # fire5, 27
    (48, 192),  # fire6
    (48, 192),  # fire7
    (64, 256),  # fire8; maxpool8: 3x3, stride 2 -> 13
    (64, 256),  # fire9, 13
    # conv10: 1000 filters of 1x1 -> 13; avgpool10: 13x13 -> 1
)


def make_bypass(option: Bypass, in_channels: int, out_channels: int) -> nn.Module | None:
    """The path around a Fire module (figure 2): the identity where channels agree, else, if complex, a 1x1 filter."""
    if option == "none" or (option == "simple" and in_channels != out_channels):
        return None
    if in_channels == out_channels:
        return nn.Identity()
    return nn.Conv2d(in_channels, out_channels, 1)


class Fire(nn.Module):
    """Squeeze to `squeeze` channels, expand to twice `expand` (figure 1). N in_channels H W -> N 2*expand H W."""

    def __init__(self, in_channels: int, squeeze: int, expand: int, bypass: Bypass = "none"):
        super().__init__()
        self.squeeze = nn.Conv2d(in_channels, squeeze, 1)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)
        self.bypass = make_bypass(bypass, in_channels, 2 * expand)

    def forward(self, x: Tensor) -> Tensor:
        squeezed = F.relu(self.squeeze(x))  # N squeeze H W
        out = F.relu(torch.cat([self.expand1x1(squeezed), self.expand3x3(squeezed)], dim=1))  # N 2*expand H W
        return out if self.bypass is None else out + self.bypass(x)


class SqueezeNet(Network):
    """The network of table 1 and figure 2. N C H W -> N num_classes.

    `stem` gives channels, side, stride and padding of the filters of conv1 (the authors' files have no padding, which
    the table's 111 px confirm); `fires` squeeze and expand channels of the modules, numbered from 2 as in the paper;
    `pools` the layers behind which 3x3 max poolings halve the image. Their last windows may reach over the border, as
    in Caffe (ceil_mode). A ReLU behind conv10 is in the authors' files, not in the paper's text: no logit is negative,
    and no gradient reaches a class at zero everywhere. With `linear_end` the maps of the classes have no
    ReLU.
    """

    last_layer = "conv10"

    def __init__(
        self,
        stem: tuple[int, int, int, int] = (96, 7, 2, 0),
        fires: tuple[tuple[int, int], ...] = TABLE_1,
        pools: tuple[int, ...] = (1, 4, 8),
        *,
        bypass: Bypass = "none",
        dropout: float = 0.5,
        linear_end: bool = False,
        init: Literal["paper", "he"] = "paper",
        num_classes: int = 1000,
        in_chans: int = 3,
    ):
        super().__init__()
        channels, kernel_size, stride, padding = stem
        self.conv1 = nn.Conv2d(in_chans, channels, kernel_size, stride, padding)
        modules = []
        for squeeze, expand in fires:
            modules.append(Fire(channels, squeeze, expand, bypass))
            channels = 2 * expand
        self.fires = nn.ModuleList(modules)
        self.pools = pools
        self.pool = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.dropout = nn.Dropout(dropout)  # 50 % behind fire9 (section 3.3)
        self.conv10 = nn.Conv2d(channels, num_classes, 1)
        self.relu_conv10 = nn.Identity() if linear_end else nn.ReLU()
        self.initialise(init)

    def initialise(self, init: Literal["paper", "he"]) -> None:
        """The authors' Caffe files: U(-a, a) with a = sqrt(3/fan-in), N(0, 0.01) for conv10; or He's N(0, 2/fan-in).

        ReLU halves the signal's power in every layer: the former leaves it so, the latter makes up for it.
        """
        for parameter in self.parameters():
            if parameter.ndim == 1:
                nn.init.zeros_(parameter)
            elif init == "he":
                nn.init.kaiming_normal_(parameter, nonlinearity="relu")
            else:
                bound = (3 / parameter[0].numel()) ** 0.5
                nn.init.uniform_(parameter, -bound, bound)
        if init == "paper":
            nn.init.normal_(self.conv10.weight, std=0.01)

    def forward_features(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv1(x))  # N 96 109 109 (at 224 px)
        if 1 in self.pools:
            x = self.pool(x)  # N 96 54 54
        for number, fire in enumerate(self.fires, start=2):
            x = fire(x)
            if number in self.pools:
                x = self.pool(x)  # N 256 27 27, N 512 13 13
        return x

    def forward(self, x: Tensor) -> Tensor:
        x = self.dropout(self.forward_features(x))
        return self.relu_conv10(self.conv10(x)).mean(dim=(2, 3))  # avgpool10: N num_classes


PAPER = Paper(
    title="SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size",
    authors="Iandola, Han, Moskewicz, Ashraf, Dally, Keutzer",
    year=2016,
    venue="arXiv",
    url="https://arxiv.org/abs/1602.07360",
)
BROUGHT = (
    "AlexNet's accuracy with fifty times fewer parameters: Fire modules squeeze the channels with 1x1 convolutions "
    "before the few 3x3 ones that are left, and downsampling comes late."
)
V1_0 = Inputs(channels=3, size=224, minimum=21)
V1_1 = Inputs(channels=3, size=224, minimum=17)
SMALL = Inputs(channels=3, size=32, minimum=8)
ONE_CROP = "ImageNet validation, 1 crop (of 227 px in the authors' files), single network; printed as accuracy"
README = "the authors' repository, table of v1.1"
AT_227 = (
    "Table 1 names images of 224 px, but its maps of 111, 55, 27 and 13 px come from 227 px, which the authors' files "
    "use; from 224 px they are 109, 54, 27 and 13."
)
GFLOPS = "The authors count a product and a sum as two operations"
NUMBERING = "A bypass leads around fire3, fire5, fire7 and fire9, whose input has as many channels as their output"
FOUR_FIRES = ((16, 32), (16, 32), (32, 64), (32, 64))

# fmt: off
CARDS = (
    Card("squeezenet1_0", "SqueezeNet", PAPER, V1_0, SqueezeNet, 1_248_424, 818_924_576, published=(
        Published("table 1", params="1,248,424"),
        Published("table 2", top1_err=42.5, top5_err=19.7, protocol=ONE_CROP),
        Published(README, macs="1.72 GFLOPS", checked=True),
    ), note=f"{AT_227} {GFLOPS}: 1.72G are our 832,667,936 MACs at 227 px and the 28,672,000 by which conv10, padded "
            "with one pixel in their files but not in table 1, sees 15 x 15 px instead of 13 x 13. The printed 4.8 MB "
            "are MiB of 32-bit numbers. The ReLU behind conv10 is theirs, too, and in most libraries: a few images "
            "are learned by heart without it only."),
    Card("squeezenet1_1", "SqueezeNet", PAPER, V1_1, partial(SqueezeNet, stem=(64, 3, 2, 0), pools=(1, 3, 5)),
         1_235_496, 349_151_936, published=(
        Published(README, macs="0.72 GFLOPS", top5_err=19.7, checked=True,
                  protocol="ImageNet validation, 1 crop of 227 px, single network; printed as \">= 80.3 %\" accuracy"),
    ), note=f"Not in the paper, but its authors' later version. {GFLOPS}; twice ours are 0.70G at 224 px and 0.78G at "
            "227 px (387,747,520 MACs), on either side of the print."),
    Card("squeezenet1_0_simple_bypass", "SqueezeNet", PAPER, V1_0, partial(SqueezeNet, bypass="simple"),
         1_248_424, 818_924_576, published=(
        Published("table 3", top1_err=39.6, top5_err=17.5, protocol=ONE_CROP),
        Published("Han's repository of SqueezeNet-Residual", top1_err=39.62, top5_err=17.50, protocol=ONE_CROP,
                  checked=True),
    ), note=f"{NUMBERING} (section 6). It has no parameters."),
    Card("squeezenet1_0_complex_bypass", "SqueezeNet", PAPER, V1_0, partial(SqueezeNet, bypass="complex"),
         1_589_672, 1_165_298_720, published=(
        Published("table 3", top1_err=41.2, top5_err=18.0, protocol=ONE_CROP),
    ), note=f"{NUMBERING}; around the other four it is a 1x1 convolution, with 341,248 parameters in all, and "
            "no activation, of which the paper says nothing. Table 3 prints 7.7 MB, which would be 2.02 million "
            "numbers of 32 bits (1.93 million, were a MB 10^6 bytes); the convolutions of figure 2 make 6.1 MiB."),
    Card("squeezenet_32", "SqueezeNet", PAPER, SMALL,
         partial(SqueezeNet, stem=(32, 3, 1, 1), fires=FOUR_FIRES, pools=(1, 3), dropout=0.2,
                 linear_end=True, init="he"),
         61_546, 6_995_968, 10, departures=(
        "For images of 16 to 64 px: conv1 has 32 filters of 3x3 with stride 1, which keep the image's size, instead of "
        "96 of 7x7 with stride 2; max poolings behind conv1 and fire3 alone divide the image by 4 in all, not by 16.",
        "Four Fire modules instead of eight, of 16, 16, 32 and 32 squeeze and 64, 64, 128 and 128 expand channels: a "
        "squeeze ratio of 0.25 instead of 0.125.",
        "Dropout of 0.2 instead of 0.5.",
        "No ReLU behind conv10, with which one class of four stays at zero for good when AdamW learns 16 images.",
        "Weights after He, N(0, 2/fan-in), conv10 too: on digits it learns at rates from 1e-3 to 9e-3 (AdamW); from "
        "the paper's initialisation it stays at chance at 9e-3.",
    )),
)
