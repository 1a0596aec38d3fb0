"""Deep, big, simple networks for handwritten digits (Ciresan, Meier, Gambardella and Schmidhuber, 2010).

Plain multilayer perceptrons, only deeper and wider than others dared: with enough freshly deformed images and a
graphics card, backpropagation alone gave the best result on MNIST of its day, with no convolution and no pre-training.
"""

from functools import partial

from torch import Tensor, nn

from opsin.cards import Card, Inputs, Paper, Published
from opsin.models.layers import ScaledTanh
from opsin.models.network import Network


class MLP(Network):
    """The networks of table 1. N C S S -> N num_classes, S = `input_size`; `hidden` gives the units of each layer."""

    last_layer = "output"

    def __init__(self, hidden: tuple[int, ...], *, input_size: int = 29, num_classes: int = 10, in_chans: int = 1):
        super().__init__()
        layers: list[nn.Module] = []
        inputs = in_chans * input_size**2
        for units in hidden:
            layers += [nn.Linear(inputs, units), ScaledTanh()]
            inputs = units
        self.hidden = nn.Sequential(*layers)
        self.output = nn.Linear(inputs, num_classes)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -0.05, 0.05)  # section 3

    def forward_features(self, x: Tensor) -> Tensor:
        return self.hidden(x.flatten(1))  # N 841 -> N units

    def forward(self, x: Tensor) -> Tensor:
        return self.output(self.forward_features(x))


PAPER = Paper(
    title="Deep, Big, Simple Neural Nets for Handwritten Digit Recognition",
    authors="Ciresan, Meier, Gambardella, Schmidhuber",
    year=2010,
    venue="Neural Computation 22(12)",
    url="https://arxiv.org/abs/1003.0358",
)
BROUGHT = (
    "No new layer and no pre-training: plain perceptrons of up to twelve million weights, digits deformed anew for "
    "every epoch, and a graphics card that makes so much training affordable."
)
INPUTS = Inputs(channels=1, size=29, minimum=8, fixed=True)
BEST_VALIDATION = "MNIST test, single network, at the epoch with the best validation error"
BEST_TEST = "MNIST test, single network, at the epoch with the best test error"
DEPARTURES = (
    "The output units are weighted sums: what follows them belongs to the loss.",
    "The slope of the hyperbolic tangent is 2/3; the paper prints 0.6666.",
)
NOTE = "The printed millions are cut off, not rounded, and fit 29 x 29 = 841 inputs; 784 inputs would not give them."


def _mlp(name, hidden, params, macs, weights, at_best_validation, best_test, *more):
    published = (
        Published("table 1", params=weights, top1_err=at_best_validation, protocol=BEST_VALIDATION),
        Published("table 1", params=weights, top1_err=best_test, protocol=BEST_TEST),
        *more,
    )
    build = partial(MLP, hidden=hidden)
    return Card(name, "Ciresan MLP", PAPER, INPUTS, build, params, macs, 10, published, DEPARTURES, NOTE)


# fmt: off
CARDS = (
    _mlp("ciresan_mlp1", (1000, 500), 1_347_510, 1_346_000, "1.34M", 0.49, 0.44),
    _mlp("ciresan_mlp2", (1500, 1000, 500), 3_269_510, 3_266_500, "3.26M", 0.46, 0.40),
    _mlp("ciresan_mlp3", (2000, 1500, 1000, 500), 6_692_010, 6_687_000, "6.69M", 0.41, 0.39),
    _mlp("ciresan_mlp4", (2500, 2000, 1500, 1000, 500), 12_115_010, 12_107_500, "12.11M", 0.35, 0.32,
         Published("abstract", top1_err=0.35, protocol="MNIST test, single network", checked=True)),
    _mlp("ciresan_mlp5", (1000,) * 9, 8_860_010, 8_851_000, "8.86M", 0.44, 0.43),
)
