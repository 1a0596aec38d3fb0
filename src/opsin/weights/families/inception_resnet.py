"""Inception-ResNet-v2 as released: timm's keys, and its weights, which are the authors' own."""

from functools import partial

from opsin.weights.public import HALF, Keys, images, rename, timm_weights

RULES = {
    r"^stem\.conv1": "conv2d_1a",
    r"^stem\.conv2": "conv2d_2a",
    r"^stem\.conv3": "conv2d_2b",
    r"^stem\.conv4": "conv2d_3b",
    r"^stem\.conv5": "conv2d_4a",
    r"^stem\.branch1x1\.0": "mixed_5b.branch0",
    r"^stem\.branch5x5": "mixed_5b.branch1",
    r"^stem\.branch3x3_twice": "mixed_5b.branch2",
    r"^stem\.branch_pool": "mixed_5b.branch3",
    r"^reduction_a\.branches\.0\.0": "mixed_6a.branch0",
    r"^reduction_a": "mixed_6a",
    r"^reduction_b": "mixed_7a",
    r"^inception_(\w)\.(\d+)\.branches\.0\.0": r"inception_\1.\2.branch0",
    r"^inception_c\.9": "block8",
    r"^inception_a": "repeat",
    r"^inception_b": "repeat_1",
    r"^inception_c": "repeat_2",
    r"\.branches\.": ".branch",
    r"\.expand\.": ".conv2d.",
    r"^conv_last": "conv2d_7b",
    r"^fc\.": "classif.",
}


def _theirs(key: str) -> str:
    """inception_b.2.branches.1.0.conv.weight -> repeat_1.2.branch1.0.conv.weight

    A lone convolution of a branch has no number there, and the last module has a name of its own.
    """
    return rename(key, RULES)


def _today(key: str) -> str:
    """last_linear.weight -> classif.weight, as the port from which timm's came has it"""
    return key.replace("last_linear.", "classif.")


KEYS = Keys(_theirs, _today)
ARCHITECTURES = {"inception_resnet_v2_slim": "inception_resnet_v2"}
EXPORTS = {"timm": (ARCHITECTURES, KEYS)}
_timm = partial(timm_weights, ARCHITECTURES, KEYS, "inception_resnet_v2_slim")
IMAGES = images(299, 333, "bicubic", HALF, HALF)

PUBLIC = (_timm("tf_in1k", IMAGES), _timm("tf_ens_adv_in1k", IMAGES))
