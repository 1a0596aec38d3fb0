"""Layers that several papers share by name. What a single family uses stays in its own file."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PIXEL_DEVIATION = 57.6
"""Of ImageNet's pixels, 0 to 255. Some papers take off the mean alone; our images are divided by their deviation, too,
so a first layer drawn for the former starts as many times larger, and what follows it sees what the paper's does."""


AMPLITUDE, SLOPE = 1.7159, 2 / 3
"""A and S of the squashing function A tanh(Sx) (LeCun and others 1998, appendix A)."""


class ScaledTanh(nn.Module):
    """1.7159 tanh(2x/3), the squashing function of LeCun's group: ±1 maps to ±1, where it is still steep. Any shape."""

    def forward(self, x: Tensor) -> Tensor:
        return Squash.apply(x)


class Squash(torch.autograd.Function):
    """A tanh(Sx) as 2A sigmoid(2Sx) - A: PyTorch's tanh takes ten times as long as its sigmoid on some CPUs.

    The gradient is tanh's, 1 - tanh^2, which is zero in a saturated unit. The sigmoid's own ends there at numbers
    below 1e-38, for which a CPU takes many times as long (docs/log.md).
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = (2 * SLOPE * x).sigmoid_().mul_(2 * AMPLITUDE).sub_(AMPLITUDE)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        tanh = ctx.saved_tensors[0] / AMPLITUDE
        return torch.ops.aten.tanh_backward(grads[0], tanh) * (AMPLITUDE * SLOPE)


class TableConv2d(nn.Module):
    """Convolution whose output map j sees only the input maps `table[j]`. N in_channels H W -> N len(table) H' W'.

    The used kernels alone are stored, `weight` [connections, k, k] in the order of the table; they are laid into a
    dense kernel for every pass. They start at zero: the network draws them.
    """

    used: Tensor

    def __init__(
        self, in_channels: int, table: Sequence[Sequence[int]], kernel_size: int, stride: int = 1, bias: bool = True
    ):
        super().__init__()
        used = [j * in_channels + i for j, row in enumerate(table) for i in row]
        self.fan_in = [len(row) * kernel_size**2 for row in table]
        self.fan_in_by_kernel = [f for f, row in zip(self.fan_in, table, strict=True) for _ in row]
        self.dense_shape = (len(table), in_channels, kernel_size, kernel_size)
        self.stride = stride
        self.register_buffer("used", torch.tensor(used), persistent=False)
        self.weight = nn.Parameter(torch.zeros(len(used), kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(len(table))) if bias else None

    def dense_weight(self) -> Tensor:
        """The kernels as nn.Conv2d has them, zero where the table has no connection."""
        dense = self.weight.new_zeros(self.dense_shape).flatten(0, 1)  # O*I k k
        return dense.index_put((self.used,), self.weight).view(self.dense_shape)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.dense_weight(), self.bias, self.stride)

    def macs(self, output: Tensor) -> int:
        """Products of one image by the connections in use."""
        return self.weight.numel() * output.shape[2:].numel()


@torch.no_grad()
def lecun_uniform_(layer: nn.Conv2d | nn.Linear | TableConv2d) -> None:
    """Draws weights and biases from U(-2.4/F, 2.4/F), F being the inputs of the unit without its bias."""
    if isinstance(layer, TableConv2d):
        layer.weight.uniform_(-2.4, 2.4).div_(torch.tensor(layer.fan_in_by_kernel)[:, None, None])
        fan_in = torch.tensor(layer.fan_in)
    else:
        fan_in = torch.tensor(layer.weight.shape[1:].numel())
        layer.weight.uniform_(-2.4, 2.4).div_(fan_in)
    if layer.bias is not None:
        layer.bias.uniform_(-2.4, 2.4).div_(fan_in)


def truncated_he_(weight: Tensor) -> None:
    """N(0, 2/fan-in), cut off at two sigma: how the Inception authors' released code draws its weights [O, I, ...]."""
    std = (2.6 / weight[0].numel()) ** 0.5  # cutting off takes the factor 1.3 away again
    nn.init.trunc_normal_(weight, std=std, a=-2 * std, b=2 * std)


