"""Claims about pooling, inside a network and in front of its classifier."""

from opsin.claims.claim import Claim
from opsin.claims.topics.papers import MISHKIN, SCHERER, SPRINGENBERG
from opsin.models import alexnet, nin

# fmt: off
CLAIMS = (
    Claim(
        "T08", "Max pooling avoids averaging",
        "Max pooling is better than a mean, which blurs.",
        "avoiding the averaging effects of average pooling", "ACD", SCHERER,
        "CaffeNet at 128 px (Mishkin and others), top-1: maximum .471, mean .435, stochastic .438, strided .472",
        "paper",
        "training", "lower test error with maxima: interval on that side, the smallest effect of interest or more",
        waits="No test yet.",
        full="CIFAR-10",
    ),
    Claim(
        "T07", "Overlapping pooling",
        "Pooling windows that overlap are better than those that do not.",
        "overlapping max pooling", "ABCD", alexnet.PAPER,
        "3x3 with stride 2 against 2x2 with stride 2: 0.4 points of top-1, 0.3 of top-5 (section 3.4)", "paper",
        "training", "0.3 points or more with the maps' size equal; without, it is told beside",
        waits="No test yet: an effect so small takes about twenty seeds on CIFAR-10, which needs a GPU.",
        full="CIFAR-10, twenty seeds",
    ),
    Claim(
        "T15", "A mean as the last classifier",
        "A mean over the maps can take the place of fully connected layers in front of the classifier.",
        "average pooling layer as part of the last classifier", "ABCD", nin.PAPER,
        "CIFAR-10: fully connected 11.59 %, with dropout 10.88, mean 10.41 (table 5)", "memory",
        "training", "the mean is at most 0.3 points worse than a fully connected head with dropout, with fewer "
                    "parameters",
        waits="No test yet.",
        full="CIFAR-10",
    ),
    Claim(
        "T09", "Pooling is for small data sets",
        "Pooling is needed where the data set is small; with a large one it can be left out.",
        "this layer is needed when dataset is relatively small ... training large dataset without pooling later is "
        "also viable solution", "A", SPRINGENBERG,
        "All-CNN-C, without pooling: 9.08 % on CIFAR-10; CaffeNet without pooling .472 for .471 (Mishkin and others)",
        "memory",
        "training", "pooling gains with few images and makes no difference with many",
        waits="No test yet: many images mean the 50,000 of CIFAR-10, on a GPU.",
        full="CIFAR-10 with 50,000 images",
    ),
    Claim(
        "T44", "Sum of average and max pooling",
        "The sum of a mean and a maximum pools better than either.",
        "use a sum of the average and max pooling layers", "AC", MISHKIN,
        "CaffeNet at 128 px, one seed, top-1: sum .483, maximum .471, mean .435", "paper",
        "training", "lower test error than with maxima, and than with half of the sum, which keeps the scale",
        waits="No test yet: it takes the runs of T08.",
        full="CIFAR-10, twenty seeds",
    ),
    Claim(
        "T46", "Fully connected layers as convolutions",
        "Fully connected layers used as convolutions, their predictions averaged, gain accuracy.",
        "use fully-connected layers as convolutional and average the predictions", "AC", MISHKIN,
        "CaffeNet at 128 px, one seed, top-1: with ReLU .470 to .494, with ELU .488 to .511", "paper",
        "training", "with the same weights both give the same numbers, and on a larger map the mean has the lower "
                    "error",
        waits="No test yet.",
        full="CIFAR-10",
    ),
)
