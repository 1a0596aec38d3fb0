"""FractalNet: ultra-deep networks without residuals (Larsson, Maire and Shakhnarovich, 2016).

One rule, applied again and again, makes a network deep: two copies in a row of what there is, and a single convolution
beside them. A block so unfolded has columns of 1, 2, 4 ... convolutions whose ends are averaged; unlike in residual
networks, no path leads through it unchanged. While training, drop-path leaves out inputs of the joins, or all columns
but one, so that each column learns to work alone: the deepest can be taken out as a plain network.
"""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from opsin.cards import Card, Inputs, Paper, Published
from opsin.models.network import Network


class BatchNorm(nn.BatchNorm2d):
    """Batch norm whose running statistics are those of local sampling alone.

    A column by itself has other statistics than in the joined network. In the authors' Caffe the two are networks
    that share weights, not statistics; with statistics of both, the joined network predicts badly at first.
    """

    def forward(self, input: Tensor, column: Tensor | None = None) -> Tensor:
        if not self.training or column is None or self.running_mean is None or self.running_var is None:
            return super().forward(input)
        mean, var = self.running_mean.clone(), self.running_var.clone()
        out = F.batch_norm(input, mean, var, self.weight, self.bias, True, self.momentum or 0.0, self.eps)
        with torch.no_grad():
            self.running_mean.copy_(torch.where(column.any(), self.running_mean, mean))
            self.running_var.copy_(torch.where(column.any(), self.running_var, var))
        return out


class Convolution(nn.Module):
    """3x3 convolution, dropout, batch norm, ReLU: the paper's conv(z). N in_channels H W -> N out_channels H W."""

    def __init__(self, in_channels: int, out_channels: int, dropout: float):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        self.dropout = nn.Dropout(dropout)
        self.bn = BatchNorm(out_channels)

    def forward(self, x: Tensor, column: Tensor | None = None) -> Tensor:
        return F.relu(self.bn(self.dropout(self.conv(x)), column))


class Join(nn.Module):
    """The mean of its inputs, the ends of columns, deepest first; while training, of those that drop-path leaves.

    Local sampling (section 3.1): each input is dropped with probability `local_drop`, but one always survives. Global
    sampling: the input of the one column that `column`, one-hot of all columns, names; where it names none of these
    inputs, what comes out reaches nothing. All images of a batch share a draw.
    """

    def __init__(self, local_drop: float):
        super().__init__()
        self.local_drop = local_drop

    def forward(self, inputs: list[Tensor], column: Tensor) -> Tensor:
        if len(inputs) == 1:
            return inputs[0]
        if not self.training:
            return torch.stack(inputs).mean(dim=0)
        draw = torch.rand(len(inputs), device=column.device)
        survives = draw >= draw.max().clamp(max=self.local_drop)  # the largest draw always does
        chosen = column[: len(inputs)]
        active = torch.where(chosen.any(), chosen, survives)
        weights = (active / active.sum()).to(inputs[0].dtype)
        return sum((w * x for w, x in zip(weights[1:], inputs[1:], strict=True)), weights[0] * inputs[0])


class Fractal(nn.Module):
    """f_C, the fractal of `columns` C: f_1(z) = conv(z), f_C+1(z) = (f_C after f_C)(z) joined with conv(z) (figure 1).

    Returns the ends of its columns, deepest first, for the join behind: adjacent joins are one (section 3).
    N in_channels H W -> C times N out_channels H W.
    """

    def __init__(self, columns: int, in_channels: int, out_channels: int, dropout: float, local_drop: float):
        super().__init__()
        self.columns = columns
        if columns > 1:
            self.first = Fractal(columns - 1, in_channels, out_channels, dropout, local_drop)
            self.join = Join(local_drop)
            self.second = Fractal(columns - 1, out_channels, out_channels, dropout, local_drop)
        self.conv = Convolution(in_channels, out_channels, dropout)

    def forward(self, x: Tensor, column: Tensor) -> list[Tensor]:
        if self.columns == 1:
            return [self.conv(x, column)]
        middle = self.join(self.first(x, column), column)
        return [*self.second(middle, column), self.conv(x, column)]

    def path(self, number: int) -> list[nn.Module]:
        """The convolutions of column `number`: 1 is the one beside all others, `columns` the deepest."""
        return [self.conv] if number == 1 else [*self.first.path(number - 1), *self.second.path(number - 1)]


