"""GoogLeNet: going deeper with convolutions (Szegedy and others, 2014).

An Inception module looks at its input in windows of 1x1, 3x3 and 5x5 and through a max pooling, all at once, and puts
the answers side by side; 1x1 convolutions before the costly windows narrow what they see. So 22 layers make do with
a ninth of AlexNet's parameters (a twelfth, the paper says) at twice its operations. Two small classifiers on middle
layers feed gradient into the depth while it trains.
"""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from opsin.cards import Card, Inputs, Paper, Published
from opsin.models.layers import ConvBNReLU, LocalResponseNorm
from opsin.models.network import Network

Row = tuple[int, int, int, int, int, int]
Stages = tuple[tuple[Row, ...], tuple[Row, ...], tuple[Row, ...]]

# The modules of each stage, a row of table 1 each; its other rows stand beside the lines of GoogLeNet.__init__.
# fmt: off
TABLE_1: Stages = (
    # #1x1, #3x3 reduce, #3x3, #5x5 reduce, #5x5, pool proj
    ((64, 96, 128, 16, 32, 32),       # 3a: 28 x 28 x 256
     (128, 128, 192, 32, 96, 64)),    # 3b: 28 x 28 x 480
    ((192, 96, 208, 16, 48, 64),      # 4a: 14 x 14 x 512
     (160, 112, 224, 24, 64, 64),     # 4b: 14 x 14 x 512
     (128, 128, 256, 24, 64, 64),     # 4c: 14 x 14 x 512
     (112, 144, 288, 32, 64, 64),     # 4d: 14 x 14 x 528
     (256, 160, 320, 32, 128, 128)),  # 4e: 14 x 14 x 832
    ((256, 160, 320, 32, 128, 128),   # 5a: 7 x 7 x 832
     (384, 192, 384, 48, 128, 128)),  # 5b: 7 x 7 x 1024
)
# fmt: on


def convolution(in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, *, batch_norm: bool):
    """A convolution and a ReLU, with batch norm between them or a bias. N C H W -> N C' H/stride W/stride."""
    padding = kernel_size // 2
    if batch_norm:
        return ConvBNReLU(in_channels, out_channels, kernel_size, stride, padding)
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding), nn.ReLU())


def max_pool(kernel_size: int = 3) -> nn.MaxPool2d:
    """Halves the image, rounding up: a window that hangs over the border is used too."""
    return nn.MaxPool2d(kernel_size, stride=2, ceil_mode=True)


class Inception(nn.Module):
    """The module of figure 2b, a row of table 1. N C H W -> N C' H W, C' = #1x1 + #3x3 + #5x5 + pool proj."""

    def __init__(self, in_channels: int, row: Row, *, large_kernel: int, batch_norm: bool):
        super().__init__()
        w1x1, reduce3x3, w3x3, reduce5x5, w5x5, pool_proj = row
        conv = partial(convolution, batch_norm=batch_norm)
        self.branch1x1 = conv(in_channels, w1x1, 1)
        self.branch3x3 = nn.Sequential(conv(in_channels, reduce3x3, 1), conv(reduce3x3, w3x3, 3))
        self.branch5x5 = nn.Sequential(conv(in_channels, reduce5x5, 1), conv(reduce5x5, w5x5, large_kernel))
        self.branch_pool = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), conv(in_channels, pool_proj, 1))
        self.out_channels = w1x1 + w3x3 + w5x5 + pool_proj

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((self.branch1x1(x), self.branch3x3(x), self.branch5x5(x), self.branch_pool(x)), dim=1)


