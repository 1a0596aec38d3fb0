"""Deep networks that start with layers of shallow ones."""

import torch

from opsin import zoo
from opsin.training.staged import take_layers


def test_vgg16_takes_the_four_convolutions_and_the_three_layers_that_its_paper_names():
    shallow, deep = zoo.build_model("vgg11_32"), zoo.build_model("vgg_32")
    kept = {name: value.clone() for name, value in deep.state_dict().items()}
    print(take_layers(deep, shallow))
