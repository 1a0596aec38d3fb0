"""VGG against arithmetic, its paper's claim on stacks of 3x3, and torchvision."""

import pytest
import torch
import torchvision
from torch import nn

from opsin import zoo
from opsin.costs.count import count_model
from opsin.models import vgg

STAGES = {"vgg11": (1, 1, 2, 2, 2), "vgg13": (2, 2, 2, 2, 2), "vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
CHANNELS = (64, 128, 256, 512, 512)


def arithmetic(depths, size, classes=1000, batch_norm=False):
    """Parameters and MACs, layer by layer, as table 1 has them."""
    params = macs = 0
    fan_in, side = 3, size
    for depth, channels in zip(depths, CHANNELS, strict=True):
        for _ in range(depth):
            params += (9 * fan_in + 1 + 2 * batch_norm) * channels
            macs += 9 * fan_in * channels * side**2
            fan_in = channels
        side //= 2
    fan_in *= side**2
    for width in (4096, 4096, classes):
        params += (fan_in + 1) * width
        macs += fan_in * width
        fan_in = width
    return params, macs


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("name", STAGES)
def test_counts_equal_the_arithmetic(name, batch_norm):
    card = zoo.card(f"{name}_bn" if batch_norm else name)
    assert (card.params, card.macs) == arithmetic(STAGES[name], 224, batch_norm=batch_norm)


@pytest.mark.parametrize("size", [32, 96, 256])
def test_first_fully_connected_layer_is_cut_to_the_image(size):
    counted = count_model("vgg11", input_size=size, num_classes=7)
    assert (counted.params, counted.macs) == arithmetic(STAGES["vgg11"], size, classes=7)


@pytest.mark.parametrize("name", STAGES)
def test_depth_in_the_name_is_the_number_of_layers_with_weights(name):
    with torch.device("meta"):
        net = zoo.build_model(name)
    assert sum(isinstance(module, nn.Conv2d | nn.Linear) for module in net.modules()) == int(name[3:])


def test_stages_halve_the_image():
    with torch.device("meta"):
        net = zoo.build_model("vgg16")
        shapes = [
            tuple(net.features[: i + 1](torch.zeros(1, 3, 224, 224)).shape)
            for i, layer in enumerate(net.features)
            if isinstance(layer, nn.MaxPool2d)
        ]
    assert shapes == [(1, c, 224 >> i + 1, 224 >> i + 1) for i, c in enumerate(CHANNELS)]


def test_three_3x3_see_what_one_7x7_sees_with_fewer_weights():
    """Section 2.3: a pixel of the output of vgg16's third stage before pooling depends on 7x7 of its input."""
    net = zoo.build_model("vgg16", widths=((4,), (4, 4, 4)), hidden=(), num_classes=2, input_size=64).eval()
    x = torch.randn(1, 4, 15, 15, requires_grad=True)
    stage = net.features[3:9]  # three convolutions with their ReLUs
    for layer in stage:
        if isinstance(layer, nn.Conv2d):
            nn.init.uniform_(layer.weight, 0.1, 1.0)
            nn.init.ones_(layer.bias)
    stage(x.abs())[0, 0, 7, 7].backward()
    seen = x.grad[0, 0].ne(0)
    assert seen[4:11, 4:11].all()
    assert seen.sum() == 49
    assert 3 * 3**2 * 64**2 < 7**2 * 64**2


@pytest.mark.parametrize("name", ["vgg16", "vgg11_bn"])
def test_logits_equal_torchvision(name, assert_same_logits):
    assert_same_logits(getattr(torchvision.models, name), name)


def test_small_variant_takes_16_px_and_larger():
    for size in (16, 32, 48):
        net = zoo.build_model("vgg_32", in_chans=1, input_size=size).eval()
        assert net(torch.zeros(2, 1, size, size)).shape == (2, 10)


@pytest.mark.parametrize("column", [vgg.A, vgg.D, vgg.E], ids=["vgg11", "vgg16", "vgg19"])
def test_vgg_learns_without_batch_norm(column, assert_learns):
    """The paper's depths, an eighth of their width. At 2e-3 the deepest takes 15 to 75 steps, by seed."""
    widths = tuple(tuple(width // 8 for width in stage) for stage in column)
    torch.manual_seed(0)
    assert_learns(vgg.VGG(widths, (64, 64), dropout=0.0, num_classes=4, input_size=32), channels=3, size=32, lr=1e-3)
