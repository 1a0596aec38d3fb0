"""Blocks: their sums against the cards, their shapes against a plain forward pass, runs against blocks one by one."""

import pytest
import torch
from torch import nn

import opsin
from opsin import zoo
from opsin.costs import blocks as cost
from opsin.costs.layers import layers_of
from opsin.costs.trace import trace

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
    rows = cost.blocks(layers_of(trace(net, 3, 8)), net)
    assert [(row.name, row.kind, row.shape, row.params, row.macs) for row in rows] == [
        ("0", "Conv2d", (4, 4, 4), 3 * 4 * 9 + 8, 3 * 4 * 9 * 64),
        ("5", "Linear", (10,), 650, 640),
    ]
    assert [cost.map_of(row) for row in rows] == [(4, 8, 8), (10,)]
    assert [len(row.layers) for row in rows] == [4, 1]


class Residual(nn.Module):
    def __init__(self, width: int, add: bool):
        super().__init__()
        self.first, self.second, self.add = nn.Conv2d(width, width, 1), nn.Conv2d(width, width, 1), add

    def forward(self, x):
        out = self.second(self.first(x))
        return x + out if self.add else out


def test_a_module_that_computes_itself_is_not_cut_nor_are_others_of_its_class():
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Sequential(Residual(2, True), Residual(2, False)), nn.Conv2d(2, 1, 1))
    rows = cost.blocks(layers_of(trace(net, 1, 4)), net)
    assert [(row.name, row.kind) for row in rows] == [
        ("0", "Conv2d"), ("1.0", "Residual"), ("1.1", "Residual"), ("2", "Conv2d"),
    ]  # fmt: skip


def test_a_network_without_parts_is_one_block():
    net = nn.Linear(4, 2)
    rows = cost.blocks(layers_of(trace(net, 3, 4)), net)
    assert [(row.name, row.kind, row.params) for row in rows] == [("", "Linear", 10)]


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
        assert cost.map_of(row) == shapes[row.name]
        one = sum(p.numel() for p in net.get_submodule(row.name).parameters())
        assert row.params == row.times * one


def test_the_blocks_hold_every_layer_of_the_sheet_once():
    for name in ("alexnet", "googlenet", "resnet152", "vit_base_patch16_224"):
        sheet = opsin.cost(name)
        with torch.device("meta"):
            rows = cost.blocks(sheet.layers, zoo.build_model(name))
        assert sum(len(row.layers) for row in rows) == len(sheet.layers)
        assert sum(row.activations for row in rows) == sheet.activations
        assert sum(row.data_bytes + row.weight_bytes for row in rows) == sheet.bytes


def test_the_kind_of_a_sequence_is_that_of_its_parts():
    parts = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(), nn.Linear(1, 1), nn.Linear(1, 1))
    assert cost.kind_of(parts) == "Conv2d, 2 Linear"
