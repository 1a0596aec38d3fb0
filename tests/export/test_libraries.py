"""Our networks in timm and torchvision: what they read back, and how they build it."""

import json
import shutil
from functools import partial
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from oracles import randomise

import opsin
from opsin import zoo
from opsin.bundle import Bundle
from opsin.data.preprocess import Preprocess
from opsin.errors import OpsinError
from opsin.export import libraries as export
from opsin.export.libraries import crop_pct
from opsin.weights import catalogue
from opsin.weights.create import Origin

CLASSES = ("cat", "döner", "<b>")
ORIGIN = Origin("timm:a1_in1k", "hf-hub:timm/resnet18.a1_in1k", "0" * 64, "apache-2.0", None, ("fc",))


def bundle(model: str, size: int = 64, **arguments) -> Bundle:
    torch.manual_seed(0)
    net = zoo.build_model(model, num_classes=3, input_size=size, **arguments).eval()
    randomise(net)
    channels = arguments.get("in_chans", 3)
    preprocess = Preprocess(size, channels, "crop", "bilinear", (0.4,) * channels, (0.2,) * channels, size + 9)
    return Bundle(net, model, {"num_classes": 3, "input_size": size} | arguments, CLASSES, preprocess, {}, {}, ORIGIN)


def same_logits(ours: Bundle, theirs: torch.nn.Module) -> None:
    x = torch.randn(2, ours.preprocess.channels, ours.preprocess.size, ours.preprocess.size)
    with torch.inference_mode():
        expected, logits = ours.net(x), theirs.eval()(x)
    assert expected.std() > 1e-3
    assert (logits - expected).abs().max() <= 1e-4 * expected.abs().max()


def slow(*arguments, **more):
    return pytest.param(partial(bundle, *arguments, **more), marks=pytest.mark.slow)


TIMM = [
    partial(bundle, "resnet18"),
    partial(bundle, "resnet18", in_chans=1),
    partial(bundle, "mobilenet_v2_035", dropout=0.5),
    partial(bundle, "vit_tiny_patch16_224", 224),
    partial(bundle, "vit_tiny_patch16_224", 96),
    slow("swin_tiny_patch4_window7_224", 224),
    slow("convnext_tiny"),
    slow("inception_v3", 96),
    slow("xception", 96),
]
TORCHVISION = [
    partial(bundle, "resnet18"),
    partial(bundle, "squeezenet1_1"),
    partial(bundle, "densenet121"),
    partial(bundle, "mobilenet_v2_100"),
    partial(bundle, "googlenet_bn"),
    slow("inception_v3", 96),
    slow("inception_v3", 96, aux_heads=False),
    slow("swin_tiny_patch4_window7_224", 224),
    slow("vit_base_patch16_224", 96),
    slow("vgg11", 224),
]


def name(build) -> str:
    return " ".join(map(str, (*build.args, *build.keywords)))


@pytest.mark.parametrize("build", TIMM, ids=name)
def test_timm_gives_our_logits(build, tmp_path):
    ours = build()
    folder = export.export(ours, "timm", tmp_path / "out" / "timm")
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    assert [path.name for path in folder.parent.iterdir()] == ["timm"]
    theirs = timm.create_model(f"local-dir:{folder}", pretrained=True)
    same_logits(ours, theirs)
    architecture, _ = catalogue.architecture_of(ours.model, "timm")
    arguments = export.their_arguments(ours, "timm", architecture)
    overlay = {"file": str(folder / "model.safetensors"), "num_classes": 3}
    overlay |= {"input_size": (ours.preprocess.channels, ours.preprocess.size, ours.preprocess.size)}
    by_name = timm.create_model(
        architecture, pretrained=True, num_classes=3, pretrained_cfg_overlay=overlay, **arguments
    )
    same_logits(ours, by_name)
    config = timm.data.resolve_model_data_config(theirs)
    assert tuple(config["input_size"]) == (ours.preprocess.channels, ours.preprocess.size, ours.preprocess.size)
    assert int(ours.preprocess.size / config["crop_pct"]) == ours.preprocess.resize
    assert config["interpolation"] == "bilinear"
    assert (tuple(config["mean"]), tuple(config["std"])) == (ours.preprocess.mean, ours.preprocess.std)
    known = theirs.pretrained_cfg
    assert known["label_names"] == list(CLASSES)
    assert (known["license"], known["origin_url"]) == ("apache-2.0", "hf-hub:timm/resnet18.a1_in1k")


@pytest.mark.parametrize("build", TORCHVISION, ids=name)
@pytest.mark.filterwarnings("ignore:The default weight initialization")
def test_torchvision_gives_our_logits(build, tmp_path):
    ours = build()
    path = export.export(ours, "torchvision", tmp_path / "net.pth")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.json", "net.pth"]
    facts = json.loads((tmp_path / "net.json").read_text(encoding="utf-8"))
    theirs = torchvision.models.get_model(facts["architecture"], **facts["arguments"])
    theirs.load_state_dict(torch.load(path, weights_only=True))
    same_logits(ours, theirs)
    assert facts["classes"] == list(CLASSES)
    assert Preprocess.from_dict(facts["preprocess"]) == ours.preprocess
    assert Origin.from_dict(facts["origin"]) == ORIGIN
    names: dict = {"torch": torch, "torchvision": torchvision}
    exec(export.how_to_load(ours, "torchvision", path), names)
    same_logits(ours, names["net"])


