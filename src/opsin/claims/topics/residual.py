"""Claims about shortcuts: ResNet, 2015, and DenseNet, 2016."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from opsin import zoo
from opsin.claims.chart import Grid, Lines, Table
from opsin.claims.claim import Claim, Finding, Part, weigh
from opsin.costs.sheet import cost
from opsin.models import convnext, densenet, enet, mobilenet_v2, preact_resnet, resnet, senet, vit, xception

BLOCKS: tuple[tuple[str, Callable[[], nn.Module], str, bool], ...] = (
    ("ResNet basic", lambda: resnet.BasicBlock(16, 16, 1, "A"), "bn2", False),
    ("ResNet bottleneck", lambda: resnet.Bottleneck(16, 4, 1, "B"), "bn3", False),
    ("SE-ResNet basic", lambda: senet.SEBasicBlock(16, 16, 1, 4), "conv2.1", False),
    ("ENet bottleneck", lambda: enet.Bottleneck(16, "regular", nn.PReLU), "branch.7", False),
    ("pre-activation basic", lambda: preact_resnet.BasicUnit(16, 16, 1, "B", True), "conv2", False),
    ("pre-activation bottleneck", lambda: preact_resnet.Bottleneck(16, 4, 1, "B", True), "conv3", False),
    ("Xception module", lambda: xception.Module(16, (16, 16), halve=False), "convs.1.bn", False),
    ("MobileNetV2", lambda: mobilenet_v2.InvertedResidual(16, 16, 1, 6), "project.1", False),
    ("ConvNeXt", lambda: convnext.Block(16, 1.0, 0.0), "project", False),
    ("ViT", lambda: vit.Block(16, 4, 64, 0.0, 0.0), "attention.projection mlp.3", False),
    ("ResNet, projection B", lambda: resnet.BasicBlock(16, 32, 2, "B"), "bn2", True),
    ("ResNet, shortcut A", lambda: resnet.BasicBlock(16, 32, 2, "A"), "bn2", True),
    ("SE-ResNet, projection", lambda: senet.SEBasicBlock(16, 32, 2, 4), "conv2.1", True),
)
"""Blocks of the zoo: how they are built, the layers at the end of their branches, whether they change the shape."""
INPUTS = ("positive", "negative", "behind a ReLU")


def left(build: Callable[[], nn.Module], ends: str, x: Tensor) -> float | None:
    """How far a block with an empty branch is from giving its input back; None where the shape is another."""
    block = build().eval()
    for name in ends.split():
        for parameter in block.get_submodule(name).parameters():
            nn.init.zeros_(parameter)
    with torch.no_grad():
        y = block(x)
    return (y - x).abs().max().item() if y.shape == x.shape else None


def identity_at_zero() -> Finding:
    """Every kind of block with a shortcut, its last layer of zeros, for three kinds of input."""
    noise = torch.randn(2, 16, 8, 8, generator=torch.Generator().manual_seed(0))
    inputs = dict(zip(INPUTS, (noise.abs(), -noise.abs(), noise.relu()), strict=True))
    gaps = {
        name: [left(build, ends, x.flatten(2).transpose(1, 2) if name == "ViT" else x) for x in inputs.values()]
        for name, build, ends, _ in BLOCKS
    }
    keeps = {name: [gap is not None and gap < 1e-6 for gap in row] for name, row in gaps.items()}
    same = [name for name, _, _, changes in BLOCKS if not changes]
    after = [name for name in same if not keeps[name][1]]
    return weigh(
        Part(
            "inside a network, where a ReLU or nothing comes before, an empty block gives back its input",
            f"{sum(keeps[name][2] for name in same)} of {len(same)} kinds of blocks that keep the shape",
            all(keeps[name][2] for name in same),
        ),
        Part(
            "so does a block for any input",
            f"not those that end in an activation, for negative values: {', '.join(after)}",
            not after,
        ),
        Part(
            "so does every block with a shortcut",
            "none of those that change the shape: the shortcut itself then is no identity",
            all(any(keeps[name]) for name, *_ in BLOCKS),
        ),
        charts=(
            Grid(
                "How far a block with an empty branch is from the identity",
                "",
                tuple(gaps),
                INPUTS,
                tuple(tuple(row) for row in gaps.values()),
            ),
        ),
    )


def stem_of_resnet() -> Finding:
    """Kernels, strides and receptive field of ResNet's first layers."""
    net = zoo.meta_model("resnet50")
    conv, pool = net.get_submodule("conv1"), net.get_submodule("maxpool")
    assert isinstance(conv, nn.Conv2d) and isinstance(pool, nn.MaxPool2d)
    seen = next(layer.receptive_field for layer in cost("resnet50").layers if layer.name == "maxpool")
    return weigh(
        Part(
            "the first layer is a 7x7 convolution",
            f"{conv.kernel_size[0]}x{conv.kernel_size[0]}, stride {conv.stride[0]}",
            conv.kernel_size == (7, 7),
        ),
        Part(
            "with a pooling of 2x2 behind it",
            f"{pool.kernel_size}x{pool.kernel_size}, stride {pool.stride}",
            pool.kernel_size == 2,
        ),
        Part("what a unit behind both sees", f"{seen} px"),
        charts=(
            Table(
                "The stem",
                ("layer", "window", "stride"),
                (
                    ("convolution", "7x7", str(conv.stride[0])),
                    ("max pooling", f"{pool.kernel_size}x{pool.kernel_size}", str(pool.stride)),
                ),
            ),
        ),
    )


