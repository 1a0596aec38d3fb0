"""Swin: torchvision's keys and timm's, and the weights of both.

Left out of timm's weights: windows of 12 at 384 px, which no card has, and the searched networks (`s3`).
"""

import re
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from opsin.models.swin import relative_positions
from opsin.weights.public import Keys, images, timm_weights, torchvision_weights

BIAS_TABLE = "relative_position_bias_table"
TABLES = r".*\.(relative_position_index|attn_mask)"


def _torchvision_key(key: str) -> str:
    """stages.1.0.reduction.weight -> features.2.reduction.weight; stages.1.1.mlp.2.bias -> features.3.0.mlp.3.bias"""
    key = key.replace("patches.", "features.0.0.").replace("patch_norm.", "features.0.2.")
    return _in_stages(key, lambda i: f"features.{2 * i}.", lambda i: f"features.{2 * i + 1}.").replace(
        "mlp.2.", "mlp.3."
    )


def _timm_key(key: str) -> str:
    """stages.1.0.norm.bias -> layers.1.downsample.norm.bias; stages.1.1.mlp.2.bias -> layers.1.blocks.0.mlp.fc2.bias"""
    key = key.replace("patches.", "patch_embed.proj.").replace("patch_norm.", "patch_embed.norm.")
    key = _in_stages(key, lambda i: f"layers.{i}.downsample.", lambda i: f"layers.{i}.blocks.")
    return key.replace("mlp.0.", "mlp.fc1.").replace("mlp.2.", "mlp.fc2.").replace("head.", "head.fc.")


def _in_stages(key: str, merging, blocks) -> str:
    """What both libraries do: merging stands apart from the blocks of a stage, which are counted from 0."""
    found = re.fullmatch(r"stages\.(\d+)\.(\d+)\.(.+)", key)
    if found is None:
        return key
    stage, layer, part = int(found[1]), int(found[2]), found[3]
    if stage and not layer:
        return merging(stage) + part
    part = part.replace("attention.projection", "attn.proj").replace("attention.bias_table", f"attn.{BIAS_TABLE}")
    return f"{blocks(stage)}{layer - (stage > 0)}.{part.replace('attention.', 'attn.')}"


def _authors(key: str) -> str:
    """layers.0.downsample.norm.bias -> layers.1.downsample.norm.bias: there, a stage ends with merging"""
    key = re.sub(r"^layers\.(\d)\.downsample", lambda found: f"layers.{int(found[1]) + 1}.downsample", key)
    return re.sub(r"^head\.(weight|bias)$", r"head.fc.\1", key)


def crop_table(key: str, tensor: Tensor, shape: torch.Size) -> Tensor | None:
    """A bias table for the smaller windows of a small image: those of its rows whose distances they have."""
    old, new = (round(rows**0.5) for rows in (tensor.shape[0], shape[0]))
    if not key.endswith("bias_table") or old < new:
        return None
    edge = (old - new) // 2
    return tensor.unflatten(0, (old, old))[edge : old - edge, edge : old - edge].flatten(0, 1)


def _index(key: str, tensor: Tensor) -> dict[str, Tensor]:
    """torchvision's file has, beside each bias table, which of its rows each pair of tokens takes."""
    if not key.endswith("bias_table"):
        return {}
    window = (round(tensor.shape[0] ** 0.5) + 1) // 2
    name = _torchvision_key(key).replace(BIAS_TABLE, "relative_position_index")
    return {name: relative_positions(window).flatten()}


TORCHVISION = Keys(_torchvision_key, tables=TABLES, resize=crop_table, beside=_index)
AUTHORS = Keys(_timm_key, _authors, tables=TABLES, resize=crop_table)
TIMM = replace(AUTHORS, today=Keys().today, older=AUTHORS)
ARCHITECTURES = {f"swin_{size}_patch4_window7_224": f"swin_{size[0]}" for size in ("tiny", "small", "base")}
TIMM_ARCHITECTURES = {name: name for name in (*ARCHITECTURES, "swin_large_patch4_window7_224")}
EXPORTS = {"torchvision": (ARCHITECTURES, TORCHVISION), "timm": (TIMM_ARCHITECTURES, TIMM)}
_torchvision = partial(torchvision_weights, ARCHITECTURES, TORCHVISION)


def _timm(model: str, tag: str, num_classes: int = 1000):
    return timm_weights(TIMM_ARCHITECTURES, TIMM, model, tag, images(224, 248, "bicubic"), "mit", num_classes)


# fmt: off
PUBLIC = (
    _torchvision("swin_tiny_patch4_window7_224", "IMAGENET1K_V1", "swin_t-704ceda3.pth", images(224, 232, "bicubic")),
    _timm("swin_tiny_patch4_window7_224", "ms_in1k"),
    _timm("swin_tiny_patch4_window7_224", "ms_in22k_ft_in1k"),
    _timm("swin_tiny_patch4_window7_224", "ms_in22k", 21841),
    _torchvision("swin_small_patch4_window7_224", "IMAGENET1K_V1", "swin_s-5e29d889.pth", images(224, 246, "bicubic")),
    _timm("swin_small_patch4_window7_224", "ms_in1k"),
    _timm("swin_small_patch4_window7_224", "ms_in22k_ft_in1k"),
    _timm("swin_small_patch4_window7_224", "ms_in22k", 21841),
    _torchvision("swin_base_patch4_window7_224", "IMAGENET1K_V1", "swin_b-68c6b09e.pth", images(224, 238, "bicubic")),
    _timm("swin_base_patch4_window7_224", "ms_in1k"),
    _timm("swin_base_patch4_window7_224", "ms_in22k_ft_in1k"),
    _timm("swin_base_patch4_window7_224", "ms_in22k", 21841),
    _timm("swin_large_patch4_window7_224", "ms_in22k_ft_in1k"),
    _timm("swin_large_patch4_window7_224", "ms_in22k", 21841),
)
