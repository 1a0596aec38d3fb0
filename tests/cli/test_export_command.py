"""`opsin export`: what it writes, prints and refuses."""

import timm
import torch

from opsin import zoo
from opsin.bundle import Bundle
from opsin.data.preprocess import Preprocess

ARGUMENTS = {"num_classes": 2, "in_chans": 3}


def test_export(tmp_path, opsin, monkeypatch):
    monkeypatch.chdir(tmp_path)
    net = zoo.build_model("resnet18", **ARGUMENTS)
    Bundle(net, "resnet18", ARGUMENTS, ("no", "yes"), Preprocess(64, 3), {}, {}).write(tmp_path / "bundle")
    code, out, err = opsin("export", "bundle", "--to", "timm")
    assert (code, err) == (0, "")
    assert out == 'resnet18-timm: net = timm.create_model("local-dir:resnet18-timm", pretrained=True)\n'
    theirs = timm.create_model("local-dir:resnet18-timm", pretrained=True)
    assert torch.equal(theirs.fc.weight, net.fc.weight)
    code, out, _ = opsin("export", "bundle", "--to", "torchvision", "--out", "a/b.pth")
    assert code == 0
    assert 'get_model("resnet18", num_classes=2); net.load_state_dict(torch.load("a/b.pth"))' in out
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["b.json", "b.pth"]
    for arguments, says in (
        (("bundle", "--to", "timm"), "resnet18-timm is there already"),
        (("bundle", "--to", "tensorflow"), "unknown format to export to 'tensorflow'"),
        (("none", "--to", "timm"), "no bundle at none"),
    ):
        code, out, err = opsin("export", *arguments)
        assert (code, out) == (1, "")
        assert says in err
        assert len(err.splitlines()) == 1
