"""Pre-activation ResNet: identity mappings in deep residual networks (He, Zhang, Ren and Sun, 2016).

Where the shortcut and what follows the addition are both the identity, a signal passes from any unit to any other as
it is, forwards and backwards. So batch norm and ReLU move from behind each convolution to before it, into the branch,
and nothing is left on the path that joins the shortcuts: 1001 layers then learn as readily as 110.
"""

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from opsin.cards import Card, Inputs, Paper, Published
from opsin.models.layers import PadShortcut
from opsin.models.network import Network

Shortcut = Literal["A", "B"]
FirstActivation = Literal["conv1", "unit", "both"]


def make_shortcut(option: Shortcut, in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """The path beside a unit: the identity where shapes agree, else option A or B (a 1x1 convolution)."""
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    if option == "A":
        return PadShortcut(in_channels, out_channels, stride)
    return nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)


class BasicUnit(nn.Module):
    """Two 3x3 convolutions with full pre-activation (figure 4e). N in_channels H W -> N width H/stride W/stride.

    The first activation is the branch's own; a projection starts behind it too (appendix). Without `preactivation`
    the unit takes x as it is: conv1 has activated it.
    """

    def __init__(self, in_channels: int, width: int, stride: int, shortcut: Shortcut, preactivation: bool):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels) if preactivation else None
        self.conv1 = nn.Conv2d(in_channels, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.out_channels = width
        self.shortcut = make_shortcut(shortcut, in_channels, self.out_channels, stride)
        self.projects = isinstance(self.shortcut, nn.Conv2d)

    def forward(self, x: Tensor) -> Tensor:
        active = x if self.bn1 is None else F.relu(self.bn1(x))
        out = self.conv1(active)
        out = self.conv2(F.relu(self.bn2(out)))
        return out + self.shortcut(active if self.projects else x)


class Bottleneck(nn.Module):
    """1x1 to `width`, 3x3, 1x1 to 4 * `width`, each behind its batch norm and ReLU (appendix), else as `BasicUnit`.

    N in_channels H W -> N 4*width H/stride W/stride. The stride is the first 1x1's, or the 3x3's with `stride_in_3x3`.
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        stride: int,
        shortcut: Shortcut,
        preactivation: bool,
        stride_in_3x3: bool = False,
    ):
        super().__init__()
        first, second = (1, stride) if stride_in_3x3 else (stride, 1)
        self.bn1 = nn.BatchNorm2d(in_channels) if preactivation else None
        self.conv1 = nn.Conv2d(in_channels, width, 1, first, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, second, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.out_channels = 4 * width
        self.shortcut = make_shortcut(shortcut, in_channels, self.out_channels, stride)
        self.projects = isinstance(self.shortcut, nn.Conv2d)

    def forward(self, x: Tensor) -> Tensor:
        active = x if self.bn1 is None else F.relu(self.bn1(x))
        out = self.conv1(active)
        out = self.conv2(F.relu(self.bn2(out)))
        out = self.conv3(F.relu(self.bn3(out)))
        return out + self.shortcut(active if self.projects else x)


class PreActResNet(Network):
    """The networks of tables 3 to 5: stems and stages of the ResNet paper, with new units. N C H W -> N num_classes.

    `depths` and `widths` give units and channels of each stage; every stage but the first halves the image. The
    ImageNet stem, a 7x7 convolution and a max pooling, divides it by four; the CIFAR stem is one 3x3 convolution.

    `first_activation` is the place of the first batch norm and ReLU: right behind conv1, before the paths split
    ("conv1", as the appendix has it); in the first unit as in every other ("unit"); or in both.
    """

    def __init__(
        self,
        block: Callable[[int, int, int, Shortcut, bool], BasicUnit | Bottleneck],
        depths: tuple[int, ...],
        widths: tuple[int, ...] = (64, 128, 256, 512),
        *,
        stem: Literal["imagenet", "cifar"] = "imagenet",
        shortcut: Shortcut = "B",
        first_activation: FirstActivation = "conv1",
        num_classes: int = 1000,
        in_chans: int = 3,
    ):
        super().__init__()
        channels = widths[0]
        if stem == "imagenet":
            self.conv1 = nn.Conv2d(in_chans, channels, 7, stride=2, padding=3, bias=False)
        else:
            self.conv1 = nn.Conv2d(in_chans, channels, 3, padding=1, bias=False)
        self.bn1 = None if first_activation == "unit" else nn.BatchNorm2d(channels)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1) if stem == "imagenet" else nn.Identity()
        stages = []
        preactivation = first_activation != "conv1"
        for stage, (depth, width) in enumerate(zip(depths, widths, strict=True)):
            units = []
            for i in range(depth):
                stride = 2 if stage > 0 and i == 0 else 1
                units.append(block(channels, width, stride, shortcut, preactivation))
                channels = units[-1].out_channels
                preactivation = True
            stages.append(nn.Sequential(*units))
        self.stages = nn.Sequential(*stages)
        self.bn2 = nn.BatchNorm2d(channels)  # the extra activation behind the last unit (appendix)
        self.fc = nn.Linear(channels, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")  # appendix, after He et al. 2015
        nn.init.zeros_(self.fc.bias)  # the authors' code

    def forward_features(self, x: Tensor) -> Tensor:
        x = self.conv1(x)  # N 64 H/2 W/2 (CIFAR: N 16 H W)
        if self.bn1 is not None:
            x = F.relu(self.bn1(x))
        x = self.stages(self.maxpool(x))  # N C H/32 W/32 (CIFAR: H/4 W/4)
        return F.relu(self.bn2(x))

    def forward(self, x: Tensor) -> Tensor:
        x = self.forward_features(x).mean(dim=(2, 3))  # N C
        return self.fc(x)


PAPER = Paper(
    title="Identity Mappings in Deep Residual Networks",
    authors="He, Zhang, Ren, Sun",
    year=2016,
    venue="ECCV 2016",
    url="https://arxiv.org/abs/1603.05027",
)
BROUGHT = (
    "Batch norm and ReLU stand before each convolution, inside the branch, so that nothing is left on the path of the "
    "shortcuts and a signal passes unchanged from any block to any other. 1001 layers then learn as readily as 110."
)
IMAGENET = Inputs(channels=3, size=224, minimum=32)
CIFAR = Inputs(channels=3, size=32, minimum=8)
STRIDE_IN_3X3 = partial(Bottleneck, stride_in_3x3=True)
ONE_CROP = "ImageNet validation, 1 crop of 320, single network trained on crops of 224"
CIFAR_10 = "CIFAR-10 test, single network"
CIFAR_100 = "CIFAR-100 test, single network"
MEDIAN = "median of 5 runs"

FIRST_TWICE = (
    "Two first activations: a batch norm and ReLU behind conv1, and the first unit's own behind the pooling, as "
    'libraries have it. The paper has the one behind conv1 alone (appendix): first_activation="conv1" builds that, '
    "with 128 parameters fewer."
)
NOT_PUBLISHED = "The paper has no network of this depth: its ImageNet networks have 152 and 200 layers."
V1_5_BUILD = partial(PreActResNet, block=STRIDE_IN_3X3, depths=(3, 4, 6, 3), first_activation="unit")
V1_5 = (
    "The stride of a unit that halves the image sits in its 3x3 convolution, not in its first 1x1: 231,211,008 "
    "operations more.",
    "The first activation sits in the first unit, behind the pooling; the paper has it right behind conv1. Either way "
    "it has 128 parameters.",
    NOT_PUBLISHED,
)


def _imagenet(name, block, depths, params, macs, published=(), departures=(FIRST_TWICE, NOT_PUBLISHED), note=""):
    build = partial(PreActResNet, block=block, depths=depths, first_activation="both")
    return Card(name, "PreAct-ResNet", PAPER, IMAGENET, build, params, macs, 1000, published, departures, note)


def _cifar(
    name, depth, params, macs, published=(), departures=(), note="", *, shortcut: Shortcut, first: FirstActivation
):
    """Three stages: 6n+2 layers of basic units up to 110, 9n+2 of bottlenecks beyond (appendix)."""
    block, layers = (BasicUnit, 6) if depth <= 110 else (STRIDE_IN_3X3, 9)
    build = partial(
        PreActResNet,
        block=block,
        depths=((depth - 2) // layers,) * 3,
        widths=(16, 32, 64),
        stem="cifar",
        shortcut=shortcut,
        first_activation=first,
    )
    return Card(name, "PreAct-ResNet", PAPER, CIFAR, build, params, macs, 10, published, departures, note)


def _small_depth(params, macs):
    """Departures of a depth that the paper does not have, and the counts with the paper's option A."""
    return (
        "The paper has no network of this depth: its own for CIFAR have 110, 164 and 1001 layers.",
        "Projection shortcuts where shapes change (option B), as libraries have this network; the paper has them in "
        f"bottlenecks alone. With option A: {params:,} parameters and {macs:,} MACs.",
        "The first activation is in the branch of the first unit; the paper has it before the paths split.",
    )


def _stride(macs):
    return (
        "The stride of a unit that halves the maps sits in its 3x3 convolution, as libraries have it; in the authors' "
        f"code it is the first 1x1's, which makes {macs:,} MACs.",
    )


OPTION_A = (
    "Shortcuts of option A, as in the ResNet paper, whose implementation this one follows (appendix); the counts are "
    "those of resnet110_cifar to the last digit. With projections (option B), as some libraries have it, it would "
    "have 1,730,522 parameters and 253,149,824 MACs."
)
WITHOUT_NORMS = "The paper's 10.2M leaves batch norm out: the other layers have 10,178,490 parameters."

SMALL_BUILD = partial(PreActResNet, block=BasicUnit, depths=(2, 2, 2), widths=(8, 16, 32), stem="cifar", shortcut="A")

# fmt: off
CARDS = (
    _imagenet("preact_resnet18", BasicUnit, (2, 2, 2, 2), 11_687_848, 1_814_073_344),
    _imagenet("preact_resnet34", BasicUnit, (3, 4, 6, 3), 21_796_008, 3_663_761_408),
    _imagenet("preact_resnet50", Bottleneck, (3, 4, 6, 3), 25_549_480, 3_857_973_248),
    _imagenet("preact_resnet101", Bottleneck, (3, 4, 23, 3), 44_541_608, 7_570_194_432),
    _imagenet("preact_resnet152", Bottleneck, (3, 8, 36, 3), 60_185_256, 11_282_415_616, published=(
        Published("table 5", top1_err=21.1, top5_err=5.5, protocol=ONE_CROP, checked=True),
    ), departures=(FIRST_TWICE,)),
    _imagenet("preact_resnet200", Bottleneck, (3, 24, 36, 3), 64_666_280, 14_776_270_848, published=(
        Published("table 5", top1_err=20.7, top5_err=5.3, protocol=ONE_CROP, checked=True),
        Published("table 5, scale and aspect ratio augmentation", top1_err=20.1, top5_err=4.8, protocol=ONE_CROP,
                  checked=True),
    ), departures=(FIRST_TWICE,), note="The errors 20.1 and 4.8 are of a network released for Torch, whose units have "
                                       "the stride in their 3x3: 15,007,481,856 MACs."),
    Card("preact_resnet50_v1_5", "PreAct-ResNet", PAPER, IMAGENET, V1_5_BUILD, 25_549_352, 4_089_184_256,
         departures=V1_5),
    _cifar("preact_resnet20_cifar", 20, 272_282, 40_813_184, departures=_small_depth(269_722, 40_551_040),
           shortcut="B", first="unit"),
    _cifar("preact_resnet56_cifar", 56, 855_578, 125_747_840, departures=_small_depth(853_018, 125_485_696),
           shortcut="B", first="unit"),
    _cifar("preact_resnet110_cifar", 110, 1_727_962, 252_887_680, published=(
        Published("table 3", top1_err=6.37, protocol=f"{CIFAR_10}, {MEDIAN}", checked=True),
    ), note=OPTION_A, shortcut="A", first="conv1"),
    _cifar("preact_resnet164_cifar", 164, 1_703_258, 247_646_720, published=(
        Published("table 4", params="1.7M", top1_err=5.46, protocol=f"{CIFAR_10}, {MEDIAN}", checked=True),
        Published("table 4", params="1.7M", top1_err=24.33, protocol=f"{CIFAR_100}, {MEDIAN}", checked=True),
    ), departures=_stride(244_500_992), shortcut="B", first="conv1"),
    _cifar("preact_resnet1001_cifar", 1001, 10_327_706, 1_490_995_712, published=(
        Published("table 4", params="10.2M", top1_err=4.92, protocol=f"{CIFAR_10}, {MEDIAN} (4.89 ± 0.14)",
                  checked=True),
        Published("table 4", params="10.2M", top1_err=4.62,
                  protocol=f"{CIFAR_10}, {MEDIAN} with batches of 64 (4.69 ± 0.20)", checked=True),
        Published("table 4", params="10.2M", top1_err=22.71, protocol=f"{CIFAR_100}, {MEDIAN} (22.68 ± 0.22)",
                  checked=True),
    ), departures=_stride(1_487_849_984), note=WITHOUT_NORMS, shortcut="B", first="conv1"),
    Card("preact_resnet_32", "PreAct-ResNet", PAPER, CIFAR, SMALL_BUILD, 43_634, 6_709_568, 10, departures=(
        "For images of 16 to 64 px and little time: 14 layers, two basic units in each stage, and half the width of "
        "the paper's smallest CIFAR network, which has 110 layers.",
    )),
)
