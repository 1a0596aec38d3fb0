"""ViT: torchvision's keys and timm's, and the weights of both; timm names DeiT's apart.

Left out of timm's weights for these sizes: those of other networks (`clip`, `siglip`, `dinov3`, `rope`, `miil` without
a bias of queries, keys and values, DeiT's with a distillation token) and torchvision's of ViT-L at 512 px.
"""

import re
from dataclasses import replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from opsin.weights.public import HALF, Keys, images, timm_weights, torchvision_weights

TORCHVISION_NAMES = {
    "class_token": "class_token",
    "positions": "encoder.pos_embedding",
    "patches": "conv_proj",
    "norm": "encoder.ln",
    "head": "heads.head",
    "norm1": "ln_1",
    "norm2": "ln_2",
    "attention.qkv.weight": "self_attention.in_proj_weight",
    "attention.qkv.bias": "self_attention.in_proj_bias",
    "attention.projection": "self_attention.out_proj",
    "mlp.0": "mlp.0",
    "mlp.3": "mlp.3",
}
TIMM_NAMES = {
    "class_token": "cls_token",
    "positions": "pos_embed",
    "patches": "patch_embed.proj",
    "norm": "norm",
    "head": "head",
    "norm1": "norm1",
    "norm2": "norm2",
    "attention.qkv": "attn.qkv",
    "attention.projection": "attn.proj",
    "mlp.0": "mlp.fc1",
    "mlp.3": "mlp.fc2",
}


def _renamed(names: dict[str, str], blocks: str, key: str) -> str:
    """`blocks` is what stands before a block's number."""
    block, part = re.fullmatch(r"(?:blocks\.(\d+\.))?(.+)", key).groups()  # pyright: ignore[reportOptionalMemberAccess]
    name = next(name for name in (part, part.rpartition(".")[0]) if name in names)
    return (f"{blocks}{block}" if block else "") + names[name] + part.removeprefix(name)


def _torchvision_key(key: str) -> str:
    """blocks.3.attention.projection.bias -> encoder.layers.encoder_layer_3.self_attention.out_proj.bias"""
    return _renamed(TORCHVISION_NAMES, "encoder.layers.encoder_layer_", key)


def _timm_key(key: str) -> str:
    """blocks.3.attention.projection.bias -> blocks.3.attn.proj.bias"""
    return _renamed(TIMM_NAMES, "blocks.", key)


def _today(key: str) -> str:
    """mlp.linear_2.weight -> mlp.3.weight, as torchvision's files still have it"""
    return re.sub(r"\.mlp\.linear_([12])\.", lambda found: f".mlp.{3 * int(found[1]) - 3}.", key)


def resize_positions(key: str, tensor: Tensor, shape: torch.Size) -> Tensor | None:
    """Position embeddings 1 1+old*old D for another grid of patches, 1 1+new*new D; the class token keeps its own."""
    if key != "positions" or tensor.shape[2] != shape[2]:
        return None
    old, new = (round((patches - 1) ** 0.5) for patches in (tensor.shape[1], shape[1]))
    grid = tensor[:, 1:].float().unflatten(1, (old, old)).permute(0, 3, 1, 2)  # 1 D old old
    grid = F.interpolate(grid, (new, new), mode="bicubic", antialias=True)
    return torch.cat((tensor[:, :1], grid.flatten(2).transpose(1, 2).to(tensor.dtype)), dim=1)


TORCHVISION = Keys(_torchvision_key, _today, resize=resize_positions)
TIMM = Keys(_timm_key, resize=resize_positions)
NAMES = [f"vit_{size}_patch16_{px}" for size in ("tiny", "small", "base", "large") for px in (224, 384)]
VIT = {name: name for name in NAMES}
DEIT = {f"vit_{name}": f"deit_{name}" for name in ("tiny_patch16_224", "small_patch16_224", "base_patch16_224")}
DEIT["vit_base_patch16_384"] = "deit_base_patch16_384"
ARCHITECTURES = {f"vit_{size}_patch16_{px}": f"vit_{size[0]}_16" for size in ("base", "large") for px in (224, 384)}
EXPORTS = {"torchvision": (ARCHITECTURES, TORCHVISION), "timm": (VIT, TIMM)}