class FractalNet(Network):
    """B fractals with poolings between them (figure 1, right). N C H W -> N num_classes.

    `widths` gives the channels of each of the B blocks, `dropouts` their rates. The CIFAR network begins with the
    first block, and 2x2 max pooling behind every block halves the image, down to 1x1; the ImageNet stem is ResNet's,
    and global average pooling stands behind the last block. While training, a share `global_drop` of the batches goes
    through a single column, the others through joins that drop each input with probability `local_drop`: every batch
    draws its subnetwork anew (section 3.1).
    """

    def __init__(
        self,
        columns: int,
        widths: tuple[int, ...] = (64, 128, 256, 512, 512),
        dropouts: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3, 0.4),
        *,
        stem_channels: int | None = None,
        local_drop: float = 0.15,
        global_drop: float = 0.5,
        num_classes: int = 10,
        in_chans: int = 3,
    ):
        super().__init__()
        self.columns, self.global_drop = columns, global_drop
        channels = stem_channels or in_chans
        self.stem = nn.Sequential()
        if stem_channels:
            conv = nn.Conv2d(in_chans, stem_channels, 7, stride=2, padding=3, bias=False)
            self.stem.extend([conv, nn.BatchNorm2d(stem_channels), nn.ReLU(), nn.MaxPool2d(3, stride=2, padding=1)])
        self.blocks = nn.ModuleList()
        for width, dropout in zip(widths, dropouts, strict=True):
            self.blocks.append(Fractal(columns, channels, width, dropout, local_drop))
            channels = width
        self.join = Join(local_drop)
        self.pools = nn.ModuleList(nn.MaxPool2d(2) for _ in widths)
        if stem_channels:
            self.pools[-1] = nn.Identity()
        self.fc = nn.Linear(channels, num_classes)
        for parameter in self.parameters():
            if parameter.ndim > 1:  # Xavier (section 4.1); in the authors' Caffe that is U(-a, a), a = sqrt(3/fan-in)
                bound = (3 / parameter[0].numel()) ** 0.5
                nn.init.uniform_(parameter, -bound, bound)
        nn.init.zeros_(self.fc.bias)

    def draw_column(self, x: Tensor) -> Tensor:
        """The column of a batch's global sampling, one-hot, the deepest first; none where it samples locally."""
        if not self.training:
            return torch.zeros(self.columns, dtype=torch.bool, device=x.device)
        column = torch.arange(self.columns, device=x.device) == torch.randint(self.columns, (1,), device=x.device)
        return column & (torch.rand(1, device=x.device) < self.global_drop)

    def forward_features(self, x: Tensor) -> Tensor:
        column = self.draw_column(x)
        x = self.stem(x)  # N 3 H W (ImageNet: N 64 H/4 W/4)
        for block, pool in zip(self.blocks, self.pools, strict=True):
            x = pool(self.join(block(x, column), column))
        return x  # N 512 H/32 W/32

    def forward(self, x: Tensor) -> Tensor:
        x = self.forward_features(x).mean(dim=(2, 3))  # N 512; at 32 px the maps are 1x1 already
        return self.fc(x)

    def column(self, number: int) -> nn.Sequential:
        """Column `number` as a plain network: 1 the shallowest, `columns` the deepest.

        Its layers are this network's own, the statistics of batch norm too, which are those of the joined network:
        before a copy of it predicts alone, some batches must pass through it in training mode.
        """
        layers: list[nn.Module] = [self.stem]
        for block, pool in zip(self.blocks, self.pools, strict=True):
            assert isinstance(block, Fractal)
            layers += [*block.path(number), pool]
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), self.fc)


PAPER = Paper(
    title="FractalNet: Ultra-Deep Neural Networks without Residuals",
    authors="Larsson, Maire, Shakhnarovich",
    year=2016,
    venue="ICLR 2017",
    url="https://arxiv.org/abs/1605.07648",
)
BROUGHT = (
    "Very deep networks without residuals: one rule of expansion, applied to itself, gives short and long paths side "
    "by side, and drop-path teaches each of them to work alone."
)
IMAGENET = Inputs(channels=3, size=224, minimum=32)
CIFAR = Inputs(channels=3, size=32, minimum=32)
SMALL = Inputs(channels=3, size=32, minimum=8)

