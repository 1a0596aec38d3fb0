"""ViT: torchvision's old names, files without a head, positions for another image size."""

import re
from functools import partial

import pytest
import timm
import torch
import torchvision
from oracles import empty, randomise
from timm.layers import resample_abs_pos_embed
from timm.models import save_for_hf

import opsin
from opsin.errors import OpsinError
from opsin.weights.families.vit import resize_positions


@torch.no_grad()
def test_a_file_of_torchvision_with_the_old_names(tmp_path):
    torch.manual_seed(0)
    build = partial(torchvision.models.VisionTransformer, 224, 16, 2, 12, 768, 3072, num_classes=5)
    net = empty(build)
    randomise(net)
    new = {"0": "linear_1", "3": "linear_2"}
    old = {
        re.sub(r"mlp\.(\d)", lambda found: f"mlp.{new[found[1]]}", key): tensor
        for key, tensor in net.state_dict().items()
    }
    assert "encoder.layers.encoder_layer_1.mlp.linear_2.bias" in old
    torch.save(old, tmp_path / "vit.pth")
    ours = opsin.create_model("vit_base_patch16_224", tmp_path / "vit.pth", num_classes=5, depth=2).eval()
    x = torch.randn(1, 3, 224, 224)
    torch.testing.assert_close(ours(x), net(x), rtol=1e-4, atol=1e-4)


@pytest.fixture
def tiny(tmp_path):
    """timm's folder of a ViT-Ti with random weights, and the network; (classes, file name) may be given."""

    @torch.no_grad()
    def write(classes=5):
        torch.manual_seed(0)
        net = empty(partial(timm.create_model, "vit_tiny_patch16_224", num_classes=classes))
        randomise(net)
        save_for_hf(net, tmp_path, safe_serialization=True)
        return net, tmp_path

    return write


@torch.no_grad()
def test_a_file_without_a_head_leaves_ours_fresh(tiny):
    net, folder = tiny(classes=0)
    ours = opsin.create_model("vit_tiny_patch16_224", folder).eval()
    assert (ours.origin.fresh, ours.head.out_features) == (("head",), 1000)
    x = torch.randn(1, 3, 224, 224)
    torch.testing.assert_close(ours.embed(x), net(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [64, 288])
@torch.no_grad()
def test_positions_follow_the_image_as_in_timm(tiny, size):
    net, folder = tiny()
    ours = opsin.create_model("vit_tiny_patch16_224", folder, num_classes=5, input_size=size).eval()
    net.set_input_size(size)
    x = torch.randn(1, 3, size, size)
    torch.testing.assert_close(ours(x), net(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("old", "new"), [(14, 24), (24, 14), (14, 3)])
def test_positions_are_resampled_as_in_timm(old, new):
    positions = torch.randn(1, 1 + old**2, 8)
    resized = resize_positions("positions", positions, torch.Size((1, 1 + new**2, 8)))
    torch.testing.assert_close(resized, resample_abs_pos_embed(positions, [new, new]))


def test_a_file_of_another_width_is_refused(tiny):
    _, folder = tiny()
    with pytest.raises(OpsinError, match="has other shapes: cls_token"):
        opsin.create_model("vit_small_patch16_224", folder, num_classes=5)
