"""Blocks: their sums against the cards, their shapes against a plain forward pass, runs against blocks one by one."""

import pytest
import torch
from torch import nn

from opsin import zoo
from opsin.costs import blocks as cost

SOME = (
    "lenet1989", "lenet5", "ciresan_mlp5", "alexnet", "nin", "vgg16", "googlenet", "resnet18", "resnet152",
    "inception_resnet_v2", "squeezenet1_0", "fractalnet_32", "enet", "densenet_32", "mobilenet_v2_100",
    "vit_base_patch16_224", "swin_base_patch4_window7_224", "convnext_tiny",
)  # fmt: skip


@pytest.mark.parametrize("name", SOME)
def test_blocks_add_up_to_the_card(name):
    rows, card = cost.blocks_of(name), zoo.card(name)
    assert (sum(row.params for row in rows), sum(row.macs for row in rows)) == (card.params, card.macs)
    assert len(rows) <= cost.AT_MOST
    assert all(row.macs > 0 for row in rows)


def test_a_network_by_hand():
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64, 10),
    ).to("meta")
    rows, counted = cost.blocks(net, 3, 8)
    assert rows == [
        cost.Block("0", "Conv2d", (64,), 3 * 4 * 9 + 8, 3 * 4 * 9 * 64),
        cost.Block("5", "Linear", (10,), 650, 640),
    ]
    assert (counted.params, counted.macs) == (766, 7552)


def test_an_activation_that_is_used_again_gives_each_block_its_own_shape():
    """AlexNet pools behind conv1, conv2 and conv5 with one module."""
    shapes = [row.shape for row in cost.blocks_of("alexnet")]
    assert shapes[:6] == [(96, 27, 27), (256, 13, 13), (384, 13, 13), (384, 13, 13), (256, 6, 6), (4096,)]


def test_alike_blocks_in_a_row_stand_as_one():
    rows = [row for row in cost.blocks_of("resnet152") if row.kind == "Bottleneck"]
    assert [row.times for row in rows] == [1, 2, 1, 7, 1, 35, 1, 2]
    with torch.device("meta"):
        net = zoo.build_model("resnet152")
    shapes = {}
    for name, module in net.named_modules():
        module.register_forward_hook(
            lambda module, args, out, name=name: shapes.__setitem__(name, tuple(out.shape[1:]))
        )
    net.eval()(torch.empty(1, 3, 224, 224, device="meta"))
    for row in rows:
        assert row.shape == shapes[row.name]
        one = sum(p.numel() for p in net.get_submodule(row.name).parameters())
        assert row.params == row.times * one


def test_the_kind_of_a_sequence_is_that_of_its_parts():
    parts = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(), nn.Linear(1, 1), nn.Linear(1, 1))
    assert cost.kind_of(parts) == "Conv2d, 2 Linear"
