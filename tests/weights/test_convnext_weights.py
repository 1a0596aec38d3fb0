"""ConvNeXt: the authors' own files, which timm's name otherwise."""

import re
from functools import partial

import timm
import torch
from oracles import empty, randomise
from timm.models.convnext import checkpoint_filter_fn

import opsin


def authors(key: str) -> str:
    """timm's key -> that of the authors' files"""
    key = key.replace("stem.", "downsample_layers.0.").replace("head.norm", "norm").replace("head.fc", "head")
    key = re.sub(r"stages\.(\d)\.downsample", r"downsample_layers.\1", key)
    key = re.sub(r"(stages\.\d)\.blocks", r"\1", key)
    return key.replace("conv_dw", "dwconv").replace("mlp.fc", "pwconv")


@torch.no_grad()
def test_a_file_of_the_authors(tmp_path):
    torch.manual_seed(0)
    net = empty(partial(timm.create_model, "convnext_tiny", num_classes=5, depths=(1, 1, 2, 1)))
    randomise(net)
    old = {authors(key): tensor for key, tensor in net.state_dict().items()}
    assert {"downsample_layers.0.1.bias", "stages.2.1.pwconv2.weight", "norm.bias", "head.weight"} < old.keys()
    assert checkpoint_filter_fn(old, net).keys() == net.state_dict().keys()  # they are what timm takes for theirs
    torch.save({"model": old}, tmp_path / "convnext.pth")
    ours = opsin.create_model("convnext_tiny", tmp_path / "convnext.pth", num_classes=5, depths=(1, 1, 2, 1)).eval()
    assert ours.origin.fresh == ()
    x = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(ours(x), net(x), rtol=1e-4, atol=1e-4)
