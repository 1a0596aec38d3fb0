"""Claims about images: how many, how clean, how large, and what networks make of their order and colour."""

from opsin.claims.claim import Claim
from opsin.claims.experiments import data
from opsin.claims.topics.papers import MISHKIN, ZEILER
from opsin.models import lenet5, vit

# fmt: off
CLAIMS = (
    Claim(
        "T01", "Pixels by themselves waste correlation",
        "Pixels taken as separate inputs do not use that neighbours are correlated, as convolutions do.",
        "individual pixel of the image as separate input features would not take advantage of these correlations",
        "ACD",
        lenet5.PAPER,
        "MNIST: 28x28-300-10 4.7 %, LeNet-5 0.95", "memory",
        "training", "what convolutions gain over a fully connected network of as many parameters shrinks by a point or "
                    "more where all images' pixels are shuffled alike, and the latter does not change",
        experiment=data.NEIGHBOURS,
        trains=1.0,
        full="MNIST and Fashion-MNIST",
    ),
    Claim(
        "T60", "Kernel machines were better on small sets",
        "On the small data sets of their time support vector machines were better and took less computation.",
        "showing much better performance on the smaller datasets of the time with much less computational demands", "E",
        lenet5.PAPER,
        "MNIST: polynomial SVM 1.1 %, virtual SVM 0.8, LeNet-5 0.95", "memory",
        "training", "up to 1,000 images an SVM has no more error and takes less time",
        waits="No test yet.",
    ),
    Claim(
        "T57", "Early layers see details, late ones patterns",
        "Early layers pick up details, late ones patterns over the whole image.",
        "earlier layers in a CNN can only pick low-level details ... the latter layers pick up more spread-out "
        "global-level patterns", "E", ZEILER,
        "No figure.", "memory",
        "training", "on drawn images a linear probe for texture is best at an earlier layer than one for shape, the "
                    "interval of the difference above 0",
        waits="No test yet: the drawn images are not made yet.",
    ),
    Claim(
        "T42", "Learn a colour space",
        "A learned transformation of RGB in front of a network helps.",
        "apply a learned colorspace transformation of RGB", "AC", MISHKIN,
        "CaffeNet at 128 px, one seed, top-1: RGB .471; through ten maps and back .485 (VLReLU), .488 (maxout), .463 "
        "(tanh); grey .413", "paper",
        "training", "lower error than RGB and than a first layer of as many parameters",
        waits="No test yet: it needs colour images.",
        full="CIFAR-10, twenty seeds",
    ),
    Claim(
        "T47", "Look for the plateau before buying data",
        "Before more images are collected, check whether the error still falls with their number.",
        "when investing in increasing training set size, check if a plateau has not been reach", "AC", MISHKIN,
        "CaffeNet at 128 px, one seed, top-1 with 1.2 M, 800, 600, 400 and 200 thousand images: .471, .438, .425, "
        ".393, .305", "paper",
        "training", "a power law through fewer images foretells the error of the most within its interval",
        waits="No test yet: it takes the runs of T02.",
    ),
    Claim(
        "T48", "Clean labels are worth more than many",
        "Clean data matter more than many.",
        "Cleanliness of the data is more important than the size", "AC", MISHKIN,
        "CaffeNet at 128 px, one seed, top-1: clean .471; 5, 10, 15 and 50 % wrong .458, .447, .437, .347; 800 "
        "thousand clean ones .438", "paper",
        "training", "n images with a share p wrong are worse by a point than n (1 - p) clean ones, interval above 0, "
                    "in the mean of 10, 20 and 40 %; partly if it is less, or not sure for each of them",
        experiment=data.CLEAN,
        trains=3.0,
        full="CIFAR-10N, whose labels are wrong by nature, on a GPU",
    ),
    Claim(
        "T49", "A smaller stride does as a larger image",
        "Where images cannot be larger, a smaller stride in the first layer has about the same effect.",
        "if you cannot increase the input image size, reduce the stride ... roughly the same effect", "AC", MISHKIN,
        "CaffeNet, one seed, top-1: 224 px with stride 8 .453, 160 with 5 .470, 128 with 4 .471, 227 with 4 .565",
        "paper",
        "training", "small images with stride 1 and large ones with stride 2 are equal within a point",
        waits="No test yet: it needs colour images.",
        full="CIFAR-10 at 32 and 64 px",
    ),
    Claim(
        "T02", "Convolutions need fewer images",
        "Their inductive biases let convolutional networks learn from fewer images.",
        "Inductive biases make CNNs less data-hungry", "E", vit.PAPER,
        "The article gives no figure.", "memory",
        "training", "how many times more images a fully connected network needs for nine of ten right (where a CNN "
                    "does not come so far, for what that has with 400): 1.5, interval above 1.5 / 1.25; partly above 1",
        experiment=data.HUNGER,
        trains=11.0,
        full="CIFAR-10, up to 50,000 images",
    ),
)
