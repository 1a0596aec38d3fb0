"""OverFeat: integrated recognition, localization and detection (Sermanet, Eigen, Zhang, Mathieu, Fergus, LeCun, 2013).

A network trained on windows of one size slides over larger images at little cost: its fully connected layers are
convolutions too, so what neighbouring windows share is computed once. The features that tell what is in a window also
tell where: a second head, trained on the same features, predicts the edges of the object's box.
"""

from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from opsin.cards import Card, Inputs, Paper, Published
from opsin.models.network import Network

Layers = tuple[tuple[int, int, int, int, int], ...]

# Columns: channels, filter size, stride, pooling (size and stride in one; 1: none), zero padding on each side.
# Beside each row: the side of the maps behind its convolution, and behind its pooling.
TABLE_1: Layers = (  # the fast network, at 231 px
    (96, 11, 4, 2, 0),  # 56, 28
    (256, 5, 1, 2, 0),  # 24, 12
    (512, 3, 1, 1, 1),  # 12
    (1024, 3, 1, 1, 1),  # 12
    (1024, 3, 1, 2, 1),  # 12, 6
    # fully connected on 6x6: 3072, 4096, classes (`window` and `hidden` of the network)
)
TABLE_3: Layers = (  # the accurate network, at 221 px
    (96, 7, 2, 3, 0),  # 108, 36
    (256, 7, 1, 2, 0),  # 30, 15
    (512, 3, 1, 1, 1),  # 15
    (512, 3, 1, 1, 1),  # 15
    (1024, 3, 1, 1, 1),  # 15
    (1024, 3, 1, 3, 1),  # 15, 5
    # fully connected on 5x5: 4096, 4096, classes
)


class SlidingHead(nn.Module):
    """Three fully connected layers, applied as convolutions; the first sees window x window places.

    N in_channels H W -> N outputs H-window+1 W-window+1. `spread` is for maps whose neighbours come from different
    offsets of a pooling of that size: a window then takes every spread-th place, those of one offset (a dilation).
    """

    def __init__(self, in_channels: int, window: int, hidden: tuple[int, int], outputs: int, dropout: float):
        super().__init__()
        self.fc1 = nn.Conv2d(in_channels, hidden[0], window)
        self.fc2 = nn.Conv2d(hidden[0], hidden[1], 1)
        self.fc3 = nn.Conv2d(hidden[1], outputs, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, spread: int = 1) -> Tensor:
        x = self.fc1(x) if spread == 1 else F.conv2d(x, self.fc1.weight, self.fc1.bias, dilation=spread)
        x = self.dropout(F.relu(x))
        x = self.dropout(F.relu(self.fc2(x)))
        return self.fc3(x)