class AuxiliaryClassifier(nn.Module):
    """The network on the side (section 5), its widths in `aux`: 128 and 1024. N C H W -> N num_classes.

    The paper's 5x5 average pooling of stride 3 leaves 4x4 of the 14x14 pixels that an image of 224 px has here. What
    is left of larger images is brought to 4x4 by means, and so are smaller maps at once, and all maps with `slim`.
    """

    def __init__(self, in_channels: int, aux: tuple[int, int], num_classes: int, *, slim: bool, batch_norm: bool):
        super().__init__()
        width, hidden = aux
        self.slim = slim
        self.conv = convolution(in_channels, width, 1, batch_norm=batch_norm)  # 4 x 4 x 128, behind the pooling
        self.fc1 = nn.Linear(width * 4 * 4, hidden)  # 1024 units
        self.fc2 = nn.Linear(hidden, num_classes)
        self.dropout = nn.Dropout(0.7)  # in front of fc2; 70 % (section 5)

    def forward(self, x: Tensor) -> Tensor:
        if not self.slim and min(x.shape[2:]) >= 14:
            x = F.avg_pool2d(x, 5, stride=3)  # N 512 4 4, N 528 4 4
        x = self.conv(F.adaptive_avg_pool2d(x, 4)).flatten(1)  # N 2048
        return self.fc2(self.dropout(F.relu(self.fc1(x))))


