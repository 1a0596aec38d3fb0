"""Swin: a vision transformer with shifted windows (Liu, Lin, Cao, Hu, Wei, Zhang, Lin and Guo, 2021).

Tokens attend to each other within small windows alone, so that the work grows with the image's area and not with its
square; in every second block the windows are shifted by half their side, which connects each with its neighbours.
Between stages 2x2 tokens merge into one, so that the maps shrink as those of a convolutional network do.
"""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from opsin.cards import Card, Inputs, Paper, Published
from opsin.models.layers import DropPath
from opsin.models.network import Network


def relative_positions(window: int) -> Tensor:
    """Row of the bias table for each pair of a window's tokens (section 3.2). -> window*window window*window."""
    y, x = torch.arange(window).repeat_interleave(window), torch.arange(window).repeat(window)
    down, right = y[:, None] - y, x[:, None] - x  # each in 1 - window .. window - 1
    return (down + window - 1) * (2 * window - 1) + right + window - 1


class WindowAttention(nn.Module):
    """Multi-head self-attention within each window, biased by relative position (equation 4).

    N windows window*window C -> the same shape.
    """

    relative: Tensor

    def __init__(self, dim: int, heads: int, window: int):
        super().__init__()
        self.heads = heads
        self.bias_table = nn.Parameter(torch.empty((2 * window - 1) ** 2, heads))
        self.register_buffer("relative", relative_positions(window), persistent=False)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.projection = nn.Linear(dim, dim)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        q, k, v = self.qkv(x).unflatten(3, (3, self.heads, -1)).permute(3, 0, 1, 4, 2, 5)  # N windows heads T C/heads
        bias = self.bias_table[self.relative].permute(2, 0, 1)  # heads T T
        if mask is not None:
            bias = bias + mask[:, None]  # windows heads T T
        x = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        return self.projection(x.transpose(2, 3).flatten(3))


def partition(x: Tensor, window: int) -> Tensor:
    """Cuts maps into windows. N H W C -> N H/window*W/window window*window C."""
    x = x.unflatten(2, (-1, window)).unflatten(1, (-1, window))  # N H/w w W/w w C
    return x.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def join(x: Tensor, window: int, side: int) -> Tensor:
    """Undoes `partition` of maps of side x side. N windows window*window C -> N side side C."""
    x = x.unflatten(2, (window, window)).unflatten(1, (side // window, -1))  # N H/w W/w w w C
    return x.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def shift_mask(side: int, window: int, shift: int) -> Tensor:
    """Added to the scores: -inf between tokens that only the cyclic shift made neighbours, else 0 (figure 4).

    The last `shift` rows were rolled in from the top, so the last windows hold two strips of rows that are far apart
    in the image; likewise columns. Tokens of the same strips are true neighbours. -> windows window**2 window**2.
    """
    place = torch.arange(side)
    strip = (place >= side - window).long() + (place >= side - shift)  # 0: earlier windows; the last: 1, rolled in: 2
    area = partition((3 * strip[:, None] + strip)[None, :, :, None], window)[0, :, :, 0]  # windows window*window
    return torch.zeros(()).where(area[:, :, None] == area[:, None, :], -torch.inf)


class Block(nn.Module):
    """Attention in windows, shifted or not, then a perceptron of one hidden layer, four times as wide (section 3.3).

    Each of these two parts has a layer norm before it, and a shortcut leads around each with its norm (figure 3b,
    equation 3). N side side C -> N side side C.

    A window that is not smaller than the map covers it and is not shifted. Maps that are no multiple of the window
    are filled up with zeros, as the authors' code for detection does.
    """

    mask: Tensor | None

    def __init__(self, dim: int, heads: int, side: int, window_size: int, shifted: bool, drop_path: float):
        super().__init__()
        self.side = side
        self.window = min(window_size, side)
        self.padding = -side % self.window
        self.shift = window_size // 2 if shifted and side > window_size else 0
        mask = shift_mask(side + self.padding, self.window, self.shift) if self.shift else None
        self.register_buffer("mask", mask, persistent=False)
        self.norm1 = nn.LayerNorm(dim)
        self.attention = WindowAttention(dim, heads, self.window)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))
        self.drop_path = DropPath(drop_path)

    def attend(self, x: Tensor) -> Tensor:
        padded = self.side + self.padding
        if self.padding:
            x = F.pad(x, (0, 0, 0, self.padding, 0, self.padding))  # N padded padded C
        if self.shift:
            x = x.roll((-self.shift, -self.shift), (1, 2))
        x = join(self.attention(partition(x, self.window), self.mask), self.window, padded)
        if self.shift:
            x = x.roll((self.shift, self.shift), (1, 2))
        return x[:, : self.side, : self.side]

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop_path(self.attend(self.norm1(x)))
        return x + self.drop_path(self.mlp(self.norm2(x)))