class ConvBNReLU(nn.Module):
    """Convolution, batch norm, ReLU: the unit of the Inception networks since batch norm. N C H W -> N C' H' W'.

    `padding="same"` keeps the image's size where the stride is 1; 0 is what the papers mark V, for valid.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int = 1,
        padding: int | Literal["same"] = 0,
        *,
        bias: bool = False,
        eps: float = 1e-3,
    ):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, bias=bias)
        self.bn = nn.BatchNorm2d(out_channels, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


class PadShortcut(nn.Module):
    """ResNet's shortcut of option A: every stride-th pixel, and zeros for the channels that are new; no parameters."""

    def __init__(self, in_channels: int, out_channels: int, stride: int):
        super().__init__()
        self.stride = stride
        self.new_channels = out_channels - in_channels

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, :, :: self.stride, :: self.stride]  # N C H/s W/s
        return F.pad(x, (0, 0, 0, 0, 0, self.new_channels))


def scaled(channels: int, width: float) -> int:
    """`channels` times a width multiplier, at least 1."""
    return max(1, round(channels * width))


def conv_branch(
    in_channels: int, *layers: tuple[int, int | tuple[int, int]], width: float = 1.0, reduce: bool = False
) -> nn.Sequential:
    """A branch of an Inception module: ConvBNReLU of (channels, kernel), one after the other. N C H W -> N C' H W.

    `width` multiplies the channels. With `reduce` the last has a stride of 2 and no padding.
    """
    branch = nn.Sequential()
    for i, (channels, kernel_size) in enumerate(layers):
        last = reduce and i == len(layers) - 1
        out_channels = scaled(channels, width)
        branch.append(ConvBNReLU(in_channels, out_channels, kernel_size, 2 if last else 1, 0 if last else "same"))
        in_channels = out_channels
    return branch


class ForkedBranch(nn.Module):
    """A branch whose end is a 1x3 and a 3x1 convolution side by side, `fork` channels each. N C H W -> N 2*fork H W."""

    def __init__(self, in_channels: int, *layers: tuple[int, int | tuple[int, int]], fork: int, width: float = 1.0):
        super().__init__()
        self.trunk = conv_branch(in_channels, *layers, width=width)
        trunk_channels, fork = scaled(layers[-1][0], width), scaled(fork, width)
        self.horizontal = ConvBNReLU(trunk_channels, fork, (1, 3), padding="same")
        self.vertical = ConvBNReLU(trunk_channels, fork, (3, 1), padding="same")

    def forward(self, x: Tensor) -> Tensor:
        x = self.trunk(x)
        return torch.cat((self.horizontal(x), self.vertical(x)), dim=1)


class GridReduction(nn.Module):
    """Halves the grid by branches beside a max pooling of the input, which comes last.

    Inception-v3, figure 10; figures 7, 8, 12 and 18 of Inception-v4's paper. `branches` are the convolutions of each,
    as `conv_branch` takes them: the last one has a stride of 2 and no padding, as the pooling 3x3 has.
    N C H W -> N C+C' (H-1)/2 (W-1)/2.
    """

    def __init__(self, in_channels: int, *branches: Sequence[tuple[int, int | tuple[int, int]]], width: float = 1.0):
        super().__init__()
        self.branches = nn.ModuleList(
            conv_branch(in_channels, *layers, width=width, reduce=True) for layers in branches
        )
        self.pool = nn.MaxPool2d(3, stride=2)
        self.out_channels = in_channels + sum(scaled(layers[-1][0], width) for layers in branches)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((*(branch(x) for branch in self.branches), self.pool(x)), dim=1)


