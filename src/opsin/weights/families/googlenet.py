"""GoogLeNet with batch norm: torchvision's keys and weights.

torchvision turns the images for these weights inside the network, from ImageNet's mean and deviation to
(x - 0.5) / 0.5; here that is the preprocessing. The auxiliary heads in the file were never trained, says torchvision.
"""

from opsin.weights.public import HALF, Keys, images, rename, torchvision_weights

RULES = {
    r"^stem\.0": "conv1",
    r"^stem\.3": "conv2",
    r"^stem\.4": "conv3",
    r"^(inception\d)\.(\d)": lambda found: found[1] + "abcde"[int(found[2])],
    r"branch1x1": "branch1",
    r"branch3x3": "branch2",
    r"branch5x5": "branch3",
    r"branch_pool": "branch4",
}


def _theirs(key: str) -> str:
    """inception4.1.branch3x3.0.conv.weight -> inception4b.branch2.0.conv.weight"""
    return rename(key, RULES)


KEYS = Keys(_theirs)
ARCHITECTURES = {"googlenet_bn": "googlenet"}
EXPORTS = {"torchvision": (ARCHITECTURES, KEYS)}

PUBLIC = (
    torchvision_weights(
        ARCHITECTURES, KEYS, "googlenet_bn", "IMAGENET1K_V1", "googlenet-1378be20.pth", images(mean=HALF, std=HALF)
    ),
)
