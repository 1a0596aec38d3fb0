"""Xception against arithmetic, figure 5 of its paper, pytorchcv and timm."""

from functools import partial

import pytest
import timm
import torch
from pytorchcv.model_provider import get_model
from torch import nn

from opsin import zoo
from opsin.models.xception import Module, SeparableConv

ENTRY = [(64, 128, 128, 147), (128, 256, 256, 74), (256, 728, 728, 37)]  # channels through a module, side before it
EXIT = (728, 728, 1024, 19)


def arithmetic():
    """Parameters and MACs of figure 5, convolution by convolution, at 299 px."""
    params = macs = 0

    def convolution(inputs_of_a_channel, fan_out, kernel, side, norm=True):
        nonlocal params, macs
        weights = kernel**2 * inputs_of_a_channel * fan_out
        params += weights + 2 * fan_out * norm
        macs += weights * side**2

    def separable(fan_in, fan_out, side):
        convolution(1, fan_in, 3, side, norm=False)
        convolution(fan_in, fan_out, 1, side)

    convolution(3, 32, 3, 149)
    convolution(32, 64, 3, 147)
    for fan_in, hidden, out, side in (*ENTRY, EXIT):
        separable(fan_in, hidden, side)
        separable(hidden, out, side)
        convolution(fan_in, out, 1, (side + 1) // 2)  # the residual connection
    for _ in range(8 * 3):
        separable(728, 728, 19)
    separable(1024, 1536, 10)
    separable(1536, 2048, 10)
    return params + 2049 * 1000, macs + 2048 * 1000


def test_counts_equal_the_arithmetic():
    card = zoo.card("xception")
    assert (card.params, card.macs) == arithmetic()


def test_parameters_are_the_paper_s_to_the_last_digit():
    assert f"{zoo.card('xception').params:,}" == "22,855,952"  # table 3


def test_network_is_that_of_figure_5():
    """36 convolutional layers in 14 modules, all but the first and the last with residual connections (section 3)."""
    sizes = []
    with torch.device("meta"):
        net = zoo.build_model("xception")
        for layer in (net.conv1, net.conv2, *net.entry, *net.middle, net.exit, net.conv3, net.conv4):
            layer.register_forward_hook(lambda module, args, out: sizes.append(tuple(out.shape[1:])))
        assert net(torch.zeros(1, 3, 299, 299)).shape == (1, 1000)
    assert sizes == [
        (32, 149, 149),
        (64, 147, 147),
        (128, 74, 74),
        (256, 37, 37),
        *[(728, 19, 19)] * 9,
        (1024, 10, 10),
        (1536, 10, 10),
        (2048, 10, 10),
    ]
    assert 2 + sum(isinstance(m, SeparableConv) for m in net.modules()) == 36
    assert 2 + sum(isinstance(m, Module) for m in net.modules()) == 14


def test_no_activation_between_depthwise_and_pointwise():
    """Section 4.7: so a separable convolution in evaluation is linear but for its norm's shift."""
    torch.manual_seed(0)
    conv = SeparableConv(4, 6).eval()
    x = torch.randn(1, 4, 5, 5)
    with torch.no_grad():
        torch.testing.assert_close(conv(-x), -conv(x))


@pytest.mark.parametrize("halve", [True, False])
def test_residual_connection(halve):
    """With a silent branch a module is its connection, and no ReLU follows the addition."""
    module = Module(4, (4, 4), halve=halve).eval()
    nn.init.zeros_(module.convs[-1].bn.weight)
    x = torch.randn(1, 4, 9, 9)
    with torch.no_grad():
        assert torch.equal(module(x), module.shortcut(x))
        assert module(x).shape == ((1, 4, 5, 5) if halve else x.shape)


def test_logits_equal_pytorchcv(assert_same_logits):
    assert_same_logits(partial(get_model, "xception"), "xception", size=299)


def test_logits_equal_timm(assert_same_logits):
    assert_same_logits(partial(timm.create_model, "legacy_xception"), "xception", size=150)
