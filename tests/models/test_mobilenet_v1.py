"""MobileNetV1 against arithmetic, the tables of its paper, pytorchcv and timm."""

from functools import partial
from itertools import pairwise

import pytest
import timm
import torch
from pytorchcv.model_provider import get_model
from torch import nn

from opsin import zoo
from opsin.cards import agrees
from opsin.costs.count import count_model
from opsin.models.mobilenet_v1 import TABLE_1

WIDTHS = {"100": 1.0, "075": 0.75, "050": 0.5, "025": 0.25}
CHANNELS = (32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
SIDES = (112, 112, 56, 56, 28, 28, 14, 14, 14, 14, 14, 14, 7, 7)  # that come out of these layers at 224 px


def arithmetic(width=1.0, size=224, channels=CHANNELS, sides=SIDES):
    """MACs and parameters (with those of batch norm) by type of layer, as table 2 has them."""
    c = [round(width * n) for n in channels]
    area = [(side * size // 224) ** 2 for side in sides]
    macs = {"3x3": 27 * c[0] * area[0], "dw": 0, "1x1": 0, "fc": 1000 * c[-1]}
    params = {"3x3": 29 * c[0], "dw": 0, "1x1": 0, "fc": 1000 * (c[-1] + 1)}
    for i in range(1, len(c)):
        macs["dw"] += 9 * c[i - 1] * area[i]
        params["dw"] += 11 * c[i - 1]
        macs["1x1"] += c[i - 1] * c[i] * area[i]
        params["1x1"] += (c[i - 1] + 2) * c[i]
    return macs, params


@pytest.mark.parametrize("width", WIDTHS)
def test_counts_equal_the_arithmetic(width):
    card = zoo.card(f"mobilenet_v1_{width}")
    macs, params = arithmetic(WIDTHS[width])
    assert (card.params, card.macs) == (sum(params.values()), sum(macs.values()))
    assert agrees(card.published[0].params, card.params)
    assert agrees(card.published[0].macs, card.macs)


def test_shares_of_the_layers_are_those_of_table_2():
    """Of the weights alone. The table prints 1.19 % for the operations of the 3x3 convolution, a slip for 1.91."""
    macs, _ = arithmetic()
    pairs = list(pairwise(CHANNELS))
    weights = {"1x1": sum(a * b for a, b in pairs), "dw": 9 * sum(CHANNELS[:-1]), "3x3": 27 * 32, "fc": 1024 * 1000}
    printed = {"1x1": (94.86, 74.59), "dw": (3.06, 1.06), "3x3": (1.91, 0.02), "fc": (0.18, 24.33)}
    for kind, (of_macs, of_weights) in printed.items():
        assert 100 * macs[kind] / sum(macs.values()) == pytest.approx(of_macs, abs=0.01)
        assert 100 * weights[kind] / sum(weights.values()) == pytest.approx(of_weights, abs=0.01)


@pytest.mark.parametrize(("size", "macs"), [(192, "418M"), (160, "290M"), (128, "186M")])
def test_resolutions_of_table_7(size, macs):
    counted = count_model("mobilenet_v1_100", input_size=size).macs
    assert counted == sum(arithmetic(size=size)[0].values())
    assert agrees(macs, counted)
    assert macs in {row.macs for row in zoo.card("mobilenet_v1_100").published}


def test_shallow_network_of_table_5():
    """Without the five layers of 14 x 14 x 512."""
    settings = TABLE_1[:6] + TABLE_1[11:]
    counted = count_model("mobilenet_v1_100", settings=settings)
    assert agrees("307M", counted.macs)
    assert agrees("2.9M", counted.params)


def test_convolution_of_table_3():
    """At 14 x 14 x 512 a separable layer takes a ninth of the operations of a 3x3 convolution."""
    convolution, separable = 9 * 512 * 512, 9 * 512 + 512 * 512
    assert agrees("462M", convolution * 14**2)
    assert agrees("2.36M", convolution)
    assert agrees("52.3M", separable * 14**2)
    assert agrees("0.27M", separable)
    by_layer = count_model("mobilenet_v1_100").by_layer
    assert sum(macs for name, macs in by_layer.items() if name.startswith("blocks.6.")) == separable * 14**2


def test_maps_have_the_sizes_of_table_1():
    sizes = []
    with torch.device("meta"):
        net = zoo.build_model("mobilenet_v1_100")
        for layer in (net.stem, *net.blocks):
            layer.register_forward_hook(lambda module, args, out: sizes.append(tuple(out.shape[1:])))
        net(torch.zeros(1, 3, 224, 224))
    assert sizes == [(c, side, side) for c, side in zip(CHANNELS, SIDES, strict=True)]
    layers = [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(layers) == 28  # section 3.2


def test_logits_equal_pytorchcv(assert_same_logits):
    assert_same_logits(partial(get_model, "mobilenet_wd2"), "mobilenet_v1_050")


def with_relu(name):
    """timm's network with the paper's ReLU for its ReLU6."""
    net = timm.create_model(name)
    for module in net.modules():
        for child, layer in module.named_children():
            if isinstance(layer, nn.ReLU6):
                setattr(module, child, nn.ReLU())
    return net


def test_logits_equal_timm(assert_same_logits):
    assert_same_logits(partial(with_relu, "mobilenetv1_100"), "mobilenet_v1_100", size=160)
