"""torchvision's files of DenseNet have the spelling of its early versions."""

import re
from functools import partial

import torch
import torchvision
from oracles import empty, randomise

import opsin


@torch.no_grad()
def test_a_file_with_the_old_names_and_without_counters(tmp_path):
    torch.manual_seed(0)
    net = empty(partial(torchvision.models.densenet121, num_classes=5))
    randomise(net)
    old = {
        re.sub(r"(norm|conv)([12])(\.\w+)$", r"\1.\2\3", key): tensor
        for key, tensor in net.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    assert "features.denseblock4.denselayer16.norm.2.running_var" in old
    torch.save(old, tmp_path / "densenet.pth")
    ours = opsin.create_model("densenet121", tmp_path / "densenet.pth", num_classes=5).eval()
    assert ours.origin.fresh == ()
    x = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(ours(x), net(x), rtol=1e-4, atol=1e-4)
