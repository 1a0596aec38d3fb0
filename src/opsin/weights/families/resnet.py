"""ResNet: torchvision's keys, which timm shares, and the weights of both."""

import re
from functools import partial

from opsin.weights.public import HALF, Keys, images, timm_weights, torchvision_weights


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
_torchvision = partial(torchvision_weights, ARCHITECTURES, KEYS)
_timm = partial(timm_weights, ARCHITECTURES, KEYS)

# fmt: off
PUBLIC = (
    _torchvision("resnet18", "IMAGENET1K_V1", "resnet18-f37072fd.pth"),
    _timm("resnet18", "a1_in1k", images(224, 235, "bicubic")),
    _timm("resnet18", "a2_in1k", images(224, 235, "bicubic")),
    _timm("resnet18", "a3_in1k", images(160, 168, "bicubic")),
    _timm("resnet18", "fb_ssl_yfcc100m_ft_in1k", images(224, 256, "bilinear"), "cc-by-nc-4.0"),
    _timm("resnet18", "fb_swsl_ig1b_ft_in1k", images(224, 256, "bilinear"), "cc-by-nc-4.0"),
    _timm("resnet18", "gluon_in1k", images(224, 256, "bicubic")),
    _timm("resnet18", "tv_in1k", images(224, 256, "bilinear"), "bsd-3-clause"),
    _torchvision("resnet34", "IMAGENET1K_V1", "resnet34-b627a593.pth"),
    _timm("resnet34", "a1_in1k", images(224, 235, "bicubic")),
    _timm("resnet34", "a2_in1k", images(224, 235, "bicubic")),
    _timm("resnet34", "a3_in1k", images(160, 168, "bicubic")),
    _timm("resnet34", "bt_in1k", images(224, 256, "bicubic")),
    _timm("resnet34", "gluon_in1k", images(224, 256, "bicubic")),
    _timm("resnet34", "ra4_e3600_r224_in1k", images(224, 248, "bicubic", HALF, HALF)),
    _timm("resnet34", "tv_in1k", images(224, 256, "bilinear"), "bsd-3-clause"),
    _torchvision("resnet50_v1_5", "IMAGENET1K_V2", "resnet50-11ad3fa6.pth", images(224, 232)),
    _torchvision("resnet50_v1_5", "IMAGENET1K_V1", "resnet50-0676ba61.pth"),
    _timm("resnet50_v1_5", "a1_in1k", images(224, 235, "bicubic")),
    _timm("resnet50_v1_5", "a1h_in1k", images(176, 195, "bicubic")),
    _timm("resnet50_v1_5", "a2_in1k", images(224, 235, "bicubic")),
    _timm("resnet50_v1_5", "a3_in1k", images(160, 168, "bicubic")),
    _timm("resnet50_v1_5", "am_in1k", images(224, 256, "bicubic")),
    _timm("resnet50_v1_5", "b1k_in1k", images(224, 235, "bicubic")),
    _timm("resnet50_v1_5", "b2k_in1k", images(224, 235, "bicubic")),
    _timm("resnet50_v1_5", "bt_in1k", images(224, 256, "bicubic")),
    _timm("resnet50_v1_5", "c1_in1k", images(224, 235, "bicubic")),
    _timm("resnet50_v1_5", "c2_in1k", images(224, 235, "bicubic")),
    _timm("resnet50_v1_5", "d_in1k", images(224, 235, "bicubic")),
    _timm("resnet50_v1_5", "fb_ssl_yfcc100m_ft_in1k", images(224, 256, "bilinear"), "cc-by-nc-4.0"),
    _timm("resnet50_v1_5", "fb_swsl_ig1b_ft_in1k", images(224, 256, "bilinear"), "cc-by-nc-4.0"),
    _timm("resnet50_v1_5", "gluon_in1k", images(224, 256, "bicubic")),
    _timm("resnet50_v1_5", "ra_in1k", images(224, 256, "bicubic")),
    _timm("resnet50_v1_5", "ram_in1k", images(224, 256, "bicubic")),
    _timm("resnet50_v1_5", "tv2_in1k", images(176, 201, "bilinear"), "bsd-3-clause"),
    _timm("resnet50_v1_5", "tv_in1k", images(224, 256, "bilinear"), "bsd-3-clause"),
    _torchvision("resnet101_v1_5", "IMAGENET1K_V2", "resnet101-cd907fc2.pth", images(224, 232)),
    _torchvision("resnet101_v1_5", "IMAGENET1K_V1", "resnet101-63fe2227.pth"),
    _timm("resnet101_v1_5", "a1_in1k", images(224, 235, "bicubic")),
    _timm("resnet101_v1_5", "a1h_in1k", images(224, 235, "bicubic")),
    _timm("resnet101_v1_5", "a2_in1k", images(224, 235, "bicubic")),
    _timm("resnet101_v1_5", "a3_in1k", images(160, 168, "bicubic")),
    _timm("resnet101_v1_5", "gluon_in1k", images(224, 256, "bicubic")),
    _timm("resnet101_v1_5", "tv2_in1k", images(176, 201, "bilinear"), "bsd-3-clause"),
    _timm("resnet101_v1_5", "tv_in1k", images(224, 256, "bilinear"), "bsd-3-clause"),
    _torchvision("resnet152_v1_5", "IMAGENET1K_V2", "resnet152-f82ba261.pth", images(224, 232)),
    _torchvision("resnet152_v1_5", "IMAGENET1K_V1", "resnet152-394f9c45.pth"),
    _timm("resnet152_v1_5", "a1_in1k", images(224, 235, "bicubic")),
    _timm("resnet152_v1_5", "a1h_in1k", images(224, 235, "bicubic")),
    _timm("resnet152_v1_5", "a2_in1k", images(224, 235, "bicubic")),
    _timm("resnet152_v1_5", "a3_in1k", images(160, 168, "bicubic")),
    _timm("resnet152_v1_5", "gluon_in1k", images(224, 256, "bicubic")),
    _timm("resnet152_v1_5", "tv2_in1k", images(176, 201, "bilinear"), "bsd-3-clause"),
    _timm("resnet152_v1_5", "tv_in1k", images(224, 256, "bilinear"), "bsd-3-clause"),
)