def test_timm_fine_tunes_and_opsin_reads_it_again(tmp_path):
    ours = bundle("resnet18")
    folder = export.export(ours, "timm", tmp_path / "timm")
    theirs = timm.create_model(f"local-dir:{folder}", pretrained=True, num_classes=5, in_chans=1).eval()
    back = opsin.create_model("resnet18", folder, num_classes=5, in_chans=1).eval()
    theirs.fc.load_state_dict(back.fc.state_dict())
    x = torch.randn(2, 1, 64, 64)
    torch.testing.assert_close(back(x), theirs(x), rtol=1e-4, atol=1e-4)
    again = opsin.create_model("resnet18", folder)
    assert again.origin.fresh == ()
    assert again.origin.licence == "apache-2.0"
    assert again.origin.preprocess == ours.preprocess
    for key, tensor in ours.net.state_dict().items():
        assert torch.equal(again.state_dict()[key], tensor)


@pytest.mark.parametrize("size", [32, 64, 96, 112, 160, 176, 192, 224, 232, 256, 288, 299, 384])
def test_every_crop_is_found_again(size):
    for resize in range(size, 2 * size):
        share = crop_pct(size, resize)
        assert 0 < share <= 1
        assert int(size / share) == resize
    assert crop_pct(224, 235) == 0.95
    assert crop_pct(224, 256) == 0.875


def test_without_an_origin_and_of_another_format(tmp_path):
    ours = bundle("resnet18")
    plain = Bundle(ours.net, ours.model, ours.arguments, CLASSES, Preprocess(64, 3), {}, {})
    config = json.loads((export.export(plain, "timm", tmp_path / "timm") / "config.json").read_text())
    assert "license" not in config["pretrained_cfg"]
    assert config["pretrained_cfg"]["crop_pct"] == 1.0
    assert config["opsin"]["origin"] is None


def test_what_cannot_be_exported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for build, to, says in (
        (partial(bundle, "lenet5", 32, in_chans=1), "timm", "timm has no network like lenet5"),
        (partial(bundle, "squeezenet1_1"), "timm", "timm has no network like squeezenet1_1; torchvision has it"),
        (partial(bundle, "mobilenet_v2_035"), "torchvision", "mobilenet_v2_035; timm has it"),
        (partial(bundle, "resnet18"), "tim", "did you mean timm?"),
        (partial(bundle, "resnet18", in_chans=1), "torchvision", "takes 3 channels, and this network 1: use --to timm"),
        (partial(bundle, "resnet18", shortcut="A"), "timm", "timm's resnet18 is not resnet18 with shortcut='A'"),
        (partial(bundle, "alexnet_owt"), "torchvision", "alexnet is this network at 224 px alone, not at 64"),
        (partial(bundle, "swin_tiny_patch4_window7_224"), "timm", "at 224 px alone, not at 64"),
    ):
        with pytest.raises(OpsinError) as caught:
            export.export(build(), to)
        assert says in str(caught.value)
        assert "\n" not in str(caught.value)
    ours = bundle("resnet18")
    for to, out, says in (
        ("timm", Path("x.pth"), "weights for timm are a folder"),
        ("torchvision", Path("x"), "weights for torchvision are a .pth file"),
    ):
        with pytest.raises(OpsinError, match=says):
            export.export(ours, to, out)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("to", ["timm", "torchvision"])
def test_a_file_is_whole_or_not_there(tmp_path, monkeypatch, to):
    monkeypatch.chdir(tmp_path)
    ours = bundle("resnet18")

    def damaged(path: Path):
        held = dict(whole(path))
        held["fc.bias"] = held["fc.bias"] + 1
        return held

    whole = export.files.read
    monkeypatch.setattr(export.files, "read", damaged)
    with pytest.raises(OpsinError, match="does not read back"):
        export.export(ours, to)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(export.files, "read", whole)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export, "write_json", full)
    with pytest.raises(OSError, match="No space"):
        export.export(ours, to)
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_stays(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ours = bundle("resnet18")
    path = export.export(ours, "torchvision")
    assert path == Path("resnet18-torchvision.pth")
    content = path.read_bytes()
    for there in (path, path.with_suffix(".json")):
        with pytest.raises(OpsinError, match=f"{there} is there already: remove it, or name another with --out"):
            export.export(ours, "torchvision")
        assert content == path.read_bytes() if path.exists() else True
        there.unlink()
        if there == path:
            assert not list(tmp_path.glob("*.pth"))
    assert export.export(ours, "timm") == Path("resnet18-timm")
    with pytest.raises(OpsinError, match="resnet18-timm is there already"):
        export.export(ours, "timm")
    shutil.rmtree("resnet18-timm")
    assert list(tmp_path.iterdir()) == []