HALVES, HALVES_384 = images(224, 248, "bicubic", HALF, HALF), images(384, None, "bicubic", HALF, HALF)
IMAGENET, IMAGENET_384 = images(224, 248, "bicubic"), images(384, None, "bicubic")
SWAG = images(224, None, "bicubic")
CLIP = images(224, None, "bicubic", (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
_torchvision = partial(torchvision_weights, ARCHITECTURES, TORCHVISION)
_deit = partial(timm_weights, DEIT, TIMM)


def _timm(model: str, tag: str, preprocess=None, licence: str = "apache-2.0", num_classes: int = 1000):
    usual = HALVES_384 if model.endswith("384") else HALVES
    return timm_weights(VIT, TIMM, model, tag, preprocess or usual, licence, num_classes)


def _swag(*row):
    return replace(_torchvision(*row), licence="CC-BY-NC-4.0 (SWAG)")


# fmt: off
PUBLIC = (
    _timm("vit_tiny_patch16_224", "augreg_in21k_ft_in1k"),
    _timm("vit_tiny_patch16_224", "augreg_in21k", num_classes=21843),
    _deit("vit_tiny_patch16_224", "fb_in1k", IMAGENET),
    _timm("vit_small_patch16_224", "augreg_in21k_ft_in1k"),
    _timm("vit_small_patch16_224", "augreg_in1k"),
    _timm("vit_small_patch16_224", "augreg_in21k", num_classes=21843),
    _timm("vit_small_patch16_224", "dino", IMAGENET, num_classes=0),
    _deit("vit_small_patch16_224", "fb_in1k", IMAGENET),
    _torchvision("vit_base_patch16_224", "IMAGENET1K_V1", "vit_b_16-c867db91.pth"),
    _swag("vit_base_patch16_224", "IMAGENET1K_SWAG_LINEAR_V1", "vit_b_16_lc_swag-4e70ced5.pth", SWAG),
    _timm("vit_base_patch16_224", "augreg2_in21k_ft_in1k"),
    _timm("vit_base_patch16_224", "augreg_in21k_ft_in1k"),
    _timm("vit_base_patch16_224", "orig_in21k_ft_in1k"),
    _timm("vit_base_patch16_224", "augreg_in1k"),
    _timm("vit_base_patch16_224", "sam_in1k"),
    _timm("vit_base_patch16_224", "augreg_in21k", num_classes=21843),
    _timm("vit_base_patch16_224", "orig_in21k", num_classes=0),
    _timm("vit_base_patch16_224", "dino", IMAGENET, num_classes=0),
    _timm("vit_base_patch16_224", "mae", IMAGENET, "cc-by-nc-4.0", 0),
    _timm("vit_base_patch16_224", "bamboo", CLIP, "", 115217),
    _deit("vit_base_patch16_224", "fb_in1k", IMAGENET),
    _torchvision("vit_large_patch16_224", "IMAGENET1K_V1", "vit_l_16-852ce7e3.pth", images(224, 242)),
    _swag("vit_large_patch16_224", "IMAGENET1K_SWAG_LINEAR_V1", "vit_l_16_lc_swag-4d563306.pth", SWAG),
    _timm("vit_large_patch16_224", "augreg_in21k_ft_in1k"),
    _timm("vit_large_patch16_224", "augreg_in21k", num_classes=21843),
    _timm("vit_large_patch16_224", "orig_in21k", num_classes=0),
    _timm("vit_large_patch16_224", "mae", IMAGENET, "cc-by-nc-4.0", 0),
    _timm("vit_tiny_patch16_384", "augreg_in21k_ft_in1k"),
    _timm("vit_small_patch16_384", "augreg_in21k_ft_in1k"),
    _timm("vit_small_patch16_384", "augreg_in1k"),
    _timm("vit_base_patch16_384", "augreg_in21k_ft_in1k"),
    _timm("vit_base_patch16_384", "orig_in21k_ft_in1k"),
    _timm("vit_base_patch16_384", "augreg_in1k"),
    _swag("vit_base_patch16_384", "IMAGENET1K_SWAG_E2E_V1", "vit_b_16_swag-9ac1b537.pth", IMAGENET_384),
    _deit("vit_base_patch16_384", "fb_in1k", IMAGENET_384),
    _timm("vit_large_patch16_384", "augreg_in21k_ft_in1k"),
)
