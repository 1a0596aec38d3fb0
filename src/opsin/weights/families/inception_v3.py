"""Inception-v3: torchvision's keys, which timm shares, and the weights of both.

torchvision turns the images for its weights inside the network, from ImageNet's mean and deviation to (x - 0.5) / 0.5;
here that is the preprocessing. Of timm's files tv_in1k alone has the auxiliary head.
"""

from functools import partial

from opsin.weights.public import HALF, Keys, images, rename, timm_weights, torchvision_weights

MODULES = {"35": ("5b", "5c", "5d"), "17": ("6b", "6c", "6d", "6e"), "8": ("7b", "7c")}
RULES = {
    r"^stem\.conv1": "Conv2d_1a_3x3",
    r"^stem\.conv2": "Conv2d_2a_3x3",
    r"^stem\.conv3": "Conv2d_2b_3x3",
    r"^stem\.conv4": "Conv2d_3b_1x1",
    r"^stem\.conv5": "Conv2d_4a_3x3",
    r"^aux\.conv1": "AuxLogits.conv0",
    r"^aux\.conv2": "AuxLogits.conv1",
    r"^aux\.fc": "AuxLogits.fc",
    r"^inception(\d+)\.(\d)": lambda found: f"Mixed_{MODULES[found[1]][int(found[2])]}",
    r"^reduction17\.branches\.0\.0": "Mixed_6a.branch3x3",
    r"^reduction17\.branches\.1": "Mixed_6a.branch3x3dbl",
    r"^reduction8\.branches\.0": "Mixed_7a.branch3x3",
    r"^reduction8\.branches\.1": "Mixed_7a.branch7x7x3",
    r"branch1x1\.0": "branch1x1",
    r"branch_pool\.1": "branch_pool",
    r"_twice": "dbl",
    r"3x3\.horizontal": "3x3_2a",
    r"3x3\.vertical": "3x3_2b",
    r"dbl\.horizontal": "dbl_3a",
    r"dbl\.vertical": "dbl_3b",
    r"\.trunk\.": ".",
    r"(branch\w+)\.(\d)": lambda found: f"{found[1]}_{int(found[2]) + 1}",
}


def _theirs(key: str) -> str:
    """inception17.1.branch7x7_twice.3.conv.weight -> Mixed_6c.branch7x7dbl_4.conv.weight

    Their names are flat: the convolutions of a branch are counted from 1, the two that end a fork are a and b.
    """
    return rename(key, RULES)


KEYS = Keys(_theirs)
ARCHITECTURES = {"inception_v3": "inception_v3"}
EXPORTS = {"torchvision": (ARCHITECTURES, KEYS), "timm": (ARCHITECTURES, KEYS)}
_timm = partial(timm_weights, ARCHITECTURES, KEYS, "inception_v3")
HALVES = images(299, 341, "bicubic", HALF, HALF)

# fmt: off
PUBLIC = (
    torchvision_weights(ARCHITECTURES, KEYS, "inception_v3", "IMAGENET1K_V1", "inception_v3_google-0cc3c7bd.pth",
                        images(299, 342, mean=HALF, std=HALF)),
    _timm("tv_in1k", HALVES),
    _timm("tf_in1k", HALVES),
    _timm("tf_adv_in1k", HALVES),
    _timm("gluon_in1k", images(299, 341, "bicubic")),
)
