"""What a file of weights may lack, have too much of or have in another shape; and what `create_model` makes of it.

The oracle of the first convolution for other channels is timm, which loads the same file.
"""

import pickle
import re
from pathlib import Path

import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

import opsin
from opsin import zoo
from opsin.errors import OpsinError
from opsin.weights.families.resnet import KEYS
from opsin.weights.load import LISTED, load
from opsin.weights.public import Keys


@pytest.fixture(scope="module")
def resnet(tmp_path_factory):
    """timm's ResNet-18 for 10 classes, and the file that it loads itself."""
    torch.manual_seed(0)
    net = timm.create_model("resnet18", num_classes=10).eval()
    path = tmp_path_factory.mktemp("weights") / "resnet18.safetensors"
    save_file(net.state_dict(), path)
    return net, path


def refused(*says: str, **arguments) -> str:
    with pytest.raises(OpsinError) as caught:
        opsin.create_model(**arguments)
    line = str(caught.value)
    assert "\n" not in line and len(line) < 1200
    for part in says:
        assert part in line, line
    return line


# ---- keys --------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_keys_are_accounted_for_or_nothing_is_loaded(data):
    torch.manual_seed(0)
    net = zoo.build_model("resnet20_cifar")
    tensors = {KEYS.theirs(key): torch.ones_like(tensor) for key, tensor in net.state_dict().items()}
    learned = sorted(key for key in tensors if not key.endswith("num_batches_tracked") and not key.startswith("fc."))
    chosen = data.draw(st.lists(st.sampled_from(learned), min_size=1, max_size=30, unique=True))
    kind = data.draw(st.sampled_from(["lacks", "has what the network does not:", "has other shapes:"]))
    for key in chosen:
        if kind == "lacks":
            del tensors[key]
        elif kind == "has other shapes:":
            tensors[key] = torch.ones(*tensors[key].shape, 2)
        else:
            tensors[f"other.{key}"] = tensors[key]
    before = {key: tensor.clone() for key, tensor in net.state_dict().items()}
    with pytest.raises(OpsinError) as caught:
        load(net, net, tensors, KEYS, "file")
    line = str(caught.value)
    assert line.startswith(f"file {kind} ")
    prefix = "other." if kind.startswith("has what") else ""
    named = [key for key in chosen if re.search(rf" {re.escape(prefix + key)}[ ,:]", line)]
    assert len(named) == min(len(chosen), LISTED)
    assert (f"and {len(chosen) - LISTED} more" in line) == (len(chosen) > LISTED)
    assert all(torch.equal(before[key], tensor) for key, tensor in net.state_dict().items())


def test_weights_of_another_network(resnet):
    _, path = resnet
    line = refused(str(path), "lacks layer1.2.", name="resnet34", pretrained=path, num_classes=10)
    assert "is it of another network?" in line
    refused("of another network: it has ", "where this has stem.0", name="densenet121", pretrained=path, num_classes=10)
    refused("lacks layer1.0.conv3.weight", name="resnet50_v1_5", pretrained=path, num_classes=10)


def test_half_of_an_auxiliary_head_is_not_enough():
    net = zoo.build_model("googlenet", num_classes=2)
    tensors = net.state_dict()
    last = [key for key in tensors if key.startswith("aux")][-1]
    head = last.split(".")[0]
    assert load(net, net, {k: t for k, t in tensors.items() if not k.startswith(f"{head}.")}, Keys(), "file") == [head]
    with pytest.raises(OpsinError, match=f"file lacks {last}:"):
        load(net, net, {key: tensor for key, tensor in tensors.items() if key != last}, Keys(), "file")


# ---- files -------------------------------------------------------------------------------------


