"""What all networks share: the layer that gives the logits, the embedding before it, a new head, maps or tokens."""

import copy

import pytest
import torch
from torch import nn

from opsin import zoo
from opsin.errors import OpsinError
from opsin.lineups import LINEUPS
from opsin.shapes import Shapes

NAMES = zoo.list_models()
QUICK = {card.name for family in zoo.FAMILIES for card in (family.CARDS[0], family.CARDS[-1])} - {"resnet1001_cifar"}
ALL = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in NAMES]
SMALL = LINEUPS["history"]
TOKENS = [name for name in NAMES if name.startswith("vit")]
VECTORS = [name for name in NAMES if name.startswith(("ciresan", "multiscale", "singlescale"))]
ON_MAPS = ["nin_32", "overfeat_32", "squeezenet_32", "enet_encoder_32"]


def on_meta(name, **arguments):
    with torch.device("meta"):
        return zoo.build_model(name, **arguments)


def shapes(net):
    return {key: tensor.shape for key, tensor in net.state_dict().items()}


@pytest.mark.parametrize("name", ALL)
def test_the_last_layer_alone_depends_on_the_classes(name):
    ours, seven = shapes(on_meta(name)), shapes(on_meta(name, num_classes=7))
    assert ours.keys() == seven.keys()
    differ = {key.rpartition(".")[0] for key in ours if ours[key] != seven[key] and not key.startswith("aux")}
    assert differ == {on_meta(name).last_layer}


@pytest.mark.parametrize("name", ALL)
def test_a_new_classifier_is_that_of_a_network_built_with_it(name):
    net = on_meta(name)
    with torch.device("meta"):
        net.reset_classifier(7)
    assert shapes(net) == shapes(on_meta(name, num_classes=7))
    assert net.constructor.keywords["num_classes"] == 7
    assert net.get_classifier() is net.get_submodule(net.last_layer)


@pytest.mark.parametrize("name", ALL)
@torch.no_grad()
def test_features_are_maps_or_tokens(name):
    card = zoo.card(name)
    net = on_meta(name).eval()
    with Shapes():
        out = net.forward_features(
            torch.zeros(2, card.inputs.channels, card.inputs.size, card.inputs.size, device="meta")
        )
    assert out.shape[0] == 2
    assert out.ndim == (3 if name in TOKENS else 2 if name in VECTORS else 4)
    if out.ndim == 4:
        assert out.shape[2] == out.shape[3] < card.inputs.size


@pytest.mark.parametrize("name", SMALL)
@torch.no_grad()
def test_the_classifier_on_the_embedding_gives_the_logits(name):
    inputs = zoo.card(name).inputs
    torch.manual_seed(0)
    net = zoo.build_model(name).eval()
    for parameter in net.get_classifier().parameters():
        nn.init.normal_(parameter, std=0.1)  # a head of zeros would say nothing
    x = torch.randn(3, inputs.channels, inputs.size, inputs.size)
    seen = []
    hook = net.get_classifier().register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0]))
    logits, embedding = net(x), net.embed(x)
    hook.remove()
    if name in ON_MAPS:  # the classifier sees each place of the map
        torch.testing.assert_close(embedding, seen[0].mean(dim=(2, 3)))
    else:
        torch.testing.assert_close(net.get_classifier()(embedding), logits)


@pytest.mark.parametrize("name", SMALL)
def test_a_new_classifier_keeps_all_else(name):
    inputs = zoo.card(name).inputs
    torch.manual_seed(0)
    net = zoo.build_model(name).eval()
    before = copy.deepcopy(net)
    x = torch.randn(2, inputs.channels, inputs.size, inputs.size)
    embedding = net.embed(x)
    net.reset_classifier(7)
    assert not any(module.training for module in net.modules())
    torch.testing.assert_close(net.embed(x), embedding)
    for key, tensor in before.state_dict().items():
        if not key.startswith(("aux", f"{net.last_layer}.")):
            assert torch.equal(tensor, net.state_dict()[key]), key
    net.train().reset_classifier(5)
    assert all(module.training for module in net.modules())


@torch.no_grad()
def test_a_copy_has_a_classifier_of_its_own():
    net = zoo.build_model("resnet20_cifar").eval()
    other = copy.deepcopy(net)
    other.reset_classifier(3)
    x = torch.randn(2, 3, 32, 32)
    assert (net(x).shape, other(x).shape) == ((2, 10), (2, 3))
    torch.testing.assert_close(net.embed(x), other.embed(x))


def test_the_embedding_leaves_the_mode_and_no_hook_behind():
    net = zoo.build_model("resnet20_cifar")
    assert net.embed(torch.randn(2, 3, 32, 32)).requires_grad
    assert net.training
    assert not net.get_classifier()._forward_pre_hooks


def test_a_network_that_was_not_built_by_its_name():
    with pytest.raises(OpsinError, match=r"use opsin\.create_model"):
        zoo.card("resnet20_cifar").build(num_classes=3, in_chans=3).reset_classifier(2)


def test_the_new_classifier_is_drawn_as_the_paper_starts_it():
    net = zoo.build_model("vit_32")
    nn.init.ones_(net.head.weight)
    net.reset_classifier(4)
    assert net.head.weight.shape == (4, 64)
    assert not net.head.weight.any()
