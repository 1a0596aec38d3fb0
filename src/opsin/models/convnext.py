"""ConvNeXt: a ConvNet for the 2020s (Liu, Mao, Wu, Feichtenhofer, Darrell and Xie, 2022).

A ResNet rebuilt step by step after the transformers of its day: patches for a stem, a depthwise 7x7 convolution where
they have attention, then an inverted bottleneck that is a perceptron on each pixel, with one layer norm and one GELU
in a block. What is left is a pure convolutional network.
"""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from opsin.cards import Card, Inputs, Paper, Published
from opsin.models.layers import DropPath
from opsin.models.network import Network


class LayerNorm2d(nn.LayerNorm):
    """Layer norm over the channels of each pixel. N C H W -> N C H W."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Block(nn.Module):
    """Depthwise 7x7, layer norm, 1x1 to four times the width, GELU, 1x1 back (figure 4, right). N C H W -> N C H W.

    The 1x1 convolutions are linear layers on channels that come last, where the layer norm wants them too.
    """

    def __init__(self, width: int, layer_scale: float, drop_path: float):
        super().__init__()
        self.layer_scale = nn.Parameter(torch.full((width,), layer_scale))
        self.depthwise = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.expand = nn.Linear(width, 4 * width)
        self.project = nn.Linear(4 * width, width)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        out = self.depthwise(x).permute(0, 2, 3, 1)  # N H W C
        out = self.project(F.gelu(self.expand(self.norm(out))))
        out = (self.layer_scale * out).permute(0, 3, 1, 2)  # N C H W
        return x + self.drop_path(out)


class ConvNeXt(Network):
    """The networks of section 3. N C H W -> N num_classes.

    `depths` and `widths` are B and C of the paper: blocks and channels of each stage. `patch_size` is the stride of
    the stem; each later stage halves the image. `drop_path` is the rate of the last block; it grows linearly from 0.
    """

    last_layer = "head"

    def __init__(
        self,
        depths: tuple[int, ...],
        widths: tuple[int, ...],
        *,
        patch_size: int = 4,
        layer_scale: float = 1e-6,
        drop_path: float = 0.0,
        num_classes: int = 1000,
        in_chans: int = 3,
    ):
        super().__init__()
        rates = iter(drop_path * i / max(1, sum(depths) - 1) for i in range(sum(depths)))
        stages, channels = [], in_chans
        for i, (depth, width) in enumerate(zip(depths, widths, strict=True)):
            if i == 0:
                down = (nn.Conv2d(channels, width, patch_size, patch_size), LayerNorm2d(width, eps=1e-6))
            else:
                down = (LayerNorm2d(channels, eps=1e-6), nn.Conv2d(channels, width, 2, stride=2))
            stages.append(nn.Sequential(*down, *(Block(width, layer_scale, next(rates)) for _ in range(depth))))
            channels = width
        self.stages = nn.Sequential(*stages)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.head = nn.Linear(channels, num_classes)
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            elif parameter.ndim > 1:
                nn.init.trunc_normal_(parameter, std=0.02)  # appendix A.1

    def forward_features(self, x: Tensor) -> Tensor:
        return self.stages(x)  # N C H/32 W/32

    def forward(self, x: Tensor) -> Tensor:
        x = self.forward_features(x).mean(dim=(2, 3))  # N C
        return self.head(self.norm(x))


PAPER = Paper(
    title="A ConvNet for the 2020s",
    authors="Liu, Mao, Wu, Feichtenhofer, Darrell, Xie",
    year=2022,
    venue="CVPR 2022",
    url="https://arxiv.org/abs/2201.03545",
)
BROUGHT = (
    "No new layer: a ResNet modernised step by step after the transformers of its day, in its training and in its "
    "design, until plain convolutions equal Swin at the same cost."
)
IMAGENET = Inputs(channels=3, size=224, minimum=32)
SMALL = Inputs(channels=3, size=32, minimum=16)
ONE_CROP = "ImageNet validation, 1 crop of 224, trained on ImageNet-1K alone"
OTHERS = (
    "ImageNet validation, 1 view of 384 px after fine-tuning at that size, trained on ImageNet-1K alone",
    "ImageNet validation, 1 crop of 224, pre-trained on ImageNet-22K",
    "ImageNet validation, 1 view of 384 px after fine-tuning at that size, pre-trained on ImageNet-22K",
)
DROP_PATH = (
    "The paper's 300 epochs have a drop-path rate of {}; the constructor's is 0, since it slows a short training down."
)
FOR_SMALL_IMAGES = (
    "Patches of 2 px instead of 4, so that the four stages divide the image by 16 in all, not by 32.",
    "A third of convnext_tiny's depth and width: 1, 1, 3 and 1 blocks of 32, 64, 128 and 256 channels.",
    "Layer scale starts at 0.1 instead of 1e-6, from which a few hundred steps do not bring the blocks to life.",
)


def _convnext(name, depths, widths, params, macs, figures, drop_path, errors):
    """`figures`: parameters, MACs and error as printed in table 1; `errors`: of its rows of the other protocols."""
    build = partial(ConvNeXt, depths=depths, widths=widths)
    published = (
        Published("table 1", *figures, protocol=ONE_CROP, checked=True),
        *(
            Published("table 1", top1_err=error, protocol=protocol, checked=True)
            for error, protocol in zip(errors, OTHERS, strict=True)
            if error is not None
        ),
    )
    departures = (DROP_PATH.format(drop_path),)
    return Card(name, "ConvNeXt", PAPER, IMAGENET, build, params, macs, 1000, published, departures)


# fmt: off
CARDS = (
    _convnext("convnext_tiny", (3, 3, 9, 3), (96, 192, 384, 768), 28_589_128, 4_455_531_264,
              ("29M", "4.5G", 17.9), drop_path=0.1, errors=(None, 17.1, 15.9)),
    _convnext("convnext_small", (3, 3, 27, 3), (96, 192, 384, 768), 50_223_688, 8_683_712_256,
              ("50M", "8.7G", 16.9), drop_path=0.4, errors=(None, 15.4, 14.2)),
    _convnext("convnext_base", (3, 3, 27, 3), (128, 256, 512, 1024), 88_591_464, 15_354_729_472,
              ("89M", "15.4G", 16.2), drop_path=0.5, errors=(14.9, 14.2, 13.2)),
    _convnext("convnext_large", (3, 3, 27, 3), (192, 384, 768, 1536), 197_767_336, 34_361_433_600,
              ("198M", "34.4G", 15.7), drop_path=0.5, errors=(14.5, 13.4, 12.5)),
    Card("convnext_32", "ConvNeXt", PAPER, SMALL,
         partial(ConvNeXt, depths=(1, 1, 3, 1), widths=(32, 64, 128, 256), patch_size=2, layer_scale=0.1),
         1_177_642, 15_209_984, 10,
         departures=FOR_SMALL_IMAGES),
)
