"""DenseNet against arithmetic, against torchvision and pytorchcv, and the claims of its paper."""

from functools import partial

import pytest
import torch
import torchvision
from pytorchcv.model_provider import get_model
from torch import nn

from opsin import zoo
from opsin.cards import agrees
from opsin.costs.count import count_model
from opsin.models.densenet import DenseLayer, DenseNet, Transition


def arithmetic(depths, k, stem, bottleneck, keeps_half, size, classes):
    """Parameters and MACs, convolution by convolution; and the maps before each pooling or at the end."""
    kernel, stride, channels, pooled = stem
    side = size // stride
    params = kernel**2 * 3 * channels
    macs = params * side**2
    if pooled:
        params += 2 * channels
        side //= 2
    shapes = []
    for block, depth in enumerate(depths):
        if block > 0:
            out = channels // 2 if keeps_half else channels
            params += 2 * channels + channels * out
            macs += channels * out * side**2
            side, channels = side // 2, out
        for _ in range(depth):
            if bottleneck:
                weights = channels * 4 * k + 9 * 4 * k * k
                params += 2 * channels + 2 * 4 * k + weights
            else:
                weights = 9 * channels * k
                params += 2 * channels + weights
            macs += weights * side**2
            channels += k
        shapes.append((channels, side))
    return params + 2 * channels + (channels + 1) * classes, macs + channels * classes, shapes


TABLE_1 = {  # layers of the four blocks, and k
    "densenet121": ((6, 12, 24, 16), 32),
    "densenet169": ((6, 12, 32, 32), 32),
    "densenet201": ((6, 12, 48, 32), 32),
    "densenet161": ((6, 12, 36, 24), 48),
}
TABLE_2 = {  # L, k, the layers of a block, bottleneck and compression
    "densenet40_k12_cifar": (40, 12, 12, False),
    "densenet100_k12_cifar": (100, 12, 32, False),
    "densenet100_k24_cifar": (100, 24, 32, False),
    "densenet_bc100_k12_cifar": (100, 12, 16, True),
    "densenet_bc250_k24_cifar": (250, 24, 41, True),
    "densenet_bc190_k40_cifar": (190, 40, 31, True),
    "densenet_bc40_k12_cifar": (40, 12, 6, True),
    "densenet_bc40_k24_cifar": (40, 24, 6, True),
    "densenet_bc40_k36_cifar": (40, 36, 6, True),
}


def imagenet(name):
    depths, k = TABLE_1[name]
    return arithmetic(depths, k, (7, 2, 2 * k, True), True, True, 224, 1000)


def cifar(name):
    _, k, layers, bc = TABLE_2[name]
    return arithmetic((layers,) * 3, k, (3, 1, 2 * k if bc else 16, False), bc, bc, 32, 10)


@pytest.mark.parametrize("name", TABLE_1)
def test_imagenet_counts_equal_the_arithmetic(name):
    card = zoo.card(name)
    assert (card.params, card.macs) == imagenet(name)[:2]


@pytest.mark.parametrize("name", TABLE_2)
def test_cifar_counts_equal_the_arithmetic(name):
    card = zoo.card(name)
    assert (card.params, card.macs) == cifar(name)[:2]
    assert all(row.params is None or agrees(row.params, card.params) for row in card.published)


@pytest.mark.parametrize("name", [*TABLE_1, *TABLE_2])
def test_depth_is_the_number_of_layers(name):
    with torch.device("meta"):
        net = zoo.build_model(name)
    layers = sum(isinstance(module, nn.Conv2d | nn.Linear) for module in net.modules())
    depth = TABLE_2[name][0] if name in TABLE_2 else int(name.removeprefix("densenet"))
    assert layers == depth


@pytest.mark.parametrize("name", [*TABLE_1, *TABLE_2])
def test_blocks_have_the_sizes_of_the_tables(name):
    """Table 1: 56, 28, 14 and 7 px. Section 3: 32, 16 and 8."""
    shapes = (imagenet(name) if name in TABLE_1 else cifar(name))[2]
    assert [side for _, side in shapes] == ([56, 28, 14, 7] if name in TABLE_1 else [32, 16, 8])
    seen = []
    with torch.device("meta"):
        net = zoo.build_model(name).eval()
        for stage in net.stages:
            stage.register_forward_hook(lambda module, args, out: seen.append((out.shape[1], out.shape[2])))
        size = zoo.card(name).inputs.size
        net(torch.zeros(1, 3, size, size))
    assert seen == shapes


def test_bottleneck_and_compression_save_parameters():
    """Section 4.3: 0.8 million with them instead of 7.0 without, at the same depth and growth rate."""
    plain, bc = zoo.card("densenet100_k12_cifar"), zoo.card("densenet_bc100_k12_cifar")
    assert plain.params > 9 * bc.params
    assert bc.params < 0.1 * zoo.card("preact_resnet1001_cifar").params  # 90 % fewer, says the same section


@pytest.mark.parametrize("bottleneck", [False, True])
def test_a_layer_passes_its_input_on_and_adds_k_maps(bottleneck):
    layer = DenseLayer(10, 4, bottleneck, 0.0)
    x = torch.randn(2, 10, 6, 6)
    out = layer(x)
    assert out.shape == (2, 14, 6, 6)
    assert torch.equal(out[:, :10], x)


def test_every_layer_of_a_block_sees_all_before_it():
    """Equation 2: layer l takes the maps of the layers 0 to l-1, k0 + k(l-1) of them."""
    net = DenseNet((4, 4, 4), 8, stem="cifar", num_classes=10)
    block = net.stages[1]
    transition, *layers = block
    assert isinstance(transition, Transition)
    x = transition(torch.randn(2, 16 + 4 * 8, 8, 8))
    maps = [x]
    for i, layer in enumerate(layers):
        assert layer.conv1.in_channels == 24 + 8 * i
        x = layer(x)
        maps.append(x[:, -8:])
        assert torch.equal(x, torch.cat(maps, 1))


def test_dropout_follows_every_convolution_but_the_first():
    """Section 4.2, for the data sets without augmentation."""
    net = DenseNet((2, 2, 2), 4, stem="cifar", dropout=0.2, num_classes=10)
    rates = [module.p for module in net.modules() if isinstance(module, nn.Dropout)]
    assert rates == [0.2] * 8  # six layers and two transitions
    x = torch.randn(2, 3, 8, 8)
    assert not torch.equal(net(x), net(x))
    assert all(module.p == 0 for module in zoo.build_model("densenet_32").modules() if isinstance(module, nn.Dropout))


def test_compression_rounds_down():
    counted = count_model("densenet_bc40_k12_cifar", compression=0.3)
    net = DenseNet((6, 6, 6), 12, compression=0.3, stem="cifar")
    kept = [module.conv.out_channels for module in net.modules() if isinstance(module, Transition)]
    assert kept == [28, 30]  # of 96 and 100
    assert counted.params < zoo.card("densenet_bc40_k12_cifar").params


@pytest.mark.parametrize("name", ["densenet121", "densenet161"])
def test_logits_equal_torchvision(name, assert_same_logits):
    assert_same_logits(getattr(torchvision.models, name), name)


@pytest.mark.parametrize("name", ["densenet_bc40_k12_cifar", "densenet_bc100_k12_cifar"])
def test_logits_equal_pytorchcv(name, assert_same_logits):
    theirs = name.removeprefix("densenet_bc").removesuffix("_cifar")
    assert_same_logits(partial(get_model, f"densenet{theirs}_bc_cifar10"), name, size=32)
