"""AlexNet in one tower: one weird trick for parallelizing convolutional neural networks (Krizhevsky, 2014).

The paper is about sharing a network's training among graphics cards: the convolutions by images, the fully connected
layers by units. On the way it gives AlexNet a single tower, in which every layer sees all maps of the one before and
so needs fewer of them for the same number of weights. This is the network that most libraries call AlexNet.
"""

from functools import partial
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from opsin.cards import Card, Inputs, Paper, Published
from opsin.models.layers import PIXEL_DEVIATION, LocalResponseNorm
from opsin.models.network import Network


class AlexNetOWT(Network):
    """The single tower of section 5. N C S S -> N num_classes, S = `input_size`.

    `widths` gives the maps of conv1 to conv5, `hidden` the units of fc6 and fc7. The ImageNet stem is an 11x11
    convolution of stride 4, the small one a 5x5 convolution of stride 1 that keeps the image's size. `response_norm`
    normalises the maps of conv1 and conv2, as in the network of 2012.
    """

    last_layer = "fc8"

    def __init__(
        self,
        widths: tuple[int, int, int, int, int] = (64, 192, 384, 256, 256),
        hidden: int = 4096,
        *,
        stem: Literal["imagenet", "small"] = "imagenet",
        response_norm: bool = False,
        dropout: float = 0.5,
        init: Literal["released", "he"] = "released",
        input_size: int = 224,
        num_classes: int = 1000,
        in_chans: int = 3,
    ):
        super().__init__()
        w1, w2, w3, w4, w5 = widths
        if stem == "imagenet":
            self.conv1 = nn.Conv2d(in_chans, w1, 11, stride=4, padding=2)
            side = (input_size + 4 - 11) // 4 + 1
        else:
            self.conv1 = nn.Conv2d(in_chans, w1, 5, padding=2)
            side = input_size
        self.conv2 = nn.Conv2d(w1, w2, 5, padding=2)
        self.conv3 = nn.Conv2d(w2, w3, 3, padding=1)
        self.conv4 = nn.Conv2d(w3, w4, 3, padding=1)
        self.conv5 = nn.Conv2d(w4, w5, 3, padding=1)
        for _ in range(3):
            side = (side - 3) // 2 + 1
        self.fc6 = nn.Linear(w5 * side**2, hidden)
        self.fc7 = nn.Linear(hidden, hidden)
        self.fc8 = nn.Linear(hidden, num_classes)
        self.norm = LocalResponseNorm() if response_norm else nn.Identity()
        self.pool = nn.MaxPool2d(3, stride=2)
        self.dropout = nn.Dropout(dropout)
        self.initialise(init)

    def initialise(self, init: Literal["released", "he"]) -> None:
        """As the author's released configuration has it, or He's N(0, 2/fan-in) with biases of zero.

        For the released one, conv1 is scaled to images of deviation 1 (see PIXEL_DEVIATION).
        """
        biases = {"conv2": 1.0, "conv4": 1.0, "conv5": 1.0, "fc6": 1.0, "fc7": 1.0, "fc8": -7.0}
        for name, parameter in self.named_parameters():
            layer = name.partition(".")[0]
            if name.endswith("bias"):
                nn.init.constant_(parameter, biases.get(layer, 0.0) if init == "released" else 0.0)
            elif init == "released":
                deviations = {"conv1": 0.01 * PIXEL_DEVIATION, "conv3": 0.03, "conv4": 0.03, "conv5": 0.03}
                nn.init.normal_(parameter, std=deviations.get(layer, 0.01))
            else:
                nn.init.kaiming_normal_(parameter, nonlinearity="relu")

    def forward_features(self, x: Tensor) -> Tensor:
        x = self.pool(self.norm(F.relu(self.conv1(x))))  # N 64 27 27 (at 224 px)
        x = self.pool(self.norm(F.relu(self.conv2(x))))  # N 192 13 13
        x = F.relu(self.conv3(x))
        x = F.relu(self.conv4(x))
        return self.pool(F.relu(self.conv5(x)))  # N 256 6 6

    def forward(self, x: Tensor) -> Tensor:
        x = self.forward_features(x).flatten(1)  # N 9216
        x = F.relu(self.fc6(self.dropout(x)))
        x = F.relu(self.fc7(self.dropout(x)))
        return self.fc8(x)


PAPER = Paper(
    title="One weird trick for parallelizing convolutional neural networks",
    authors="Krizhevsky",
    year=2014,
    venue="arXiv",
    url="https://arxiv.org/abs/1404.5997",
)
BROUGHT = (
    "Convolutions are shared out among graphics cards by images and fully connected layers by units, so that training "
    "gains from up to eight of them. On the way AlexNet gets a single tower, the one that libraries call AlexNet."
)
IMAGENET = Inputs(channels=3, size=224, minimum=63, fixed=True)
SMALL = Inputs(channels=3, size=32, minimum=16, fixed=True)

# fmt: off
CARDS = (
    Card("alexnet_owt", "AlexNet-2014", PAPER, IMAGENET, AlexNetOWT, 61_100_840, 714_188_480, published=(
        Published("table 2", top1_err=42.33,
                  protocol="ImageNet validation, 1 graphics card, batches of 128; the paper does not name the crops"),
    ), departures=(
        "conv4 has 256 maps, as in the author's released configuration and in all public weights. The footnote on the "
        "widths has 384, which makes 61,838,248 parameters and 838,788,800 MACs: widths=(64, 192, 384, 384, 256).",
        "No response norm: the released configuration has it behind conv1 and conv2, all public weights go without. "
        "response_norm=True brings it back; it has no parameters.",
        "Dropout stands before fc6 and fc7, as public weights were trained, and not behind them.",
        "conv1 starts from N(0, 0.576): the released N(0, 0.01) is for pixels of 0 to 255, whose deviation is 57.6, "
        "and our images have deviation 1.",
        "Logits for a softmax: the paper's outputs are 1,000 independent logistic units.",
    ), note="The text says 0.2 % more parameters and 2.4 % fewer connections than with two towers (here 60,965,224 and "
            "724,406,816). With 256 maps in conv4 it is 0.2 % more and 1.4 % fewer, with the footnote's 384 it is "
            "1.4 % more and 15.8 % more: 256 fits the text. The released initial weights, N(0, 0.01) and N(0, 0.03) "
            "in conv3 to conv5, suit these widths; init=\"he\" goes by the fan-in."),
    Card("alexnet_owt_32", "AlexNet-2014", PAPER, SMALL,
         partial(AlexNetOWT, widths=(16, 48, 96, 64, 64), hidden=256, stem="small", init="he"),
         370_394, 12_312_320, 10, departures=(
        "For images of 16 to 64 px: conv1 is 5x5 with stride 1 and keeps the image's size, instead of 11x11 with "
        "stride 4.",
        "A quarter of the maps in every convolution and a sixteenth of the hidden units: 16, 48, 96, 64, 64 and 256; "
        "10 classes.",
        "Weights after He, N(0, 2/fan-in), with biases of zero: fixed deviations do not suit layers this narrow.",
        "No response norm, and dropout before the fully connected layers, as `alexnet_owt`.",
    )),
)
