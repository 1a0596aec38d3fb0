"""The small networks that claims are tried on: plain ones whose single parts can be changed.

They stand for no paper. Where a paper's own network can be had small by the arguments of its constructor (ResNet,
DenseNet), the claims take that one from the zoo. `scale` is what all widths are multiplied by.
"""

import math
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from opsin.models import resnet
from opsin.models.layers import ScaledTanh
from opsin.models.senet import SqueezeExcite

Activation = Literal["relu", "tanh", "scaled_tanh", "sigmoid", "elu", "selu", "prelu", "rrelu", "gelu", "silu", "none"]
Norm = Literal["none", "before", "after"]
Init = Literal["default", "matched"]
Pooling = Literal["max", "mean", "trained", "sum", "stride"]
Head = Literal["flatten", "mean", "hidden"]
Extra = Literal["colour", "excite", "skip", "dropout", "flat", "unshared", "pool first"]

ACTIVATIONS: dict[str, Callable[[int], nn.Module]] = {
    "relu": lambda width: nn.ReLU(),
    "tanh": lambda width: nn.Tanh(),
    "scaled_tanh": lambda width: ScaledTanh(),
    "sigmoid": lambda width: nn.Sigmoid(),
    "elu": lambda width: nn.ELU(),
    "selu": lambda width: nn.SELU(),
    "prelu": lambda width: nn.PReLU(width),
    "rrelu": lambda width: nn.RReLU(),
    "gelu": lambda width: nn.GELU(),
    "silu": lambda width: nn.SiLU(),
    "none": lambda width: nn.Identity(),
}
POOLS = 2
"""So many of the first convolutions have a pooling behind them."""
RECTIFIERS = ("relu", "elu", "prelu", "rrelu", "gelu", "silu")
"""For which He's weights, of variance 2 / fan-in, are the matching ones; LeCun's, 1 / fan-in, for the others."""