class PatchMerging(nn.Module):
    """Joins the channels of 2x2 neighbours and maps them to twice the width (section 3.1). N H W C -> N H/2 W/2 2C.

    The norm comes first, as in the authors' code; table 7 names it last.
    """

    def __init__(self, dim: int):
        super().__init__()
        self.norm = nn.LayerNorm(4 * dim)
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = x.unflatten(2, (-1, 2)).unflatten(1, (-1, 2))  # N H/2 2 W/2 2 C
        x = x.permute(0, 1, 3, 4, 2, 5).flatten(3)  # N H/2 W/2 4C, down the columns as the authors have it
        return self.reduction(self.norm(x))


# Table 7, at 224 px. Windows have 7x7 tokens and heads 32 channels in every stage.
#            side   tokens from          channels (heads): tiny and small, base, large    layers: tiny, the others
#   stage 1   56    4x4 px, norm          96 (3)     128 (4)     192 (6)                    2    2
#   stage 2   28    2x2 tokens, norm     192 (6)     256 (8)     384 (12)                   2    2
#   stage 3   14    2x2 tokens, norm     384 (12)    512 (16)    768 (24)                   6   18
#   stage 4    7    2x2 tokens, norm     768 (24)   1024 (32)   1536 (48)                   2    2
class Swin(Network):
    """The networks of section 3.3 and table 7. N C input_size input_size -> N num_classes.

    `dim` is the paper's C, the width of the first stage, which each later one doubles; `depths` are the layers of each
    stage, `window_size` is M and `head_dim` d: a stage has its width / d heads. `drop_path` is the rate of the last
    block; it grows linearly from 0. `deviation` is the standard deviation of initial weights.
    """

    last_layer = "head"

    def __init__(
        self,
        dim: int,
        depths: tuple[int, ...],
        *,
        window_size: int = 7,
        head_dim: int = 32,
        patch_size: int = 4,
        drop_path: float = 0.0,
        deviation: float = 0.02,
        num_classes: int = 1000,
        in_chans: int = 3,
        input_size: int = 224,
    ):
        super().__init__()
        # stage 1: the linear embedding of 4x4 px (section 3.1) is a convolution of that size and stride
        self.patches = nn.Conv2d(in_chans, dim, patch_size, stride=patch_size)
        self.patch_norm = nn.LayerNorm(dim)
        rates = iter(drop_path * i / max(1, sum(depths) - 1) for i in range(sum(depths)))
        side, stages = input_size // patch_size, []
        for stage, depth in enumerate(depths):
            layers: list[nn.Module] = []
            if stage > 0:
                layers.append(PatchMerging(dim))
                side, dim = side // 2, 2 * dim
            for i in range(depth):
                shifted = i % 2 == 1
                layers.append(Block(dim, dim // head_dim, side, window_size, shifted, next(rates)))
            stages.append(nn.Sequential(*layers))
        self.stages = nn.Sequential(*stages)
        self.norm = nn.LayerNorm(dim)  # not in the table: the authors' code
        self.head = nn.Linear(dim, num_classes)

        # the paper names no initialisation; this is its authors' code
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            elif parameter.ndim == 2:
                nn.init.trunc_normal_(parameter, std=deviation)
        bound = (in_chans * patch_size**2) ** -0.5
        for parameter in self.patches.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def forward_features(self, x: Tensor) -> Tensor:
        x = self.patches(x).permute(0, 2, 3, 1)  # N H/4 W/4 C
        x = self.norm(self.stages(self.patch_norm(x)))  # N H/32 W/32 8C
        return x.permute(0, 3, 1, 2)  # N 8C H/32 W/32

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.forward_features(x).mean(dim=(2, 3)))  # appendix A2.1


PAPER = Paper(
    title="Swin Transformer: Hierarchical Vision Transformer using Shifted Windows",
    authors="Liu, Lin, Cao, Hu, Wei, Zhang, Lin, Guo",
    year=2021,
    venue="ICCV 2021",
    url="https://arxiv.org/abs/2103.14030",
)
BROUGHT = (
    "Attention within small windows, shifted in every second block, so that the work grows with the image's area and "
    "not with its square. Merged patches give the pyramid of maps that detection and segmentation need."
)
IMAGENET = Inputs(channels=3, size=224, minimum=32, multiple=32, fixed=True)
SMALL = Inputs(channels=3, size=32, minimum=16, multiple=8, fixed=True)
ONE_CROP = "ImageNet validation, 1 crop of 224, trained on ImageNet-1K alone"
FINE_TUNED = "ImageNet validation, 1 crop of 224, pre-trained on ImageNet-22K"
REPOSITORY = "the authors' repository, table of models"
DROP_PATH = "{} have a drop-path rate of {}; the constructor's is 0, since it slows a short training down."
MERGING = (
    "Patch merging norms the joined 4C channels before it maps them to 2C, as the authors' code and other libraries "
    "do; table 7 names the norm last, which would be one over 2C."
)
FOR_SMALL_IMAGES = (
    "Windows of 2x2 tokens instead of 7x7, so that even the 4x4 tokens of a 16 px image are more than one window.",
    "Two stages instead of four, of 2 layers with 32 and 64 channels in heads of 16: the image is divided by 8 in "
    "all, not by 32.",
    "Initial weights have a deviation of 0.1 instead of 0.02, which at a third of the width is near nothing.",
)


def _swin(name, dim, depths, params, macs, published, drop_path, trained="The paper's 300 epochs", note=""):
    departures = (DROP_PATH.format(trained, drop_path), MERGING)
    build = partial(Swin, dim=dim, depths=depths)
    return Card(name, "Swin", PAPER, IMAGENET, build, params, macs, 1000, published, departures, note)


# fmt: off
CARDS = (
    _swin("swin_tiny_patch4_window7_224", 96, (2, 2, 6, 2), 28_288_354, 4_490_566_656, drop_path=0.2, published=(
        Published("table 1a", "29M", "4.5G", 18.7, protocol=ONE_CROP, checked=True),
        Published(REPOSITORY, "28M", "4.5G", 18.8, 4.5, protocol=ONE_CROP, checked=True),
    )),
    _swin("swin_small_patch4_window7_224", 96, (2, 2, 18, 2), 49_606_258, 8_740_875_264, drop_path=0.3, published=(
        Published("table 1a", "50M", "8.7G", 17.0, protocol=ONE_CROP, checked=True),
        Published(REPOSITORY, "50M", "8.7G", 16.8, 3.8, protocol=ONE_CROP, checked=True),
    )),
    _swin("swin_base_patch4_window7_224", 128, (2, 2, 18, 2), 87_768_224, 15_430_946_816, drop_path=0.5, published=(
        Published("table 1a", "88M", "15.4G", 16.5, protocol=ONE_CROP, checked=True),
        Published("table 1b", "88M", "15.4G", 14.8, protocol=FINE_TUNED, checked=True),
        Published(REPOSITORY, "88M", "15.4G", 16.5, 3.5, protocol=ONE_CROP, checked=True),
    )),
    _swin("swin_large_patch4_window7_224", 192, (2, 2, 18, 2), 196_532_476, 34_475_759_616, drop_path=0.2, published=(
        Published(REPOSITORY, "197M", "34.5G", 13.7, 2.1, protocol=FINE_TUNED, checked=True),
    ), trained="The 30 epochs of fine-tuning in the authors' repository", note="Table 1b has it for images of 384 px."),
    Card("swin_32", "Swin", PAPER, SMALL,
         partial(Swin, dim=32, depths=(2, 2), window_size=2, head_dim=16, deviation=0.1),
         136_342, 3_424_896, 10, departures=(*FOR_SMALL_IMAGES, MERGING)),
)
