"""Every card's exact counts, counted anew; they stand beside the figures as printed, the facts, and torch's counter."""

import json
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from opsin import zoo
from opsin.cards import agrees
from opsin.costs.count import count, count_model
from opsin.errors import OpsinError

NAMES = zoo.list_models()
FACTS = Path(__file__).parents[2] / "shared/facts/papers.json"
SPARSE = {
    "lenet1989",
    "lenet5",
    "multiscale_108_108",
    "multiscale_108_108_grey",
    "multiscale_32",
    "singlescale_108_108",
}
"""Networks with layers that a table makes sparse: more is executed, as dense convolutions, than is connected."""


FIRST = [family.CARDS[0].name for family in zoo.FAMILIES]
"""The first network of each family: torch's counter takes as long as ours, and sees the others among the slow tests."""


def counted(name):
    """The network without numbers, and its counts."""
    card = zoo.card(name)
    net = zoo.meta_model(name)
    return net, count(net, card.inputs.channels, card.inputs.size)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if "1001" in name or "1202" in name else name for name in NAMES]
)
def test_counts_are_those_of_the_card(name):
    card, (_, own) = zoo.card(name), counted(name)
    assert (own.params, own.aux_params, own.macs) == (card.params, card.aux_params, card.macs)
    assert (own.executed > own.macs) == (name in SPARSE)
    print(f"{name}: {own.macs:,} connections, {own.executed:,} MACs executed")


@pytest.mark.parametrize(
    "name", [name if name in FIRST else pytest.param(name, marks=pytest.mark.slow) for name in NAMES]
)
def test_torch_counts_the_same_operations(name):
    """torch's own counter sees a forward pass of the network as it is, with gradients, and what is executed of it.

    It has no notion of connections that a table leaves out, nor of products that are no operator (LeNet-5's 840 of the
    distances to its codes).
    """
    inputs, (net, own) = zoo.card(name).inputs, counted(name)
    images = torch.zeros(1, inputs.channels, inputs.size, inputs.size, device="meta")
    with FlopCounterMode(display=False) as flops:
        net.eval()(images)
    assert flops.get_total_flops() == 2 * own.executed


@pytest.mark.skipif(not FACTS.is_file(), reason="the facts are not here")
def test_counts_are_those_of_the_facts():
    """Derived by hand, or from another library: of a name's variants (heads, groups, image sizes) one is ours."""
    checked = 0
    for facts in json.loads(FACTS.read_text(encoding="utf-8")):
        rows = facts.get("derived", []) + facts.get("elsewhere", [])
        if facts["name"] in NAMES and rows:
            card = zoo.card(facts["name"])
            assert (card.params, card.macs) in {(row["params"], row["macs"]) for row in rows}, card.name
            checked += 1
    assert checked > 50


DIFFER = {
    "lenet1989": {"64,660 connections"},  # biases among them
    "lenet5": {"340,908 connections"},  # biases and sub-sampling among them
    "alexnet": {"60 million"},
    "overfeat_fast": {"2810M"},
    "overfeat_accurate": {"5369M"},
    "googlenet": {"1.5 billion", "6,797.7K", "1502M"},
    "bn_inception": {"13.6·10^6"},
    "inception_v3": {"25 million", "5 billion", "4.8G"},
    "resnet1001_cifar": {"10.2M"},
    "squeezenet1_0": {"1.72 GFLOPS"},  # two for a product and its sum
    "squeezenet1_1": {"0.72 GFLOPS"},
    "preact_resnet1001_cifar": {"10.2M"},
    "fractalnet20_cifar": {"38.6M"},
    "fractalnet40_cifar": {"22.9M"},
    "enet": {"3.83 GFLOPs"},
    "mobilenet_v1_100": {"418M", "290M", "186M"},  # images of 192, 160 and 128 px
    "mobilenet_v1_075": {"317M"},
    "se_resnet101": {"7.60G"},
    "se_resnet152": {"11.32G"},
    "se_resnext50_32x4d": {"4.25G"},
    "mobilenet_v2_140": {"6.9M", "6.06M", "585M"},
    "mobilenet_v2_100": {"3.4M", "3.47M"},
    "mobilenet_v2_075": {"2.61M"},
    "mobilenet_v2_050": {"1.95M"},
    "mobilenet_v2_035": {"1.66M"},
    "vit_large_patch16_224": {"307M"},
    "vit_large_patch16_384": {"307M", "190.7G"},
}
"""Printed figures which our counts do not reproduce; the cards' notes say why, or that nobody knows."""


@pytest.mark.parametrize("name", NAMES)
def test_printed_figures_agree_or_the_card_says_why(name):
    card = zoo.card(name)
    pairs = [pair for row in card.published for pair in ((row.params, card.params), (row.macs, card.macs))]
    differ = {figure for figure, exact in pairs if figure is not None and not agrees(figure, exact)}
    assert differ == DIFFER.get(name, set())
    assert card.note or not differ


@pytest.mark.parametrize("name", NAMES)
def test_a_printed_error_says_how_it_was_measured(name):
    for row in zoo.card(name).published:
        assert row.protocol or (row.top1_err is None and row.top5_err is None), row


def test_a_network_is_counted_at_any_size():
    """A convolution's products grow with the image's area, and a linear layer's do not."""
    square = count_model("resnet18", input_size=64)
    with torch.device("meta"):
        wide = count(zoo.build_model("resnet18"), 3, (64, 128))
    linear = square.by_layer["fc"]
    assert wide.macs - linear == 2 * (square.macs - linear)
    assert wide.params == square.params


def test_an_operator_that_is_not_known_is_an_error():
    class Odd(torch.nn.Module):
        def forward(self, x):
            return torch.linalg.inv(x)

    with pytest.raises(OpsinError, match="does not know the operator"):
        count(Odd().to("meta"), 1, 4)


def test_layers_add_up_by_hand():
    own = count_model("resnet20_cifar")
    assert own.by_layer["conv1"] == 32 * 32 * 16 * 3 * 9
    assert own.by_layer["fc"] == 640
    assert sum(own.by_layer.values()) == own.macs == own.executed
