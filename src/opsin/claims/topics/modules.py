"""Claims about modules and how networks are put together: Inception, bottlenecks, squeeze and excitation, search."""

from opsin.claims.claim import Claim
from opsin.claims.experiments import modules as ranks
from opsin.claims.topics.papers import MISHKIN, NATS_BENCH
from opsin.models import googlenet, inception_v3, resnet, senet, xception

# fmt: off
CLAIMS = (
    Claim(
        "T16", "Branches join low and middle features",
        "Inception's branches bring features of low and of middle level together, which is better than one kernel.",
        "combining both low-level and medium-level features", "ACDE", googlenet.PAPER,
        "top-5 6.67 % with seven networks and 144 crops, 10.07 % with one of each (table 3)", "memory",
        "training", "lower error than 3x3 alone, with as many products and with as many parameters",
        errs="Article E has 6.67 % without its seven networks and 144 crops.",
        waits="No test yet: it needs colour images and a GPU.",
        full="CIFAR-10",
    ),
    Claim(
        "T17", "A bottleneck loses no generality",
        "To reduce the maps in front of a large kernel and to expand them behind it loses no generality.",
        "we are not losing generality in this layer", "ABCD", resnet.PAPER,
        "top-1, ten crops: 25.03 % with 34 layers of 3x3; with 50, 101 and 152 layers of bottlenecks 22.85, 21.75 and "
        "21.43 (table 3)", "memory",
        "training", "as good within half a point at equal width; better with as many products",
        waits="No test yet: it needs colour images and a GPU.",
        full="CIFAR-10",
    ),
    Claim(
        "T18", "Maps are correlated, so few suffice",
        "The maps that a layer puts out are correlated, so that fewer can carry them.",
        "input features are correlated, and thus redundancy can be removed", "ABCD", googlenet.PAPER,
        "No figure.", "memory",
        "training", "64 principal components of 256 maps have 95 % of their variance and cost a point at most, 64 "
                    "random ones more",
        waits="No test yet: it needs a trained network of 256 maps.",
    ),
    Claim(
        "T23", "Deeper layers need more maps",
        "As maps shrink with depth, their number should grow.",
        "when depth is increased, the number of features ... is also increased systematically",
        "ACD", inception_v3.PAPER,
        "A principle of design; no figure (section 2).", "memory",
        "training", "growing widths have less error than equal ones, with as many products and as many parameters; "
                    "partly in one of the two",
        waits="No test yet.",
        full="CIFAR-10",
    ),
    Claim(
        "T33", "Squeeze and excitation attends",
        "Squeeze and excitation lets a network see its maps in context, like attention.",
        "self-attention-like method ... contextually aware", "E", senet.PAPER,
        "ResNet-50: top-1 24.80 to 23.29 %, top-5 7.48 to 6.62 (table 2)", "memory",
        "training", "lower error than without it and than a wider network of as many parameters; partly than one of "
                    "them",
        waits="No test yet: it needs colour images and a GPU.",
        full="CIFAR-10 with 20 and 56 layers",
    ),
    Claim(
        "T50", "Leave optimised architectures alone",
        "Complex architectures that are highly optimised, such as GoogLeNet, are easily made worse by changes.",
        "complex and highly optimized architecture, like e.g. GoogLeNet, be careful with modifications", "AC", MISHKIN,
        "GoogLeNet at 128 px, one seed, top-1: .619; with batch norm .603 and .596, before the branches join .645; "
        "with shortcuts .634", "paper",
        "training", "of six changes fewer gain on Inception than on a plain network",
        waits="No test yet: it takes the runs of six other claims.",
        full="CIFAR-10",
    ),
    Claim(
        "T51", "Gains add up, nearly",
        "Changes that gain singly gain nearly their sum together.",
        "sum of individual gains vs all together", "", MISHKIN,
        "The sum of the gains is .085, all together gain .06 (CaffeNet at 128 px, .471 to .530).", "paper",
        "training", "all together gain half of the sum or more",
        waits="No test yet: it takes the runs of six other claims.",
    ),
    Claim(
        "T53", "Xception is as effective as Inception-v4",
        "Xception is as effective as ResNet and Inception-v4.",
        "Xception ... as effective as ResNet and Inception V4", "C", xception.PAPER,
        "79.0 and 94.5 % against 77.0 and 93.3 of ResNet-152 and 78.2 and 94.1 of Inception-v3; no ReLU between the "
        "two halves is better.", "memory",
        "training", "at most half a point more error than Inception with as many parameters, and less without a ReLU "
                    "between the halves",
        errs="The paper does not compare it with Inception-v4.",
        waits="No test yet: it needs colour images and a GPU.",
    ),
    Claim(
        "T56", "Data can tell how to combine modules",
        "An optimal design, and how to combine modules, can be found from data.",
        "use data to inform us of the optimal design and how to combine modules", "ACD", NATS_BENCH,
        "Random and local search are strong; most predictors do not beat the number of parameters (ZiCo, 2023).",
        "paper",
        "training", "a search beats random choice and the best network by hand at two of three budgets; partly only "
                    "the latter",
        waits="Waits for Opsin's search.",
        full="24 hours of a GPU",
    ),
)

RANKS = Claim(
    "modules", "What mattered here",
    "Modules that helped a large network on ImageNet help a small one on these images, in the same order.",
    "", "", MISHKIN,
    "CaffeNet at 128 px, one seed: top-1 .471, with ELU .488, with batch norm .499, with tanh .401, and so on", "paper",
    "training", "rank correlation of the gains of the modules here and there: its interval begins at 0.5 or above; "
                "partly above 0; else not here where it ends below 0.5 and half of the gains, or more, are decided",
    experiment=ranks.RANKS,
    trains=20.0,
)
"""One change of a small network after another, on anyone's images; no statement of the articles, and in no list."""
