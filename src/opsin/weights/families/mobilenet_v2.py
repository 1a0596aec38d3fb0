"""MobileNetV2: the keys of torchvision and of timm, and the weights of both."""

import re
from functools import partial

from opsin.models.mobilenet_v2 import TABLE_2
from opsin.weights.public import Keys, images, timm_weights, torchvision_weights

ROWS = [(row, i) for row, (*_, repeats, _) in enumerate(TABLE_2) for i in range(repeats)]
"""The row of table 2 to which each of our blocks belongs, and its place there."""


def _torchvision_key(key: str) -> str:
    """blocks.1.project.0.weight -> features.2.conv.2.weight"""
    block = re.fullmatch(r"blocks\.(\d+)\.(\w+)\.(\d)\.(.+)", key)
    if block is None:
        names = {"stem": "features.0", "head": "features.18", "classifier": "classifier.1"}
        layer, _, rest = key.partition(".")
        return f"{names[layer]}.{rest}"
    index, part, layer, rest = int(block[1]), block[2], int(block[3]), block[4]
    place = {"expand": 0, "depthwise": 1, "project": 2}[part] - (index == 0)
    where = f"{place + layer}" if part == "project" else f"{place}.{layer}"
    return f"features.{index + 1}.conv.{where}.{rest}"


def _timm_key(key: str) -> str:
    """blocks.1.project.0.weight -> blocks.1.0.conv_pwl.weight"""
    block = re.fullmatch(r"blocks\.(\d+)\.(\w+)\.(\d)\.(.+)", key)
    if block is None:
        names = {"stem.0": "conv_stem", "stem.1": "bn1", "head.0": "conv_head", "head.1": "bn2"}
        layer, _, rest = key.rpartition(".")
        return f"{names.get(layer, layer)}.{rest}"
    row, i = ROWS[int(block[1])]
    parts = {"depthwise": ("conv_dw", "bn1"), "project": ("conv_pw", "bn2")}
    if row:
        parts = {"expand": ("conv_pw", "bn1"), "depthwise": ("conv_dw", "bn2"), "project": ("conv_pwl", "bn3")}
    return f"blocks.{row}.{i}.{parts[block[2]][int(block[3])]}.{block[4]}"


TORCHVISION, TIMM = Keys(_torchvision_key), Keys(_timm_key)
IN_TORCHVISION = {"mobilenet_v2_100": "mobilenet_v2"}
IN_TIMM = {f"mobilenet_v2_{width}": f"mobilenetv2_{width}" for width in ("140", "100", "075", "050", "035")}
EXPORTS = {"torchvision": (IN_TORCHVISION, TORCHVISION), "timm": (IN_TIMM, TIMM)}
_torchvision = partial(torchvision_weights, IN_TORCHVISION, TORCHVISION)
_timm = partial(timm_weights, IN_TIMM, TIMM)

# fmt: off
PUBLIC = (
    _timm("mobilenet_v2_140", "ra_in1k", images(224, 256, "bicubic")),
    _torchvision("mobilenet_v2_100", "IMAGENET1K_V2", "mobilenet_v2-7ebf99e0.pth", images(224, 232)),
    _torchvision("mobilenet_v2_100", "IMAGENET1K_V1", "mobilenet_v2-b0353104.pth"),
    _timm("mobilenet_v2_100", "ra_in1k", images(224, 256, "bicubic")),
    _timm("mobilenet_v2_050", "lamb_in1k", images(224, 256, "bicubic")),
)
