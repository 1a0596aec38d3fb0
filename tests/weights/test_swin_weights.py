"""Swin: the tables in files, the authors' own layout, and windows that a small image cuts."""

import re
from functools import partial

import pytest
import timm
import torch
import torchvision
from oracles import randomise

import opsin
from opsin.export.libraries import export_tensors
from opsin.weights.families import swin

NAME = "swin_tiny_patch4_window7_224"


@pytest.fixture
def net():
    """timm's Swin-T with fewer layers and random weights."""
    torch.manual_seed(0)
    net = timm.create_model(NAME, num_classes=5, depths=(2, 1, 1, 1)).eval()
    randomise(net)
    return net


load = partial(opsin.create_model, NAME, num_classes=5, depths=(2, 1, 1, 1))


def authors(state):
    """The layout of the authors' files: merging ends a stage, one head, tables of positions and masks."""
    old = {}
    for key, tensor in state.items():
        key = re.sub(r"^layers\.(\d)\.downsample", lambda found: f"layers.{int(found[1]) - 1}.downsample", key)
        old[key.replace("head.fc", "head")] = tensor
    old["layers.0.blocks.1.attn_mask"] = torch.zeros(64, 49, 49)
    old["layers.0.blocks.1.attn.relative_position_index"] = torch.zeros(49, 49, dtype=torch.long)
    return old


@pytest.mark.parametrize("form", [dict, authors])
@torch.no_grad()
def test_today_and_as_the_authors_wrote_it(net, form, tmp_path):
    torch.save({"model": form(net.state_dict())}, tmp_path / "swin.pth")
    x = torch.randn(1, 3, 224, 224)
    torch.testing.assert_close(load(tmp_path / "swin.pth").eval()(x), net(x), rtol=1e-4, atol=1e-4)


def test_torchvision_loads_our_export_strictly():
    """Its file holds the table of positions, which ours has not."""
    ours = opsin.create_model(NAME)
    theirs = torchvision.models.swin_t()
    state = export_tensors(ours, swin.TORCHVISION)
    indices = [key for key in state if key.endswith("relative_position_index")]
    assert len(indices) == 12
    assert all(torch.equal(state[key], theirs.state_dict()[key]) for key in indices)
    theirs.load_state_dict(state, strict=True)


@torch.no_grad()
def test_windows_cut_by_a_small_image_keep_the_bias_of_each_distance(net, tmp_path):
    """The last maps of 96 px have 3x3 tokens: the table of 13x13 distances gives the 5x5 that they have."""
    torch.save(net.state_dict(), tmp_path / "swin.pth")
    whole, small = load(tmp_path / "swin.pth"), load(tmp_path / "swin.pth", input_size=96)
    large, cut = (found.stages[3][1].attention for found in (whole, small))
    assert cut.bias_table.shape == (25, 24)
    for token, (y, x) in enumerate((y, x) for y in range(3) for x in range(3)):
        for other, (v, u) in enumerate((v, u) for v in range(3) for u in range(3)):
            ours = cut.bias_table[cut.relative[token, other]]
            assert torch.equal(ours, large.bias_table[large.relative[7 * y + x, 7 * v + u]])


@pytest.mark.parametrize("size", [64, 256])
@torch.no_grad()
def test_other_image_sizes_load(net, size, tmp_path):
    torch.save(net.state_dict(), tmp_path / "swin.pth")
    assert load(tmp_path / "swin.pth", input_size=size).eval()(torch.randn(1, 3, size, size)).isfinite().all()
