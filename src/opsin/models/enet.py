"""ENet: real-time semantic segmentation (Paszke, Chaurasia, Kim and Culurciello, 2016).

A deep encoder and a shallow decoder of residual bottlenecks. The image shrinks at once to maps that are cheap to
filter; on an eighth of its side, dilated and asymmetric convolutions see far for few operations. The decoder puts each
value back where the encoder's max pooling had found it, so that outlines survive.
"""

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from opsin.cards import Card, Inputs, Paper, Published
from opsin.models.network import Network

Kind = Literal["regular", "asymmetric"] | int

SECTION_2: tuple[Kind, ...] = ("regular", 2, "asymmetric", 4, "regular", 8, "asymmetric", 16)
"""Bottlenecks 2.1 to 2.8 of table 1; a number is the dilation of its 3x3."""

norm = partial(nn.BatchNorm2d, eps=1e-3)


def relu(channels: int) -> nn.Module:
    return nn.ReLU()


def main_convolution(kind: Kind, width: int) -> list[nn.Module]:
    """The middle of a bottleneck: 3x3, dilated or not, or 5x5 as a row and a column. N C H W -> N C H W."""
    if kind == "asymmetric":
        row = nn.Conv2d(width, width, (1, 5), padding=(0, 2), bias=False)
        return [row, nn.Conv2d(width, width, (5, 1), padding=(2, 0))]
    dilation = 1 if kind == "regular" else kind
    return [nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation)]


def branch(
    in_channels: int,
    channels: int,
    main: Callable[[int], list[nn.Module]],
    activation: Callable[[int], nn.Module],
    stride: int = 1,
    dropout: float = 0.0,
) -> nn.Sequential:
    """The right-hand side of figure 2b: 1x1 (2x2 where it shrinks) to a quarter of `channels`, `main`, 1x1 back."""
    width = channels // 4
    return nn.Sequential(
        nn.Conv2d(in_channels, width, stride, stride, bias=False), norm(width), activation(width),
        *main(width), norm(width), activation(width),
        nn.Conv2d(width, channels, 1, bias=False), norm(channels), nn.Dropout2d(dropout),
    )  # fmt: skip


class InitialBlock(nn.Module):
    """A 3x3 convolution beside a max pooling of the image (figure 2a): 13 and 3 maps in the paper.

    N in_channels H W -> N channels H/stride W/stride.
    """

    def __init__(self, in_channels: int, channels: int, stride: int):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, channels - in_channels, 3, stride, padding=1)
        self.pool = nn.MaxPool2d(stride)
        self.norm = norm(channels)
        self.activation = nn.PReLU(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.norm(torch.cat((self.conv(x), self.pool(x)), dim=1)))


class Bottleneck(nn.Module):
    """A branch beside the identity (figure 2b). N C H W -> N C H W."""

    def __init__(self, channels: int, kind: Kind, activation: Callable[[int], nn.Module], dropout: float = 0.0):
        super().__init__()
        self.branch = branch(channels, channels, partial(main_convolution, kind), activation, dropout=dropout)
        self.activation = activation(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.branch(x) + x)


class Downsampling(nn.Module):
    """A branch that halves the image beside a max pooling, which zeros fill up to as many channels.

    N in_channels H W -> N channels H/2 W/2, and where in the image each maximum stood: N in_channels H/2 W/2.
    """

    def __init__(self, in_channels: int, channels: int, dropout: float):
        super().__init__()
        self.branch = branch(in_channels, channels, partial(main_convolution, "regular"), nn.PReLU, 2, dropout)
        self.activation = nn.PReLU(channels)
        self.new_channels = channels - in_channels

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        pooled, places = F.max_pool2d(x, 2, return_indices=True)
        return self.activation(self.branch(x) + F.pad(pooled, (0, 0, 0, 0, 0, self.new_channels))), places


class Upsampling(nn.Module):
    """A branch with a full convolution of stride 2 beside a 1x1 and a max unpooling (section 3).

    N in_channels H W, and the places of the maxima, N channels H W -> N channels 2H 2W.
    """

    def __init__(self, in_channels: int, channels: int):
        super().__init__()
        self.branch = branch(in_channels, channels, self.full_convolution, relu)
        self.project = nn.Sequential(nn.Conv2d(in_channels, channels, 1, bias=False), norm(channels))

    @staticmethod
    def full_convolution(width: int) -> list[nn.Module]:
        return [nn.ConvTranspose2d(width, width, 3, stride=2, padding=1, output_padding=1)]

    def forward(self, x: Tensor, places: Tensor) -> Tensor:
        return F.relu(self.branch(x) + F.max_unpool2d(self.project(x), places, [2, 2]))


