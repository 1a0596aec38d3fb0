"""DenseNet: torchvision's keys, which timm shares, and the weights of both."""

import re
from functools import partial

from opsin.weights.public import Keys, images, timm_weights, torchvision_weights


def _theirs(key: str) -> str:
    """stages.1.0.conv.weight -> features.transition1.conv.weight; stages.1.1.bn1.weight ->
    features.denseblock2.denselayer1.norm1.weight
    """
    stage = re.fullmatch(r"stages\.(\d+)\.(\d+)\.(.+)", key)
    if stage is None:
        for ours, theirs in (("stem.0.", "conv0."), ("stem.1.", "norm0."), ("bn.", "norm5.")):
            if key.startswith(ours):
                return f"features.{theirs}{key.removeprefix(ours)}"
        return key
    block, index, rest = int(stage[1]), int(stage[2]), stage[3].replace("bn", "norm")
    if block and not index:
        return f"features.transition{block}.{rest}"
    return f"features.denseblock{block + 1}.denselayer{index if block else index + 1}.{rest}"


def _today(key: str) -> str:
    """denselayer1.norm.1.weight -> denselayer1.norm1.weight, as torchvision's files still have it"""
    return re.sub(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)", r"\1\2", key)


KEYS = Keys(_theirs, _today)
ARCHITECTURES = {f"densenet{depth}": f"densenet{depth}" for depth in (121, 161, 169, 201)}
EXPORTS = {"torchvision": (ARCHITECTURES, KEYS), "timm": (ARCHITECTURES, KEYS)}
_torchvision = partial(torchvision_weights, ARCHITECTURES, KEYS)
_timm = partial(timm_weights, ARCHITECTURES, KEYS)

# fmt: off
PUBLIC = (
    _torchvision("densenet121", "IMAGENET1K_V1", "densenet121-a639ec97.pth"),
    _timm("densenet121", "ra_in1k", images(224, 256, "bicubic")),
    _timm("densenet121", "tv_in1k", images(224, 256, "bicubic")),
    _torchvision("densenet161", "IMAGENET1K_V1", "densenet161-8d451a50.pth"),
    _timm("densenet161", "tv_in1k", images(224, 256, "bicubic")),
    _torchvision("densenet169", "IMAGENET1K_V1", "densenet169-b2777c0a.pth"),
    _timm("densenet169", "tv_in1k", images(224, 256, "bicubic")),
    _torchvision("densenet201", "IMAGENET1K_V1", "densenet201-c1103571.pth"),
    _timm("densenet201", "tv_in1k", images(224, 256, "bicubic")),
)
