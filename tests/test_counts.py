"""Every card's exact counts, counted anew; they stand beside the figures as printed and an independent counter."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from opsin import zoo
from opsin.cards import agrees
from opsin.cost.count import count, count_model

NAMES = zoo.list_models()


@pytest.mark.parametrize("name", NAMES)
def test_counts_are_those_of_the_card_and_torch_counts_the_same_operations(name):
    """torch's own counter has no notion of connections that a table leaves out: it sees what is executed."""
    card = zoo.card(name)
    with torch.device("meta"):
        net = zoo.create_model(name)
    with FlopCounterMode(display=False) as flops:
        counted = count(net, card.inputs.channels, card.inputs.size)
    assert (counted.params, counted.aux_params, counted.macs) == (card.params, card.aux_params, card.macs)
    assert flops.get_total_flops() == 2 * counted.executed


@pytest.mark.parametrize("name", NAMES)
def test_printed_figures_agree_or_the_card_says_why(name):
    card = zoo.card(name)
    for row in card.published:
        for figure, exact in ((row.params, card.params), (row.macs, card.macs)):
            assert figure is None or agrees(figure, exact) or card.note or card.departures, (figure, exact)


@pytest.mark.parametrize("name", NAMES)
def test_a_printed_error_says_how_it_was_measured(name):
    for row in zoo.card(name).published:
        assert row.protocol or (row.top1_err is None and row.top5_err is None), row


def test_a_network_is_counted_at_any_size():
    """A convolution's products grow with the image's area, and a linear layer's do not."""
    square, wide = count_model("resnet18", input_size=64), None
    with torch.device("meta"):
        wide = count(zoo.create_model("resnet18"), 3, (64, 128))
    linear = square.by_layer["fc"]
    assert wide.macs - linear == 2 * (square.macs - linear)
    assert wide.params == square.params
