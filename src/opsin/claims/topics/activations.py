"""Claims about non-linearities: how they train, saturate and lose what they are given."""

from opsin.claims.claim import Claim
from opsin.claims.experiments import speed, units
from opsin.claims.topics.papers import GLOROT, MISHKIN
from opsin.models import alexnet, mobilenet_v2

# fmt: off
CLAIMS = (
    Claim(
        "T04", "tanh saturates in deep networks",
        "The deeper a network with tanh is, the more of its units saturate.",
        "The tanh function tends to saturate for deep networks", "E", GLOROT,
        "The top layers of deep networks of sigmoids saturate early in training.", "memory",
        "training", "the share of |tanh| over 0.97 rises with depth (4 to 32), and the first layer's gradient, as a "
                    "share of the last one's, is smaller than with ReLU",
        waits="No test yet: it reads units and gradients inside a network while it trains.",
    ),
    Claim(
        "T03", "ReLU trains six times faster than tanh",
        "With ReLU a network trains about six times faster than with tanh.",
        "RELU ... train the network about 6 times faster than tanH", "E", alexnet.PAPER,
        "Four convolutional layers, CIFAR-10, no regularisation, the rate chosen for each network: about 6 epochs to a "
        "training error of 25 % for about 36 (figure 1)", "paper",
        "training", "ratio of the steps to 25 % training error, each at its own best rate: the interval lies above "
                    "6 / 1.25; partly above 1; not here where it lies below 1.2",
        experiment=speed.RELU,
        trains=35.0,
        full="CIFAR-10",
    ),
    Claim(
        "T41", "ELU without batch norm, ReLU with it",
        "ELU is the better non-linearity without batch norm; with it ReLU is as good.",
        "use ELU non-linearity without batchnorm or ReLU with it", "AC", MISHKIN,
        "CaffeNet at 128 px, one seed, top-1: without batch norm ReLU .471, ELU .488; behind it ReLU .499, ELU .498, "
        "PReLU .503", "paper",
        "training", "the gain of ELU is a point larger without batch norm than with it, interval above 0; partly if it "
                    "is less, or if ELU is not surely better without or may be better by a point with it",
        experiment=units.ELU,
        trains=11.0,
        full="CIFAR-10",
    ),
    Claim(
        "T36", "ReLU loses what few channels carry",
        "A ReLU sets values to zero, by which a layer of few channels can lose information.",
        "RELU zeros out ... can cause the network to lose valuable information", "E", mobilenet_v2.PAPER,
        "A curve embedded in 2 or 3 dimensions collapses behind a ReLU, in 15 or 30 it stays (figure 1); a ReLU in the "
        "bottleneck costs about a point (figure 6)", "memory",
        "training", "what a curve loses falls with the dimensions, and a linear bottleneck has the lower test error "
                    "over ten seeds",
        waits="No test yet.",
        full="CIFAR-10",
    ),
)