def maps_held(layers: int, growth: int = 12, first: int = 24, pixels: int = 32 * 32) -> int:
    """Values that a dense block puts out where each layer's input is joined anew: sums over all layers."""
    return sum(first + growth * (layer + 1) for layer in range(layers)) * pixels


def growth_of_densenet() -> Finding:
    """The channels of DenseNet-BC-100 by layer, and what joining them anew holds."""
    net = zoo.meta_model("densenet_bc100_k12_cifar")
    new, trace, channels = [], [], 24
    for module in net.modules():
        if isinstance(module, densenet.DenseLayer):
            new.append((module.conv2 if module.bottleneck else module.conv1).out_channels)
            channels += new[-1]
        elif isinstance(module, densenet.Transition):
            channels = module.conv.out_channels
        else:
            continue
        trace.append(channels)
    depths = np.array([4, 8, 16, 32, 64, 128])
    held = np.array([maps_held(int(depth)) for depth in depths], dtype=float)
    slope = float(np.polyfit(np.log(depths[-3:]), np.log(held[-3:]), 1)[0])
    deep = zoo.meta_model("resnet1001_cifar")
    each = ", ".join(map(str, sorted(set(new))))
    params = [sum(p.numel() for p in n.parameters()) for n in (net, deep)]
    return weigh(
        Part(
            "every layer adds a few maps, the growth rate",
            f"{len(new)} layers, {each} maps each",
            set(new) == {12},
        ),
        Part("the widest layer sees", f"{max(trace)} maps"),
        Part("the paper: 0.8 M parameters, ResNet-1001 has 10.2 M", f"{params[0]:,} and {params[1]:,}"),
        Part("memory, where each layer's input is written anew", f"grows with the depth to the power of {slope:.2f}"),
        charts=(
            Lines(
                "Twelve new maps a layer",
                "layer",
                "maps",
                {"DenseNet-BC-100, k = 12": tuple((float(i + 1), float(c)) for i, c in enumerate(trace))},
            ),
            Lines(
                "What a block writes grows with the square of its depth",
                "layers of a block",
                "values",
                {"joined anew in each layer": tuple(zip(depths.astype(float).tolist(), held.tolist(), strict=True))},
                log="xy",
            ),
        ),
    )


# fmt: off
CLAIMS = (
    Claim(
        "X17", "Zero weights make a block the identity",
        "A residual block whose weights are zero returns its input.",
        "If the weights ... ZERO, then the residual block would just return the identity", "E", resnet.PAPER,
        "If an identity were optimal, it is easier to push the residual to zero than to fit an identity (section 3.1).",
        "memory",
        "exact", "for every kind of block of the zoo and any input, output and input differ by less than 1e-6; "
                 "partly for some of them",
        identity_at_zero,
        errs="It holds where no activation follows the addition, or the input has no negative values.",
    ),
    Claim(
        "X33", "A 7x7 convolution, then a pool of 2",
        "ResNet begins with a 7x7 convolution and a pooling of 2.",
        "7x7 conv layer followed with a pool of 2", "ACD", resnet.PAPER,
        "7x7, 64, stride 2; 3x3 max pool, stride 2 (table 1)", "arithmetic",
        "exact", "windows and strides",
        stem_of_resnet,
        errs="2 is the stride of the pooling; its window is 3x3.",
    ),
    Claim(
        "X22", "Each layer of a DenseNet adds a few maps",
        "Every layer of a DenseNet adds only a small number of new maps.",
        "Each layer adds only a small number of new feature maps", "E", densenet.PAPER,
        "DenseNet-BC-100, k = 12: 0.8 M parameters; ResNet-1001: 10.2 M (table 2)", "arithmetic",
        "exact", "the maps that each layer adds are the growth rate",
        growth_of_densenet,
    ),
)
