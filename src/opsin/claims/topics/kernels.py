"""Claims about the size and the kind of kernels."""

from opsin.claims.claim import Claim
from opsin.models import alexnet, convnext, lenet5, mobilenet_v1, nin, vgg

# fmt: off
CLAIMS = (
    Claim(
        "T61", "1x1 is to be avoided in first layers",
        "LeNet wanted to avoid 1x1 convolutions, at least on the first layers.",
        "dangerously close to the infamous 1×1 convolutions that LeNet wanted to avoid, at least on the first layers",
        "ACD", lenet5.PAPER,
        "No figure; the paper does not speak of 1x1 convolutions.", "memory",
        "training", "a first layer of 1x1 has the higher test error than one of 3x3 with as many products",
        errs="LeNet-5's paper never discusses 1x1, and a 1x1 convolution is not the pixels themselves.",
        waits="No test yet.",
    ),
    Claim(
        "T11", "Large kernels see global patterns",
        "Larger kernels capture more global patterns.",
        "Larger kernels ... also capture more global patterns", "E", alexnet.PAPER,
        "No figure.", "memory",
        "training", "on drawn images whose classes depend on two distant spots, accuracy beyond the field rises with "
                    "the kernel",
        waits="No test yet: the drawn images are not made yet.",
    ),
    Claim(
        "T14", "1x1 combines what stacking cannot",
        "1x1 convolutions combine features in a way that more convolutional layers cannot.",
        "1x1 ... combine convolutional features in a better way, which is not possible by simply stacking more "
        "convolutional layers", "ABCD", nin.PAPER,
        "CaffeNet's first layer (Mishkin and others, one seed), top-1: .471; with one 1x1 behind it .490, three .509; "
        "with one 3x3 .500, three .538, five .551", "paper",
        "training", "1x1 beats 3x3 with as many products; \"not by stacking\" falls where the 3x3 as they are do as "
                    "well",
        errs="A 1x1 mixes maps, not places: \"spatially combine\" is a slip.",
        waits="No test yet: it needs colour images and a GPU.",
        full="CIFAR-10",
    ),
    Claim(
        "T12", "All we need are 3x3 kernels",
        "Stacks of 3x3 convolutions are better than large kernels.",
        "all we need are 3x3 kernels", "ACDE", vgg.PAPER,
        "Network B against one with a 5x5 for each pair of 3x3: the latter's top-1 error is 7 % higher "
        "(section 4.1).", "paper",
        "training", "the pairs have half a point less error, with as many parameters, too",
        waits="No test yet: it needs colour images and a GPU.",
        full="CIFAR-10",
    ),
    Claim(
        "X18", "Depthwise separable: far fewer weights",
        "Depthwise separable convolutions have far fewer weights at the same performance.",
        "drastically reduces the number of weights ... while still retaining the performance", "E", mobilenet_v1.PAPER,
        "full convolutions 71.7 %, 4,866 M products, 29.3 M parameters; separable 70.6 %, 569 M, 4.2 M (table 4)",
        "paper",
        "training", "weights by 1/N + 1/9 (8.7 times fewer at 256 maps), and at most 1.5 points more error",
        waits="No test yet: the loss of accuracy needs colour images and a GPU.",
        full="CIFAR-10, ten seeds: about twenty minutes on a GPU",
    ),
    Claim(
        "T39", "ConvNeXt's kernels of 7x7",
        "Larger kernels of 7x7 serve ConvNeXt better.",
        "ConvNext proposes larger 7x7 filters", "E", convnext.PAPER,
        "79.9 % with 3x3, 80.6 with 7x7; 9x9 and 11x11 gain no more (section 2.5).", "memory",
        "training", "7x7 has less error than 3x3 with as many products, and 11x11 has as much as 7x7",
        errs="Not all networks before had 3x3: Inception-v3 has 7x1, ResNet begins with 7x7.",
        waits="No test yet: it needs photos of 64 px or more, and a GPU.",
        full="CIFAR-10 and Tiny ImageNet",
    ),
)
