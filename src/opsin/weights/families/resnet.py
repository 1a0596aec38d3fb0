"""ResNet: torchvision's keys, which timm shares, and the weights of both."""

import re

from opsin.weights.public import TORCHVISION_LICENCE, Keys, Weights, images


def _theirs(key: str) -> str:
    """stages.0.1.shortcut.0.weight -> layer1.1.downsample.0.weight"""
    key = re.sub(r"^stages\.(\d)", lambda found: f"layer{int(found[1]) + 1}", key)
    return key.replace(".shortcut.", ".downsample.")


KEYS = Keys(_theirs)
ARCHITECTURES = {
    "resnet18": "resnet18",
    "resnet34": "resnet34",
    "resnet50_v1_5": "resnet50",
    "resnet101_v1_5": "resnet101",
    "resnet152_v1_5": "resnet152",
}
EXPORTS = {"torchvision": (ARCHITECTURES, KEYS), "timm": (ARCHITECTURES, KEYS)}


def _torchvision(model: str, tag: str, digits: str, resize: int = 256) -> Weights:
    name = ARCHITECTURES[model]
    file = f"{name}-{digits}.pth"
    return Weights(model, "torchvision", name, tag, KEYS, images(resize=resize), TORCHVISION_LICENCE, file)


def _timm(model: str, tag: str, licence: str, resize: int, interpolation="bicubic", size: int = 224) -> Weights:
    return Weights(model, "timm", ARCHITECTURES[model], tag, KEYS, images(size, resize, interpolation), licence)


# fmt: off
PUBLIC = (
    _torchvision("resnet18", "IMAGENET1K_V1", "f37072fd"),
    _timm("resnet18", "a1_in1k", "apache-2.0", 235),
    _torchvision("resnet34", "IMAGENET1K_V1", "b627a593"),
    _torchvision("resnet50_v1_5", "IMAGENET1K_V2", "11ad3fa6", 232),
    _torchvision("resnet50_v1_5", "IMAGENET1K_V1", "0676ba61"),
    _timm("resnet50_v1_5", "a1_in1k", "apache-2.0", 235),
    _torchvision("resnet101_v1_5", "IMAGENET1K_V2", "cd907fc2", 232),
    _torchvision("resnet101_v1_5", "IMAGENET1K_V1", "63fe2227"),
    _torchvision("resnet152_v1_5", "IMAGENET1K_V2", "f82ba261", 232),
    _torchvision("resnet152_v1_5", "IMAGENET1K_V1", "394f9c45"),
)
