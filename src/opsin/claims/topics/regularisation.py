"""Claims about overfitting and what is done against it."""

from opsin.claims.claim import Claim
from opsin.claims.topics.papers import WIDE_RESNET, ZHANG
from opsin.models import alexnet

# fmt: off
CLAIMS = (
    Claim(
        "T05", "Dropout avoids overfitting",
        "Dropout keeps a network from overfitting.",
        "dropout ... a way to avoid overfitting", "ACDE", alexnet.PAPER,
        "Without dropout the network overfits substantially; with it training takes twice the iterations. It is on the "
        "first two fully connected layers (section 4.2).", "paper",
        "training", "between 200 and all images the gap between training and test falls and so does the test error; "
                    "partly where the gap alone falls",
        errs="Article E has it in each layer; it is in the first two fully connected ones alone.",
        waits="No test yet: it trains to convergence at several numbers of images.",
        full="CIFAR-10",
    ),
    Claim(
        "T06", "Dropout does not suit every data set",
        "For some data sets dropout does not help.",
        "research activities shows dropout it not fit for some of dataset", "A", WIDE_RESNET,
        "Dropout gains little on CIFAR-10; CaffeNet with batch norm (Mishkin and others): .499 with a half, .527 with "
        "a fifth, .513 without", "paper",
        "training", "the effect of dropout has different signs in two settings, both intervals off 0",
        waits="No test yet: it takes the runs of T05 on four sets of images.",
    ),
    Claim(
        "T59", "A large network memorises its training set",
        "A network that is large enough learns the whole training set by heart.",
        "a complex neural network will just memorize the entire training dataset", "E", ZHANG,
        "Random labels are fitted to a training error of 0.", "memory",
        "training", "with random labels the training error falls below 1 %",
        waits="No test yet.",
    ),
)
