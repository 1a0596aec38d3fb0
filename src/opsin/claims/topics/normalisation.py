"""Claims about local response normalisation, 2012, and batch normalisation, 2015."""

from opsin.claims.claim import Claim
from opsin.claims.experiments import speed
from opsin.claims.topics.papers import SANTURKAR
from opsin.models import alexnet, bn_inception

# fmt: off
CLAIMS = (
    Claim(
        "T10", "Local response normalisation helps",
        "AlexNet's normalisation over neighbouring maps improves it.",
        "AlexNet also introduced the concept of Local Response Normalization", "E", alexnet.PAPER,
        "1.4 points of top-1; CIFAR-10 from 13 to 11 % (section 3.3). CaffeNet (Mishkin and others): .470 with, .471 "
        "without", "paper",
        "training", "lower test error with it, without batch norm beside it: interval on that side, half a point or "
                    "more",
        waits="No test yet: it needs colour images and twenty seeds.",
        full="CIFAR-10",
    ),
    Claim(
        "X26", "Batch norm whitens",
        "Batch normalisation corresponds to whitening the data.",
        "This corresponds to \"whitening\" the data", "ACD", bn_inception.PAPER,
        "Whitening in full is costly; each feature is normalised by itself instead (section 3).", "memory",
        "exact", "behind a trained batch norm each map has mean 0 and variance 1, and the mean |correlation| between "
                 "maps is below 0.05",
        errs="It is standardisation: the maps stay correlated.",
        experiment=speed.WHITENING,
        trains=0.5,
    ),
    Claim(
        "T19", "Batch norm trains 14 times faster",
        "With batch norm a network converges about 14 times faster.",
        "converge around 14 times faster", "E", bn_inception.PAPER,
        "Steps to 72.2 %: Inception 31.0 M, with batch norm 13.3 M (2.3 times fewer), with batch norm and five times "
        "the rate 2.1 M (14 times) (figures 2 and 3)", "paper",
        "training", "ratio of the steps to within a point of the best error without batch norm, each at the rate with "
                    "the least error on the way: interval above 14 / 1.25; partly above 1; 2.3 for batch norm alone",
        errs="14 is batch norm with five times the rate, no dropout, less weight decay and a quicker schedule; batch "
             "norm alone gave 2.3.",
        experiment=speed.NORM,
        trains=8.0,
        full="CIFAR-10",
    ),
    Claim(
        "T20", "Batch norm allows higher rates",
        "With batch norm a network can be trained at higher learning rates.",
        "let us use higher learning rates", "E", bn_inception.PAPER,
        "It trains at thirty times the rate; without it five times are too many.", "memory",
        "training", "the largest rate within a point of the best error is four times larger or more, interval above 1",
        experiment=speed.SWEEP,
        trains=1.3,
    ),
    Claim(
        "T21", "Batch norm forgives the initial weights",
        "Batch norm makes a network robust to the weights that it starts with.",
        "makes the network robust to the initial weights", "E", bn_inception.PAPER,
        "No figure is printed for it.", "memory",
        "training", "1.5 times more of the scales from 1/64 to 64 end within a point of the best error, the interval "
                    "of the difference above 0",
        experiment=speed.SCALES,
        trains=3.5,
    ),
    Claim(
        "T22", "Batch norm works by less covariate shift",
        "Batch norm helps because it counteracts that the inputs of each layer shift while the others learn.",
        "Batch Normalization aims to counteract ... Internal Covariate Shift", "E", SANTURKAR,
        "A VGG with noise behind its batch norms, by which they shift more, trains as fast (CIFAR-10).", "memory",
        "training", "batch norm with noise behind it loses what it gained in speed",
        errs="The mechanism is contested since 2018.",
        waits="No test yet: it needs a batch norm with noise, and the drift of every layer.",
    ),
)
