"""Pre-activation ResNet against arithmetic, against pytorchcv and timm, and the claims of its paper."""

from functools import partial

import pytest
import timm
import torch
from pytorchcv.model_provider import get_model
from torch import nn

from opsin import zoo
from opsin.cards import printed_range
from opsin.costs.count import count_model
from opsin.models.preact_resnet import BasicUnit, Bottleneck


def arithmetic(depths, widths, bottleneck, stem, option_b, first, stride_in_3x3, size, classes):
    """Parameters, those of batch norm among them, and MACs, layer by layer; `first` counts the first activations."""
    weights = norms = macs = 0
    side = size

    def convolution(fan_in, fan_out, kernel, stride, norm=True):
        nonlocal weights, norms, macs, side
        side //= stride
        norms += 2 * fan_in * norm  # before the convolution
        weights += kernel**2 * fan_in * fan_out
        macs += kernel**2 * fan_in * fan_out * side**2

    channels = widths[0]
    convolution(3, channels, *stem, norm=False)
    if stem[0] == 7:
        side //= 2
    norms += 2 * channels * (first - 1)
    for stage, (depth, width) in enumerate(zip(depths, widths, strict=True)):
        for i in range(depth):
            stride = 2 if stage > 0 and i == 0 else 1
            on_first, on_second = (1, stride) if stride_in_3x3 else (stride, 1)
            out = 4 * width if bottleneck else width
            if bottleneck:
                convolution(channels, width, 1, on_first)
                convolution(width, width, 3, on_second)
                convolution(width, out, 1, 1)
            else:
                convolution(channels, width, 3, stride)
                convolution(width, width, 3, 1)
            if option_b and channels != out:
                side *= stride
                convolution(channels, out, 1, stride, norm=False)
            channels = out
    norms += 2 * channels
    weights += (channels + 1) * classes
    return weights + norms, norms, macs + channels * classes


WIDTHS = (64, 128, 256, 512)
IMAGENET = {
    18: ((2, 2, 2, 2), False),
    34: ((3, 4, 6, 3), False),
    50: ((3, 4, 6, 3), True),
    101: ((3, 4, 23, 3), True),
    152: ((3, 8, 36, 3), True),
    200: ((3, 24, 36, 3), True),
}


def imagenet(depth, first, stride_in_3x3=False):
    depths, bottleneck = IMAGENET[depth]
    return arithmetic(depths, WIDTHS, bottleneck, (7, 2), True, first, stride_in_3x3, 224, 1000)