HALF = (32, 64, 128, 256, 256)
TEST = "test, single network"
REGULARISED = "with dropout and drop-path, the whole network evaluated"
DEEPEST = "with dropout and drop-path, the deepest column alone evaluated"
THEIR_NORMS = (
    "Convolutions without bias and batch norm with scale and shift, as in most libraries; the authors' Caffe has "
    "biases and neither scale nor shift, one number a channel fewer: {} parameters in all."
)
THEIR_JOIN = (
    "The last join of a block stands before its pooling, as figure 1 has it; the authors' generator pools each column "
    "and then joins."
)


def _rows(label, table):
    """Rows of table 1 by their test set: C10 and C100, + with translations and mirroring, ++ with more."""
    return tuple(
        Published("table 1", top1_err=error, protocol=f"{name} {TEST}{', ' + label if label else ''}")
        for name, error in table.items()
    )


# fmt: off
CARDS = (
    Card("fractalnet20_cifar", "FractalNet", PAPER, CIFAR, partial(FractalNet, columns=3), 33_724_618, 845_222_912, 10,
         published=(
        Published("table 1 (as DenseNet's table 2 repeats it)", params="38.6M"),
        *_rows("", {"CIFAR-10": 10.18, "CIFAR-10+": 5.22, "CIFAR-10++": 5.11}),
        *_rows(REGULARISED, {"CIFAR-10": 7.33, "CIFAR-10+": 4.60, "CIFAR-10++": 4.59}),
        *_rows(DEEPEST, {"CIFAR-10": 7.27, "CIFAR-10+": 4.68, "CIFAR-10++": 4.63}),
        *_rows("100 classes", {"CIFAR-100": 35.34, "CIFAR-100+": 23.30, "CIFAR-100++": 22.85}),
        *_rows(f"100 classes, {REGULARISED}", {"CIFAR-100": 28.20, "CIFAR-100+": 23.73, "CIFAR-100++": 23.36}),
        *_rows(f"100 classes, {DEEPEST}", {"CIFAR-100": 29.05, "CIFAR-100+": 24.32, "CIFAR-100++": 23.60}),
    ), departures=(THEIR_NORMS.format("33,714,314"), THEIR_JOIN),
       note="The 38.6M printed are not to be had from the paper's widths, 64 to 512, and three columns, nor from the "
            "settings of the authors' generator, which give 33.7M. Table 3, of a quarter of the widths, agrees with "
            "the same arithmetic in all of its six rows."),
    Card("fractalnet40_cifar", "FractalNet", PAPER, CIFAR, partial(FractalNet, columns=4, widths=HALF),
         19_040_714, 510_790_144, 10, published=(
        Published("table 1", params="22.9M"),
        *_rows("", {"CIFAR-10+": 5.24, "CIFAR-10++": 5.21}),
    ), departures=(THEIR_NORMS.format("19,029,674"), THEIR_JOIN),
       note="The paper does not give the widths of its 22.9M parameters. Half of the 20 layers' come nearest: 19.0M; "
            "the same widths would be 76,106,634. Its row of table 1 is without dropout and drop-path, which this "
            "network has as the 20 layers do: dropouts=(0,) * 5, local_drop=0, global_drop=0 leave them out."),
    Card("fractalnet34", "FractalNet", PAPER, IMAGENET,
         partial(FractalNet, columns=4, widths=(128, 256, 512, 1024), dropouts=(0.0,) * 4, stem_channels=64),
         164_031_016, 24_164_982_784, published=(
        Published("table 2", top1_err=24.12, top5_err=7.39, protocol="ImageNet validation, 10 crops, single network"),
    ), departures=(
        THEIR_NORMS.format("164,002,152"),
        "The paper says that the first and the last layer are those of ResNet-34, and of the middle that it is four "
        "blocks of 128, 256, 512 and 1024 channels. We take ResNet-34's max pooling behind its first layer, too, and "
        "its global average pooling for the one behind the last block: the blocks see 56, 28, 14 and 7 px, as "
        "ResNet-34's. Without the former each block would have four times the operations.",
    ), note="The paper prints no parameters. 4 blocks of 8 layers, the first and the last are its 34."),
    Card("fractalnet_32", "FractalNet", PAPER, SMALL,
         partial(FractalNet, columns=3, widths=(12, 32), dropouts=(0.0, 0.0)), 54_334, 18_395_456, 10, departures=(
        THEIR_NORMS.format("54,026"),
        THEIR_JOIN,
        "For images of 16 to 64 px: two blocks of 12 and 32 channels instead of five of 64 to 512; the image is "
        "divided by 4 in all, and global average pooling takes what is left, which in the paper is one pixel.",
        "No dropout; drop-path as in the paper.",
    )),
)
