"""SENet: squeeze-and-excitation networks (Hu, Shen, Albanie, Sun and Wu, 2017).

A block that goes at the end of a residual branch, before the addition: it squeezes each channel to its mean over the
image, lets a small network of two layers look at all these means, and multiplies every channel by the number between 0
and 1 that comes out. What a channel counts thus depends on the whole image. In ResNet-50 it costs 10 % more parameters
and 0.07 % more products (0.3 % more operations as the paper counts them).
"""

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from opsin.cards import Card, Inputs, Paper, Published
from opsin.models.network import Network


class SqueezeExcite(nn.Module):
    """Equations 2 to 4: channel means, C -> C/reduction -> C, and the channels rescaled. N C H W -> same."""

    def __init__(self, channels: int, reduction: int = 16):
        super().__init__()
        self.fc1 = nn.Linear(channels, channels // reduction)
        self.fc2 = nn.Linear(channels // reduction, channels)

    def forward(self, x: Tensor) -> Tensor:
        z = x.mean(dim=(2, 3))  # N C, the squeeze
        s = F.sigmoid(self.fc2(F.relu(self.fc1(z))))  # N C, the excitation
        return x * s[:, :, None, None]


def convolution(in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, groups: int = 1):
    """A convolution without bias, and batch norm."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, stride, kernel_size // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out_channels),
    )


def make_shortcut(in_channels: int, out_channels: int, stride: int, kernel_size: int = 1) -> nn.Module:
    """The identity where shapes agree, else a projection."""
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return convolution(in_channels, out_channels, kernel_size if stride > 1 else 1, stride)


class SEBasicBlock(nn.Module):
    """ResNet's two 3x3 convolutions, with the SE block before the addition (figure 3).

    N in_channels H W -> N width H/stride W/stride.
    """

    def __init__(self, in_channels: int, width: int, stride: int, reduction: int = 16):
        super().__init__()
        self.conv1 = convolution(in_channels, width, 3, stride)
        self.conv2 = convolution(width, width, 3)
        self.se = SqueezeExcite(width, reduction)
        self.out_channels = width
        self.shortcut = make_shortcut(in_channels, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv2(F.relu(self.conv1(x)))
        return F.relu(self.se(out) + self.shortcut(x))


class SEBottleneck(nn.Module):
    """1x1, 3x3, 1x1 to 4 * `width`, and the SE block (figure 3, table 1).

    N in_channels H W -> N 4*width H/stride W/stride. `reduced` and `grouped`, multiples of `width`, are the channels
    of the first 1x1 and of the 3x3; `stride_in_3x3` says which of the two halves the image; `projection` is the kernel
    of the shortcut where the image is halved.
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        stride: int,
        *,
        reduced: int = 1,
        grouped: int = 1,
        groups: int = 1,
        stride_in_3x3: bool = False,
        projection: int = 1,
    ):
        super().__init__()
        first, second = (1, stride) if stride_in_3x3 else (stride, 1)
        self.conv1 = convolution(in_channels, reduced * width, 1, first)
        self.conv2 = convolution(reduced * width, grouped * width, 3, second, groups)
        self.conv3 = convolution(grouped * width, 4 * width, 1)
        self.se = SqueezeExcite(4 * width)
        self.out_channels = 4 * width
        self.shortcut = make_shortcut(in_channels, self.out_channels, stride, projection)

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.conv1(x))
        out = F.relu(self.conv2(out))
        return F.relu(self.se(self.conv3(out)) + self.shortcut(x))


