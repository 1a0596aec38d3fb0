"""VGG: our keys are torchvision's; timm has the fully connected layers as convolutions.

torchvision's IMAGENET1K_FEATURES of vgg16 have no fully connected layers and are left out.
"""

from functools import partial

from torch import Tensor

from opsin.weights.public import Keys, images, timm_weights, torchvision_weights

LAYERS = {"classifier.0": "pre_logits.fc1", "classifier.3": "pre_logits.fc2", "classifier.6": "head.fc"}


def _timm_key(key: str) -> str:
    """classifier.0.weight -> pre_logits.fc1.weight; so torchvision's keys are read, too, as timm itself does"""
    layer, _, rest = key.rpartition(".")
    return f"{LAYERS.get(layer, layer)}.{rest}"


def _to_linear(key: str, tensor: Tensor) -> Tensor:
    """fc1 and fc2: 4096 C h w -> 4096 C*h*w."""
    return tensor.flatten(1) if key.startswith("classifier") and tensor.ndim == 4 else tensor


def _to_convolution(key: str, tensor: Tensor) -> Tensor:
    """fc1: 4096 512*7*7 -> 4096 512 7 7; fc2: 4096 4096 -> 4096 4096 1 1."""
    if key == "classifier.0.weight":
        side = round((tensor.shape[1] / 512) ** 0.5)
        return tensor.unflatten(1, (512, side, side))
    return tensor[:, :, None, None] if key == "classifier.3.weight" else tensor


TORCHVISION = Keys()
TIMM = Keys(_timm_key, today=_timm_key, to_ours=_to_linear, to_theirs=_to_convolution)
ARCHITECTURES = {f"vgg{depth}{norm}": f"vgg{depth}{norm}" for norm in ("", "_bn") for depth in (11, 13, 16, 19)}
EXPORTS = {"torchvision": (ARCHITECTURES, TORCHVISION), "timm": (ARCHITECTURES, TIMM)}
FILES = {
    "vgg11": "8a719046",
    "vgg13": "19584684",
    "vgg16": "397923af",
    "vgg19": "dcbb9e9d",
    "vgg11_bn": "6002323d",
    "vgg13_bn": "abd245e5",
    "vgg16_bn": "6c64b313",
    "vgg19_bn": "c79401a0",
}
_torchvision = partial(torchvision_weights, ARCHITECTURES, TORCHVISION)
_timm = partial(timm_weights, ARCHITECTURES, TIMM)

PUBLIC = (
    *(_torchvision(name, "IMAGENET1K_V1", f"{name}-{digits}.pth") for name, digits in FILES.items()),
    *(_timm(name, "tv_in1k", images(), "bsd-3-clause") for name in FILES),
)
