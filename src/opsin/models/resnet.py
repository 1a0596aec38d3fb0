"""ResNet: deep residual learning (He, Zhang, Ren and Sun, 2015).

Layers learn a residual F(x) that is added to their input, y = F(x) + x, so that a block which has nothing to add can
stay at zero; depth then helps where plain networks of the same depth get worse. A block is two 3x3 convolutions, or,
in the deep ImageNet networks, a bottleneck 1x1, 3x3, 1x1. The plain twins leave the addition out and nothing else.
"""

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from opsin.cards import Card, Inputs, Paper, Published
from opsin.models.layers import PadShortcut
from opsin.models.network import Network

Shortcut = Literal["A", "B", "none"]


def make_shortcut(option: Shortcut, in_channels: int, out_channels: int, stride: int) -> nn.Module | None:
    """The path beside a block: the identity where shapes agree, else option A or B (a 1x1 convolution); or none."""
    if option == "none":
        return None
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    if option == "A":
        return PadShortcut(in_channels, out_channels, stride)
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions (figure 5, left). N in_channels H W -> N width H/stride W/stride."""

    def __init__(self, in_channels: int, width: int, stride: int, shortcut: Shortcut):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.out_channels = width
        self.shortcut = make_shortcut(shortcut, in_channels, self.out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return F.relu(out if self.shortcut is None else out + self.shortcut(x))


class Bottleneck(nn.Module):
    """1x1 to `width`, 3x3, 1x1 to 4 * `width` (figure 5, right). N in_channels H W -> N 4*width H/stride W/stride.

    The paper halves the image in the first 1x1; with `stride_in_3x3` the second convolution does it.
    """

    def __init__(self, in_channels: int, width: int, stride: int, shortcut: Shortcut, stride_in_3x3: bool = False):
        super().__init__()
        first, second = (1, stride) if stride_in_3x3 else (stride, 1)
        self.conv1 = nn.Conv2d(in_channels, width, 1, first, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, second, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.out_channels = 4 * width
        self.shortcut = make_shortcut(shortcut, in_channels, self.out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        out = F.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return F.relu(out if self.shortcut is None else out + self.shortcut(x))


class ResNet(Network):
    """The networks of table 1 (ImageNet) and of section 4.2 (CIFAR). N C H W -> N num_classes.

    `depths` and `widths` give blocks and channels of each stage; every stage but the first halves the image. The
    ImageNet stem, a 7x7 convolution and a max pooling, divides it by four; the CIFAR stem is one 3x3 convolution.
    """

    def __init__(
        self,
        block: Callable[[int, int, int, Shortcut], BasicBlock | Bottleneck],
        depths: tuple[int, ...],
        widths: tuple[int, ...] = (64, 128, 256, 512),
        *,
        stem: Literal["imagenet", "cifar"] = "imagenet",
        shortcut: Shortcut = "B",
        num_classes: int = 1000,
        in_chans: int = 3,
    ):
        super().__init__()
        channels = widths[0]
        if stem == "imagenet":
            self.conv1 = nn.Conv2d(in_chans, channels, 7, stride=2, padding=3, bias=False)
            self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        else:
            self.conv1 = nn.Conv2d(in_chans, channels, 3, padding=1, bias=False)
            self.maxpool = nn.Identity()
        self.bn1 = nn.BatchNorm2d(channels)
        stages = []
        for stage, (depth, width) in enumerate(zip(depths, widths, strict=True)):
            blocks = []
            for i in range(depth):
                stride = 2 if stage > 0 and i == 0 else 1
                blocks.append(block(channels, width, stride, shortcut))
                channels = blocks[-1].out_channels
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.fc = nn.Linear(channels, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")  # section 3.4, after He et al. 2015

    def forward_features(self, x: Tensor) -> Tensor:
        x = self.maxpool(F.relu(self.bn1(self.conv1(x))))  # N 64 H/4 W/4 (CIFAR: N 16 H W)
        return self.stages(x)  # N C H/32 W/32 (CIFAR: H/4 W/4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.forward_features(x).mean(dim=(2, 3))  # N C
        return self.fc(x)


PAPER = Paper(
    title="Deep Residual Learning for Image Recognition",
    authors="He, Zhang, Ren, Sun",
    year=2015,
    venue="CVPR 2016",
    url="https://arxiv.org/abs/1512.03385",
)
IDENTITY_MAPPINGS = Paper(
    title="Identity Mappings in Deep Residual Networks",
    authors="He, Zhang, Ren, Sun",
    year=2016,
    venue="ECCV 2016",
    url="https://arxiv.org/abs/1603.05027",
)
BROUGHT = (
    "The shortcut: layers learn what to add to their input, and depth no longer hurts. Up to 152 layers win ImageNet "
    "2015, where plain networks of 34 are already worse than those of 18."
)
IMAGENET = Inputs(channels=3, size=224, minimum=32)
CIFAR = Inputs(channels=3, size=32, minimum=8)
TEN_CROP = "ImageNet validation, 10 crops, single network"
ONE_CROP = "ImageNet validation, 1 crop of 224, single network"
MULTI_SCALE = "ImageNet validation, fully convolutional at 5 scales, single network"
CIFAR_TEST = "CIFAR-10 test, single network"
REPOSITORY = "the authors' repository, table of 1-crop errors"


def _imagenet(name, block, depths, params, macs, published=(), shortcut: Shortcut = "B", departures=(), note=""):
    build = partial(ResNet, block=block, depths=depths, shortcut=shortcut)
    return Card(name, "ResNet", PAPER, IMAGENET, build, params, macs, 1000, published, departures, note)


def _cifar(name, depth, params, macs, published=(), shortcut: Shortcut = "A", note=""):
    """6n+2 layers: n blocks in each of three stages (section 4.2)."""
    blocks = (depth - 2) // 6
    build = partial(
        ResNet, block=BasicBlock, depths=(blocks,) * 3, widths=(16, 32, 64), stem="cifar", shortcut=shortcut
    )
    return Card(name, "ResNet", PAPER, CIFAR, build, params, macs, 10, published, note=note)


def _bottleneck_cifar(name, depth, params, macs, published, departures, note=""):
    """9n+2 layers of bottlenecks: the baselines of the pre-activation paper (its appendix)."""
    build = partial(
        ResNet, block=BOTTLENECK_V1_5, depths=((depth - 2) // 9,) * 3, widths=(16, 32, 64), stem="cifar", shortcut="B"
    )
    return Card(name, "ResNet", IDENTITY_MAPPINGS, CIFAR, build, params, macs, 10, published, departures, note)


def _stride(macs):
    return (
        "The stride of a bottleneck that halves the maps sits in its 3x3 convolution, as libraries have it; in the "
        f"ResNet paper, which this one follows, it is the first 1x1's, which makes {macs:,} MACs.",
    )


V1_5 = (
    "The stride of a bottleneck that halves the image sits in its 3x3 convolution, not in its first 1x1: the variant "
    "that most libraries ship as ResNet-50. The parameters are the paper's, the operations are 6 % more.",
)
CURVE = "The paper shows its error as a curve only (figure 6)."
BOTTLENECK_V1_5 = partial(Bottleneck, stride_in_3x3=True)
CIFAR_100_TEST = "CIFAR-100 test, single network, median of 5 runs"
WITHOUT_NORMS = "The paper's 10.2M leaves batch norm out: the other layers have 10,178,490 parameters."
OPTION_B = "Projection shortcuts where shapes change (option B)"

# fmt: off
CARDS = (
    _imagenet("plain18", BasicBlock, (2, 2, 2, 2), 11_515_688, 1_794_805_760, shortcut="none", published=(
        Published("table 1", macs="1.8G", checked=True),
        Published("table 2", top1_err=27.94, protocol=TEN_CROP, checked=True),
    )),
    _imagenet("plain34", BasicBlock, (3, 4, 6, 3), 21_623_848, 3_644_493_824, shortcut="none", published=(
        Published("table 1", macs="3.6G", checked=True),
        Published("table 3", top1_err=28.54, top5_err=10.02, protocol=TEN_CROP, checked=True),
    )),
    _imagenet("resnet18", BasicBlock, (2, 2, 2, 2), 11_689_512, 1_814_073_344, published=(
        Published("table 1", macs="1.8G", checked=True),
        Published("table 2", top1_err=27.88, protocol=TEN_CROP, checked=True),
    ), note=f"{OPTION_B}; the error of table 2 is that of option A, which has 173,824 parameters fewer."),
    _imagenet("resnet34", BasicBlock, (3, 4, 6, 3), 21_797_672, 3_663_761_408, published=(
        Published("table 1", macs="3.6G", checked=True),
        Published("table 3, option B", top1_err=24.52, top5_err=7.46, protocol=TEN_CROP, checked=True),
        Published("table 3, option A", top1_err=25.03, top5_err=7.76, protocol=TEN_CROP, checked=True),
        Published("table 3, option C", top1_err=24.19, top5_err=7.40, protocol=TEN_CROP, checked=True),
        Published("table 4, option B", top1_err=21.84, top5_err=5.71, protocol=MULTI_SCALE, checked=True),
        Published("table 4, option C", top1_err=21.53, top5_err=5.60, protocol=MULTI_SCALE, checked=True),
    ), note=f"{OPTION_B}."),
    _imagenet("resnet50", Bottleneck, (3, 4, 6, 3), 25_557_032, 3_857_973_248, published=(
        Published("table 1", macs="3.8G", checked=True),
        Published("table 3", top1_err=22.85, top5_err=6.71, protocol=TEN_CROP, checked=True),
        Published("table 4", top1_err=20.74, top5_err=5.25, protocol=MULTI_SCALE, checked=True),
        Published(REPOSITORY, top1_err=24.7, top5_err=7.8, protocol=ONE_CROP, checked=True),
    )),
    _imagenet("resnet101", Bottleneck, (3, 4, 23, 3), 44_549_160, 7_570_194_432, published=(
        Published("table 1", macs="7.6G", checked=True),
        Published("table 3", top1_err=21.75, top5_err=6.05, protocol=TEN_CROP, checked=True),
        Published("table 4", top1_err=19.87, top5_err=4.60, protocol=MULTI_SCALE, checked=True),
        Published(REPOSITORY, top1_err=23.6, top5_err=7.1, protocol=ONE_CROP, checked=True),
    )),
    _imagenet("resnet152", Bottleneck, (3, 8, 36, 3), 60_192_808, 11_282_415_616, published=(
        Published("table 1", macs="11.3G", checked=True),
        Published("table 3", top1_err=21.43, top5_err=5.71, protocol=TEN_CROP, checked=True),
        Published("table 4", top1_err=19.38, top5_err=4.49, protocol=MULTI_SCALE, checked=True),
        Published(REPOSITORY, top1_err=23.0, top5_err=6.7, protocol=ONE_CROP, checked=True),
        Published("table 5", top5_err=3.57, checked=True,
                  protocol="ImageNet test, 6 networks of several depths, two of them of 152 layers"),
    )),
    _imagenet("resnet50_v1_5", BOTTLENECK_V1_5, (3, 4, 6, 3), 25_557_032, 4_089_184_256, departures=V1_5),
    _imagenet("resnet101_v1_5", BOTTLENECK_V1_5, (3, 4, 23, 3), 44_549_160, 7_801_405_440, departures=V1_5),
    _imagenet("resnet152_v1_5", BOTTLENECK_V1_5, (3, 8, 36, 3), 60_192_808, 11_513_626_624, departures=V1_5),
    _cifar("plain20_cifar", 20, 269_722, 40_551_040, shortcut="none", note=CURVE),
    _cifar("plain32_cifar", 32, 464_154, 68_862_592, shortcut="none", note=CURVE),
    _cifar("plain44_cifar", 44, 658_586, 97_174_144, shortcut="none", note=CURVE),
    _cifar("plain56_cifar", 56, 853_018, 125_485_696, shortcut="none", note=CURVE),
    _cifar("resnet20_cifar", 20, 269_722, 40_551_040, published=(
        Published("table 6", params="0.27M", top1_err=8.75, protocol=CIFAR_TEST, checked=True),
    )),
    _cifar("resnet32_cifar", 32, 464_154, 68_862_592, published=(
        Published("table 6", params="0.46M", top1_err=7.51, protocol=CIFAR_TEST, checked=True),
    )),
    _cifar("resnet44_cifar", 44, 658_586, 97_174_144, published=(
        Published("table 6", params="0.66M", top1_err=7.17, protocol=CIFAR_TEST, checked=True),
    )),
    _cifar("resnet56_cifar", 56, 853_018, 125_485_696, published=(
        Published("table 6", params="0.85M", top1_err=6.97, protocol=CIFAR_TEST, checked=True),
    )),
    _cifar("resnet110_cifar", 110, 1_727_962, 252_887_680, published=(
        Published("table 6", params="1.7M", top1_err=6.43, protocol=f"{CIFAR_TEST}, best of 5 runs (6.61 ± 0.16)",
                  checked=True),
    )),
    _cifar("resnet1202_cifar", 1202, 19_421_274, 2_829_238_912, published=(
        Published("table 6", params="19.4M", top1_err=7.93, protocol=CIFAR_TEST, checked=True),
    )),
    _bottleneck_cifar("resnet164_cifar", 164, 1_704_154, 247_646_720, (
        Published("table 3", top1_err=5.93, protocol=f"{CIFAR_TEST}, median of 5 runs", checked=True),
        Published("table 4", params="1.7M", top1_err=25.16, protocol=CIFAR_100_TEST, checked=True),
    ), _stride(244_500_992)),
    _bottleneck_cifar("resnet1001_cifar", 1001, 10_328_602, 1_490_995_712, (
        Published("table 3", top1_err=7.61, protocol=f"{CIFAR_TEST}, median of 5 runs", checked=True),
        Published("table 4", params="10.2M", top1_err=27.82, protocol=CIFAR_100_TEST, checked=True),
    ), _stride(1_487_849_984), WITHOUT_NORMS),
)
