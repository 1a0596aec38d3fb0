"""MobileNetV2 against arithmetic, its width multiplier, the claims of its paper, and torchvision."""

import pytest
import torch
import torchvision
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from opsin import zoo
from opsin.cards import agrees
from opsin.models.mobilenet_v2 import InvertedResidual, scale

WIDTHS = {"140": 1.4, "100": 1.0, "075": 0.75, "050": 0.5, "035": 0.35}
CHANNELS = {  # of the stem, then of the rows of table 2
    "140": (48, 24, 32, 48, 88, 136, 224, 448),
    "100": (32, 16, 24, 32, 64, 96, 160, 320),
    "075": (24, 16, 24, 24, 48, 72, 120, 240),
    "050": (16, 8, 16, 16, 32, 48, 80, 160),
    "035": (16, 8, 8, 16, 24, 32, 56, 112),
}
ROWS = ((1, 1, 1), (6, 2, 2), (6, 3, 2), (6, 4, 2), (6, 3, 1), (6, 3, 2), (6, 1, 1))  # t, n, s


def arithmetic(channels, last):
    """Parameters, those of batch norm among them, and MACs, convolution by convolution."""
    params = norms = macs = 0
    side = 224

    def convolution(inputs_of_a_channel, fan_out, kernel, stride=1):
        nonlocal params, norms, macs, side
        side //= stride
        params += kernel**2 * inputs_of_a_channel * fan_out
        norms += 2 * fan_out
        macs += kernel**2 * inputs_of_a_channel * fan_out * side**2

    fan_in = channels[0]
    convolution(3, fan_in, 3, 2)
    for (expansion, blocks, stride), width in zip(ROWS, channels[1:], strict=True):
        for i in range(blocks):
            hidden = expansion * fan_in
            if expansion > 1:
                convolution(fan_in, hidden, 1)
            convolution(1, hidden, 3, stride if i == 0 else 1)
            convolution(hidden, width, 1)
            fan_in = width
    convolution(fan_in, last, 1)
    assert side == 7
    return params + norms + (last + 1) * 1000, norms, macs + last * 1000


@pytest.mark.parametrize("width", WIDTHS)
def test_counts_equal_the_arithmetic(width):
    card = zoo.card(f"mobilenet_v2_{width}")
    params, norms, macs = arithmetic(CHANNELS[width], 1792 if width == "140" else 1280)
    assert (card.params, card.macs) == (params, macs)
    repository = card.published[-1]
    assert agrees(repository.params, params - norms)  # as the note says
    assert agrees(repository.macs, macs)


@pytest.mark.parametrize("width", WIDTHS)
def test_channels_are_rounded_to_multiples_of_8(width):
    with torch.device("meta"):
        net = zoo.build_model(f"mobilenet_v2_{width}")
    stem, *rows = CHANNELS[width]
    channels = [block.project[0].out_channels for block in net.blocks]
    assert net.stem[0].out_channels == stem
    assert channels == [c for c, (_, blocks, _) in zip(rows, ROWS, strict=True) for _ in range(blocks)]


@given(channels=st.integers(1, 2000), width=st.floats(0.1, 2.0))
def test_rounding_loses_no_more_than_a_tenth(channels, width):
    rounded, wanted = scale(channels, width), channels * width
    assert rounded % 8 == 0
    assert 0.9 * wanted <= rounded < max(wanted + 8, 9)


def test_shortcut_joins_equal_ends_alone():
    for in_channels, out_channels, stride, expected in ((16, 16, 1, True), (16, 24, 1, False), (16, 16, 2, False)):
        block = InvertedResidual(in_channels, out_channels, stride, expansion=6).eval()
        nn.init.zeros_(block.project[1].weight)  # the branch says nothing
        x = torch.randn(1, in_channels, 6, 6)
        assert (block(x).shape == x.shape and torch.equal(block(x), x)) is expected


def test_bottlenecks_are_linear_and_the_wide_layers_are_not():
    """Section 3.2: no activation behind the narrow 1x1; ReLU6 behind the other two."""
    block = InvertedResidual(4, 8, 1, expansion=6).eval()
    wide = []
    for layer in (block.expand, block.depthwise):
        layer.register_forward_hook(lambda module, args, out: wide.append(out))
    out = block(30 * torch.randn(2, 4, 8, 8))
    assert (out < 0).any()
    for maps in wide:
        assert maps.min() == 0
        assert maps.max() == 6


def test_logits_equal_torchvision(assert_same_logits):
    assert_same_logits(torchvision.models.mobilenet_v2, "mobilenet_v2_100")


@pytest.mark.parametrize(("name", "factor"), [("mobilenet_v2_035", 32), ("mobilenet_v2_32", 4)])
def test_image_is_divided_as_said(name, factor):
    net = zoo.build_model(name).eval()
    with torch.no_grad():
        assert net.forward_features(torch.zeros(1, 3, 64, 96)).shape[2:] == (64 // factor, 96 // factor)
