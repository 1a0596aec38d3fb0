"""MobileNetV2: inverted residuals and linear bottlenecks (Sandler, Howard, Zhu, Zhmoginov and Chen, 2018).

A block widens its few channels with a 1x1 convolution, filters each channel by itself with a depthwise 3x3, and
narrows them again with a 1x1 that has no activation behind it: a ReLU on so few channels would destroy what they hold.
The shortcut joins the narrow ends, which keeps what must be stored between blocks small.
"""

from functools import partial

from torch import Tensor, nn

from opsin.cards import Card, Inputs, Paper, Published
from opsin.models.network import Network

Settings = tuple[tuple[int, int, int, int], ...]

TABLE_2: Settings = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Expansion factor t, output channels c, number of blocks n, stride s of the first of them."""


def scale(channels: int, width: float) -> int:
    """Channels times the width multiplier, to the nearest multiple of 8 that does not lose more than a tenth."""
    wanted = channels * width
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wanted else rounded


def convolution(in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, groups: int = 1):
    """A convolution without bias, batch norm and ReLU6."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, stride, kernel_size // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU6(),
    )


class InvertedResidual(nn.Module):
    """1x1 to `expansion` times the channels, depthwise 3x3, linear 1x1 (table 1, figure 3b).

    N in_channels H W -> N out_channels H/stride W/stride.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, expansion: int):
        super().__init__()
        width = in_channels * expansion
        self.expand = nn.Identity() if expansion == 1 else convolution(in_channels, width, 1)
        self.depthwise = convolution(width, width, 3, stride, groups=width)
        self.project = nn.Sequential(nn.Conv2d(width, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels))
        self.shortcut = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        out = self.project(self.depthwise(self.expand(x)))
        return x + out if self.shortcut else out


class MobileNetV2(Network):
    """The network of table 2. N C H W -> N num_classes.

    `width` multiplies all channels; the `last` convolution is widened by one above 1, but never narrowed (section
    4). `settings` are the rows (t, c, n, s) of the blocks.
    """

    last_layer = "classifier"

    def __init__(
        self,
        width: float = 1.0,
        *,
        settings: Settings = TABLE_2,
        stem_stride: int = 2,
        last: int = 1280,
        dropout: float = 0.2,
        num_classes: int = 1000,
        in_chans: int = 3,
    ):
        super().__init__()
        channels = scale(32, width)
        self.stem = convolution(in_chans, channels, 3, stem_stride)
        blocks = []
        for expansion, out_channels, repeats, stride in settings:
            for i in range(repeats):
                blocks.append(
                    InvertedResidual(channels, scale(out_channels, width), stride if i == 0 else 1, expansion)
                )
                channels = scale(out_channels, width)
        self.blocks = nn.Sequential(*blocks)
        last = scale(last, max(1.0, width))
        self.head = convolution(channels, last, 1)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(last, num_classes)
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.trunc_normal_(parameter, std=0.09, a=-0.18, b=0.18)  # the authors' code; the paper names none
        nn.init.zeros_(self.classifier.bias)

    def forward_features(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.stem(x)))  # N 1280 H/32 W/32

    def forward(self, x: Tensor) -> Tensor:
        x = self.forward_features(x).mean(dim=(2, 3))  # N 1280
        return self.classifier(self.dropout(x))


PAPER = Paper(
    title="MobileNetV2: Inverted Residuals and Linear Bottlenecks",
    authors="Sandler, Howard, Zhu, Zhmoginov, Chen",
    year=2018,
    venue="CVPR 2018",
    url="https://arxiv.org/abs/1801.04381",
)
BROUGHT = (
    "Inverted residuals: the shortcut joins the narrow ends of a block, the wide middle is filtered channel by "
    "channel, and no activation follows the narrowing, where it would destroy what few channels hold."
)
IMAGENET = Inputs(channels=3, size=224, minimum=32)
SMALL = Inputs(channels=3, size=32, minimum=16)
ONE_CROP = "ImageNet validation, 1 crop of 224, single network"
REPOSITORY = "the authors' repository, table of checkpoints"
WITHOUT_NORMS = "The authors' repository leaves the scales and shifts of batch norm out of its parameters."
WIDEST = (
    f"{WITHOUT_NORMS} The paper prints 6.9M, but the layers of table 2, 1.4 times as wide and rounded to multiples of "
    "8, have 6.1M, in the authors' code as in ours; their operations are 0.5 % under the print."
)

TABLE_2_SMALL: Settings = (
    (1, 16, 1, 1),
    (6, 24, 2, 1),
    (6, 32, 2, 2),
    (6, 64, 2, 2),
    (6, 96, 1, 1),
)
FOR_SMALL_IMAGES = (
    "The stem and the first blocks keep the resolution: the image is divided by 4 in all, not by 32.",
    "Five rows of table 2 instead of seven, 8 blocks instead of 17, at a width of 0.5; a last layer of 320 channels.",
)


def _imagenet(name, width, params, macs, paper, repository, note=WITHOUT_NORMS):
    """`paper` and `repository`: parameters, MACs and errors as printed there; table 4 of the paper has two widths."""
    published = [Published("table 4", *paper, protocol=ONE_CROP, checked=True)] if paper else []
    published.append(Published(REPOSITORY, *repository, protocol=ONE_CROP, checked=True))
    build = partial(MobileNetV2, width=width)
    return Card(name, "MobileNetV2", PAPER, IMAGENET, build, params, macs, 1000, tuple(published), note=note)


# fmt: off
CARDS = (
    _imagenet("mobilenet_v2_140", 1.4, 6_108_776, 582_195_824,
              ("6.9M", "585M", 25.3), ("6.06M", "582M", 25.0, 7.5), note=WIDEST),
    _imagenet("mobilenet_v2_100", 1.0, 3_504_872, 300_774_272,
              ("3.4M", "300M", 28.0), ("3.47M", "300M", 28.2, 9.0)),
    _imagenet("mobilenet_v2_075", 0.75, 2_636_424, 209_069_792, (), ("2.61M", "209M", 30.2, 10.4)),
    _imagenet("mobilenet_v2_050", 0.5, 1_968_680, 97_131_840, (), ("1.95M", "97M", 34.6, 13.6)),
    _imagenet("mobilenet_v2_035", 0.35, 1_677_128, 59_285_808, (), ("1.66M", "59M", 39.7, 17.1)),
    Card("mobilenet_v2_32", "MobileNetV2", PAPER, SMALL,
         partial(MobileNetV2, width=0.5, settings=TABLE_2_SMALL, stem_stride=1, last=320), 73_578, 13_190_272, 10,
         departures=FOR_SMALL_IMAGES),
)
