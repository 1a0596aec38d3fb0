"""Deep networks that start with layers of shallow ones."""

import torch
from torch import nn

from opsin import zoo
from opsin.training.staged import take_layers


def test_vgg16_takes_the_four_convolutions_and_the_three_layers_that_its_paper_names():
    with torch.device("meta"):
        shallow, deep = zoo.card("vgg11").build(), zoo.card("vgg16").build()
    convolutions = ["features.0", "features.5", "features.10", "features.12"]  # conv1-1, conv2-1, conv3-1, conv3-2
    assert take_layers(deep, shallow) == [*convolutions, "classifier.0", "classifier.3", "classifier.6"]


def test_what_does_not_fit_stays():
    shallow = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 8, 3), nn.Linear(8, 2))
    deep = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 8, 3), nn.Linear(8, 3))
    before = {name: value.clone() for name, value in deep.state_dict().items()}
    assert take_layers(deep, shallow) == ["0", "2"]
    assert torch.equal(deep[0].weight, shallow[0].weight) and torch.equal(deep[2].bias, shallow[1].bias)
    assert all(torch.equal(value, before[name]) for name, value in deep.state_dict().items() if name[0] in "13")
