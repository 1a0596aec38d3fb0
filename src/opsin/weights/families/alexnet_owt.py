"""AlexNet in one tower: torchvision's keys and weights."""

from functools import partial

from opsin.weights.public import Keys, torchvision_weights

LAYERS = {
    "conv1": "features.0",
    "conv2": "features.3",
    "conv3": "features.6",
    "conv4": "features.8",
    "conv5": "features.10",
    "fc6": "classifier.1",
    "fc7": "classifier.4",
    "fc8": "classifier.6",
}


def _theirs(key: str) -> str:
    """fc6.weight -> classifier.1.weight"""
    layer, _, rest = key.partition(".")
    return f"{LAYERS[layer]}.{rest}"


KEYS = Keys(_theirs)
ARCHITECTURES = {"alexnet_owt": "alexnet"}
EXPORTS = {"torchvision": (ARCHITECTURES, KEYS)}
_torchvision = partial(torchvision_weights, ARCHITECTURES, KEYS)

PUBLIC = (_torchvision("alexnet_owt", "IMAGENET1K_V1", "alexnet-owt-7be5be79.pth"),)
