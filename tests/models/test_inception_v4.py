"""Inception-v4 against timm and pytorchcv, and its figures."""

import pytest
import timm
import torch
from torch import nn

from opsin import zoo
from opsin.models.inception_v4 import InceptionV4


def arithmetic() -> tuple[int, int]:
    """Parameters and MACs, convolution by convolution with the batch norm behind it (figures 3 to 9, table 1)."""
    params = macs = 0

    def chain(channels, side, *layers):
        """`layers` are (channels, area of the filter), on a grid of `side`."""
        nonlocal params, macs
        for out, kernel in layers:
            params += (kernel * channels + 2) * out
            macs += kernel * channels * out * side**2
            channels = out

    chain(3, 149, (32, 9))  # figure 3
    chain(32, 147, (32, 9), (64, 9))
    chain(64, 73, (96, 9))
    chain(64 + 96, 73, (64, 1))
    chain(64, 71, (96, 9))
    chain(64 + 96, 73, (64, 1), (64, 7), (64, 7))
    chain(64, 71, (96, 9))
    chain(96 + 96, 35, (192, 9))
    for _ in range(4):  # figure 4
        chain(384, 35, (96, 1))
        chain(384, 35, (96, 1))
        chain(384, 35, (64, 1), (96, 9))
        chain(384, 35, (64, 1), (96, 9), (96, 9))
    k, l, m, n = 192, 224, 256, 384  # noqa: E741 (table 1)
    chain(384, 17, (n, 9))  # figure 7
    chain(384, 35, (k, 1), (l, 9))
    chain(l, 17, (m, 9))
    channels = 384 + n + m
    assert channels == 1024
    for _ in range(7):  # figure 5
        chain(channels, 17, (128, 1))
        chain(channels, 17, (384, 1))
        chain(channels, 17, (192, 1), (224, 7), (256, 7))
        chain(channels, 17, (192, 1), (192, 7), (224, 7), (224, 7), (256, 7))
    chain(channels, 17, (192, 1))  # figure 8
    chain(192, 8, (192, 9))
    chain(channels, 17, (256, 1), (256, 7), (320, 7))
    chain(320, 8, (320, 9))
    channels += 192 + 320
    assert channels == 1536
    for _ in range(3):  # figure 6
        chain(channels, 8, (256, 1))
        chain(channels, 8, (256, 1))
        chain(channels, 8, (384, 1))
        chain(384, 8, (256, 3))
        chain(384, 8, (256, 3))
        chain(channels, 8, (384, 1), (448, 3), (512, 3))
        chain(512, 8, (256, 3))
        chain(512, 8, (256, 3))
    return params + (channels + 1) * 1000, macs + channels * 1000


def test_counts_equal_the_arithmetic():
    card = zoo.card("inception_v4")
    assert (card.params, card.macs) == arithmetic()


def test_grids_are_those_of_figures_3_and_9():
    shapes = {}
    with torch.device("meta"):
        net = zoo.build_model("inception_v4").eval()
        for name, module in net.named_modules():
            module.register_forward_hook(lambda m, args, out, name=name: shapes.update({name: tuple(out.shape[1:])}))
        net(torch.zeros(1, 3, 299, 299))
    expected = {
        "stem.conv3": (64, 147, 147),
        "stem.conv4": (96, 73, 73),
        "stem.branch3x3": (96, 71, 71),
        "stem.branch7x7": (96, 71, 71),
        "stem": (384, 35, 35),
        "inception_a": (384, 35, 35),
        "reduction_a": (1024, 17, 17),
        "inception_b": (1024, 17, 17),
        "reduction_b": (1536, 8, 8),
        "inception_c": (1536, 8, 8),
    }
    assert {name: shapes[name] for name in expected} == expected


def test_modules_of_a_grid_are_all_alike():
    """What Inception-v4 is for: Inception-v3's differ in their widths."""
    with torch.device("meta"):
        net = InceptionV4()
    for stage, depth in ((net.inception_a, 4), (net.inception_b, 7), (net.inception_c, 3)):
        shapes = [[tuple(p.shape) for p in module.parameters()] for module in stage]
        assert len(shapes) == depth
        assert all(module == shapes[0] for module in shapes)


def test_logits_equal_timm(assert_same_logits):
    assert_same_logits(lambda: timm.create_model("inception_v4"), "inception_v4", size=299)


def test_initial_weights_keep_the_scale_of_what_passes():
    net = InceptionV4(depths=(1, 1, 1), width=0.25, num_classes=10)
    for module in net.modules():
        if isinstance(module, nn.Conv2d) and module.weight.numel() > 3000:
            fan_in = module.weight[0].numel()
            assert module.weight.std().item() == pytest.approx((2 / fan_in) ** 0.5, rel=0.1)
            assert module.weight.abs().max() <= 2 * (2.6 / fan_in) ** 0.5


def test_a_narrow_copy_of_the_real_network_learns(assert_learns):
    torch.manual_seed(0)
    assert_learns(InceptionV4((1, 1, 1), width=0.125, dropout=0.0, num_classes=4), channels=3, size=75)