def make_stem(
    kind: Literal["7x7", "three_3x3", "cifar"], in_chans: int, channels: int, caffe_pool: bool = False
) -> nn.Sequential:
    """ResNet's 7x7 (table 1), the three 3x3 of SENet-154 (appendix, b), or the single 3x3 of CIFAR networks.

    Behind the first two is a max pooling, padded on all sides, or with `caffe_pool` on the right and below alone.
    """
    if kind == "cifar":
        return nn.Sequential(convolution(in_chans, channels, 3), nn.ReLU())  # N C H W
    if kind == "7x7":
        layers = [convolution(in_chans, channels, 7, stride=2), nn.ReLU()]
    else:
        layers = [
            *(convolution(in_chans, channels // 2, 3, stride=2), nn.ReLU()),
            *(convolution(channels // 2, channels // 2, 3), nn.ReLU()),
            *(convolution(channels // 2, channels, 3), nn.ReLU()),
        ]
    pool = nn.MaxPool2d(3, stride=2, ceil_mode=True) if caffe_pool else nn.MaxPool2d(3, stride=2, padding=1)
    return nn.Sequential(*layers, pool)  # N C H/4 W/4


class SENet(Network):
    """The networks of table 1, of the appendix, and for small images. N C H W -> N num_classes.

    `depths` and `widths` give blocks and channels of each stage; every stage but the first halves the image.
    `caffe_pool`: the max pooling of the stem is padded as in the authors' Caffe.
    """

    def __init__(
        self,
        block: Callable[[int, int, int], SEBasicBlock | SEBottleneck],
        depths: tuple[int, ...],
        widths: tuple[int, ...] = (64, 128, 256, 512),
        *,
        stem: Literal["7x7", "three_3x3", "cifar"] = "7x7",
        caffe_pool: bool = False,
        dropout: float = 0.0,
        num_classes: int = 1000,
        in_chans: int = 3,
    ):
        super().__init__()
        channels = 2 * widths[0] if stem == "three_3x3" else widths[0]
        self.stem = make_stem(stem, in_chans, channels, caffe_pool)
        stages = []
        for stage, (depth, width) in enumerate(zip(depths, widths, strict=True)):
            blocks = []
            for i in range(depth):
                stride = 2 if stage > 0 and i == 0 else 1
                blocks.append(block(channels, width, stride))
                channels = blocks[-1].out_channels
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(channels, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")  # section 5.1, after He et al. 2015
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)

    def forward_features(self, x: Tensor) -> Tensor:
        return self.stages(self.stem(x))  # N C H/32 W/32

    def forward(self, x: Tensor) -> Tensor:
        x = self.forward_features(x).mean(dim=(2, 3))  # N C
        return self.fc(self.dropout(x))


PAPER = Paper(
    title="Squeeze-and-Excitation Networks",
    authors="Hu, Shen, Albanie, Sun, Wu",
    year=2017,
    venue="CVPR 2018",
    url="https://arxiv.org/abs/1709.01507",
)
BROUGHT = (
    "A small block for any network: it looks at the mean of every channel over the image and rescales each channel by "
    "what it sees, for hardly any operations. It won the last ImageNet challenge, in 2017."
)
IMAGENET = Inputs(channels=3, size=224, minimum=32)
SMALL = Inputs(channels=3, size=32, minimum=8)
ONE_CROP = "ImageNet validation, 1 crop of 224, single network"
CROP_320 = "ImageNet validation, 1 crop of 320, single network"
LONG = f"{ONE_CROP}, trained until it gains no more, with label smoothing, SE blocks without biases"
REPOSITORY = "the authors' repository, table 1 (trained anew, for longer)"

POOLING = (
    "The max pooling is padded by 1 on all sides, as in `resnet50`; in the authors' Caffe it is padded on the right "
    "and below alone: the same shapes, windows a pixel apart."
)
CAFFE_POOLING = (
    "The max pooling is padded on the right and below alone, as in the authors' Caffe, and not on all sides as in "
    "`resnet50`: the same shapes, windows a pixel apart."
)
BIASES = (
    "The layers of the SE blocks have biases, as in the networks that the authors released; the paper's ablations "
    "(section 6) are without."
)
NOT_PRINTED = "The paper has no network of this depth."
MORE_THAN_PRODUCTS = (
    "The paper's figure counts more than products: its ResNet-101 and 152 have 7.58 and 11.30 GFLOPs where the "
    "products are 7.570 and 11.282 G, and the means and the scaling of the SE blocks add 0.018 and 0.026 G to the "
    "0.005 and 0.007 G of their layers."
)
RESNEXT_MACS = (
    "The paper's figure counts more than products: its ResNeXt-50 has 4.24 GFLOPs where the products are 4.230 G, and "
    "the means and the scaling of the SE blocks add 0.011 G to the 0.003 G of their layers."
)


def _imagenet(name, block, depths, params, macs, published=(), note="", departures=(), **arguments):
    build = partial(SENet, block=block, depths=depths, **arguments)
    pooling = CAFFE_POOLING if arguments.get("caffe_pool") else POOLING
    note = " ".join(x for x in (note, BIASES, pooling) if x)
    return Card(name, "SENet", PAPER, IMAGENET, build, params, macs, 1000, published, departures, note)


RESNEXT_32X4D = partial(SEBottleneck, reduced=2, grouped=2, groups=32, stride_in_3x3=True)
BLOCK_154 = partial(SEBottleneck, reduced=2, grouped=4, groups=64, stride_in_3x3=True, projection=3)
V1_5 = (
    "The stride of a bottleneck that halves the image sits in its 3x3 convolution, not in its first 1x1: the variant "
    "that timm ships as seresnet50. The parameters are the paper's, the operations are 6 % more.",
)
FOR_SMALL_IMAGES = (
    "The ResNet that the SE blocks go into is ResNet's for CIFAR, with one block in each of three stages and a 3x3 "
    "stem without pooling; table 4 of the paper has 18 (SE-ResNet-110). Shortcuts are projections where shapes change.",
    "A reduction ratio of 4 instead of 16, which would leave a single unit for 16 channels.",
)

# fmt: off
CARDS = (
    _imagenet("se_resnet18", SEBasicBlock, (2, 2, 2, 2), 11_778_592, 1_814_160_384, note=NOT_PRINTED),
    _imagenet("se_resnet34", SEBasicBlock, (3, 4, 6, 3), 21_958_868, 3_663_918_592, note=NOT_PRINTED),
    _imagenet("se_resnet50", SEBottleneck, (3, 4, 6, 3), 28_088_024, 3_860_488_192, published=(
        Published("table 2", macs="3.87G", top1_err=23.29, top5_err=6.62, protocol=ONE_CROP, checked=True),
        Published("table 10", params="28.1M", top1_err=22.28, top5_err=6.03, protocol=LONG, checked=True),
        Published(REPOSITORY, top1_err=22.37, top5_err=6.36, protocol=ONE_CROP, checked=True),
    ), note="Without the biases of its SE blocks it would have 16,048 parameters fewer.", caffe_pool=True),
    _imagenet("se_resnet101", SEBottleneck, (3, 4, 23, 3), 49_326_872, 7_574_937_600, published=(
        Published("table 2", macs="7.60G", top1_err=22.38, top5_err=6.07, protocol=ONE_CROP, checked=True),
        Published(REPOSITORY, top1_err=21.75, top5_err=5.72, protocol=ONE_CROP, checked=True),
    ), note=MORE_THAN_PRODUCTS, caffe_pool=True),
    _imagenet("se_resnet152", SEBottleneck, (3, 8, 36, 3), 66_821_848, 11_288_993_792, published=(
        Published("table 2", macs="11.32G", top1_err=21.57, top5_err=5.73, protocol=ONE_CROP, checked=True),
        Published(REPOSITORY, top1_err=21.34, top5_err=5.54, protocol=ONE_CROP, checked=True),
    ), note=MORE_THAN_PRODUCTS, caffe_pool=True),
    _imagenet("se_resnet50_v1_5", partial(SEBottleneck, stride_in_3x3=True), (3, 4, 6, 3), 28_088_024, 4_091_699_200,
              departures=V1_5),
    _imagenet("se_resnext50_32x4d", RESNEXT_32X4D, (3, 4, 6, 3), 27_559_896, 4_232_994_816, published=(
        Published("table 2", macs="4.25G", top1_err=21.10, top5_err=5.49, protocol=ONE_CROP, checked=True),
        Published(REPOSITORY, top1_err=20.97, top5_err=5.54, protocol=ONE_CROP, checked=True),
    ), note=RESNEXT_MACS),
    _imagenet("senet154", BLOCK_154, (3, 8, 36, 3), 115_088_984, 20_688_363_520, published=(
        Published("table 8", top1_err=18.68, top5_err=4.47, protocol=ONE_CROP, checked=True),
        Published("table 8", top1_err=17.28, top5_err=3.79, protocol=CROP_320, checked=True),
        Published("table 9", top1_err=16.88, top5_err=3.58, protocol=f"{CROP_320}, trained at 320 px", checked=True),
    ), stem="three_3x3", dropout=0.2),
    Card("se_resnet_32", "SENet", PAPER, SMALL,
         partial(SENet, block=partial(SEBasicBlock, reduction=4), depths=(1, 1, 1), widths=(16, 32, 64), stem="cifar"),
         80_870, 12_504_320, 10, departures=FOR_SMALL_IMAGES),
)