class TrainedMean(nn.Module):
    """LeNet-5's sub-sampling: the mean of 2x2 times a coefficient, plus a bias, one of each a map. Starts as the mean.

    N C H W -> N C H/2 W/2.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.coefficient = nn.Parameter(torch.ones(channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 2) * self.coefficient + self.bias


class MeanAndMax(nn.Module):
    """The sum of the mean and the maximum of 2x2 (Mishkin and others 2016). N C H W -> N C H/2 W/2."""

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 2) + F.max_pool2d(x, 2)


POOLINGS: dict[str, Callable[[int], nn.Module]] = {
    "max": lambda width: nn.MaxPool2d(2),
    "mean": lambda width: nn.AvgPool2d(2),
    "trained": TrainedMean,
    "sum": lambda width: MeanAndMax(),
    "stride": lambda width: nn.Identity(),
}
"""What halves the maps; with "stride" the convolution does."""


class Bypassed(nn.Module):
    """A layer with a 1x1 convolution beside it, whose output is added. N C H W -> as the layer."""

    def __init__(self, layer: nn.Module, channels: int, width: int, stride: int):
        super().__init__()
        self.layer = layer
        self.beside = nn.Conv2d(channels, width, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) + self.beside(x)


class LocallyConnected(nn.Module):
    """A 3x3 window for every place with weights of its own: a convolution that shares nothing.

    N C H W -> N width H W.
    """

    def __init__(self, channels: int, width: int, side: int):
        super().__init__()
        self.fan_in = 9 * channels
        self.weight = nn.Parameter(torch.randn(side * side, width, self.fan_in) * self.fan_in**-0.5)
        self.bias = nn.Parameter(torch.zeros(side * side, width))

    def forward(self, x: Tensor) -> Tensor:
        windows = F.unfold(x, 3, padding=1).permute(2, 0, 1)  # H*W N 9*C
        y = torch.baddbmm(self.bias[:, None], windows, self.weight.transpose(1, 2))  # H*W N width
        return y.permute(1, 2, 0).unflatten(2, x.shape[2:])


class Flattened(nn.Module):
    """A square convolution as a row and then a column, with nothing in between. N C H W -> N width H W."""

    def __init__(self, channels: int, width: int, kernel_size: int):
        super().__init__()
        half = kernel_size // 2
        self.row = nn.Conv2d(channels, width, (1, kernel_size), padding=(0, half))
        self.column = nn.Conv2d(width, width, (kernel_size, 1), padding=(half, 0))

    def forward(self, x: Tensor) -> Tensor:
        return self.column(self.row(x))


def learned_colours(channels: int) -> list[nn.Module]:
    """Colours mixed anew for each pixel: to ten maps and back, very leaky (Mishkin and others 2016, section 3.4)."""
    return [nn.Conv2d(channels, 10, 1), nn.LeakyReLU(1 / 3), nn.Conv2d(10, channels, 1), nn.LeakyReLU(1 / 3)]


def initialise(net: nn.Module, init: Init, activation: Activation, gain: float) -> None:
    """Draws the weights of hidden layers: PyTorch's own, or He's or LeCun's as suits the activation; times `gain`.

    The last layer keeps its scale, so that the first loss is the same.
    """
    hidden = [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear | LocallyConnected)][:-1]
    rows = [m.row for m in net.modules() if isinstance(m, Flattened)]  # no activation stands behind them
    for layer in hidden:
        if init == "matched":
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
            fan_in = layer.fan_in if isinstance(layer, LocallyConnected) else layer.weight[0].numel()
            rectified = activation in RECTIFIERS and not any(layer is row for row in rows)
            nn.init.normal_(layer.weight, std=math.sqrt((2 if rectified else 1) / fan_in))
        with torch.no_grad():
            layer.weight.mul_(gain)


class ConvNet(nn.Module):
    """Convolutions, each with its activation, the first two with a pooling, then one linear layer on the maps.

    With three of them it is the network of AlexNet's figure 1 in kind: four layers with weights, no regularisation.
    `norm` is where batch norm stands, before or after the activation. `head` flattens the maps, takes their mean, or
    has a hidden layer. `extras` are modules that articles recommend: a learned mixing of colours, squeeze and
    excitation behind each activation, a 1x1 shortcut beside each convolution but the first, dropout of a half in front
    of the last layer, each convolution as a row and a column, or as windows of 3x3 that share no weights, poolings in
    front of the activations instead of behind them. N C S S -> N num_classes.
    """

    def __init__(
        self,
        widths: tuple[int, ...] = (16, 32, 64),
        *,
        activation: Activation = "relu",
        norm: Norm = "none",
        pooling: Pooling = "max",
        kernel_size: int = 3,
        head: Head = "flatten",
        extras: tuple[Extra, ...] = (),
        init: Init = "matched",
        gain: float = 1.0,
        scale: int = 1,
        num_classes: int = 10,
        in_chans: int = 1,
        input_size: int = 8,
    ):
        super().__init__()
        widths = tuple(scale * width for width in widths)
        layers = learned_colours(in_chans) if "colour" in extras else []
        for i, (channels, width) in enumerate(pairwise((in_chans, *widths))):
            stride = 2 if pooling == "stride" and i < POOLS else 1
            if "flat" in extras:
                layer = Flattened(channels, width, kernel_size)
            elif "unshared" in extras:
                layer = LocallyConnected(channels, width, input_size // 2 ** min(i, POOLS))
            else:
                layer = nn.Conv2d(channels, width, kernel_size, stride, kernel_size // 2)
            layers.append(Bypassed(layer, channels, width, stride) if "skip" in extras and i else layer)
            act, batch_norm = ACTIVATIONS[activation](width), nn.BatchNorm2d(width)
            behind = {"none": [act], "before": [batch_norm, act], "after": [act, batch_norm]}[norm]
            behind += [SqueezeExcite(width, 4)] if "excite" in extras else []
            pools = [POOLINGS[pooling](width)] if i < POOLS else []
            layers += [*pools, *behind] if "pool first" in extras else [*behind, *pools]
        self.features = nn.Sequential(*layers)
        side = input_size // 2**POOLS
        wide = widths[-1] * (1 if head == "mean" else side**2)
        hidden = [nn.Linear(wide, widths[-1]), ACTIVATIONS[activation](widths[-1])] if head == "hidden" else []
        self.head = nn.Sequential(
            *([nn.AdaptiveAvgPool2d(1)] if head == "mean" else []),
            nn.Flatten(),
            *hidden,
            *([nn.Dropout(0.5)] if "dropout" in extras else []),
        )
        self.fc = nn.Linear(widths[-1] if hidden else wide, num_classes)
        initialise(self, init, activation, gain)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.head(self.features(x)))


class MLP(nn.Module):
    """Fully connected layers on the pixels. N C S S -> N num_classes.

    By default one hidden layer, of so many units that it has as many parameters as `ConvNet` for the same images.
    """

    def __init__(
        self,
        hidden: tuple[int, ...] | None = None,
        *,
        activation: Activation = "relu",
        init: Init = "matched",
        gain: float = 1.0,
        scale: int = 1,
        num_classes: int = 10,
        in_chans: int = 1,
        input_size: int = 8,
    ):
        super().__init__()
        if hidden is None:
            with torch.device("meta"):
                like = ConvNet(scale=scale, num_classes=num_classes, in_chans=in_chans, input_size=input_size)
            params = sum(p.numel() for p in like.parameters())
            hidden = (round((params - num_classes) / (in_chans * input_size**2 + 1 + num_classes)),)
        else:
            hidden = tuple(scale * width for width in hidden)
        layers: list[nn.Module] = [nn.Flatten()]
        for fan_in, fan_out in pairwise((in_chans * input_size**2, *hidden)):
            layers += [nn.Linear(fan_in, fan_out), ACTIVATIONS[activation](fan_out)]
        self.layers = nn.Sequential(*layers, nn.Linear(hidden[-1], num_classes))
        initialise(self, init, activation, gain)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class DeepNet(resnet.ResNet):
    """The networks of the ResNet paper's section 4.2, all stages of one width, with shortcuts or plain.

    `depth` is 6 n + 2. One width, so that every block but the two that halve the maps keeps the shape, and can be
    left out. N C S S -> N num_classes.
    """

    def __init__(
        self,
        depth: int = 26,
        width: int = 12,
        *,
        shortcut: resnet.Shortcut = "A",
        scale: int = 1,
        num_classes: int = 10,
        in_chans: int = 1,
        input_size: int = 8,
    ):
        blocks = ((depth - 2) // 6,) * 3
        widths = (scale * width,) * 3
        super().__init__(
            resnet.BasicBlock,
            blocks,
            widths,
            stem="cifar",
            shortcut=shortcut,
            num_classes=num_classes,
            in_chans=in_chans,
        )

    def blocks(self) -> list[tuple[str, resnet.BasicBlock]]:
        """The blocks with their names, in order."""
        return [(name, m) for name, m in self.named_modules() if isinstance(m, resnet.BasicBlock)]


class Skip(nn.Module):
    """`every` times batch norm, ReLU and a 3x3, and a shortcut around them where `joined`. N C H W -> the same."""

    def __init__(self, width: int, every: int, joined: bool):
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(every):
            layers += [nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1, bias=False)]
        self.branch = nn.Sequential(*layers)
        self.joined = joined

    def forward(self, x: Tensor) -> Tensor:
        return x + self.branch(x) if self.joined else self.branch(x)


class SkipNet(nn.Module):
    """Twice `convolutions` of one width, with a shortcut around every `every` of them, or none at 0.

    The number of layers and of parameters is the same for every `every`: the blocks of Wide ResNets' table 3.
    N C S S -> N num_classes.
    """

    def __init__(
        self,
        every: int = 2,
        convolutions: int = 12,
        width: int = 12,
        *,
        scale: int = 1,
        num_classes: int = 10,
        in_chans: int = 1,
        input_size: int = 8,
    ):
        super().__init__()
        if every and convolutions % every:
            raise ValueError(f"{convolutions} convolutions cannot be divided into groups of {every}")
        width *= scale

        def stage() -> list[nn.Module]:
            length = every or 1
            return [Skip(width, length, joined=every > 0) for _ in range(convolutions // length)]

        self.stem = nn.Conv2d(in_chans, width, 3, padding=1, bias=False)
        self.stages = nn.Sequential(*stage(), nn.MaxPool2d(2), *stage(), nn.BatchNorm2d(width), nn.ReLU())
        self.fc = nn.Linear(width, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.stages(self.stem(x)).mean(dim=(2, 3)))


NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "conv": ConvNet,
    "mlp": MLP,
    "local": partial(ConvNet, extras=("unshared",)),
    "deep": DeepNet,
    "skip": SkipNet,
}
"""By the names that arms know them by."""