def cifar(depth, option_b=True, stride_in_3x3=True):
    bottleneck = depth > 110
    depths = ((depth - 2) // (9 if bottleneck else 6),) * 3
    return arithmetic(depths, (16, 32, 64), bottleneck, (3, 1), option_b, 1, stride_in_3x3, 32, 10)


@pytest.mark.parametrize("depth", IMAGENET)
def test_imagenet_counts_equal_the_arithmetic(depth):
    card = zoo.card(f"preact_resnet{depth}")
    params, _, macs = imagenet(depth, first=2)
    assert (card.params, card.macs) == (params, macs)
    layers = sum(IMAGENET[depth][0]) * (3 if IMAGENET[depth][1] else 2) + 2
    assert layers == depth


def test_the_papers_first_activation_has_128_parameters_fewer():
    counted = count_model("preact_resnet50", first_activation="conv1")
    assert (counted.params, counted.macs) == imagenet(50, first=1)[::2]
    assert counted.params == zoo.card("preact_resnet50").params - 128


def test_v1_5_counts_equal_the_arithmetic():
    card = zoo.card("preact_resnet50_v1_5")
    assert (card.params, card.macs) == imagenet(50, first=1, stride_in_3x3=True)[::2]
    assert card.macs - zoo.card("preact_resnet50").macs == 231_211_008
    assert f"{imagenet(200, first=2, stride_in_3x3=True)[2]:,}" in zoo.card("preact_resnet200").note


@pytest.mark.parametrize("depth", [20, 56, 164, 1001])
def test_cifar_counts_equal_the_arithmetic(depth):
    card = zoo.card(f"preact_resnet{depth}_cifar")
    assert (card.params, card.macs) == cifar(depth)[::2]


def test_110_layers_cost_what_those_of_the_resnet_paper_do():
    card, resnet = zoo.card("preact_resnet110_cifar"), zoo.card("resnet110_cifar")
    assert (card.params, card.macs) == (resnet.params, resnet.macs) == cifar(110, option_b=False)[::2]
    counted = count_model("preact_resnet110_cifar", shortcut="B")
    assert (counted.params, counted.macs) == cifar(110)[::2] == (1_730_522, 253_149_824)  # as the note says


def test_departures_give_the_counts_of_the_paper():
    for depth in (20, 56):
        departures = " ".join(zoo.card(f"preact_resnet{depth}_cifar").departures)
        for figure in cifar(depth, option_b=False)[::2]:
            assert f"{figure:,}" in departures
    for depth in (164, 1001):
        for family in ("preact_resnet", "resnet"):
            departures = " ".join(zoo.card(f"{family}{depth}_cifar").departures)
            assert f"{cifar(depth, stride_in_3x3=False)[2]:,}" in departures


def test_the_papers_size_of_1001_layers_leaves_batch_norm_out():
    params, norms, _ = cifar(1001)
    low, high = printed_range("10.2M")
    assert low <= params - norms == 10_178_490 <= high < params


@pytest.mark.parametrize("name", ["preact_resnet18", "preact_resnet50", "preact_resnet50_v1_5"])
def test_stages_have_the_sizes_of_resnet(name):
    with torch.device("meta"):
        net = zoo.build_model(name, num_classes=2).eval()
        expansion = 1 if name == "preact_resnet18" else 4
        x = net.maxpool(net.conv1(torch.zeros(1, 3, 224, 224)))
        assert x.shape == (1, 64, 56, 56)
        for stage, width, side in zip(net.stages, WIDTHS, (56, 28, 14, 7), strict=True):
            x = stage(x)
            assert x.shape == (1, width * expansion, side, side)


@pytest.mark.parametrize("block", [BasicUnit, Bottleneck])
def test_an_empty_branch_leaves_the_identity(block):
    """Equation 4: x_{l+1} = x_l + F(x_l), with nothing behind the addition, so that negative values pass too."""
    channels = 16 if block is BasicUnit else 64
    unit = block(channels, 16, 1, "B", True)
    last = unit.conv2 if block is BasicUnit else unit.conv3
    nn.init.zeros_(last.weight)
    x = torch.randn(2, channels, 8, 8)
    assert torch.equal(unit(x), x)


def test_the_signal_of_a_deep_unit_is_the_sum_of_all_before_it():
    """Equation 4 unrolled: the last features of a stage are its first unit's input plus every branch."""
    torch.manual_seed(0)
    net = zoo.build_model("preact_resnet20_cifar").eval()
    stage = net.stages[0]
    branches = []
    for unit in stage:
        unit.conv2.register_forward_hook(lambda module, args, out: branches.append(out))
    x = torch.randn(2, 16, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(stage(x), x + sum(branches))


def test_a_projection_starts_behind_the_first_activation_and_option_a_before_it():
    """Appendix: projection shortcuts are with pre-activation; what only pads stays an identity."""
    x = torch.randn(2, 16, 8, 8)
    for option in ("A", "B"):
        unit = BasicUnit(16, 32, 2, option, True).eval()
        nn.init.zeros_(unit.conv2.weight)
        out = unit(x)
        if option == "A":
            assert torch.equal(out[:, :16], x[:, :, ::2, ::2])
        else:
            torch.testing.assert_close(out, unit.shortcut(torch.relu(unit.bn1(x))))


def test_the_first_activation_comes_before_the_paths_split():
    """Appendix: right behind conv1, so that the first shortcut carries what is activated already."""
    net = zoo.build_model("preact_resnet110_cifar", depths=(1, 1, 1)).eval()
    first = net.stages[0][0]
    seen = []
    first.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    net(torch.randn(2, 3, 8, 8))
    assert first.bn1 is None
    assert seen[0].min() == 0


def projections_last(tensors):
    """timm has a unit's projection before its branch and ours behind it."""
    ordered, rest = tensors[:1], tensors[1:]
    for depth in IMAGENET[50][0]:
        ordered += rest[1:10] + rest[:1] + rest[10 : 10 + 9 * (depth - 1)]
        rest = rest[10 + 9 * (depth - 1) :]
    return ordered + rest


CV = {"preact_resnet18": "preresnet18", "preact_resnet50": "preresnet50"}
CV_CIFAR = {"preact_resnet20_cifar": "preresnet20_cifar10", "preact_resnet164_cifar": "preresnet164bn_cifar10"}


@pytest.mark.parametrize("name", CV)
def test_logits_equal_pytorchcv(name, assert_same_logits):
    assert_same_logits(partial(get_model, CV[name]), name)


@pytest.mark.parametrize("name", CV_CIFAR)
def test_logits_equal_pytorchcv_on_cifar(name, assert_same_logits):
    assert_same_logits(partial(get_model, CV_CIFAR[name]), name, size=32)


def test_logits_equal_timm(assert_same_logits):
    assert_same_logits(partial(timm.create_model, "resnetv2_50"), "preact_resnet50_v1_5", projections_last)