class SmallInceptionStem(nn.Module):
    """The three convolutions and the pooling with which stems begin since Inception-v3, the first at a stride of 1.

    So the Inception-v3 paper takes images of low resolution (section 9). N C H W -> N 64 (H-1)/2 (W-1)/2.
    """

    def __init__(self, in_chans: int, width: float = 1.0):
        super().__init__()
        self.convs = conv_branch(in_chans, (32, 3), (32, 3), (64, 3), width=width)
        self.pool = nn.MaxPool2d(3, stride=2)
        self.out_channels = scaled(64, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(self.convs(x))  # N 64 15 15 (at 32 px)


class InceptionV4Stem(nn.Module):
    """The stem of Inception-v4 and Inception-ResNet-v2, figure 3 of their paper. N C H W -> N 384 (H-19)/8 (W-19)/8.

    Three times branches are joined: pooling beside a convolution, two depths, a convolution beside pooling. The figure
    has the 7x1 before the 1x7 and no stride at the last convolution; both are as in the released Inception-v4.
    """

    def __init__(self, in_chans: int, width: float = 1.0):
        super().__init__()
        w32, w64, w96, w192 = (scaled(channels, width) for channels in (32, 64, 96, 192))
        self.conv1 = ConvBNReLU(in_chans, w32, 3, stride=2)
        self.conv2 = ConvBNReLU(w32, w32, 3)
        self.conv3 = ConvBNReLU(w32, w64, 3, padding=1)
        self.pool = nn.MaxPool2d(3, stride=2)
        self.conv4 = ConvBNReLU(w64, w96, 3, stride=2)
        self.branch3x3 = nn.Sequential(ConvBNReLU(w64 + w96, w64, 1), ConvBNReLU(w64, w96, 3))
        self.branch7x7 = nn.Sequential(
            *conv_branch(w64 + w96, (64, 1), (64, (1, 7)), (64, (7, 1)), width=width), ConvBNReLU(w64, w96, 3)
        )
        self.conv5 = ConvBNReLU(2 * w96, w192, 3, stride=2)
        self.out_channels = 2 * w96 + w192

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)  # N 32 149 149 (at 299 px)
        x = self.conv3(self.conv2(x))  # N 64 147 147
        x = torch.cat((self.pool(x), self.conv4(x)), dim=1)  # N 160 73 73
        x = torch.cat((self.branch3x3(x), self.branch7x7(x)), dim=1)  # N 192 71 71
        return torch.cat((self.conv5(x), self.pool(x)), dim=1)  # N 384 35 35


class ChannelSum(torch.autograd.Function):
    """Sums over the channels at most `reach` away. This is its own transpose, so its gradient is the same sum."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, reach: int) -> Tensor:
        ctx.reach = reach
        total = x.clone()
        for shift in range(1, reach + 1):
            total[:, shift:] += x[:, :-shift]
            total[:, :-shift] += x[:, shift:]
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return ChannelSum.apply(grads[0], ctx.reach), None


class LocalResponseNorm(nn.Module):
    """x_i / (k + alpha * sum of x_j^2 over the n channels around i)^0.75 (AlexNet, section 3.3). N C H W -> same.

    alpha multiplies the sum as the formula has it; torch's layer of this name divides alpha by n. On a CPU this one
    takes about a third of its time (benchmarks/lrn_speed.py).
    """

    def __init__(self, n: int = 5, k: float = 2.0, alpha: float = 1e-4):
        super().__init__()
        self.n, self.k, self.alpha = n, k, alpha

    def forward(self, x: Tensor) -> Tensor:
        r = torch.rsqrt(self.k + self.alpha * ChannelSum.apply(x * x, self.n // 2))
        return x * (r * torch.sqrt(r))  # d^-0.75 = d^-0.5 * d^-0.25


class DropPath(nn.Module):
    """Stochastic depth (Huang and others, 2016): leaves a block's branch out, image by image, while training.

    With probability `rate` an image's branch is zero; those that stay are divided by 1 - `rate`, so that the mean is
    kept. Any shape N ... -> the same.
    """

    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return x
        keep = x.new_empty(x.shape[0], *[1] * (x.ndim - 1)).bernoulli_(1 - self.rate)
        return x * keep / (1 - self.rate)

    def extra_repr(self) -> str:
        return f"rate={self.rate}"
