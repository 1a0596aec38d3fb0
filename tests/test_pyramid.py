"""opsin.features against the maps themselves, for every card, and against timm's features."""

import copy

import pytest
import timm
import torch
from torch import nn

import opsin
from opsin import zoo
from opsin.errors import OpsinError
from opsin.lineups import LINEUPS
from opsin.shapes import Shapes

NAMES = zoo.list_models()
MAPLESS = [name for name in NAMES if zoo.card(name).family == zoo.card("ciresan_mlp1").family]
QUICK = {card.name for family in zoo.FAMILIES for card in (family.CARDS[0], family.CARDS[-1])} - {"resnet1001_cifar"}
WITH_MAPS = [
    name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in NAMES if name not in MAPLESS
]
SMALL = [name for name in LINEUPS["history"] if name not in MAPLESS]


@pytest.mark.parametrize("name", WITH_MAPS)
@torch.no_grad()
def test_maps_have_the_channels_and_strides_that_are_told(name):
    inputs = zoo.card(name).inputs
    with torch.device("meta"), Shapes():
        net = zoo.build_model(name)
        pyramid = opsin.features(net).eval()
        maps = pyramid(torch.zeros(2, inputs.channels, inputs.size, inputs.size))
    assert tuple(maps) == pyramid.names
    assert list(pyramid.strides) == sorted(set(pyramid.strides))
    for map, channels, stride in zip(maps.values(), pyramid.channels, pyramid.strides, strict=True):
        assert map.shape[:2] == (2, channels)
        height, width = map.shape[2:]
        assert height == width > 0
        # convolutions without padding lose a few places at the edge
        assert inputs.size / stride - 7 <= height <= -(-inputs.size // stride) + 1
    if not inputs.fixed:
        step = max(pyramid.strides) * inputs.multiple
        with torch.device("meta"), Shapes():
            wider = pyramid(torch.zeros(1, inputs.channels, inputs.size + step, inputs.size))
        for name, stride in zip(pyramid.names, pyramid.strides, strict=True):
            assert wider[name].shape[2:] == (maps[name].shape[2] + step // stride, maps[name].shape[3])


@pytest.mark.parametrize("name", MAPLESS)
def test_a_network_without_maps(name):
    with torch.device("meta"), pytest.raises(OpsinError, match=f"{name} has no maps"):
        opsin.features(zoo.build_model(name))


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("resnet50_v1_5", "resnet50"),
        ("densenet121", "densenet121"),
        ("convnext_tiny", "convnext_tiny"),
        ("swin_tiny_patch4_window7_224", "swin_tiny_patch4_window7_224"),
        ("mobilenet_v2_100", "mobilenetv2_100"),
        ("inception_v4", "inception_v4"),
        ("vgg16", "vgg16"),
        ("se_resnet50", "seresnet50"),
    ],
)
def test_channels_and_strides_equal_those_of_timm(name, theirs):
    with torch.device("meta"), Shapes():
        info = timm.create_model(theirs, features_only=True).feature_info
        pyramid = opsin.features(zoo.build_model(name))
    channels = info.channels()
    if name == "mobilenet_v2_100":
        channels[-1] = 1280  # we count the last 1x1 convolution among the maps, timm to the head
    if name == "inception_v4":
        channels[1] = 96  # timm's 160 are a concatenation; within our stem no module gives it, but its last branch
    assert (list(pyramid.channels), list(pyramid.strides)) == (channels, info.reduction())


