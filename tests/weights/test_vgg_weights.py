"""timm reads torchvision's files of VGG, too, and so does its map here."""

import timm
import torch
import torchvision
from timm.models.vgg import _filter_fn

from opsin import zoo
from opsin.weights.families.vgg import TIMM
from opsin.weights.load import load


def test_torchvisions_names_as_timm_translates_them():
    with torch.device("meta"):
        theirs = torchvision.models.vgg11_bn().state_dict()
        net = zoo.build_model("vgg11_bn")
    for tensors in (theirs, _filter_fn(theirs)):
        assert load(net, net, tensors, TIMM, "file") == []
    assert {TIMM.today(key) for key in theirs} == set(_filter_fn(theirs))


def test_the_order_of_the_first_linear_layer():
    with torch.device("meta"):
        theirs = timm.create_model("vgg11")
    tensor = torch.arange(4 * 512 * 7 * 7).reshape(4, -1)
    convolution = TIMM.to_theirs("classifier.0.weight", tensor)
    assert convolution.shape[1:] == theirs.pre_logits.fc1.weight.shape[1:]
    assert torch.equal(TIMM.to_ours("classifier.0.weight", convolution), tensor)
    maps = torch.randn(2, 512, 7, 7, dtype=torch.float64)
    flat = maps.flatten(1) @ tensor.double().T
    torch.testing.assert_close(torch.conv2d(maps, convolution.double()).flatten(1), flat)
