"""Claims about what shortcuts do: residual networks as ensembles, as recurrences, and their relatives."""

from opsin.claims.claim import Claim
from opsin.claims.experiments import depth
from opsin.claims.topics.papers import LIAO, VEIT, WIDE_RESNET
from opsin.models import densenet, inception_resnet, mobilenet_v2

# fmt: off
CLAIMS = (
    Claim(
        "T26", "A shortcut over one layer gains little",
        "Shortcuts around single layers improve little; it takes two layers.",
        "bypassing a single layer did not give much improvements", "ACD", WIDE_RESNET,
        "WRN-40-2 on CIFAR-10, 2.2 M parameters, shortcuts around 1, 2, 3 and 4 layers: 6.69, 5.43, 5.65 and 5.93 % "
        "(table 3)", "paper",
        "training", "one layer has half a point more error than two, interval above 0, and surely gains less than "
                    "half of what two gain over none; partly where it has surely more error, and no more is so",
        experiment=depth.BYPASS,
        trains=20.0,
        full="CIFAR-10, WRN-40-2, five seeds",
    ),
    Claim(
        "T28", "A ResNet is an ensemble",
        "A residual network behaves like an ensemble of many networks.",
        "ResNet can also be thought as multiple ensembles", "ACD", VEIT,
        "110 layers: to delete any one of 54 blocks hardly changes the error, while any layer of a VGG is vital; the "
        "error grows smoothly with the number deleted.", "memory",
        "training", "the median deletion costs less than 2 points with shortcuts and over 20 without, and the error "
                    "grows in step with the number deleted (Spearman over 0.9)",
        experiment=depth.LESIONS,
        trains=12.0,
        full="ResNet-110 on CIFAR-10",
    ),
    Claim(
        "T29", "A ResNet works by its short paths",
        "A residual network works by paths that are short beside its depth, 20 to 30 layers, it is said, of 110.",
        "usually operates on blocks of relatively low depth ~20-30 layers", "ACD", VEIT,
        "95 % of the paths go through 19 to 35 of 54 blocks; the gradient comes from paths of 5 to 17 blocks, 10 to 34 "
        "layers. Trained on these alone: 5.96 % for 6.10 %.", "paper",
        "training", "90 % of the gradient comes by paths shorter than half of the depth, of 26 and of 50 layers; "
                    "partly of one of them",
        errs="They are paths, not blocks, and the numbers mix blocks with layers: 10 to 34 layers.",
        waits="That they are 20 to 30 layers of 110 is not tested: it takes ResNet-110.",
        experiment=depth.SHORT,
        trains=18.0,
        full="ResNet-110 on CIFAR-10",
    ),
    Claim(
        "T30", "Parallel and serial modules at once",
        "The blocks of a residual network work side by side as well as one behind another.",
        "both parallel and serial modules", "ACD", VEIT,
        "The more pairs of blocks change places, the more the error grows, smoothly.", "memory",
        "training", "with blocks slightly out of order (Kendall's tau 0.8) the error stays under half of chance, and "
                    "not without shortcuts",
        waits="No test yet: it takes the networks of T24.",
    ),
    Claim(
        "T31", "A ResNet is a recurrent network",
        "A residual network is like a recurrent one whose output is fed back to its input.",
        "output is fed back to the input, as in RNN", "ACD", LIAO,
        "With shared weights it comes close to the same accuracy with far fewer parameters (CIFAR-10).", "memory",
        "training", "shared weights are at most a point worse than as many blocks of their own, and better than a "
                    "network of as few parameters",
        waits="No test yet. That it is plausible biologically cannot be tested here.",
        full="CIFAR-10",
    ),
    Claim(
        "T32", "DenseNets let information flow better",
        "In DenseNets information and gradients flow better.",
        "DenseNets have an improved flow of information and gradients", "E", densenet.PAPER,
        "DenseNet-BC-100, k = 12: 4.51 % with 0.8 M parameters (CIFAR-10)", "memory",
        "training", "lower error than a residual network of as many parameters; as many products are told beside",
        waits="No test yet: it needs colour images and a GPU.",
        full="CIFAR-10",
    ),
    Claim(
        "T52", "Inception joined with ResNet",
        "Inception modules gain from shortcuts.",
        "They also combined the Inception module with the ResNet module", "CD", inception_resnet.PAPER,
        "Inception-v4 17.7 and 3.8 %, Inception-ResNet-v2 17.8 and 3.7 (144 crops): shortcuts train faster, to the "
        "same error.", "paper",
        "training", "fewer steps to the same accuracy (1.2 times or more), and equal final errors",
        waits="No test yet: it needs a GPU.",
    ),
    Claim(
        "T37", "Shortcuts belong between bottlenecks",
        "MobileNetV2's shortcuts join the thin ends of its blocks, which is better than joining the thick ones.",
        "authors add shortcuts between the bottlenecks", "E", mobilenet_v2.PAPER,
        "thin ends better than thick ones, these better than none (figure 6)", "memory",
        "training", "lower error with shortcuts at the thin ends than at the thick ones, and than with none",
        waits="No test yet: it needs colour images and a GPU.",
        full="CIFAR-10",
    ),
)
