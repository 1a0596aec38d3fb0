"""SENet: timm's keys and weights.

Its legacy_seresnet50, 101 and 152 are the authors' Caffe networks with the authors' own weights; their files are not on
the hub. Left out: legacy_seresnet18 and 34, whose blocks have a ReLU before the squeeze, as no paper has it; seresnet18
and 34, whose narrowest squeeze has 8 units where the ratio of 16 gives 4; legacy_seresnext50_32x4d and legacy_senet154,
whose max pooling is not padded on all sides as ours is.
"""

from torch import Tensor

from opsin.weights.public import Keys, Weights, images, rename, timm_weights

SHARED = {
    r"^stages\.(\d)": lambda found: f"layer{int(found[1]) + 1}",
    r"\.shortcut\.": ".downsample.",
    r"\.conv(\d)\.0\.": r".conv\1.",
    r"\.conv(\d)\.1\.": r".bn\1.",
}
PLAIN_RULES = {r"^stem\.0\.0\.": "conv1.", r"^stem\.0\.1\.": "bn1."} | SHARED
LEGACY_RULES = {
    r"^stem\.0\.0\.": "layer0.conv1.",
    r"^stem\.0\.1\.": "layer0.bn1.",
    r"\.se\.": ".se_module.",
    r"^fc\.": "last_linear.",
} | SHARED
DEEP_STEM_RULES = {
    r"^stem\.4\.1\.": "bn1.",
    r"^stem\.(\d)\.(\d)\.": lambda found: f"conv1.{3 * int(found[1]) // 2 + int(found[2])}.",
} | SHARED


def _plain(key: str) -> str:
    """stages.0.1.conv2.1.weight -> layer1.1.bn2.weight"""
    return rename(key, PLAIN_RULES)


def _legacy(key: str) -> str:
    """stages.0.1.se.fc1.weight -> layer1.1.se_module.fc1.weight"""
    return rename(key, LEGACY_RULES)


def _deep_stem(key: str) -> str:
    """stem.2.1.weight -> conv1.4.weight, its three convolutions, batch norms and ReLUs in one list"""
    return rename(key, DEEP_STEM_RULES)


def _to_convolution(key: str, tensor: Tensor) -> Tensor:
    """The layers of SE blocks: C C' -> C C' 1 1."""
    return tensor[:, :, None, None] if ".se." in key and tensor.ndim == 2 else tensor


PLAIN, LEGACY, DEEP_STEM = (Keys(theirs, to_theirs=_to_convolution) for theirs in (_plain, _legacy, _deep_stem))
ARCHITECTURES = {
    "se_resnet50": "legacy_seresnet50",
    "se_resnet101": "legacy_seresnet101",
    "se_resnet152": "legacy_seresnet152",
    "se_resnet50_v1_5": "seresnet50",
    "se_resnext50_32x4d": "seresnext50_32x4d",
    "senet154": "senet154",
}
KEYS = {model: LEGACY if "legacy" in name else PLAIN for model, name in ARCHITECTURES.items()} | {"senet154": DEEP_STEM}
EXPORTS = {"timm": (ARCHITECTURES, KEYS)}
CONVERTED = "https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-cadene"


def _timm(model: str, tag: str, resize: int = 256, size: int = 224) -> Weights:
    return timm_weights(ARCHITECTURES, KEYS[model], model, tag, images(size, resize, "bicubic"))


def _authors(model: str, file: str) -> Weights:
    return timm_weights(ARCHITECTURES, LEGACY, model, "in1k", images(), file=f"{CONVERTED}/{file}")


# fmt: off
PUBLIC = (
    _authors("se_resnet50", "se_resnet50-ce0d4300.pth"),
    _authors("se_resnet101", "se_resnet101-7e38fcc6.pth"),
    _authors("se_resnet152", "se_resnet152-d17c99b7.pth"),
    _timm("se_resnet50_v1_5", "a1_in1k", 235),
    _timm("se_resnet50_v1_5", "a2_in1k", 235),
    _timm("se_resnet50_v1_5", "a3_in1k", 168, size=160),
    _timm("se_resnet50_v1_5", "ra2_in1k"),
    _timm("se_resnext50_32x4d", "racm_in1k"),
    _timm("se_resnext50_32x4d", "gluon_in1k"),
    _timm("senet154", "gluon_in1k"),
)