class ENet(Network):
    """The network of table 1. N C H W -> N num_classes H W; its encoder alone: N num_classes.

    `widths` are the channels of the initial block and of sections 1 and 2; `depth` bottlenecks follow the first of
    section 1, those of `section` the first of section 2, `repeats` times in all (the second time is section 3).
    `dropout` are the rates of section 1 and behind it. Without the `decoder`, the classifier with which the authors
    train the encoder takes its place, and its answers are averaged over the map.
    """

    def __init__(
        self,
        widths: tuple[int, int, int] = (16, 64, 128),
        *,
        depth: int = 4,
        section: tuple[Kind, ...] = SECTION_2,
        repeats: int = 2,
        stem_stride: int = 2,
        dropout: tuple[float, float] = (0.01, 0.1),
        decoder: bool = True,
        num_classes: int = 12,
        in_chans: int = 3,
    ):
        super().__init__()
        first, second, third = widths
        first = max(first, in_chans + 1)  # the initial block keeps a map of its own beside the image's channels
        second = max(second, first)
        self.initial = InitialBlock(in_chans, first, stem_stride)
        self.down1 = Downsampling(first, second, dropout[0])
        self.section1 = nn.Sequential(*(Bottleneck(second, "regular", nn.PReLU, dropout[0]) for _ in range(depth)))
        self.down2 = Downsampling(second, third, dropout[1])
        self.sections2_3 = nn.Sequential(
            *(Bottleneck(third, kind, nn.PReLU, dropout[1]) for _ in range(repeats) for kind in section)
        )
        self.decoder = decoder
        if decoder:
            self.up4 = Upsampling(third, second)
            self.section4 = nn.Sequential(*(Bottleneck(second, "regular", relu) for _ in range(2)))
            self.up5 = Upsampling(second, first)
            self.section5 = Bottleneck(first, "regular", relu)
            self.fullconv = nn.ConvTranspose2d(first, num_classes, stem_stride, stem_stride)
            self.last_layer = "fullconv"
        else:
            self.classifier = nn.Conv2d(third, num_classes, 1)
            self.last_layer = "classifier"

        # the paper names no initialisation; this is what its authors' code inherits from Torch7
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                bound = (module.in_channels * module.weight[0, 0].numel()) ** -0.5
                nn.init.uniform_(module.weight, -bound, bound)
                if module.bias is not None:
                    nn.init.uniform_(module.bias, -bound, bound)
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight)

    def forward_features(self, x: Tensor) -> Tensor:
        x = self.initial(x)  # N 16 H/2 W/2
        x, places1 = self.down1(x)  # N 64 H/4 W/4
        x = self.section1(x)
        x, places2 = self.down2(x)  # N 128 H/8 W/8
        x = self.sections2_3(x)
        if not self.decoder:
            return x
        x = self.section4(self.up4(x, places2))  # N 64 H/4 W/4
        return self.section5(self.up5(x, places1))  # N 16 H/2 W/2

    def forward(self, x: Tensor) -> Tensor:
        x = self.forward_features(x)
        if self.decoder:
            return self.fullconv(x)
        return self.classifier(x).mean(dim=(2, 3))


PAPER = Paper(
    title="ENet: A Deep Neural Network Architecture for Real-Time Semantic Segmentation",
    authors="Paszke, Chaurasia, Kim, Culurciello",
    year=2016,
    venue="arXiv",
    url="https://arxiv.org/abs/1606.02147",
)
BROUGHT = (
    "A class for every pixel in real time on small devices: the image shrinks at once, a large encoder meets a small "
    "decoder, and convolutions are dilated or asymmetric. The bottlenecks are ResNet's, the unpooling by remembered "
    "places SegNet's."
)
STREET = Inputs(channels=3, size=512, minimum=16, multiple=8)
SMALL = Inputs(channels=3, size=32, minimum=16)

CITYSCAPES = "Cityscapes test, single network: class IoU 58.3, class iIoU 34.4, category IoU 80.4, category iIoU 64.0 %"
CAMVID = "CamVid test, single network: class average 68.3, class IoU 51.3 %"
SUN = "SUN RGB-D test, single network: global average 59.5, class average 32.6, mean IoU 19.7 %"

THE_CODE = (
    "Written after its authors' code, where it says more than the paper: biases in the middle of each bottleneck, in "
    "the initial block and in the last layer, {} in all with 12 classes{}."
)
DROPOUT = "Dropout scales what it keeps while training; the authors' scales everything in evaluation."
ENCODER = (
    "Segmentation's encoder as a classifier of images: the 1x1 convolution with which the authors train it on label "
    "maps of an eighth of the side (1,548 of the parameters), its answers averaged over the map.",
)
FOR_SMALL_IMAGES = (
    "The encoder as a classifier, as enet_encoder; the initial block keeps the resolution: the image is divided by 4 "
    "in all, not by 8.",
    "8, 32 and 96 channels instead of 16, 64 and 128; section 1 has one bottleneck behind the first instead of four, "
    "section 2 has four (regular, dilated 2, asymmetric 5, dilated 4) instead of eight and is not repeated.",
)
TOTALS = (
    "Counts are for 512x512, the example size of table 1. At 640x360 the network has 1,697,760,000 MACs: 3.40 GFLOPs "
    "at 2 a MAC; 3.72 if its full convolutions of stride 2 are counted at the pixels that they write; what is left to "
    "the printed 3.83 may be batch norm, activations and additions. 363,856 parameters are 0.36M, printed as 0.37M."
)

# fmt: off
CARDS = (
    Card("enet", "ENet", PAPER, STREET, ENet, 363_856, 1_931_673_600, 12, (
        Published("table 3", params="0.37M", macs="3.83 GFLOPs", protocol="640x360 px"),
        Published("table 4", protocol=CITYSCAPES),
        Published("table 5", protocol=CAMVID),
        Published("table 6", protocol=SUN),
    ), departures=(THE_CODE.format(705, ", and ReLU in the decoder"), DROPOUT), note=TOTALS, task="segment"),
    Card("enet_encoder", "ENet", PAPER, STREET, partial(ENet, decoder=False), 339_704, 1_631_518_720, 12,
         departures=(THE_CODE.format(649, ""), DROPOUT, *ENCODER)),
    Card("enet_encoder_32", "ENet", PAPER, SMALL,
         partial(ENet, widths=(8, 32, 96), depth=1, section=("regular", 2, "asymmetric", 4), repeats=1, stem_stride=1,
                 decoder=False),
         56_198, 3_976_192, 10, departures=FOR_SMALL_IMAGES),
)