class OverFeat(Network):
    """Tables 1 and 3 of the paper. N C H W -> logits N num_classes, or boxes N num_classes 4.

    `layers` gives the convolutions, `window` the side of the maps that the first fully connected layer sees at a time,
    `hidden` the units of the two fully connected layers. The head "boxes" is the regression network of section 4, for
    each class its own boxes, "shared_box" the same with one box for all classes; a box is left, top, right, bottom,
    as fractions of the image's sides.
    """

    def __init__(
        self,
        layers: Layers = TABLE_1,
        window: int = 6,
        hidden: tuple[int, int] = (3072, 4096),
        *,
        head: Literal["classes", "boxes", "shared_box"] = "classes",
        dropout: float = 0.5,
        init: Literal["paper", "he"] = "paper",
        num_classes: int = 1000,
        in_chans: int = 3,
    ):
        super().__init__()
        self.num_classes = num_classes
        self.head = head
        convolutions, channels = [], in_chans
        for width, kernel, stride, _, padding in layers:
            convolutions.append(nn.Conv2d(channels, width, kernel, stride, padding))
            channels = width
        self.convolutions = nn.ModuleList(convolutions)
        self.pools = [pool for _, _, _, pool, _ in layers]
        outputs = {"classes": num_classes, "boxes": 4 * num_classes, "shared_box": 4}[head]
        connected = SlidingHead(channels, window, hidden, outputs, dropout)
        if head == "classes":
            self.classifier = connected
            self.last_layer = "classifier.fc3"
        else:
            self.regressor = connected
            self.last_layer = "regressor.fc3"
        # back from the output to the image: px of the image that makes one window, and from a window to the next
        self.seen, self.step = window, 1
        for _, kernel, stride, pool, padding in reversed(layers):
            self.seen = (self.seen * pool - 1) * stride + kernel - 2 * padding
            self.step *= stride * pool
        for parameter in self.parameters():
            if parameter.ndim == 1:
                nn.init.zeros_(parameter)
            elif init == "paper":
                nn.init.normal_(parameter, std=0.01)  # section 3.1
            else:
                nn.init.kaiming_normal_(parameter, nonlinearity="relu")

    def unpooled_features(self, x: Tensor) -> Tensor:
        """The last convolution's maps before their pooling, where section 3.3 starts. N 1024 12 12 (or 15 15)."""
        for i, convolution in enumerate(self.convolutions):
            if i > 0 and self.pools[i - 1] > 1:
                x = F.max_pool2d(x, self.pools[i - 1])
            x = F.relu(convolution(x))
        return x

    def forward_features(self, x: Tensor) -> Tensor:
        return F.max_pool2d(self.unpooled_features(x), self.pools[-1])  # N 1024 6 6 (or 5 5)

    def dense(self, x: Tensor, fine: bool = False) -> Tensor:
        """The head at every window of an image, logits or edges: N C H W -> N C' H' W' (figure 5).

        With `fine` the last pooling takes all its offsets and not the first alone (figure 3): the pooling moves by one
        place at a time, and the head takes every pool-th of the places.
        """
        head = self.classifier if self.head == "classes" else self.regressor
        if not fine:
            return head(self.forward_features(x))  # N 1000 1 1 (at 231 px; 2 2 at 263 px)
        pool = self.pools[-1]
        return head(F.max_pool2d(self.unpooled_features(x), pool, stride=1), spread=pool)

    def in_image(self, edges: Tensor, height: int, width: int) -> Tensor:
        """Edges as fractions of their window -> of the image. N 4K H' W' -> N K 4 H' W'."""
        edges = edges.unflatten(1, (-1, 4))
        rows = torch.arange(edges.shape[3], dtype=edges.dtype, device=edges.device)[:, None]
        columns = torch.arange(edges.shape[4], dtype=edges.dtype, device=edges.device)
        across = (edges[:, :, 0::2] * self.seen + columns * self.step) / width  # left, right
        down = (edges[:, :, 1::2] * self.seen + rows * self.step) / height  # top, bottom
        return torch.stack((across, down), dim=3).flatten(2, 3)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        x = self.dense(x)
        if self.head == "classes":
            return x.amax(dim=(2, 3))  # the spatial maximum of section 3.3
        return self.in_image(x, height, width).mean(dim=(3, 4)).expand(-1, self.num_classes, -1)


PAPER = Paper(
    title="OverFeat: Integrated Recognition, Localization and Detection using Convolutional Networks",
    authors="Sermanet, Eigen, Zhang, Mathieu, Fergus, LeCun",
    year=2013,
    venue="ICLR 2014",
    url="https://arxiv.org/abs/1312.6229",
)
BROUGHT = (
    "One network slides over images of several sizes as a convolution, computes once what neighbouring windows share, "
    "and both names what it sees and draws a box around it. It won the localization task of ImageNet 2013."
)
FAST = Inputs(channels=3, size=231, minimum=231)
ACCURATE = Inputs(channels=3, size=221, minimum=221)
SMALL = Inputs(channels=3, size=32, minimum=16)
VALIDATION = "ImageNet validation"
ONE, SEVEN = "single network", "7 networks"

LAYERS_32: Layers = (
    (16, 5, 1, 2, 0),
    (32, 3, 1, 1, 1),
    (48, 3, 1, 1, 1),
    (64, 3, 1, 2, 1),
)
COARSE = (
    "The maximum over the windows is taken of the logits, at the first offset of the last pooling alone (the paper's "
    "coarse stride); `dense(x, fine=True)` gives the map with all offsets."
)
RELU = "A plain ReLU, as the paper has it; the authors' released networks put 1e-6 where it puts 0."
CONNECTIONS = (
    "The counts are those of the authors' released weights, but the operations are 0.3 % under the paper's "
    "connections ({} against {}), of which the biases explain {} %. From the paper's N(0, 0.01) hardly any signal "
    'is left in networks that are much narrower; init="he" goes by the fan-in.'
)
PER_CLASS = (
    'A box for each class, the paper\'s per-class regression; head="shared_box" has one for all classes, which the '
    "paper found better and with which it won the competition of 2013 (29.9 % error at 4 scales, figure 10).",
    "An image with several windows gets the mean of their boxes, where the paper merges them by a greedy search and "
    "compares each window's own box while training.",
    "All layers are trained, where the paper keeps the convolutions as the trained classifier has them: load its "
    "`convolutions` and freeze them for that.",
)
CHANNELS = (
    "Figure 8 and table 5 have the regressor see 256 channels; the pooled maps of layer 5 are 1,024 here, as in tables "
    "1 and 3."
)


