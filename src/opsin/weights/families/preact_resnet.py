"""Pre-activation ResNet: the keys of timm's resnetv2, and weights for the one of its networks that is ours.

Its resnetv2_18, 34 and 101 have a single first activation where ours of that depth have two; those with "_bit" have
group norm and standardised weights.
"""

from torch import Tensor

from opsin.weights.public import HALF, Keys, images, rename, timm_weights

RULES = {
    r"^conv1\.": "stem.conv.",
    r"^bn2\.": "norm.",
    r"^stages\.(\d)\.": r"stages.\1.blocks.",
    r"\.bn(\d)\.": r".norm\1.",
    r"\.shortcut\.": ".downsample.conv.",
    r"^fc\.": "head.fc.",
}


def _theirs(key: str) -> str:
    """stages.1.0.bn1.weight -> stages.1.blocks.0.norm1.weight"""
    return rename(key, RULES)


def _to_convolution(key: str, tensor: Tensor) -> Tensor:
    """fc: classes C -> classes C 1 1."""
    return tensor[:, :, None, None] if key == "fc.weight" else tensor


KEYS = Keys(_theirs, to_theirs=_to_convolution)
ARCHITECTURES = {"preact_resnet50_v1_5": "resnetv2_50"}
EXPORTS = {"timm": (ARCHITECTURES, KEYS)}

PUBLIC = (
    timm_weights(ARCHITECTURES, KEYS, "preact_resnet50_v1_5", "a1h_in1k", images(224, 235, "bicubic", HALF, HALF)),
)
