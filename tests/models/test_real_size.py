"""The battery at real size: one network of each block type at full width, and every network for a forward pass."""

import gc

import pytest
import torch
from torch import nn

from opsin import zoo

pytestmark = pytest.mark.slow

BLOCK_TYPES = (
    "lenet1989",
    "lenet5",
    "ciresan_mlp5",
    "multiscale_108_108",
    "alexnet",
    "alexnet_owt",
    "nin",
    "overfeat_fast",
    "vgg16",
    "vgg16_bn",
    "googlenet",
    "googlenet_bn",
    "bn_inception",
    "inception_v3",
    "plain34",
    "resnet34",
    "resnet50",
    "inception_v4",
    "inception_resnet_v1",
    "inception_resnet_v2",
    "inception_resnet_v2_slim",
    "squeezenet1_0",
    "squeezenet1_0_complex_bypass",
    "preact_resnet34",
    "preact_resnet50",
    "fractalnet20_cifar",
    "fractalnet34",
    "enet",
    "enet_encoder",
    "densenet40_k12_cifar",
    "densenet121",
    "xception",
    "mobilenet_v1_100",
    "se_resnet34",
    "se_resnext50_32x4d",
    "senet154",
    "mobilenet_v2_100",
    "vit_base_patch16_224",
    "swin_tiny_patch4_window7_224",
    "convnext_tiny",
)
FEWER = {
    "inception_resnet_v1": {"depths": (2, 2, 2)},
    "inception_resnet_v2_slim": {"depths": (2, 2, 2)},
    "fractalnet34": {"columns": 3},
    "senet154": {"depths": (2, 2, 2, 2)},
}
"""Compiled with few of each block, which the compiler reads anew each time: inception_resnet_v2, fractalnet20_cifar and
se_resnext50_32x4d have the same ones, and are compiled whole."""
EASED = {
    "nin": {"linear_end": True},
    "squeezenet1_0": {"linear_end": True},
    "squeezenet1_0_complex_bypass": {"linear_end": True},
    "fractalnet20_cifar": {"local_drop": 0.0, "global_drop": 0.0},
    "overfeat_fast": {"hidden": (512, 512)},
}
"""What keeps few images and steps from being enough: a ReLU behind the maps of the classes, through which no gradient
reaches a class that is at zero everywhere, and drop-path. Dropout is set to 0 in all networks. OverFeat's first fully
connected layer alone has 113 million weights, with which a step takes seconds."""


def build(name, size, **arguments):
    torch.manual_seed(0)
    return zoo.build_model(name, input_size=size, **arguments)


def about(side, inputs):
    """A size near `side` px that the network takes; its own where that is less."""
    return min(inputs.size, inputs.fit(max(side, inputs.minimum)))


@pytest.mark.parametrize("name", BLOCK_TYPES)
def test_travels(name, assert_travels):
    inputs = zoo.card(name).inputs
    size = about(96, inputs)
    net = build(name, size, **FEWER.get(name, {}))
    assert_travels(net, torch.randn(2, inputs.channels, size, size), bf16=None)


SLOW = ("fractalnet34", "senet154")
"""Their blocks are those of fractalnet20_cifar and se_resnext50_32x4d, and a step of theirs takes seconds."""
LEARNS = [name for name in BLOCK_TYPES if zoo.card(name).task == "classify" and name not in SLOW]


@pytest.mark.parametrize("name", LEARNS)
def test_learns_one_batch_by_heart(name, assert_learns):
    """Full width and depth; images of 64 px, or of 96 where four images need more places for their statistics."""
    inputs = zoo.card(name).inputs
    size = about(64 if inputs.minimum <= 48 else 96, inputs)
    net = build(name, size, num_classes=4, **EASED.get(name, {}))
    for module in net.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    assert_learns(net, inputs.channels, size, lr=3e-4, images=4, steps=200)


@pytest.mark.parametrize("name", zoo.list_models())
def test_one_forward_pass(name):
    """As in training: before it, thousand layers in evaluation are past the largest number."""
    card = zoo.card(name)
    gc.collect()
    net = build(name, card.inputs.size)
    with torch.inference_mode():
        outputs = net(torch.randn(2, card.inputs.channels, card.inputs.size, card.inputs.size))
    for logits in outputs if isinstance(outputs, tuple) else [outputs]:
        assert logits.isfinite().all()
        assert logits.shape[:2] == (2, card.num_classes)
