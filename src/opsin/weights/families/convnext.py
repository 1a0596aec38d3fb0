"""ConvNeXt: torchvision's keys and timm's, and the weights of both.

Left out of timm's weights: those whose last layer gives no classes but CLIP's space of images and words, and those of
DINOv3 and EUPE, under licences of their own. timm squeezes the whole image into the square for its weights at 384 px
(but one); we take the centre square.
"""

import re
from dataclasses import replace
from functools import partial

from torch import Tensor

from opsin.weights.public import Keys, images, timm_weights, torchvision_weights

TORCHVISION_PARTS = {"depthwise": "block.0", "norm": "block.2", "expand": "block.3", "project": "block.5"}
TIMM_PARTS = {"depthwise": "conv_dw", "expand": "mlp.fc1", "project": "mlp.fc2", "layer_scale": "gamma"}


def _torchvision_key(key: str) -> str:
    """stages.1.2.norm.bias -> features.3.0.block.2.bias; stages.1.0.bias, between stages, -> features.2.0.bias"""
    found = re.fullmatch(r"stages\.(\d)\.(\d+)\.(\w+)(.*)", key)
    if found is None:
        return key.replace("norm.", "classifier.0.").replace("head.", "classifier.2.")
    stage, layer, part, rest = int(found[1]), int(found[2]), found[3], found[4]
    if layer < 2:
        return f"features.{2 * stage}.{layer}.{part}{rest}"
    return f"features.{2 * stage + 1}.{layer - 2}.{TORCHVISION_PARTS.get(part, part)}{rest}"


def _timm_key(key: str) -> str:
    """stages.1.2.expand.bias -> stages.1.blocks.0.mlp.fc1.bias; stages.1.0.bias -> stages.1.downsample.0.bias"""
    found = re.fullmatch(r"stages\.(\d)\.(\d+)\.(\w+)(.*)", key)
    if found is None:
        return key.replace("head.", "head.fc.").replace("norm.", "head.norm.")
    stage, layer, part, rest = int(found[1]), int(found[2]), found[3], found[4]
    if layer < 2:
        return f"stages.{stage}.downsample.{layer}.{part}" if stage else f"stem.{layer}.{part}"
    return f"stages.{stage}.blocks.{layer - 2}.{TIMM_PARTS.get(part, part)}{rest}"


def _today(key: str) -> str:
    """stages.0.1.pwconv1.bias -> stages.0.blocks.1.mlp.fc1.bias, as the authors' own files have it"""
    key = key.replace("downsample_layers.0.", "stem.")
    key = re.sub(r"^downsample_layers\.(\d)", r"stages.\1.downsample", key)
    key = re.sub(r"^stages\.(\d)\.(\d+)\.", r"stages.\1.blocks.\2.", key)
    key = key.replace(".dwconv.", ".conv_dw.").replace(".pwconv", ".mlp.fc")
    return re.sub(r"^head\.(weight|bias)$", r"head.fc.\1", re.sub(r"^norm\.", "head.norm.", key))


def _with_axes(key: str, tensor: Tensor) -> Tensor:
    """torchvision's layer scale is C 1 1."""
    return tensor[:, None, None] if key.endswith("layer_scale") else tensor


TORCHVISION, TIMM = Keys(_torchvision_key, to_theirs=_with_axes), Keys(_timm_key, _today)
NAMES = ("convnext_tiny", "convnext_small", "convnext_base", "convnext_large")
ARCHITECTURES = {name: name for name in NAMES}
EXPORTS = {"torchvision": (ARCHITECTURES, TORCHVISION), "timm": (ARCHITECTURES, TIMM)}
CLIP = {"mean": (0.48145466, 0.4578275, 0.40821073), "std": (0.26862954, 0.26130258, 0.27577711)}
_torchvision = partial(torchvision_weights, ARCHITECTURES, TORCHVISION)


def _timm(model: str, tag: str, size: int = 224, resize: int | None = 256, num_classes: int = 1000):
    preprocess = images(size, resize, "bicubic")
    if tag.startswith("clip"):
        preprocess = replace(preprocess, **CLIP)
    return timm_weights(ARCHITECTURES, TIMM, model, tag, preprocess, num_classes=num_classes)


# fmt: off
PUBLIC = (
    _torchvision("convnext_tiny", "IMAGENET1K_V1", "convnext_tiny-983f1562.pth", images(224, 236)),
    _timm("convnext_tiny", "in12k_ft_in1k", 224, 235),
    _timm("convnext_tiny", "in12k_ft_in1k_384", 384, None),
    _timm("convnext_tiny", "in12k", 224, 235, 11821),
    _timm("convnext_tiny", "fb_in22k_ft_in1k"),
    _timm("convnext_tiny", "fb_in22k_ft_in1k_384", 384, None),
    _timm("convnext_tiny", "fb_in22k", num_classes=21841),
    _timm("convnext_tiny", "fb_in1k"),
    _torchvision("convnext_small", "IMAGENET1K_V1", "convnext_small-0c510722.pth", images(224, 230)),
    _timm("convnext_small", "in12k_ft_in1k", 224, 235),
    _timm("convnext_small", "in12k_ft_in1k_384", 384, None),
    _timm("convnext_small", "in12k", 224, 235, 11821),
    _timm("convnext_small", "fb_in22k_ft_in1k"),
    _timm("convnext_small", "fb_in22k_ft_in1k_384", 384, None),
    _timm("convnext_small", "fb_in22k", num_classes=21841),
    _timm("convnext_small", "fb_in1k"),
    _torchvision("convnext_base", "IMAGENET1K_V1", "convnext_base-6075fbad.pth", images(224, 232)),
    _timm("convnext_base", "fb_in22k_ft_in1k"),
    _timm("convnext_base", "fb_in22k_ft_in1k_384", 384, None),
    _timm("convnext_base", "fb_in22k", num_classes=21841),
    _timm("convnext_base", "fb_in1k"),
    _timm("convnext_base", "clip_laion2b_augreg_ft_in12k_in1k", 256, None),
    _timm("convnext_base", "clip_laion2b_augreg_ft_in12k_in1k_384", 384, None),
    _timm("convnext_base", "clip_laion2b_augreg_ft_in12k", 256, None, 11821),
    _timm("convnext_base", "clip_laion2b_augreg_ft_in1k", 256, None),
    _timm("convnext_base", "clip_laiona_augreg_ft_in1k_384", 384, None),
    _torchvision("convnext_large", "IMAGENET1K_V1", "convnext_large-ea097f82.pth", images(224, 232)),
    _timm("convnext_large", "fb_in22k_ft_in1k"),
    _timm("convnext_large", "fb_in22k_ft_in1k_384", 384, None),
    _timm("convnext_large", "fb_in22k", num_classes=21841),
    _timm("convnext_large", "fb_in1k"),
)
