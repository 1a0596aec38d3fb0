"""Every network with public weights: a file that the other library wrote, in its own format and with its own keys."""

from functools import partial
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from oracles import empty, randomise
from timm.models import save_for_hf
from torch import nn

import opsin
from opsin import zoo
from opsin.export.libraries import export_tensors
from opsin.weights import catalogue
from opsin.weights.public import Weights

ROWS = [row for name in zoo.list_models() for row in catalogue.public(name)]
PAIRS = list({(row.model, row.source, row.architecture): row for row in reversed(ROWS)}.values())[::-1]
LARGE = 12_000_000
"""Parameters from which a network is tried in full by the slow tests alone."""


def pair(row: Weights) -> str:
    return f"{row.source}-{row.architecture}-{row.model}"


def theirs(row: Weights) -> nn.Module:
    """Their network as their public file has it: with auxiliary heads, if it has them there."""
    if row.source == "timm":
        return timm.create_model(row.architecture, num_classes=row.num_classes)
    more = {"googlenet": {"aux_logits": True, "init_weights": False, "transform_input": False}}
    more["inception_v3"] = more["googlenet"]
    more |= {name: {"image_size": row.preprocess.size} for name in ("vit_b_16", "vit_l_16")}
    return torchvision.models.get_model(row.architecture, **more.get(row.architecture, {}))


def absent(row: Weights) -> tuple[str, ...]:
    """Auxiliary heads of ours that their file does not have."""
    return ("aux",) if (row.source, row.architecture) == ("timm", "inception_v3") else ()


def write(net: nn.Module, row: Weights, folder: Path) -> Path:
    """The file that the library itself would write: torchvision's .pth, timm's folder for the hub."""
    if row.source == "timm":
        save_for_hf(net, folder, safe_serialization=True)
        return folder
    torch.save(net.state_dict(), folder / "weights.pth")
    return folder / "weights.pth"


@pytest.mark.parametrize("row", PAIRS, ids=pair)
def test_keys_are_theirs(row):
    """All keys and shapes, without any numbers, and the way back."""
    with torch.device("meta"):
        state = theirs(row).state_dict()
        arguments = {"aux_heads": False} if absent(row) else {}
        ours = zoo.build_model(row.model, num_classes=row.num_classes or None, **arguments)
    exported = export_tensors(ours, row.keys)
    assert {key: tensor.shape for key, tensor in exported.items()} == {
        key: tensor.shape for key, tensor in state.items()
    }


@pytest.mark.parametrize(
    "row",
    [pytest.param(row, marks=pytest.mark.slow if zoo.card(row.model).params > LARGE else ()) for row in PAIRS],
    ids=pair,
)
@torch.no_grad()
def test_a_file_of_theirs_gives_their_logits(row, tmp_path):
    torch.manual_seed(0)
    net = theirs(row) if "swin" in row.architecture else empty(partial(theirs, row))  # Swin's tables are drawn up
    randomise(net)
    path = write(net, row, tmp_path)
    ours = opsin.create_model(row.model, path, num_classes=row.num_classes).eval()
    assert ours.origin.fresh == absent(row)
    x = torch.randn(1, 3, row.preprocess.size, row.preprocess.size)
    expected, logits = net.eval()(x), ours(x)
    assert expected.std() > 1e-3
    assert (logits - expected).abs().max() <= 1e-4 * expected.abs().max()
    back = export_tensors(ours, row.keys)
    assert all(torch.equal(back[key], tensor) for key, tensor in net.state_dict().items())


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.source == "torchvision"], ids=lambda row: f"{row.model} {row.tag}"
)
def test_the_catalogue_says_what_torchvision_says(row):
    weights = torchvision.models.get_weight(
        f"{torchvision.models.get_model_weights(row.architecture).__name__}.{row.tag}"
    )
    asked = weights.transforms()
    mean, std = asked.mean, asked.std
    if row.architecture in ("googlenet", "inception_v3"):  # torchvision turns these into halves inside the network
        mean = std = [0.5, 0.5, 0.5]
    assert weights.url.endswith(f"/{row.file}")
    ours = row.preprocess
    assert [ours.size] == asked.crop_size
    assert [ours.resize or ours.size] == asked.resize_size
    assert (ours.interpolation, list(ours.mean), list(ours.std)) == (asked.interpolation.value, mean, std)
    assert row.num_classes == len(weights.meta["categories"])


@pytest.mark.parametrize("row", [row for row in ROWS if row.source == "timm"], ids=lambda row: f"{row.model} {row.tag}")
def test_the_catalogue_says_what_timm_says(row):
    config = timm.get_pretrained_cfg(f"{row.architecture}.{row.tag}")
    assert config is not None
    assert (config.hf_hub_id, config.url)[: 2 if row.file else 1] == (
        (None, row.file) if row.file else (row.repository,)
    )
    ours = row.preprocess
    assert (3, ours.size, ours.size) == config.input_size
    assert (ours.resize or ours.size) == int(ours.size / config.crop_pct)
    assert (ours.interpolation, ours.mean, ours.std) == (config.interpolation, config.mean, config.std)
    assert (row.num_classes, row.licence) == (config.num_classes, config.license or "")
    assert config.custom_load in (False, True, "hf")  # True is of the source's own file, not the hub's
