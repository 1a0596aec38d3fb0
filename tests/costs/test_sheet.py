"""The cost sheet: rows by hand, sums over the rows, the cards' totals, and what users can get wrong."""

import json

import pytest
import torch
from torch import nn

import opsin
from opsin import zoo
from opsin.costs.sheet import cost
from opsin.errors import OpsinError

SOME = (
    "lenet5", "alexnet", "googlenet", "resnet50_v1_5", "squeezenet1_0", "fractalnet_32", "enet", "densenet_32",
    "mobilenet_v2_100", "se_resnet50", "vit_small_patch16_224", "swin_tiny_patch4_window7_224", "convnext_tiny",
)  # fmt: skip


def small():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64, 10),
    )


def test_a_network_by_hand():
    sheet = cost(small(), 8, batch=2)
    rows = [
        (layer.name, layer.kind, layer.output_shape, layer.params, layer.buffers, layer.macs, layer.elementwise)
        for layer in sheet.layers
    ]
    assert rows == [
        ("0", "Conv2d", (4, 8, 8), 108, 0, 4 * 8 * 8 * 27, 0),
        ("1", "BatchNorm2d", (4, 8, 8), 8, 9, 0, 2 * 256),
        ("2", "ReLU", (4, 8, 8), 0, 0, 0, 256),
        ("3", "MaxPool2d", (4, 4, 4), 0, 0, 0, 4 * 64),
        ("5", "Linear", (10,), 650, 0, 640, 0),
    ]
    assert [layer.activations for layer in sheet.layers] == [256, 0, 0, 0, 10]
    assert [layer.weight_bytes for layer in sheet.layers] == [4 * 108, 4 * 16, 0, 0, 4 * 650]
    maps = [192 + 256, 2 * 256, 2 * 256, 256 + 64, 64 + 10]
    assert [layer.data_bytes for layer in sheet.layers] == [4 * n for n in maps]
    assert (sheet.params, sheet.buffers, sheet.macs, sheet.elementwise) == (766, 9, 7552, 1024)
    assert sheet.bytes == 4 * (108 + 16 + 650 + 2 * sum(maps))
    assert sheet.intensity == 2 * (2 * 7552 + 1024) / sheet.bytes
    assert sheet.weight_bytes == {"fp32": 4 * 775, "fp16": 2 * 775, "int8": 775}
    assert sheet.unknown == {}


@pytest.mark.parametrize("name", SOME)
def test_rows_add_up_to_the_card(name):
    sheet, card = cost(name), zoo.card(name)
    assert (sheet.params, sheet.aux_params, sheet.macs) == (card.params, card.aux_params, card.macs)
    assert sum(layer.params for layer in sheet.layers) == sheet.params
    assert sum(layer.buffers for layer in sheet.layers) == sheet.buffers
    assert sheet.input_shape == (card.inputs.channels, card.inputs.size, card.inputs.size)
    assert sheet.unknown == {}
    assert sheet.layers[-1].output_shape[0] == card.num_classes or card.task != "classify"


def test_what_is_called_again_has_its_parameters_once():
    conv = nn.Conv2d(3, 3, 3, padding=1)
    assert [layer.params for layer in cost(nn.Sequential(conv, nn.ReLU(), conv), 8).layers] == [84, 0, 0]


def test_a_network_that_is_sparse_by_a_table_has_both_figures():
    sheet = cost("lenet5")
    c3 = next(layer for layer in sheet.layers if layer.executed != layer.macs)
    assert (c3.macs, c3.executed) == (1500 * 10 * 10, 16 * 6 * 25 * 10 * 10)
    assert sheet.executed - sheet.macs == c3.executed - c3.macs


def test_what_a_batch_takes():
    one, eight = cost(small(), 8), cost(small(), 8, batch=8)
    assert one.layers == eight.layers
    assert one.macs == eight.macs
    assert one.memory < eight.memory < 8 * one.memory
    assert eight.bytes - one.bytes == 7 * sum(layer.data_bytes for layer in one.layers)
    assert eight.intensity > one.intensity


def test_what_cannot_be_trained_on_so_few_images_has_no_memory_for_it():
    net = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(12))
    assert cost(net, 2).training_memory is None
    assert "memory of training: not known" in repr(cost(net, 2)) == str(cost(net, 2))
    assert cost(net, 2, batch=2).training_memory > cost(net, 2, batch=2).memory


def test_a_network_of_the_zoo_at_other_sizes_and_channels():
    assert cost("resnet18", (64, 96)).input_shape == (3, 64, 96)
    assert cost("resnet18", (1, 64, 64)).params == cost("resnet18").params - 2 * 64 * 49
    assert cost("resnet18", 64).layers[0].output_shape == (64, 32, 32)


def test_it_is_written_as_json_and_in_short():
    sheet = opsin.cost("resnet50_v1_5", batch=4)
    written = json.loads(json.dumps(sheet.to_dict()))
    assert written["macs"] == sheet.macs == 4_089_184_256
    assert len(written["layers"]) == len(sheet.layers)
    assert written["layers"][0] | {
        "name": "conv1", "kind": "Conv2d", "output_shape": [64, 112, 112], "receptive_field": 7, "stride": 2,
        "whole_image": False, "unknown": [],
    } == written["layers"][0]  # fmt: skip
    assert {"params", "buffers", "executed", "memory", "training_memory", "bytes", "intensity"} < written.keys()
    first, second = str(sheet).splitlines()
    assert first == "resnet50_v1_5, 3 x 224 x 224: 25,557,032 parameters, 4.089 GMACs, 11.11 M activations"
    assert second.startswith("batch 4: ")
    assert isinstance(sheet, opsin.CostSheet)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("resnet05",), "unknown"),
        (("resnet50", 0), "input_size must be"),
        (("resnet50", "224"), "input_size must be"),
        (("resnet50", True), "input_size must be"),
        (("resnet50", 224, 0), "batch must be"),
        (("resnet50", 224, 1.5), "batch must be"),
        (("resnet50", 7.5), "input_size must be"),
        (("lenet5", 32, 10**16), "no machine can hold"),
        (("lenet5", 32, 10**20), "no machine can hold"),
        (("resnet50", 8), "8"),
        (("alexnet", 32), "32"),
        (("vit_base_patch16_224", (224, 100)), "224"),
        ((nn.Linear, 8), "a network's name or a module"),
        ((3, 8), "a network's name or a module"),
    ],
)
def test_mistakes_are_one_line(arguments, words):
    with pytest.raises(OpsinError, match=words) as error:
        cost(*arguments)
    assert "\n" not in str(error.value)


def test_nothing_is_computed():
    """A batch that no machine could hold."""
    with torch.device("meta"):
        net = nn.Sequential(nn.Conv2d(3, 10_000, 3), nn.ReLU())
    assert cost(net, 10_000, batch=1000).memory > 2**50


def test_a_foreign_method_named_macs_is_not_asked():
    class Own(nn.Conv2d):
        def macs(self):
            raise AssertionError("not ours to call")

    assert opsin.cost(Own(3, 4, 3, padding=1), 8).macs == 3 * 4 * 9 * 64
