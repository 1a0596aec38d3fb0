"""NiN against arithmetic, its sizes with pooling in ceil mode, and the claims of its paper."""

import pytest
import torch
import torch.nn.functional as F
from pytorchcv.model_provider import get_model
from torch import nn

from opsin import zoo
from opsin.costs.count import count_model


def arithmetic(blocks, classes=10):
    """Blocks of (kernel, side of its maps, widths): parameters and MACs, layer by layer."""
    params = macs = 0
    fan_in = 3
    for kernel, side, widths in blocks:
        for width in widths:
            params += (kernel**2 * fan_in + 1) * width
            macs += kernel**2 * fan_in * width * side**2
            fan_in, kernel = width, 1
    assert fan_in == classes
    return params, macs


CIFAR = ((5, 32, (192, 160, 96)), (5, 16, (192, 192, 192)), (3, 8, (192, 192, 10)))
IMAGENET = ((11, 54, (96,) * 3), (5, 27, (256,) * 3), (3, 13, (384,) * 3), (3, 6, (1024, 1024, 1000)))


@pytest.mark.parametrize(("name", "blocks"), [("nin_cifar", CIFAR), ("nin", IMAGENET)])
def test_counts_equal_the_arithmetic(name, blocks):
    card = zoo.card(name)
    assert (card.params, card.macs) == arithmetic(blocks, card.num_classes)


@pytest.mark.parametrize(("name", "blocks"), [("nin_cifar", CIFAR), ("nin", IMAGENET)])
def test_maps_have_the_published_sizes(name, blocks):
    """32, 16, 8 for CIFAR; 54, 27, 13, 6 for ImageNet: the poolings round up."""
    shapes = []
    with torch.device("meta"):
        net = zoo.build_model(name).eval()
        for block in net.blocks:
            block.register_forward_hook(lambda module, args, out: shapes.append(tuple(out.shape)))
        size = zoo.card(name).inputs.size
        net(torch.zeros(1, 3, size, size))
    assert shapes == [(1, widths[-1], side, side) for _, side, widths in blocks]


def test_file_of_the_model_zoo_has_29_mb():
    assert round(4 * zoo.card("nin").params / 2**20) == 29


def test_pools_are_the_authors():
    kinds = {name: [type(pool) for pool in zoo.build_model(name, num_classes=2).pools] for name in ("nin_cifar", "nin")}
    assert kinds == {"nin_cifar": [nn.MaxPool2d, nn.AvgPool2d], "nin": [nn.MaxPool2d] * 3}


def test_a_1x1_layer_is_a_perceptron_on_every_pixel():
    """Section 3.1: a cascade of cross-channel layers is an mlp that slides over the image."""
    block = zoo.build_model("nin_32").blocks[0]
    x = torch.randn(2, 64, 5, 5)
    first, second = block.perceptron
    maps = F.relu(second(F.relu(first(x))))
    pixels = x.permute(0, 2, 3, 1).reshape(-1, 64)
    for layer in (first, second):
        pixels = F.relu(F.linear(pixels, layer.weight.flatten(1), layer.bias))
    torch.testing.assert_close(maps.permute(0, 2, 3, 1).reshape(-1, 32), pixels)


def test_the_score_of_a_class_is_the_mean_of_its_map():
    net = zoo.build_model("nin_32", num_classes=7).eval()
    x = torch.randn(2, 3, 20, 20)
    maps = net.forward_features(x)
    assert maps.shape == (2, 7, 5, 5)
    torch.testing.assert_close(net(x), maps.flatten(2).mean(2))


def test_the_paper_rectifies_the_maps_of_the_classes_and_the_small_variant_does_not():
    torch.manual_seed(0)
    x = torch.randn(4, 3, 32, 32)
    for name, lowest_is_zero in (("nin_cifar", True), ("nin_32", False)):
        maps = zoo.build_model(name).eval().forward_features(x)
        assert (maps.min().item() == 0) is lowest_is_zero
    assert zoo.build_model("nin_cifar", linear_end=True).eval()(x).min() < 0


def test_initial_weights_have_the_deviations_of_the_authors_files():
    net = zoo.build_model("nin")
    deviations = [p.std().item() for p in net.parameters() if p.ndim == 4]
    wanted = [0.01, 0.05, 0.05, 0.05, 0.05, 0.05, 0.01, 0.05, 0.05, 0.05, 0.05, 0.01]
    assert deviations == pytest.approx(wanted, rel=0.03)


@pytest.mark.parametrize("size", [16, 33, 64])
def test_cifar_network_takes_any_size(size):
    counted = count_model("nin_cifar", input_size=size, in_chans=1)
    half = -(-(size - 1) // 2)
    quarter = -(-(half - 1) // 2)
    blocks = ((5, size, CIFAR[0][2]), (5, half, CIFAR[1][2]), (3, quarter, CIFAR[2][2]))
    first = 25 * 2 * 192  # two channels of the three are missing in the first layer
    params, macs = arithmetic(blocks)
    assert (counted.params, counted.macs) == (params - first, macs - first * size**2)


def test_cifar_logits_equal_pytorchcv_but_for_the_edges_of_its_poolings(assert_same_logits):
    """pytorchcv's poolings are padded by a pixel on the left and at the top, ours (Caffe's) on the right and below."""

    def build():
        net = get_model("nin_cifar10")
        for stage, pool in (("stage2", "max"), ("stage3", "average")):
            kind = nn.MaxPool2d if pool == "max" else nn.AvgPool2d
            net.features.get_submodule(stage)[0] = kind(3, stride=2, ceil_mode=True)
        return net

    assert_same_logits(build, "nin_cifar", size=32)
