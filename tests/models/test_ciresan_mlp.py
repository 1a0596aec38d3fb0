"""Ciresan's perceptrons: counts by arithmetic, beside the millions that the paper prints."""

import itertools
import math

import pytest
import torch
from torch import nn

from opsin import zoo
from opsin.costs.count import count_model
from opsin.errors import OpsinError

HIDDEN = {
    "ciresan_mlp1": (1000, 500),
    "ciresan_mlp2": (1500, 1000, 500),
    "ciresan_mlp3": (2000, 1500, 1000, 500),
    "ciresan_mlp4": (2500, 2000, 1500, 1000, 500),
    "ciresan_mlp5": (1000,) * 9,
}


def arithmetic(hidden, inputs=841, classes=10):
    units = (inputs, *hidden, classes)
    macs = sum(a * b for a, b in itertools.pairwise(units))
    return macs + sum(units[1:]), macs


@pytest.mark.parametrize("name", HIDDEN)
def test_counts_equal_the_arithmetic(name):
    card = zoo.card(name)
    assert (card.params, card.macs) == arithmetic(HIDDEN[name])


@pytest.mark.parametrize("name", HIDDEN)
def test_printed_millions_are_cut_off_and_fit_841_inputs_only(name):
    printed = zoo.card(name).published[0].params
    assert printed == f"{math.floor(arithmetic(HIDDEN[name])[0] / 1e4) / 100:.2f}M"
    assert printed != f"{math.floor(arithmetic(HIDDEN[name], inputs=784)[0] / 1e4) / 100:.2f}M"


@pytest.mark.parametrize(("size", "classes", "in_chans"), [(8, 10, 1), (16, 3, 3), (40, 2, 1)])
def test_other_sizes(size, classes, in_chans):
    arguments = {"input_size": size, "num_classes": classes, "in_chans": in_chans}
    assert count_model("ciresan_mlp1", **arguments).params == arithmetic((1000, 500), in_chans * size**2, classes)[0]
    net = zoo.build_model("ciresan_mlp1", **arguments)
    x = torch.randn(2, in_chans, size, size)
    assert net.forward_features(x).shape == (2, 500)
    assert net(x).shape == (2, classes)


def test_smaller_images_are_refused_in_a_line():
    with pytest.raises(OpsinError, match="any size from 8 px"):
        zoo.build_model("ciresan_mlp1", input_size=7)


def test_all_weights_start_uniform_in_a_twentieth():
    net = zoo.build_model("ciresan_mlp5", hidden=(300,) * 9)
    assert sum(isinstance(m, nn.Linear) for m in net.modules()) == 10
    for parameter in net.parameters():
        assert parameter.abs().max() <= 0.05
    assert net.hidden[2].weight.std().item() == pytest.approx(0.05 / 3**0.5, rel=0.02)


def test_hidden_units_are_squashed_and_outputs_are_not():
    net = zoo.build_model("ciresan_mlp1", input_size=8)
    x = 1e4 * torch.randn(4, 1, 8, 8)
    assert net.forward_features(x).abs().max() <= 1.7159 + 1e-6
    with torch.no_grad():
        net.output.bias.fill_(100)
        assert net(x).max() > 90


def test_narrow_copy_learns_a_batch_by_heart_and_travels(assert_learns, assert_travels):
    torch.manual_seed(0)
    net = zoo.build_model("ciresan_mlp4", hidden=(60, 50, 40, 30, 20), num_classes=4, input_size=16)
    assert_learns(net, 1, 16, lr=3e-3)
    assert_travels(net, torch.randn(2, 1, 16, 16))
