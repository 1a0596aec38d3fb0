"""The Inception family and Xception: auxiliary heads, and files as they were before today's names."""

from functools import partial

import pytest
import timm
import torch
from oracles import empty, randomise

import opsin
from opsin import zoo
from opsin.weights.families import inception_resnet, xception


@torch.no_grad()
def test_timms_file_with_the_auxiliary_head(tmp_path):
    """tv_in1k is torchvision's file, the only one of timm's that has the head."""
    torch.manual_seed(0)
    net = empty(partial(timm.create_model, "inception_v3", aux_logits=True))
    randomise(net)
    torch.save(net.state_dict(), tmp_path / "tv_in1k.pth")
    ours = opsin.create_model("inception_v3", tmp_path / "tv_in1k.pth").eval()
    assert ours.origin.fresh == ()
    x = torch.randn(1, 3, 299, 299)
    middle = net.eval().forward_preaux(x)
    expected, logits = net.AuxLogits(middle), ours.aux(ours.features17(x))
    assert (logits - expected).abs().max() <= 1e-4 * expected.abs().max()


@torch.no_grad()
def test_xception_as_it_was_first_published(tmp_path):
    """Without counts of batches, pointwise kernels as matrices, the classifier under its former name."""
    torch.manual_seed(0)
    net = empty(partial(timm.create_model, "legacy_xception"))
    randomise(net)
    tensors = {}
    for key, tensor in net.state_dict().items():
        if not key.endswith("num_batches_tracked"):
            key = key.replace("fc.", "last_linear.")
            tensors[key] = tensor.flatten(1) if key.endswith("pointwise.weight") else tensor
    torch.save(tensors, tmp_path / "xception.pth")
    ours = opsin.create_model("xception", tmp_path / "xception.pth").eval()
    assert ours.origin.fresh == ()
    x = torch.randn(1, 3, 150, 150)
    expected, logits = net.eval()(x), ours(x)
    assert (logits - expected).abs().max() <= 1e-4 * expected.abs().max()


@pytest.mark.parametrize(
    ("model", "keys"), [("inception_resnet_v2_slim", inception_resnet.KEYS), ("xception", xception.KEYS)]
)
def test_a_former_name_means_one_key_of_today(model, keys):
    with torch.device("meta"):
        theirs = [keys.theirs(ours) for ours in zoo.build_model(model).state_dict()]
    assert keys.today("last_linear.weight") in theirs
    assert [keys.today(key) for key in theirs] == theirs
