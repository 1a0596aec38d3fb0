"""Multi-scale ConvNet: traffic sign recognition with multi-scale convolutional networks (Sermanet and LeCun, 2011).

A network of two stages whose classifier sees both: the first stage's maps, pooled once more, skip the second stage
and stand beside its maps. So the classifier has the details of strokes and corners as well as the shape of the whole
sign; it is the older idea behind the bypasses of later networks. The single-scale twin leaves the skip out.
"""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from opsin.cards import Card, Inputs, Paper, Published
from opsin.models.layers import TableConv2d
from opsin.models.network import Network

RGB_TO_YUV = ((0.299, 0.587, 0.114), (-0.147, -0.289, 0.436), (0.615, -0.515, -0.100))


def colour_table(width: int, in_chans: int) -> list[list[int]]:
    """Stage 1: each map sees one channel. In colour U and V get 4 of 108 maps each, Y the others (100 of 108).

    With more channels these share half of the maps at most; what is beyond the last map is not seen.
    """
    each = max(1, min(width // 27, width // (2 * in_chans)))
    others = [channel for channel in range(1, in_chans) for _ in range(each)][: width - 1]
    return [[0]] * (width - len(others)) + [[channel] for channel in others]


def sparse_table(width: int, in_channels: int, connected: int) -> list[list[int]]:
    """Stage 2: map j sees `connected` maps of stage 1, from the j-th on, round and round."""
    return [sorted((j + i) % in_channels for i in range(min(connected, in_channels))) for j in range(width)]


class LocalContrastNorm(nn.Module):
    """Subtractive, then divisive normalisation (section II), over all maps and a Gaussian window. N C H W -> same.

    v is x less its local mean; the output is v over the local deviation, or over that of the whole image where the
    local one is smaller.
    """

    window: Tensor

    def __init__(self, size: int = 9):
        super().__init__()
        steps = torch.arange(size) - size // 2
        line = torch.exp(-0.5 * (steps / (size / 4)) ** 2)
        self.register_buffer("window", (line[:, None] * line)[None, None], persistent=False)
        self.padding = size // 2

    def local_mean(self, x: Tensor) -> Tensor:
        """N C H W -> N 1 H W; at the border the window is cut off, its weights sum to 1 there too."""
        mean = F.conv2d(x.mean(1, keepdim=True), self.window, padding=self.padding)
        return mean / F.conv2d(torch.ones_like(x[:1, :1]), self.window, padding=self.padding)

    def forward(self, x: Tensor) -> Tensor:
        v = x - self.local_mean(x)
        deviation = torch.sqrt(self.local_mean(v * v) + 1e-12)  # N 1 H W
        return v / torch.maximum(deviation, deviation.mean(dim=(2, 3), keepdim=True))

    def macs(self, output: Tensor) -> int:
        """A normalisation, which counts nothing, as in all networks."""
        return 0


class Stage(nn.Module):
    """Filter bank of 5x5, |tanh|, local contrast normalisation, 2x2 pooling. N C H W -> N C' (H-4)/2 (W-4)/2."""

    def __init__(self, in_channels: int, table: list[list[int]]):
        super().__init__()
        self.conv = TableConv2d(in_channels, table, 5)
        self.norm = LocalContrastNorm()

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(self.norm(torch.tanh(self.conv(x)).abs()), 2)


class MultiScaleConvNet(Network):
    """Figure 2 of the paper. N C S S -> N num_classes, S = `input_size`; three channels are taken as RGB.

    `widths` gives the maps of the two stages, `connected` the maps of stage 1 that each map of stage 2 sees, `hidden`
    the units of a classifier of two layers (one layer without).
    """

    last_layer = "classifier"

    def __init__(
        self,
        widths: tuple[int, int] = (108, 108),
        connected: int = 80,
        hidden: int | None = None,
        *,
        skip: bool = True,
        input_size: int = 32,
        num_classes: int = 43,
        in_chans: int = 3,
    ):
        super().__init__()
        w1, w2 = widths
        self.yuv = in_chans == 3
        self.skip = skip
        self.stage1 = Stage(in_chans, colour_table(w1, in_chans))
        self.stage2 = Stage(w1, sparse_table(w2, w1, connected))
        side1 = (input_size - 4) // 2
        side2 = (side1 - 4) // 2
        features = w2 * side2**2 + (w1 * (side1 // 2) ** 2 if skip else 0)
        self.hidden = nn.Linear(features, hidden) if hidden else None
        self.classifier = nn.Linear(hidden or features, num_classes)
        for layer in (self.stage1.conv, self.stage2.conv, self.hidden, self.classifier):
            if layer is not None:
                self.initialise(layer)

    @torch.no_grad()
    def initialise(self, layer: TableConv2d | nn.Linear) -> None:
        """Weights from U(-1/sqrt(F), 1/sqrt(F)), F the inputs of a unit, and biases of 0; the paper names none."""
        fan_in = layer.fan_in[0] if isinstance(layer, TableConv2d) else layer.in_features
        layer.weight.uniform_(-1, 1).div_(fan_in**0.5)
        if layer.bias is not None:
            layer.bias.zero_()

    def forward_features(self, x: Tensor) -> Tensor:
        if self.yuv:
            r, g, b = x.split(1, dim=1)
            x = torch.cat([weights[0] * r + weights[1] * g + weights[2] * b for weights in RGB_TO_YUV], dim=1)
        first = self.stage1(x)  # N 108 14 14
        x = self.stage2(first).flatten(1)  # N 108 5 5 -> N 2700
        if self.skip:
            x = torch.cat((F.avg_pool2d(first, 2).flatten(1), x), dim=1)  # N 5292 + 2700
        return x

    def forward(self, x: Tensor) -> Tensor:
        x = self.forward_features(x)
        if self.hidden is not None:
            x = torch.tanh(self.hidden(x))
        return self.classifier(x)


PAPER = Paper(
    title="Traffic Sign Recognition with Multi-Scale Convolutional Networks",
    authors="Sermanet, LeCun",
    year=2011,
    venue="IJCNN 2011",
    url="http://yann.lecun.com/exdb/publis/pdf/sermanet-ijcnn-11.pdf",
)
BROUGHT = (
    "The classifier sees the maps of both stages and not of the last alone, so that it has details beside the shape "
    "of the whole. On traffic signs it passed the accuracy of a person, 99.17 % against 98.81 %."
)
COLOUR = Inputs(channels=3, size=32, minimum=16, fixed=True)
GREY = Inputs(channels=1, size=32, minimum=16, fixed=True)

OPEN = (
    "The paper does not print which maps meet in stage 2, only how many kernels it has: 8,640, from memory. "
    "Each of ours sees 80 of stage 1's 108 maps, map j those from the j-th on. Nor does it print how the weights "
    "start.",
    "Pooling is the plain mean of 2x2, the Gaussian window is 9x9 and ends at the border, a hidden layer has tanh: "
    "the paper leaves these open.",
)
YUV = (
    "The network itself turns RGB into YUV, which the paper does beforehand; these products are not counted. The "
    "contrast normalisation of the images' Y is left to the data.",
)
SPARSE = (
    "The kernels of stage 2 run as a dense convolution with zeros in it: 36,140,472 MACs are executed with those of "
    "the normalisation's windows, of which 24,060,456 are connections."
)

# fmt: off
CARDS = (
    Card("multiscale_108_108", "Multi-scale ConvNet", PAPER, COLOUR, MultiScaleConvNet, 562_615, 24_060_456, 43, (
        Published("abstract", top1_err=1.03, checked=True,
                  protocol="GTSRB test of the competition's first phase, single network; printed as accuracy, 98.97 %"),
    ), departures=(*OPEN, *YUV), note=SPARSE),
    Card("singlescale_108_108", "Multi-scale ConvNet", PAPER, COLOUR, partial(MultiScaleConvNet, skip=False),
         335_059, 23_832_900, 43, departures=(*OPEN, *YUV),
         note="The twin of `multiscale_108_108` without the skip: the classifier sees stage 2 alone."),
    Card("multiscale_108_108_grey", "Multi-scale ConvNet", PAPER, GREY, partial(MultiScaleConvNet, hidden=100),
         1_022_559, 24_520_300, 43, (
        Published("abstract", top1_err=0.83, checked=True,
                  protocol="GTSRB test, single network; printed as accuracy, 99.17 %"),
    ), departures=OPEN, note="Grey images and a classifier of two layers with 100 hidden units."),
    Card("multiscale_32", "Multi-scale ConvNet", PAPER, COLOUR,
         partial(MultiScaleConvNet, widths=(38, 64), connected=26), 77_282, 4_939_420, 10, departures=(
        "The paper's smaller widths, 38 and 64 maps (26 of 38 for each), for images of 16 px and more; 10 classes.",
        *OPEN, *YUV,
    )),
)