class Code:
    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_files_that_are_none(resnet, tmp_path):
    net, whole = resnet
    path = tmp_path / "resnet18.pth"

    def no(*says: str, file: Path = path) -> None:
        refused(str(file), *says, name="resnet18", pretrained=file, num_classes=10)

    no("no weights at")
    for legacy in (False, True):
        torch.save(net.state_dict(), path, _use_new_zipfile_serialization=not legacy)
        content = path.read_bytes()
        for size in (0, 100, len(content) // 2, len(content) - 1):
            path.write_bytes(content[:size])
            no("cut short, damaged or no file of weights")
    for content in (b"<!DOCTYPE html>", b"hello world"):
        path.write_bytes(content)
        no("cut short, damaged or no file of weights")
    cut = tmp_path / "cut.safetensors"
    for size in (0, 5, 5000, whole.stat().st_size - 1):
        cut.write_bytes(whole.read_bytes()[:size])
        no("cut short, damaged", file=cut)
    for held, says in ((torch.zeros(3), "holds a Tensor"), ([1], "holds a list"), ({"epoch": 3}, "holds no tensors")):
        torch.save(held, path)
        no(says)


@pytest.mark.parametrize("protocol", [2, 4])
def test_code_in_a_file_is_not_run(resnet, tmp_path, protocol, recwarn):
    net, _ = resnet
    path, mark = tmp_path / "resnet18.pth", tmp_path / "mark"
    pickle.loads(pickle.dumps(Code(mark)))
    assert mark.exists()  # it would be
    mark.unlink()
    for held in ({"state_dict": net.state_dict(), "code": Code(mark)}, net):
        torch.save(held, path, pickle_protocol=protocol)
        refused(str(path), name="resnet18", pretrained=path, num_classes=10)
    assert not mark.exists()
    assert not recwarn


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "_orig_mod.module."])
@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
@pytest.mark.parametrize("legacy", [False, True])
def test_files_as_training_programs_write_them(resnet, tmp_path, prefix, wrapper, legacy):
    net, _ = resnet
    held = {prefix + key: tensor for key, tensor in net.state_dict().items()}
    if wrapper:
        held = {wrapper: held, "epoch": 3, "optimizer": {"state": {}}}
    torch.save(held, tmp_path / "last.pth", _use_new_zipfile_serialization=not legacy)
    ours = opsin.create_model("resnet18", tmp_path / "last.pth", num_classes=10)
    assert ours.origin.fresh == ()
    assert torch.equal(ours.fc.weight, net.fc.weight)


# ---- channels, classes, sizes ------------------------------------------------------------------


@pytest.mark.parametrize("in_chans", [1, 2, 3, 4, 5, 7])
@torch.no_grad()
def test_other_channels_are_adapted_as_timm_does(resnet, in_chans):
    _, path = resnet
    overlay = {"file": str(path), "num_classes": 10}
    net = timm.create_model(
        "resnet18", pretrained=True, in_chans=in_chans, num_classes=10, pretrained_cfg_overlay=overlay
    )
    ours = opsin.create_model("resnet18", path, in_chans=in_chans, num_classes=10)
    x = torch.randn(2, in_chans, 64, 64)
    torch.testing.assert_close(ours.eval()(x), net.eval()(x), rtol=1e-5, atol=1e-5)
    assert ours.origin.fresh == ()


@torch.no_grad()
def test_other_classes(resnet):
    net, path = resnet
    x = torch.randn(2, 3, 64, 64)
    refused("10 classes", "resnet18 has 1000", "num_classes=10", "drop_head=True", name="resnet18", pretrained=path)
    kept = opsin.create_model("resnet18", path, num_classes=10).eval()
    torch.testing.assert_close(kept(x), net(x), rtol=1e-5, atol=1e-5)
    for arguments, classes in (({"drop_head": True}, 1000), ({"num_classes": 4}, 4)):
        ours = opsin.create_model("resnet18", path, **arguments).eval()
        assert ours.origin.fresh == ("fc",)
        assert ours(x).shape == (2, classes)
        assert torch.equal(ours.embed(x), kept.embed(x))


@torch.no_grad()
def test_a_head_for_as_many_other_classes_is_dropped_where_asked(resnet):
    net, path = resnet
    ours = opsin.create_model("resnet18", path, num_classes=10, drop_head=True).eval()
    assert ours.origin.fresh == ("fc",)
    assert not torch.equal(ours.fc.weight, net.fc.weight)
    torch.testing.assert_close(
        ours.embed(x := torch.randn(2, 3, 64, 64)),
        net.forward_head(net.forward_features(x), pre_logits=True),
        rtol=1e-5,
        atol=1e-5,
    )