@torch.no_grad()
def test_maps_equal_those_of_timm(tmp_path):
    torch.manual_seed(0)
    net = timm.create_model("swin_tiny_patch4_window7_224", num_classes=5, depths=(2, 1, 1, 1))
    torch.save(net.state_dict(), tmp_path / "swin.pth")
    arguments = {"num_classes": 5, "depths": (2, 1, 1, 1)}
    ours = opsin.create_model("swin_tiny_patch4_window7_224", tmp_path / "swin.pth", **arguments).eval()
    x = torch.randn(1, 3, 224, 224)
    expected = net.eval().forward_intermediates(x, intermediates_only=True, output_fmt="NCHW")
    for map, their in zip(opsin.features(ours, [f"stages.{i}" for i in range(4)])(x).values(), expected, strict=True):
        torch.testing.assert_close(map, their, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_tokens_become_a_map_without_the_class_token():
    torch.manual_seed(0)
    net = zoo.build_model("vit_32").eval()
    x = torch.randn(2, 3, 32, 32)
    (map,) = opsin.features(net)(x).values()
    assert map.shape == (2, 64, 8, 8)
    assert torch.equal(map[:, :, 3, 5], net.forward_features(x)[:, 1 + 3 * 8 + 5])


def test_names_are_any_modules_in_any_order():
    net = zoo.build_model("resnet20_cifar")
    pyramid = opsin.features(net, ["stages.2", "stages.0.1.conv1", "bn1"])
    assert (pyramid.names, pyramid.channels, pyramid.strides) == (
        ("stages.2", "stages.0.1.conv1", "bn1"),
        (64, 16, 16),
        (4, 1, 1),
    )
    assert list(pyramid(torch.zeros(1, 3, 40, 24))) == list(pyramid.names)


def test_a_module_that_is_called_several_times():
    net = zoo.build_model("alexnet_32").eval()
    seen = []
    net.pool.register_forward_hook(lambda module, inputs, output: seen.append(output))
    x = torch.randn(1, 3, 32, 32)
    net(x)
    maps = opsin.features(net, ["pool#2", "pool#1"])(x)
    assert torch.equal(maps["pool#2"], seen[1])
    assert torch.equal(maps["pool#1"], seen[0])


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["stages.7"], r"unknown map of resnet20_cifar 'stages.7'; did you mean stages\.[012]"),
        (["fc"], "unknown map of resnet20_cifar 'fc'"),
        ([], "no maps of resnet20_cifar are named"),
    ],
)
def test_wrong_names(names, says):
    with pytest.raises(OpsinError, match=says):
        opsin.features(zoo.build_model("resnet20_cifar"), names)


def test_one_name():
    assert opsin.features(zoo.build_model("resnet20_cifar"), "stages.1").names == ("stages.1",)


@pytest.mark.parametrize("other", ["resnet20_cifar", nn.Sequential(nn.Linear(2, 2))])
def test_what_is_no_network_of_the_zoo(other):
    with pytest.raises(OpsinError, match=r"opsin\.create_model built, not a (str|Sequential)$"):
        opsin.features(other)


def test_a_network_that_was_not_built_by_its_name():
    with pytest.raises(OpsinError, match=r"use opsin\.create_model"):
        opsin.features(zoo.card("resnet20_cifar").build(num_classes=3, in_chans=3))


@pytest.mark.parametrize("name", SMALL)
def test_trains_and_travels(name):
    """Gradients reach the network through the maps, in both modes; a copy gives the same; nothing is left behind."""
    inputs = zoo.card(name).inputs
    torch.manual_seed(0)
    net = zoo.build_model(name)
    hooks = sum(len(module._forward_hooks) for module in net.modules())
    pyramid = opsin.features(net)
    x = torch.randn(2, inputs.channels, inputs.size, inputs.size)
    for mode in (True, False):
        pyramid.train(mode)
        assert net.training == mode
        net.zero_grad()
        maps = pyramid(x)
        assert [map.shape[1] for map in maps.values()] == list(pyramid.channels)
        sum(map.square().mean() for map in maps.values()).backward()
        first = next(net.parameters())
        assert first.grad is not None
        assert first.grad.any()
    with torch.no_grad():
        for one, two in zip(pyramid(x).values(), copy.deepcopy(pyramid)(x).values(), strict=True):
            assert torch.equal(one, two)
    assert sum(len(module._forward_hooks) for module in net.modules()) == hooks


def test_what_comes_behind_the_last_map_is_not_computed():
    net = zoo.build_model("resnet20_cifar").eval()
    net.stages[2].register_forward_hook(lambda *_: pytest.fail("stage 3 was computed"))
    assert list(opsin.features(net, ["stages.1"])(torch.zeros(1, 3, 32, 32))) == ["stages.1"]


def test_a_detector_upon_it_learns():
    torch.manual_seed(0)
    pyramid = opsin.features(zoo.build_model("convnext_32"))
    head = nn.Conv2d(pyramid.channels[1], 1, 1)
    optimizer = torch.optim.AdamW([*pyramid.parameters(), *head.parameters()], lr=3e-3)
    x = torch.randn(4, 3, 32, 32)
    target = torch.zeros(4, 1, 8, 8)
    target[torch.arange(4), 0, torch.arange(4), torch.arange(4)] = 1.0
    losses = []
    for _ in range(30):
        loss = nn.functional.binary_cross_entropy_with_logits(head(pyramid(x)[pyramid.names[1]]), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]