class GoogLeNet(Network):
    """The network of table 1. N C H W -> N num_classes; in training (logits, those of aux1, those of aux2).

    `stages` gives the modules of stages 3, 4 and 5, `stem` the widths of the convolutions before them: three are the
    paper's 7x7, 1x1 and 3x3; one is a 3x3 that keeps the image's size, for small images. The auxiliary classifiers
    sit behind the first and the last but one module of stage 4 (4a and 4d); that their losses count 0.3 each (section
    5) is the recipe's `aux_weight`. `batch_norm` stands in for biases and response norms; `slim` makes the changes of
    TF-slim: 3x3 for 5x5, a 2x2 pooling before stage 5, 4x4 means in the auxiliary classifiers.
    """

    def __init__(
        self,
        stages: Stages = TABLE_1,
        stem: tuple[int, ...] = (64, 64, 192),
        *,
        batch_norm: bool = False,
        slim: bool = False,
        aux_heads: bool = True,
        aux: tuple[int, int] = (128, 1024),
        dropout: float = 0.4,
        num_classes: int = 1000,
        in_chans: int = 3,
    ):
        super().__init__()
        conv = partial(convolution, batch_norm=batch_norm)
        norm = nn.Identity() if batch_norm else LocalResponseNorm(n=5, k=1.0, alpha=1e-4 / 5)  # as in Caffe's release
        if len(stem) == 3:  # the rows of table 1 with their output at 224 px; the norms are figure 3's
            conv1, reduce, conv2 = stem
            layers = [
                conv(in_chans, conv1, 7, 2),  # convolution 7x7/2: 112 x 112 x 64
                max_pool(),  # max pool 3x3/2: 56 x 56 x 64
                norm,
                conv(conv1, reduce, 1),  # #3x3 reduce of the next row: 56 x 56 x 64
                conv(reduce, conv2, 3),  # convolution 3x3/1: 56 x 56 x 192
                norm,
                max_pool(),  # max pool 3x3/2: 28 x 28 x 192
            ]
        else:
            layers = [conv(in_chans, stem[0], 3), max_pool(), norm]  # N C H/2 W/2
        self.stem = nn.Sequential(*layers)

        channels = stem[-1]
        built: list[list[Inception]] = []
        for rows in stages:
            built.append([])
            for row in rows:
                built[-1].append(Inception(channels, row, large_kernel=3 if slim else 5, batch_norm=batch_norm))
                channels = built[-1][-1].out_channels
        stage3, stage4, stage5 = built
        self.inception3 = nn.Sequential(*stage3)  # 3a, 3b: 28 x 28 x 480
        self.pool3 = max_pool()  # max pool 3x3/2: 14 x 14 x 480
        self.inception4 = nn.Sequential(*stage4)  # 4a to 4e: 14 x 14 x 832
        self.pool4 = max_pool(2 if slim else 3)  # max pool 3x3/2: 7 x 7 x 832
        self.inception5 = nn.Sequential(*stage5)  # 5a, 5b: 7 x 7 x 1024; then avg pool 7x7/1: 1 x 1 x 1024 (forward)

        head = partial(AuxiliaryClassifier, aux=aux, num_classes=num_classes, slim=slim, batch_norm=batch_norm)
        self.aux1 = head(stage4[0].out_channels) if aux_heads else None  # on 4a
        self.aux2 = head(stage4[-2].out_channels) if aux_heads else None  # on 4d
        self.dropout = nn.Dropout(dropout)  # dropout (40%)
        self.fc = nn.Linear(channels, num_classes)  # linear: 1 x 1 x 1000; the softmax is in the loss
        self.initialise()

    def initialise(self) -> None:
        """The paper names none: Glorot's uniform weights by fan-in, as Caffe's release has, with He's gain.

        Weights from U(-a, a), a^2 = 6 / fan-in, biases of zero; in front of a softmax a^2 = 3 / fan-in.
        """
        for name, module in self.named_modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                gain = 1.0 if name in ("fc", "aux1.fc2", "aux2.fc2") else 2**0.5
                bound = gain * (3 / module.weight[0].numel()) ** 0.5
                nn.init.uniform_(module.weight, -bound, bound)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def trunk(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The outputs of modules 4a, 4d and 5b."""
        x = self.pool3(self.inception3(self.stem(x)))  # N 480 14 14 (at 224 px)
        outputs = []
        for module in self.inception4:
            x = module(x)  # N 512 14 14, from 4d N 528 14 14, from 4e N 832 14 14
            outputs.append(x)
        return outputs[0], outputs[-2], self.inception5(self.pool4(x))  # N 1024 7 7

    def forward_features(self, x: Tensor) -> Tensor:
        return self.trunk(x)[2]

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor, Tensor]:
        at_4a, at_4d, x = self.trunk(x)
        logits = self.fc(self.dropout(x.mean(dim=(2, 3))))  # avg pool 7x7/1, at 224 px: N 1024
        if self.training and self.aux1 is not None and self.aux2 is not None:
            return logits, self.aux1(at_4a), self.aux2(at_4d)
        return logits


PAPER = Paper(
    title="Going Deeper with Convolutions",
    authors="Szegedy, Liu, Jia, Sermanet, Reed, Anguelov, Erhan, Vanhoucke, Rabinovich",
    year=2014,
    venue="CVPR 2015",
    url="https://arxiv.org/abs/1409.4842",
)
BROUGHT = (
    "Windows of 1x1, 3x3 and 5x5 side by side in one module, made affordable by the 1x1 convolutions of Network In "
    "Network in front of them. Classifiers on middle layers help the gradient through 22 layers."
)
IMAGENET = Inputs(channels=3, size=224, minimum=32)
SMALL = Inputs(channels=3, size=32, minimum=16)
ONE_NETWORK = "ImageNet validation, {} of 224 at {}, single network"
SEVEN_NETWORKS = "ImageNet validation, {} of 224 at {}, 7 networks"
NO_SCALE = "a scale that is not named"
FOUR_SCALES = "4 scales"

INITIALISATION = (
    "The paper names no initial weights. Caffe's release draws them with a variance of 1 / fan-in and sets biases to "
    "0.2; ours have twice that variance (He and others, 2015) and biases of 0, from which AdamW learns 8 random images "
    "by heart in fewer steps, and narrow copies too."
)
ANY_SIZE = (
    "The last pooling takes the mean of the whole map, and the auxiliary classifiers bring theirs to 4x4 by means, so "
    "that images of other sizes than 224 px can be taken; at 224 px both are the paper's."
)
RESPONSE_NORM = (
    "The constants of local response normalization, of which the paper's figure 3 has the name alone, are those of "
    "Caffe's release: windows of 5 maps, k = 1, alpha / 5 = 2e-5."
)
TABLE_1_SMALL: Stages = (
    ((12, 12, 24, 4, 8, 8),),
    ((24, 16, 32, 6, 12, 12), (24, 16, 32, 6, 12, 12), (32, 24, 48, 8, 16, 16)),
    ((48, 24, 64, 8, 24, 24),),
)
FOR_SMALL_IMAGES = (
    "The stem is one 3x3 convolution of 24 maps and a pooling: the image is divided by 8 in all, not by 32.",
    "Five modules instead of nine, one, three and one of them in the three stages, at about a seventh of the width; "
    "auxiliary classifiers of 16 maps and 64 units instead of 128 and 1,024. 10 classes.",
    INITIALISATION,
    RESPONSE_NORM,
    "The auxiliary classifiers average their maps, of fewer than 14 px, to 4x4 at once.",
)

# fmt: off
CARDS = (
    Card("googlenet", "GoogLeNet", PAPER, IMAGENET, GoogLeNet, 6_998_552, 1_582_671_872, aux_params=6_379_728,
         published=(
             Published("section 1", macs="1.5 billion", checked=True),
             Published("table 1, the sum of its rows", params="6,797.7K", macs="1502M", checked=True),
             Published("table 3", top5_err=10.07, protocol=ONE_NETWORK.format("1 crop", NO_SCALE), checked=True),
             Published("table 3", top5_err=9.15, protocol=ONE_NETWORK.format("10 crops", NO_SCALE), checked=True),
             Published("table 3", top5_err=7.89, protocol=ONE_NETWORK.format("144 crops", FOUR_SCALES), checked=True),
             Published("table 3", top5_err=8.09, protocol=SEVEN_NETWORKS.format("1 crop", NO_SCALE), checked=True),
             Published("table 3", top5_err=7.62, protocol=SEVEN_NETWORKS.format("10 crops", NO_SCALE), checked=True),
             Published("table 3", top5_err=6.67, protocol=SEVEN_NETWORKS.format("144 crops", FOUR_SCALES),
                       checked=True),
             Published("Inception-v3's paper, table 3", macs="1.5B", top1_err=29.0, top5_err=9.2,
                       protocol=ONE_NETWORK.format("1 crop", NO_SCALE)),
         ), departures=(INITIALISATION, RESPONSE_NORM, ANY_SIZE),
         note="Table 1 counts weights without biases, in units of 1,024 (its linear layer, 1,024,000 weights, is "
              "1000K). Its 7x7 convolution has 2.7K and 34M operations, where a plain one has 9,408 and 118.0M: they "
              "are those of a separable convolution, 8 maps of each colour and a 1x1 behind them (2,712 and 34.0M), "
              "which figure 3 does not show and the authors' next paper names. With it, and with the 54M of row 5a "
              "where its widths give 51.1M, our 1,583M are the printed 1,502M. The printed parameters of 4a and 4c to "
              "5b are 7 % below to 5 % above those of their widths, while the operations beside them agree "
              "(but for 5a's)."),
    Card("googlenet_bn", "GoogLeNet", PAPER, IMAGENET, partial(GoogLeNet, batch_norm=True, slim=True),
         6_624_904, 1_498_376_192, aux_params=6_379_984, published=(
             Published("torchvision's table of weights", params="6,624,904", top1_err=30.222, top5_err=10.470,
                       protocol=ONE_NETWORK.format("1 crop", "256"), checked=True),
         ), departures=(
             "The variant whose weights are public (torchvision, after TF-slim): batch norm in place of biases and "
             "response norms; 3x3 convolutions in place of the 5x5 (380,928 weights and 84,295,680 MACs fewer); a 2x2 "
             "pooling before stage 5; auxiliary classifiers on 4x4 means. With 5x5 it would have 7,005,832 parameters.",
             "Initial weights from a uniform distribution of variance 2 / fan-in.",
         )),
    Card("googlenet_32", "GoogLeNet", PAPER, SMALL,
         partial(GoogLeNet, stages=TABLE_1_SMALL, stem=(24,), aux=(16, 64)), 77_858, 4_827_200, 10,
         departures=FOR_SMALL_IMAGES, aux_params=36_788),
)