def test_auxiliary_heads_are_dropped_too(tmp_path):
    torch.manual_seed(0)
    theirs = zoo.build_model("googlenet_32")
    save_file(theirs.state_dict(), tmp_path / "googlenet.safetensors")
    ours = opsin.create_model("googlenet_32", tmp_path / "googlenet.safetensors", drop_head=True)
    equal = {name for name, tensor in ours.state_dict().items() if torch.equal(tensor, theirs.state_dict()[name])}
    assert not any(name.endswith("weight") and name.startswith(("fc", "aux")) for name in equal)
    assert all(name in equal for name, _ in ours.named_parameters() if not name.startswith(("fc", "aux")))
    assert ours.origin.fresh[0] == "fc" and ours.origin.fresh[1].startswith("aux")


@torch.no_grad()
def test_a_folder_of_timm_for_other_classes(resnet, tmp_path):
    net, _ = resnet
    timm.models.save_for_hf(net, tmp_path, safe_serialization=True)
    assert opsin.create_model("resnet18", tmp_path).fc.out_features == 10  # its config.json says so
    ours = opsin.create_model("resnet18", tmp_path, drop_head=True)
    assert (ours.fc.out_features, ours.origin.fresh) == (1000, ("fc",))
    assert ours.origin.preprocess.resize == 235


def test_the_channels_that_a_config_states(tmp_path):
    """So that the network takes the images that its `origin.preprocess` makes."""
    net = timm.create_model("resnet18", num_classes=10, in_chans=1)
    net.pretrained_cfg |= {"input_size": (1, 64, 64), "mean": (0.1,), "std": (0.3,)}
    timm.models.save_for_hf(net, tmp_path, safe_serialization=True)
    ours = opsin.create_model("resnet18", tmp_path)
    assert ours.origin.preprocess.channels == ours.conv1.in_channels == 1
    assert opsin.create_model("resnet18", tmp_path, in_chans=3).conv1.in_channels == 3
    config = tmp_path / "config.json"
    config.write_text(config.read_text().replace("0.3", '"dark"'))
    refused("config.json does not say what images", "dark", name="resnet18", pretrained=tmp_path)


@torch.no_grad()
def test_a_file_without_a_head(resnet, tmp_path):
    net, _ = resnet
    bare = timm.create_model("resnet18", num_classes=0).eval()
    bare.load_state_dict({key: tensor for key, tensor in net.state_dict().items() if not key.startswith("fc.")})
    timm.models.save_for_hf(bare, tmp_path, safe_serialization=True)
    x = torch.randn(2, 3, 64, 64)
    for source in (tmp_path, tmp_path / "model.safetensors"):
        for num_classes in (None, 5):
            ours = opsin.create_model("resnet18", source, num_classes=num_classes).eval()
            assert ours.origin.fresh == ("fc",)
            assert ours.fc.out_features == (num_classes or 1000)
            torch.testing.assert_close(ours.embed(x), bare(x), rtol=1e-5, atol=1e-5)


def test_another_size_of_images(tmp_path):
    small = zoo.build_model("vgg_32", input_size=64)
    path = tmp_path / "small.safetensors"
    save_file(small.state_dict(), path)
    net = opsin.create_model("vgg_32", path, input_size=64)
    assert net.origin.fresh == ()
    refused("has other shapes: classifier.0.weight [128, 2048] for [128, 512]", name="vgg_32", pretrained=path)
    save_file(zoo.build_model("vgg_32").state_dict(), path)
    refused("for images of 32 px", "classifier.0.weight cannot take 64", name="vgg_32", pretrained=path, input_size=64)
    refused("vgg_32 cannot take 40 px", name="vgg_32", pretrained=path, input_size=40)
    net = opsin.create_model("vgg_32", path, in_chans=1, num_classes=3)
    assert net.origin.fresh == ("classifier.3",)


def test_numbers_of_half_precision(resnet, tmp_path):
    net, _ = resnet
    save_file({key: tensor.half() for key, tensor in net.state_dict().items()}, tmp_path / "half.safetensors")
    ours = opsin.create_model("resnet18", tmp_path / "half.safetensors", num_classes=10)
    assert ours.fc.weight.dtype == torch.float32
    assert torch.equal(ours.fc.weight, net.fc.weight.half().float())
