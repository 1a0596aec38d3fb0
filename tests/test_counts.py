"""Every card's exact counts, counted anew; they stand beside the figures as printed and an independent counter."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from opsin import zoo
from opsin.cards import agrees
from opsin.cost.count import count_model


@pytest.mark.parametrize("name", zoo.list_models())
def test_counts_are_those_of_the_card(name):
    card, counted = zoo.card(name), count_model(name)
    assert (counted.params, counted.macs) == (card.params, card.macs)


@pytest.mark.parametrize("name", zoo.list_models())
def test_torch_counts_the_same_operations(name):
    """torch's own counter has no notion of connections that a table leaves out: it sees what is executed."""
    inputs = zoo.card(name).inputs
    with torch.device("meta"), FlopCounterMode(display=False) as flops, torch.no_grad():
        zoo.create_model(name)(torch.zeros(1, inputs.channels, inputs.size, inputs.size))
    assert flops.get_total_flops() == 2 * count_model(name).executed


@pytest.mark.parametrize("name", zoo.list_models())
def test_printed_figures_agree_or_the_card_says_why(name):
    card = zoo.card(name)
    for row in card.published:
        for figure, exact in ((row.params, card.params), (row.macs, card.macs)):
            assert figure is None or agrees(figure, exact) or card.note, (figure, exact)
