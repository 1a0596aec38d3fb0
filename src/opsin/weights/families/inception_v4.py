"""Inception-v4: timm's keys, and its weights, which are those that the authors released."""

from opsin.weights.public import HALF, Keys, images, rename, timm_weights

FIRST = {"a": 6, "b": 11, "c": 19}
RULES = {
    r"^stem\.conv1": "features.0",
    r"^stem\.conv2": "features.1",
    r"^stem\.conv3": "features.2",
    r"^stem\.conv4": "features.3.conv",
    r"^stem\.branch3x3": "features.4.branch0",
    r"^stem\.branch7x7": "features.4.branch1",
    r"^stem\.conv5": "features.5.conv",
    r"^inception_(\w)\.(\d)": lambda found: f"features.{FIRST[found[1]] + int(found[2])}",
    r"^reduction_a\.branches\.0\.0": "features.10.branch0",
    r"^reduction_a\.branches\.": "features.10.branch",
    r"^reduction_b\.branches\.": "features.18.branch",
    r"branch1x1\.0": "branch0",
    r"branch\dx\d_twice": "branch2",
    r"branch\dx\d": "branch1",
    r"branch_pool": "branch3",
    r"branch1\.horizontal": "branch1_1a",
    r"branch1\.vertical": "branch1_1b",
    r"branch2\.horizontal": "branch2_3a",
    r"branch2\.vertical": "branch2_3b",
    r"\.trunk\.": "_",
    r"^fc\.": "last_linear.",
}


def _theirs(key: str) -> str:
    """inception_b.2.branch7x7_twice.3.conv.weight -> features.13.branch2.3.conv.weight

    Layers and branches are counted; a lone convolution of a branch has no number. In the last modules those of a branch
    are numbered with an underscore, and the two that end its fork are a and b.
    """
    return rename(key, RULES)


KEYS = Keys(_theirs)
ARCHITECTURES = {"inception_v4": "inception_v4"}
EXPORTS = {"timm": (ARCHITECTURES, KEYS)}

PUBLIC = (timm_weights(ARCHITECTURES, KEYS, "inception_v4", "tf_in1k", images(299, 341, "bicubic", HALF, HALF)),)
