"""SENet: the authors' own weights, which are not on the hub."""

from functools import partial

import timm
import torch
from oracles import empty, randomise

import opsin
from opsin.weights import catalogue, download


@torch.no_grad()
def test_the_authors_file_comes_from_its_address(tmp_path, monkeypatch):
    """The file has no counts of batches; what images it is for stands in the catalogue."""
    torch.manual_seed(0)
    net = empty(partial(timm.create_model, "legacy_seresnet50"))
    randomise(net)
    tensors = {key: tensor for key, tensor in net.state_dict().items() if not key.endswith("num_batches_tracked")}
    torch.save(tensors, tmp_path / "se_resnet50.pth")
    asked = []

    def fetch(url, sha256, *, progress=None):
        asked.append((url, sha256))
        return tmp_path / "se_resnet50.pth"

    monkeypatch.setattr(download, "fetch", fetch)
    ours = opsin.create_model("se_resnet50", pretrained=True).eval()
    assert asked == [(timm.get_pretrained_cfg("legacy_seresnet50").url, "ce0d4300")]
    assert (ours.origin.name, ours.origin.file, ours.origin.fresh) == ("timm:in1k", asked[0][0], ())
    assert ours.origin.preprocess == catalogue.public("se_resnet50")[0].preprocess
    x = torch.randn(1, 3, 128, 128)
    expected, logits = net.eval()(x), ours(x)
    assert (logits - expected).abs().max() <= 1e-4 * expected.abs().max()


def test_a_mirror_of_torchvisions_files_leaves_other_addresses_alone(monkeypatch):
    monkeypatch.setenv("OPSIN_TORCHVISION_URL", "http://127.0.0.1:1")
    row = catalogue.public("xception")[0]
    assert download.torchvision_url(row.file) == timm.get_pretrained_cfg("legacy_xception").url
    assert row.digits == "43020ad28"


def test_a_tag_that_the_catalogue_does_not_list_is_on_the_hub():
    row = catalogue.find("se_resnet50", "timm:mine_in1k")
    assert (row.file, row.repository) == (None, "timm/legacy_seresnet50.mine_in1k")
