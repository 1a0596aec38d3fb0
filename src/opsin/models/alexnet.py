"""AlexNet: ImageNet classification with deep convolutional neural networks (Krizhevsky, Sutskever and Hinton, 2012).

Five convolutions and three fully connected layers, trained on two graphics cards. Rectified units train fast, dropout
keeps sixty million weights from overfitting, bright units damp their neighbours, and pooling windows overlap. The two
groups of conv2, conv4 and conv5 are the two cards; conv3 and the fully connected layers see both.
"""

from functools import partial
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from opsin.cards import Card, Inputs, Paper, Published
from opsin.models.layers import PIXEL_DEVIATION, LocalResponseNorm
from opsin.models.network import Network


class AlexNet(Network):
    """Figure 2 of the paper. N C S S -> N num_classes, S = `input_size`.

    `widths` gives the maps of conv1 to conv5, `hidden` the units of fc6 and fc7. The ImageNet stem is an 11x11
    convolution of stride 4, the small one a 5x5 convolution of stride 1 that keeps the image's size.
    """

    last_layer = "fc8"

    def __init__(
        self,
        widths: tuple[int, int, int, int, int] = (96, 256, 384, 384, 256),
        hidden: int = 4096,
        *,
        stem: Literal["imagenet", "small"] = "imagenet",
        dropout: float = 0.5,
        init: Literal["paper", "he"] = "paper",
        input_size: int = 227,
        num_classes: int = 1000,
        in_chans: int = 3,
    ):
        super().__init__()
        w1, w2, w3, w4, w5 = widths
        if stem == "imagenet":
            self.conv1 = nn.Conv2d(in_chans, w1, 11, stride=4)
            side = (input_size - 11) // 4 + 1
        else:
            self.conv1 = nn.Conv2d(in_chans, w1, 5, padding=2)
            side = input_size
        self.conv2 = nn.Conv2d(w1, w2, 5, padding=2, groups=2)
        self.conv3 = nn.Conv2d(w2, w3, 3, padding=1)
        self.conv4 = nn.Conv2d(w3, w4, 3, padding=1, groups=2)
        self.conv5 = nn.Conv2d(w4, w5, 3, padding=1, groups=2)
        for _ in range(3):
            side = (side - 3) // 2 + 1
        self.fc6 = nn.Linear(w5 * side**2, hidden)
        self.fc7 = nn.Linear(hidden, hidden)
        self.fc8 = nn.Linear(hidden, num_classes)
        self.norm = LocalResponseNorm()
        self.pool = nn.MaxPool2d(3, stride=2)
        self.dropout = nn.Dropout(dropout)
        self.initialise(init)

    def initialise(self, init: Literal["paper", "he"]) -> None:
        """The paper's N(0, 0.01), or He's N(0, 2/fan-in), with which narrow networks train too, and biases of zero.

        For the paper's, conv1 is scaled to images of deviation 1 (see PIXEL_DEVIATION).
        """
        positive = ("conv2", "conv4", "conv5", "fc6", "fc7") if init == "paper" else ()
        for name, parameter in self.named_parameters():
            layer = name.partition(".")[0]
            if name.endswith("bias"):
                nn.init.constant_(parameter, 1.0 if layer in positive else 0.0)  # section 5
            elif init == "paper":
                nn.init.normal_(parameter, std=0.01 * (PIXEL_DEVIATION if layer == "conv1" else 1))  # section 5
            else:
                nn.init.kaiming_normal_(parameter, nonlinearity="relu")

    def forward_features(self, x: Tensor) -> Tensor:
        x = self.pool(self.norm(F.relu(self.conv1(x))))  # N 96 27 27 (at 227 px)
        x = self.pool(self.norm(F.relu(self.conv2(x))))  # N 256 13 13
        x = F.relu(self.conv3(x))
        x = F.relu(self.conv4(x))
        return self.pool(F.relu(self.conv5(x)))  # N 256 6 6

    def forward(self, x: Tensor) -> Tensor:
        x = self.forward_features(x).flatten(1)  # N 9216
        x = self.dropout(F.relu(self.fc6(x)))
        x = self.dropout(F.relu(self.fc7(x)))
        return self.fc8(x)


PAPER = Paper(
    title="ImageNet Classification with Deep Convolutional Neural Networks",
    authors="Krizhevsky, Sutskever, Hinton",
    year=2012,
    venue="NIPS 2012",
    url="https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks",
)
BROUGHT = (
    "LeNet's kind of network made large enough for ImageNet, where it won by more than ten points: rectified units "
    "learn fast, dropout keeps sixty million weights from overfitting, and two graphics cards train them within a "
    "week."
)
IMAGENET = Inputs(channels=3, size=227, minimum=67, fixed=True)
SMALL = Inputs(channels=3, size=32, minimum=16, fixed=True)
QUARTER = partial(AlexNet, widths=(24, 64, 96, 96, 64), hidden=512, stem="small", init="he")

# fmt: off
CARDS = (
    Card("alexnet", "AlexNet", PAPER, IMAGENET, AlexNet, 60_965_224, 724_406_816, published=(
        Published("abstract", params="60 million", checked=True),
        Published("table 2", top1_err=40.7, top5_err=18.2, checked=True,
                  protocol="ImageNet validation, 10 crops, single network"),
        Published("table 2", top1_err=38.1, top5_err=16.4, checked=True,
                  protocol="ImageNet validation, 10 crops, 5 networks"),
        Published("table 2", top5_err=16.4, protocol="ImageNet test, 10 crops, 5 networks", checked=True),
        Published("table 2", top1_err=36.7, top5_err=15.4, checked=True,
                  protocol="ImageNet validation, 10 crops, 7 networks, two of them with a sixth convolution and "
                           "trained on 22,000 classes first"),
        Published("table 1", top1_err=37.5, top5_err=17.0, checked=True,
                  protocol="ImageNet 2010 test, 10 crops, single network"),
        Published("note to section 6", top1_err=39.0, top5_err=18.3, checked=True,
                  protocol="ImageNet 2010 test, 1 crop, single network"),
    ), departures=(
        "Images of 227 px: the paper says 224, but 11x11 windows at a stride of 4 fill its 55 x 55 maps from 227 px.",
        "conv1 starts from N(0, 0.576): the paper's N(0, 0.01) is for pixels of 0 to 255, whose deviation is 57.6, and "
        "our images have deviation 1.",
    ), note="The groups are the paper's two graphics cards; without them, as most libraries have this network, it "
            "would have 62,378,344 parameters and 1,135,256,096 MACs. The response norm multiplies its sum by "
            "alpha = 1e-4, where PyTorch and Caffe divide alpha by 5 first."),
    Card("alexnet_he", "AlexNet", PAPER, IMAGENET, partial(AlexNet, init="he"), 60_965_224, 724_406_816, departures=(
        "Initial weights after He and others (2015) and biases of 0, from which today's optimizers learn at once.",
        "Images of 227 px, as `alexnet`.",
    )),
    Card("alexnet_32", "AlexNet", PAPER, SMALL, QUARTER, 708_970, 12_821_760, 10, departures=(
        "For images of 16 to 64 px: conv1 is 5x5 with stride 1 and keeps the image's size, instead of 11x11 with "
        "stride 4.",
        "A quarter of the paper's maps in every convolution and an eighth of its hidden units: 24, 64, 96, 96, 64 and "
        "512; 10 classes.",
        "Weights after He, N(0, 2/fan-in), with biases of zero. The paper's N(0, 0.01) suits its own fan-ins: in "
        "layers this narrow hardly any signal is left at the output, and AdamW does not train them.",
    )),
)