def _classes(name, inputs, params, macs, published, connections, **arguments):
    note = CONNECTIONS.format(*connections)
    return Card(name, "OverFeat", PAPER, inputs, partial(OverFeat, **arguments), params, macs, 1000, published,
                (COARSE,), f"{note} {RELU}")  # fmt: skip


def _boxes(name, inputs, params, macs, **arguments):
    """Two hidden layers of 4096 and 1024 units (section 4.2)."""
    build = partial(OverFeat, hidden=(4096, 1024), head="boxes", dropout=0.0, **arguments)
    return Card(name, "OverFeat", PAPER, inputs, build, params, macs, departures=PER_CLASS, note=CHANNELS,
                task="localize")  # fmt: skip


# fmt: off
CARDS = (
    _classes("overfeat_fast", FAST, 145_920_872, 2_801_403_904, (
        Published("table 4", params="145M", macs="2810M"),
        Published("table 2", top1_err=39.28, top5_err=17.12, protocol=f"{VALIDATION}, 1 scale, coarse stride, {ONE}"),
        Published("table 2", top1_err=39.01, top5_err=16.97, protocol=f"{VALIDATION}, 1 scale, fine stride, {ONE}"),
        Published("table 2", top1_err=38.57, top5_err=16.39, protocol=f"{VALIDATION}, 4 scales, fine stride, {ONE}"),
        Published("table 2", top1_err=38.12, top5_err=16.27, protocol=f"{VALIDATION}, 6 scales, fine stride, {ONE}"),
        Published("table 2", top1_err=35.10, top5_err=13.86, protocol=f"{VALIDATION}, 4 scales, fine stride, {SEVEN}"),
        Published("figure 4", top5_err=14.2, protocol=f"ImageNet 2013 test, {SEVEN}", checked=True),
    ), ("2,801M", "2,810M", 10)),
    _classes("overfeat_accurate", ACCURATE, 144_656_488, 5_355_446_784, (
        Published("table 4", params="144M", macs="5369M"),
        Published("table 2", top1_err=35.60, top5_err=14.71, protocol=f"{VALIDATION}, 10 crops, {ONE}"),
        Published("table 2", top1_err=35.74, top5_err=14.18, protocol=f"{VALIDATION}, 4 scales, fine stride, {ONE}"),
        Published("table 2", top1_err=33.96, top5_err=13.24, protocol=f"{VALIDATION}, 4 scales, fine stride, {SEVEN}"),
        Published("figure 4", top5_err=13.6, checked=True,
                  protocol="ImageNet 2013 test, bigger networks than in the competition"),
    ), ("5,355M", "5,369M", 15), layers=TABLE_3, window=5, hidden=(4096, 4096)),
    _boxes("overfeat_fast_boxes", FAST, 175_281_952, 2_830_764_032),
    _boxes("overfeat_accurate_boxes", ACCURATE, 132_073_504, 5_342_863_872, layers=TABLE_3, window=5),
    Card("overfeat_32", "OverFeat", PAPER, SMALL,
         partial(OverFeat, layers=LAYERS_32, window=3, hidden=(128, 128), init="he"),
         139_098, 12_257_280, 10, departures=(
        "For images of 16 px and more, 16 px being one window: four convolutions, the first 5x5 with stride 1, and two "
        "poolings instead of three; the image is divided by 4, not by 32.",
        "16 to 64 maps, and 128 units in both fully connected layers; 10 classes.",
        "Weights after He, N(0, 2/fan-in): from the paper's N(0, 0.01) layers this narrow do not train.",
        COARSE,
    )),
)
