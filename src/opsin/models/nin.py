"""NiN: Network In Network (Lin, Chen and Yan, 2013).

After each spatial convolution comes a small multilayer perceptron that looks at all channels of one pixel, which is to
say 1x1 convolutions. With the last one there is a map for each class, and the mean of a map is its class's score: no
fully connected layer at all.
"""

from functools import partial
from itertools import pairwise
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from opsin.cards import Card, Inputs, Paper, Published
from opsin.models.network import Network

Pool = Literal["max", "average"]


class MLPConv(nn.Module):
    """One mlpconv layer (section 3.1, equation 2): a spatial convolution, then 1x1 ones, with a ReLU after each.

    N in_channels H W -> N widths[-1] H' W'. `kernel` is (size, stride, padding). With `linear_end` the last ReLU is
    left out.
    """

    def __init__(
        self, in_channels: int, widths: tuple[int, ...], kernel: tuple[int, int, int], linear_end: bool = False
    ):
        super().__init__()
        self.linear_end = linear_end
        size, stride, padding = kernel
        self.conv = nn.Conv2d(in_channels, widths[0], size, stride, padding)
        self.perceptron = nn.ModuleList(nn.Conv2d(fan_in, fan_out, 1) for fan_in, fan_out in pairwise(widths))

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        for layer in self.perceptron:
            x = layer(F.relu(x))
        return x if self.linear_end else F.relu(x)


class NiN(Network):
    """The network of figure 2. N C H W -> N num_classes.

    `widths` and `kernels` give the mlpconv layers; the last one ends with a map for each class beyond its `widths`. A
    3x3 pooling with stride 2 follows each of the others, of the kind in `pools`, then dropout with the rate in
    `dropouts`. `deviations` are the standard deviations of the initial weights, layer by layer; None stands for He's,
    the square root of 2 / fan-in. With `linear_end` the maps of the classes have no ReLU.
    """

    def __init__(
        self,
        widths: tuple[tuple[int, ...], ...],
        kernels: tuple[tuple[int, int, int], ...],
        pools: tuple[Pool, ...],
        dropouts: tuple[float, ...],
        deviations: tuple[tuple[float, ...], ...] | None,
        *,
        linear_end: bool = False,
        num_classes: int = 10,
        in_chans: int = 3,
    ):
        super().__init__()
        widths = (*widths[:-1], (*widths[-1], num_classes))
        channels = (in_chans, *(block[-1] for block in widths))
        ends = [False] * (len(widths) - 1) + [linear_end]
        self.blocks = nn.ModuleList(map(MLPConv, channels, widths, kernels, ends))
        self.pools = nn.ModuleList(
            nn.MaxPool2d(3, stride=2, ceil_mode=True) if pool == "max" else nn.AvgPool2d(3, stride=2, ceil_mode=True)
            for pool in pools
        )
        self.dropouts = nn.ModuleList(map(nn.Dropout, dropouts))
        self.last_layer = f"blocks.{len(widths) - 1}.perceptron.{len(widths[-1]) - 2}"
        weights = [parameter for parameter in self.parameters() if parameter.ndim == 4]
        by_hand = sum(deviations, ()) if deviations else [(2 / weight[0].numel()) ** 0.5 for weight in weights]
        for weight, deviation in zip(weights, by_hand, strict=True):
            nn.init.normal_(weight, std=deviation)  # "by hand" (section 4.1); the values are in the authors' files
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward_features(self, x: Tensor) -> Tensor:
        for block, pool, dropout in zip(self.blocks, self.pools, self.dropouts, strict=False):
            x = dropout(pool(block(x)))
        return self.blocks[-1](x)  # N num_classes H/4 W/4 (ImageNet: H/32 W/32)

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_features(x).mean(dim=(2, 3))  # N num_classes


PAPER = Paper(
    title="Network In Network",
    authors="Lin, Chen, Yan",
    year=2013,
    venue="ICLR 2014",
    url="https://arxiv.org/abs/1312.4400",
)
BROUGHT = (
    "A small perceptron on every pixel, which is a pair of 1x1 convolutions, and the mean of a map as the score of "
    "its class in place of fully connected layers. Most networks since have taken over both."
)
CIFAR = Inputs(channels=3, size=32, minimum=8)
IMAGENET = Inputs(channels=3, size=224, minimum=64)
SMALL = Inputs(channels=3, size=32, minimum=8)

CIFAR_BUILD = partial(
    NiN,
    widths=((192, 160, 96), (192, 192, 192), (192, 192)),
    kernels=((5, 1, 2), (5, 1, 2), (3, 1, 1)),
    pools=("max", "average"),
    dropouts=(0.5, 0.5),
    deviations=((0.05,) * 3,) * 3,
)
IMAGENET_BUILD = partial(
    NiN,
    widths=((96, 96, 96), (256, 256, 256), (384, 384, 384), (1024, 1024)),
    kernels=((11, 4, 0), (5, 1, 2), (3, 1, 1), (3, 1, 1)),
    pools=("max", "max", "max"),
    dropouts=(0.0, 0.0, 0.5),
    deviations=((0.01, 0.05, 0.05), (0.05, 0.05, 0.05), (0.01, 0.05, 0.05), (0.05, 0.05, 0.01)),
)
SMALL_BUILD = partial(CIFAR_BUILD, widths=((64, 48, 32), (64, 64, 64), (64, 64)), deviations=None, linear_end=True)

AVERAGE_POOL = (
    "The second pooling takes means, as in the authors' own definition files; the text has maxima after every layer."
)
FOR_SMALL_IMAGES = (
    "A third as wide as the paper's CIFAR network, for speed.",
    "Initial weights after He and others (2015): the deviations set by hand fit the paper's widths alone.",
    "No ReLU on the maps of the classes: where it leaves a class at zero for every image, that class learns no more.",
    AVERAGE_POOL,
)
LAST_RELU = (
    "The ReLU on the maps of the classes is the paper's. A class that it leaves at zero for every image learns no "
    "more, which happens under AdamW at high rates; linear_end=True takes that ReLU away."
)
ZOO = "Not in the paper, which has no ImageNet: the network that its first author gave to the Caffe model zoo in 2014."
ZOO_SIZE = "The model zoo gives the size of a file, 29 MB, which is 4 bytes for each of our parameters."

# fmt: off
CARDS = (
    Card("nin_cifar", "NiN", PAPER, CIFAR, CIFAR_BUILD, 966_986, 222_486_528, 10, published=(
        Published("table 1", top1_err=10.41, protocol="CIFAR-10 test, no augmentation, single network"),
        Published("table 1", top1_err=8.81, protocol="CIFAR-10 test, shifts and flips in training, single network"),
        Published("the first author's files for Caffe", top1_err=10.4, checked=True,
                  protocol="CIFAR-10 test, no augmentation, single network; printed as accuracy"),
        Published("table 2", top1_err=35.68, protocol="CIFAR-100 test (100 classes), no augmentation, single network"),
        Published("table 3", top1_err=2.35, protocol="SVHN test, no augmentation, single network"),
    ), departures=(AVERAGE_POOL,), note=LAST_RELU),
    Card("nin", "NiN", PAPER, IMAGENET, IMAGENET_BUILD, 7_595_176, 1_100_188_800, 1000, published=(
        Published("Caffe model zoo", top1_err=40.64, protocol="ImageNet validation, 1 crop of 224, single network"),
    ), departures=(ZOO,), note=f"{ZOO_SIZE} {LAST_RELU}"),
    Card("nin_32", "NiN", PAPER, SMALL, SMALL_BUILD, 110_874, 27_500_544, 10, departures=FOR_SMALL_IMAGES),
)
