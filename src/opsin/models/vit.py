"""ViT: the vision transformer (Dosovitskiy and others, 2020; its small sizes from DeiT, Touvron and others, 2020).

The image is cut into patches, each patch becomes a token by one linear map, and a standard transformer encoder does
the rest: every token looks at every other from the first layer on. Nothing but the patches and the position
embeddings says that the input is an image, which must be made up for by many images or strong augmentation.
"""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from opsin.cards import Card, Inputs, Paper, Published
from opsin.models.layers import DropPath
from opsin.models.network import Network


class Attention(nn.Module):
    """Multi-head self-attention (appendix A). N T D -> N T D."""

    def __init__(self, dim: int, heads: int, dropout: float):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.projection = nn.Linear(dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # each: N heads T D/heads
        x = F.scaled_dot_product_attention(q, k, v)
        x = x.transpose(1, 2).flatten(2)  # N T D
        return self.dropout(self.projection(x))


class Block(nn.Module):
    """Attention, then a perceptron of one hidden layer, each with a layer norm before it and a shortcut around both
    (equations 2 and 3). N T D -> N T D."""

    def __init__(self, dim: int, heads: int, mlp_dim: int, dropout: float, drop_path: float):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attention = Attention(dim, heads, dropout)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = nn.Sequential(
            nn.Linear(dim, mlp_dim), nn.GELU(), nn.Dropout(dropout), nn.Linear(mlp_dim, dim), nn.Dropout(dropout)
        )
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop_path(self.attention(self.norm1(x)))
        return x + self.drop_path(self.mlp(self.norm2(x)))


class ViT(Network):
    """The networks of table 1. N C input_size input_size -> N num_classes.

    `dim`, `depth` and `heads` are the table's hidden size, layers and heads; the MLP size is four times `dim`.
    `drop_path` is the rate of the last block; it grows linearly from 0 in the first. `position_deviation` is the
    standard deviation of the initial position embeddings.
    """

    last_layer = "head"

    def __init__(
        self,
        dim: int,
        depth: int,
        heads: int,
        *,
        patch_size: int = 16,
        dropout: float = 0.0,
        drop_path: float = 0.0,
        position_deviation: float = 0.02,
        num_classes: int = 1000,
        in_chans: int = 3,
        input_size: int = 224,
    ):
        super().__init__()
        patches = (input_size // patch_size) ** 2
        self.class_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.positions = nn.Parameter(torch.empty(1, 1 + patches, dim))
        self.patches = nn.Conv2d(in_chans, dim, patch_size, stride=patch_size)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.Sequential(
            *(Block(dim, heads, 4 * dim, dropout, drop_path * i / max(1, depth - 1)) for i in range(depth))
        )
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.head = nn.Linear(dim, num_classes)

        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            elif parameter.ndim == 2:
                nn.init.xavier_uniform_(parameter)  # the paper names no initialisation; this is its authors' code
        nn.init.normal_(self.patches.weight, std=(in_chans * patch_size**2) ** -0.5)
        nn.init.normal_(self.positions, std=position_deviation)
        nn.init.zeros_(self.head.weight)

    def forward_features(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)  # N H/16*W/16 D
        x = torch.cat((self.class_token.expand(x.shape[0], -1, -1), x), dim=1)  # N 1+H/16*W/16 D
        x = self.dropout(x + self.positions)
        return self.norm(self.blocks(x))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.forward_features(x)[:, 0])


PAPER = Paper(
    title="An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale",
    authors="Dosovitskiy, Beyer, Kolesnikov, Weissenborn, Zhai, Unterthiner, Dehghani, Minderer, Heigold, Gelly, "
    "Uszkoreit, Houlsby",
    year=2020,
    venue="ICLR 2021",
    url="https://arxiv.org/abs/2010.11929",
)
DEIT = Paper(
    title="Training data-efficient image transformers & distillation through attention",
    authors="Touvron, Cord, Douze, Massa, Sablayrolles, Jégou",
    year=2020,
    venue="ICML 2021",
    url="https://arxiv.org/abs/2012.12877",
)
BROUGHT = (
    "A standard transformer on patches of the image, with hardly a word about images in its design: after "
    "pre-training on very many of them it equals the best convolutional networks. DeiT then trains its small sizes on "
    "ImageNet alone."
)
IMAGENET = Inputs(channels=3, size=224, minimum=32, multiple=16, fixed=True)
IMAGENET_384 = Inputs(channels=3, size=384, minimum=32, multiple=16, fixed=True)
SMALL = Inputs(channels=3, size=32, minimum=16, multiple=4, fixed=True)
FINE_TUNED = "ImageNet validation, 1 view of 384 px after fine-tuning at that size; pre-trained on"
ONE_CROP = "ImageNet validation, 1 crop of 224, trained on ImageNet alone, without distillation"
DEIT_FINE_TUNED = "ImageNet validation, 1 view of 384 px after fine-tuning at that size, DeiT on ImageNet alone"
REPOSITORY = "DeiT, the authors' repository, table of models"


def _vit(name, dim, depth, heads, params, macs, published=(), paper=PAPER, inputs=IMAGENET, departures=(), note=""):
    build = partial(ViT, dim=dim, depth=depth, heads=heads)
    return Card(name, "ViT", paper, inputs, build, params, macs, 1000, published, departures, note)


VIT_INITIALISATION = (
    "Initial weights are drawn as in ViT's own code; DeiT draws them from a truncated normal distribution with a "
    "deviation of 0.02 at every width.",
)
ONE_LAYER_HEAD = (
    "The head is one linear layer, which the paper has for fine-tuning; there, pre-training has a hidden layer more.",
)
LARGE = "The printed 307M fits patches of 32 px (306.5M), not of 16."
SWIN_TOKENS = "The operations that Swin's table prints fit the 576 patches without the class token."
LATER = "DeiT's paper has this width at 224 px; public weights for 384 px are of Steiner and others (2021, 2106.10270)."
FOR_SMALL_IMAGES = (
    "Patches of 4 px, 64 dimensions, 4 layers and 4 heads of 16, for images of 16 to 64 px.",
    "Position embeddings start with a deviation of 1 instead of 0.02, as large as the patches' own: a few hundred "
    "steps are too short to learn from nearly nothing where a patch is.",
)
SMALL_BUILD = partial(ViT, dim=64, depth=4, heads=4, patch_size=4, position_deviation=1.0)

# fmt: off
CARDS = (
    _vit("vit_tiny_patch16_224", 192, 12, 3, 5_717_416, 1_253_683_200, paper=DEIT, published=(
        Published("DeiT, table 5", params="5M", top1_err=27.8, protocol=ONE_CROP, checked=True),
        Published(REPOSITORY, params="5M", top1_err=27.8, top5_err=8.9, protocol=ONE_CROP, checked=True),
    ), departures=VIT_INITIALISATION),
    _vit("vit_small_patch16_224", 384, 12, 6, 22_050_664, 4_598_882_304, paper=DEIT, published=(
        Published("DeiT, table 5", params="22M", top1_err=20.2, protocol=ONE_CROP, checked=True),
        Published(REPOSITORY, params="22M", top1_err=20.1, top5_err=5.0, protocol=ONE_CROP, checked=True),
        Published("Swin (2021), table 1a", params="22M", macs="4.6G", top1_err=20.2, protocol=ONE_CROP, checked=True),
    ), departures=VIT_INITIALISATION),
    _vit("vit_base_patch16_224", 768, 12, 12, 86_567_656, 17_563_828_224, published=(
        Published("table 1", params="86M", checked=True),
        Published("DeiT, table 5", params="86M", top1_err=18.2, protocol=ONE_CROP, checked=True),
        Published(REPOSITORY, params="86M", top1_err=18.2, top5_err=4.4, protocol=ONE_CROP, checked=True),
        Published("Swin (2021), table 1a", params="86M", macs="17.5G", top1_err=18.2, protocol=ONE_CROP, checked=True),
    ), departures=ONE_LAYER_HEAD),
    _vit("vit_large_patch16_224", 1024, 24, 16, 304_326_632, 61_554_712_576, published=(
        Published("table 1", params="307M", checked=True),
        Published("ConvNeXt (2022), table 2", params="304M", macs="61.6G", top1_err=17.4, checked=True,
                  protocol=f"{ONE_CROP}, with the recipe of MAE (2021)"),
    ), departures=ONE_LAYER_HEAD, note=f"{LARGE} The paper has its errors at 384 px: vit_large_patch16_384."),
    _vit("vit_tiny_patch16_384", 192, 12, 3, 5_790_376, 4_682_219_520, paper=DEIT, inputs=IMAGENET_384,
         departures=VIT_INITIALISATION, note=LATER),
    _vit("vit_small_patch16_384", 384, 12, 6, 22_196_584, 15_490_351_104, paper=DEIT, inputs=IMAGENET_384,
         departures=VIT_INITIALISATION, note=LATER),
    _vit("vit_base_patch16_384", 768, 12, 12, 86_859_496, 55_484_350_464, inputs=IMAGENET_384, published=(
        Published("table 1", params="86M", checked=True),
        Published("table 5", top1_err=22.09, protocol=f"{FINE_TUNED} ImageNet alone", checked=True),
        Published("table 5", top1_err=16.03, protocol=f"{FINE_TUNED} ImageNet-21k", checked=True),
        Published("table 5", top1_err=15.85, protocol=f"{FINE_TUNED} JFT-300M", checked=True),
        Published("DeiT, table 5", params="86M", top1_err=16.9, protocol=DEIT_FINE_TUNED, checked=True),
        Published(REPOSITORY, params="86M", top1_err=17.1, top5_err=3.8, protocol=DEIT_FINE_TUNED, checked=True),
        Published("Swin (2021), table 1a", params="86M", macs="55.4G", top1_err=22.1,
                  protocol=f"{FINE_TUNED} ImageNet alone", checked=True),
    ), note=SWIN_TOKENS),
    _vit("vit_large_patch16_384", 1024, 24, 16, 304_715_752, 191_066_300_416, inputs=IMAGENET_384, published=(
        Published("table 1", params="307M", checked=True),
        Published("table 5", top1_err=23.47, protocol=f"{FINE_TUNED} ImageNet alone", checked=True),
        Published("table 5", top1_err=14.85, protocol=f"{FINE_TUNED} ImageNet-21k", checked=True),
        Published("table 5", top1_err=12.88, protocol=f"{FINE_TUNED} JFT-300M", checked=True),
        Published("Swin (2021), table 1a", params="307M", macs="190.7G", top1_err=23.5,
                  protocol=f"{FINE_TUNED} ImageNet alone", checked=True),
    ), note=f"{LARGE} {SWIN_TOKENS}"),
    Card("vit_32", "ViT", PAPER, SMALL, SMALL_BUILD, 208_074, 15_139_968, 10, departures=FOR_SMALL_IMAGES),
)
