"""Xception: deep learning with depthwise separable convolutions (Chollet, 2016).

An Inception module looks across channels with 1x1 convolutions and across the image with 3x3 ones, a few channels at a
time. Xception, "extreme Inception", goes to the end of that road: one 3x3 filter for every channel, and a 1x1 for all
that happens between channels, with nothing non-linear between the two. The network is a stack of such separable
convolutions in 14 modules of two or three layers; all but the first and the last have residual connections (section 3).
"""

from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from opsin.cards import Card, Inputs, Paper, Published
from opsin.models.network import Network


class SeparableConv(nn.Module):
    """Depthwise 3x3, pointwise 1x1, no activation between (section 4.7); batch norm behind (caption of figure 5).

    N C H W -> N C' H W.
    """

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.depthwise = nn.Conv2d(in_channels, in_channels, 3, padding=1, groups=in_channels, bias=False)
        self.pointwise = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.bn = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.pointwise(self.depthwise(x)))


class Module(nn.Module):
    """One module of figure 5 with its residual connection: separable convolutions, a ReLU before each.

    `widths` are their channels. With `halve`, a 3x3 max pooling of stride 2 ends the branch and a 1x1 convolution of
    stride 2 is the connection; else it is the identity. `relu_first` is off behind the stem, which ends in a ReLU.
    N in_channels H W -> N widths[-1] H W (or H/2 W/2).
    """

    def __init__(self, in_channels: int, widths: tuple[int, ...], *, halve: bool, relu_first: bool = True):
        super().__init__()
        self.relu_first = relu_first
        self.shortcut = nn.Identity()
        self.pool = nn.Identity()
        if halve:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, widths[-1], 1, stride=2, bias=False), nn.BatchNorm2d(widths[-1])
            )
            self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.convs = nn.ModuleList(
            SeparableConv(c, width) for c, width in zip((in_channels, *widths), widths, strict=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        out = x
        for i, conv in enumerate(self.convs):
            out = conv(F.relu(out) if i > 0 or self.relu_first else out)
        return self.pool(out) + self.shortcut(x)


class Xception(Network):
    """The network of figure 5. N C H W -> N num_classes.

    `stem` gives the channels of the two convolutions, `entry_flow` those of the modules that halve the image,
    `middle_flow` the number of modules after them, `exit_flow` the channels of the last module with a connection and
    of the two convolutions behind it. Figure 5's optional fully connected layers are left out, as in table 3's count.
    """

    def __init__(
        self,
        stem: tuple[int, int] = (32, 64),
        entry_flow: tuple[int, ...] = (128, 256, 728),
        middle_flow: int = 8,
        exit_flow: tuple[int, int, int] = (1024, 1536, 2048),
        *,
        stem_stride: int = 2,
        dropout: float = 0.5,
        num_classes: int = 1000,
        in_chans: int = 3,
    ):
        super().__init__()
        # entry flow; the first two convolutions without padding, as the author's code has them; sides at 299 px
        self.conv1 = nn.Conv2d(in_chans, stem[0], 3, stem_stride, bias=False)  # 32, 3x3, stride 2 -> 149
        self.bn1 = nn.BatchNorm2d(stem[0])
        self.conv2 = nn.Conv2d(stem[0], stem[1], 3, bias=False)  # 64, 3x3 -> 147
        self.bn2 = nn.BatchNorm2d(stem[1])
        modules = []
        channels = stem[1]
        for width in entry_flow:  # twice 128 -> 74, twice 256 -> 37, twice 728 -> 19
            modules.append(Module(channels, (width, width), halve=True, relu_first=bool(modules)))
            channels = width
        self.entry = nn.Sequential(*modules)
        # middle flow: eight times three of 728, 19
        self.middle = nn.Sequential(*(Module(channels, (channels,) * 3, halve=False) for _ in range(middle_flow)))
        # exit flow
        last, third, fourth = exit_flow
        self.exit = Module(channels, (channels, last), halve=True)  # 728 and 1024 -> 10
        self.conv3 = SeparableConv(last, third)  # 1536, 10
        self.conv4 = SeparableConv(third, fourth)  # 2048, 10; the mean -> 1
        self.dropout = nn.Dropout(dropout)  # 0.5 (section 4.3)
        self.fc = nn.Linear(fourth, num_classes)
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.xavier_uniform_(parameter)  # the author's code (Keras' default); the paper names none
        nn.init.zeros_(self.fc.bias)

    def forward_features(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))  # N 64 147 147 (at 299 px)
        x = self.entry(x)  # N 728 19 19
        x = self.middle(x)
        x = self.exit(x)  # N 1024 10 10
        x = F.relu(self.conv3(x))
        return F.relu(self.conv4(x))  # N 2048 10 10

    def forward(self, x: Tensor) -> Tensor:
        x = self.forward_features(x).mean(dim=(2, 3))  # N 2048
        return self.fc(self.dropout(x))


PAPER = Paper(
    title="Xception: Deep Learning with Depthwise Separable Convolutions",
    authors="Chollet",
    year=2016,
    venue="CVPR 2017",
    url="https://arxiv.org/abs/1610.02357",
)
BROUGHT = (
    "Inception at the end of its road: one filter for every channel, 1x1 convolutions for all that happens between "
    "channels, nothing else, and ResNet's shortcuts. With Inception-v3's number of parameters it is more accurate."
)
IMAGENET = Inputs(channels=3, size=299, minimum=32)
SMALL = Inputs(channels=3, size=32, minimum=12)
ONE_CROP = "ImageNet validation (the images that are not blacklisted), 1 crop, single network, printed as accuracy"
PADDING = (
    "Maps of an even side (74 px, the second of them) are pooled with a border on all sides; TensorFlow, with which "
    "the author trained, adds one on the right and below alone: the same shapes, windows a pixel apart."
)

# fmt: off
CARDS = (
    Card("xception", "Xception", PAPER, IMAGENET, Xception, 22_855_952, 8_357_403_496, published=(
        Published("table 1", top1_err=21.0, top5_err=5.5, protocol=ONE_CROP, checked=True),
        Published("table 3", params="22,855,952", checked=True),
    ), note=PADDING),
    Card("xception_32", "Xception", PAPER, SMALL,
         partial(Xception, stem=(8, 16), entry_flow=(32, 64), middle_flow=2, exit_flow=(96, 128, 192), stem_stride=1),
         101_826, 6_868_832, 10, departures=(
        "The first convolution has stride 1 and the entry flow two modules instead of three: the image is divided by "
        "8 in all, not by 32.",
        "Two modules instead of eight in the middle flow, and a quarter of the channels or fewer: 8 and 16, 32 and 64, "
        "96, 128 and 192; 10 classes.",
    )),
)
