"""A bundle as ONNX, OpenVINO and a torch program: what is written, what runs, what is refused."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import openvino
import pytest
import torch
from oracles import randomise
from PIL import Image

from opsin import zoo
from opsin.bundle import Bundle
from opsin.data import load, scan
from opsin.data.preprocess import Preprocess
from opsin.errors import OpsinError
from opsin.export import deploy, verify
from opsin.export.deploy import Int8, export
from opsin.files import sha256
from opsin.predict import predict
from opsin.weights.create import Origin

CLASSES = ("cat", "döner", '<b>"\\\n')
ORIGIN = Origin("timm:a1_in1k", "hf-hub:timm/resnet18.a1_in1k", "0" * 64, "apache-2.0", None, ("fc",))
PHOTOS = {
    "crop": {},
    "resize": {"resize": 40, "interpolation": "bilinear"},
    "pad": {"fit": "pad"},
    "grey": {"channels": 1},
}


def bundle(model: str = "resnet20_cifar", channels: int = 3, **preprocess) -> Bundle:
    torch.manual_seed(0)
    arguments = {"num_classes": 3, "input_size": 32, "in_chans": channels}
    net = zoo.build_model(model, **arguments).eval()
    randomise(net)
    mean, std = (0.4, 0.5, 0.45)[:channels], (0.2, 0.25, 0.3)[:channels]
    return Bundle(
        net, model, arguments, CLASSES, Preprocess(32, channels, mean=mean, std=std, **preprocess), {}, {}, ORIGIN
    )


def photo(path: Path, width: int = 90, height: int = 61) -> Path:
    """Soft patches, so that a pixel more or less at an edge says little."""
    rough = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    Image.fromarray(rough).resize((width, height), Image.Resampling.BICUBIC).save(path)
    return path


@pytest.mark.parametrize("to", deploy.TARGETS)
@pytest.mark.parametrize("uint8", [False, True])
def test_what_is_written_says_what_it_is(tmp_path, to, uint8):
    ours = bundle()
    written = export(ours, to, tmp_path / "net", uint8=uint8)
    assert written.folder == tmp_path / "net"
    assert [path.name for path in tmp_path.iterdir()] == ["net"]
    facts = json.loads((written.folder / "opsin.json").read_text(encoding="utf-8"))
    assert facts["classes"] == list(CLASSES)
    assert Preprocess.from_dict(facts["preprocess"]) == ours.preprocess
    assert Origin.from_dict(facts["origin"]) == ORIGIN
    assert facts["input"]["shape"] == (["n", 32, 32, 3] if uint8 else ["n", 3, 32, 32])
    assert 0 <= facts["verified"]["relative_difference"] == written.difference <= verify.TOLERANCE
    names = {path.name for path in written.folder.iterdir()}
    assert names == {"opsin.json", *facts["files"]}
    for name, file in facts["files"].items():
        assert file["sha256"] == sha256(written.folder / name)
    pixels = torch.randint(256, (5, 32, 32, 3), dtype=torch.uint8)
    normal = (pixels.permute(0, 3, 1, 2) / 255 - torch.tensor([0.4, 0.5, 0.45]).view(3, 1, 1)) / torch.tensor(
        [0.2, 0.25, 0.3]
    ).view(3, 1, 1)
    with torch.inference_mode():
        expected = ours.net(normal).numpy()
    x = pixels.numpy() if uint8 else normal.numpy()
    logits, classes = run_alone(to, written.folder, x)
    np.testing.assert_allclose(logits, expected, atol=1e-4 * abs(expected).max())
    assert classes == list(CLASSES)


def run_alone(to: str, folder: Path, x: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """As someone without Opsin runs the model file, and the classes that it holds by itself."""
    if to == "onnx":
        session = onnxruntime.InferenceSession(folder / "model.onnx")
        classes = session.get_modelmeta().custom_metadata_map["classes"]
        return session.run(["logits"], {"images": x})[0], json.loads(classes)
    if to == "openvino":
        model = openvino.Core().read_model(folder / "model.xml")
        classes = model.get_rt_info(["opsin", "classes"]).astype(str)
        options = {"INFERENCE_PRECISION_HINT": "f32"}
        return openvino.compile_model(model, "CPU", options)(x)[0], json.loads(classes)
    about = {"opsin.json": ""}
    net = torch.export.load(folder / "model.pt2", extra_files=about).module()
    return net(torch.from_numpy(x)).detach().numpy(), json.loads(about["opsin.json"])["classes"]


@pytest.mark.parametrize("kind", PHOTOS)
@pytest.mark.parametrize("uint8", [False, True])
def test_the_printed_lines_see_the_photo_as_we_do(tmp_path, monkeypatch, kind, uint8):
    monkeypatch.chdir(tmp_path)
    ours = bundle(**PHOTOS[kind])
    written = export(ours, "onnx", Path("a'b"), uint8=uint8)
    photo(tmp_path / "photo.jpg")
    assert len(written.how_to_run.splitlines()) <= 10
    names: dict = {}
    exec(written.how_to_run.replace("print(", "found = ("), names)
    (seen,) = predict(ours, [tmp_path / "photo.jpg"], top=3)
    chances = torch.from_numpy(names["logits"]).softmax(1)[0]
    assert names["found"] == seen.classes[0]
    for name, chance in zip(seen.classes, seen.probabilities, strict=True):
        assert abs(chances[CLASSES.index(name)] - chance) < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("to", deploy.TARGETS)
def test_the_printed_lines_run_without_opsin(tmp_path, to):
    written = export(bundle("lenet5", channels=1), to, tmp_path / "net")
    photo(tmp_path / "photo.jpg")
    done = subprocess.run(
        [sys.executable, "-c", written.how_to_run], cwd=tmp_path, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.removesuffix("\n") in CLASSES


@pytest.mark.parametrize("to", deploy.TARGETS)
def test_what_is_not_the_network_is_not_written(tmp_path, monkeypatch, to):
    target = deploy.TARGETS[to]
    load = target.load

    def one_logit_off(path):
        run = load(path)
        return lambda images: run(images) + torch.tensor([0, 0, 2e-3 * float(run(images).abs().max())])

    monkeypatch.setattr(target, "load", one_logit_off)
    with pytest.raises(OpsinError, match=r"differs from the network by 2\.0e-03 of its largest logit on 1 image"):
        export(bundle(), to, tmp_path / "net")
    assert list(tmp_path.iterdir()) == []


def test_a_difference_at_seven_images_alone_is_found():
    net = torch.nn.Identity()
    images = torch.rand(7, 3) + 1
    with pytest.raises(OpsinError, match="7 image"):
        verify.verify(Path("x"), lambda x: x if len(x) == 1 else x + 1, net, [images[:1], images])
    with pytest.raises(OpsinError, match=r"differs from the network by nan"):
        verify.verify(Path("x"), lambda x: x * torch.nan, net, [images])
    with pytest.raises(OpsinError, match=r"differs from the network by nan"):
        verify.verify(Path("x"), lambda x: x * 0, net, [images * 0])
    with pytest.raises(OpsinError, match=r"shape \[1, 3\] instead of \[7, 3\]"):
        verify.verify(Path("x"), lambda x: x[:1], net, [images])


def test_where_it_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    with pytest.raises(OpsinError, match=r"cannot write .*file/x: .*file is no folder; name another with --out"):
        export(bundle(), "onnx", tmp_path / "file" / "x")
    monkeypatch.setattr(deploy, "sha256", lambda path: (tmp_path / "net" / "theirs").mkdir(parents=True, exist_ok=True))
    with pytest.raises(FileExistsError) as raised:  # another export was quicker
        export(bundle(), "onnx", tmp_path / "net")
    assert (raised.value.strerror, raised.value.filename) == ("is there already", str(tmp_path / "net"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "net"]


def test_what_int8_may_lose_and_take():
    for wrong, line in (
        ({"calibrate": 0}, "--calibrate must be at least 1, not 0"),
        ({"max_loss": -5}, "--max-loss must"),
    ):
        with pytest.raises(OpsinError, match=line):
            Int8(Path("digits"), **wrong)


def test_a_file_that_does_not_run_is_one_line(tmp_path, monkeypatch):
    def broken(images):
        raise RuntimeError("node Add_3\nis not\nbroadcastable")

    monkeypatch.setattr(deploy.onnx, "load", lambda file: broken)
    line = r"model\.onnx does not run on 1 image \(node Add_3 is not broadcastable\): nothing was written"
    with pytest.raises(OpsinError, match=line):
        export(bundle(), "onnx", tmp_path / "net")
    assert list(tmp_path.iterdir()) == []


def test_integers_are_tried_on_images_that_can_be_read(tmp_path):
    """A bad one is named with a mend that there is; and that the network was trained on other images is said."""
    data = two_classes(tmp_path / "data")
    (data / "above" / "0.png").write_bytes(b"\x89PNG\r\n cut")
    arguments = {"num_classes": 2, "in_chans": 1, "input_size": 32}
    torch.manual_seed(0)
    net = zoo.build_model("lenet5", **arguments).eval()
    ours = Bundle(net, "lenet5", arguments, ("above", "below"), Preprocess(32, 1), {}, {})
    with pytest.raises(OpsinError, match=r"1 of 80 images .* give --skip-bad"):
        export(ours, "onnx", tmp_path / "net", int8=Int8(data))
    written = export(ours, "onnx", tmp_path / "net", int8=Int8(data, max_loss=100, skip_bad=True))
    assert "trained on other images, or divided otherwise" in str(written)
    assert "left out, since they cannot be read (1): above/0.png" in written.notes[0]
    assert not json.loads((written.folder / "opsin.json").read_text(encoding="utf-8"))["int8"]["same"]


def test_integers_that_depend_on_the_batch_are_found():
    images = torch.rand(7, 3) + 1
    verify.check_steady(Path("x"), lambda x: x * 1.01 if len(x) == 7 else x, images)
    with pytest.raises(OpsinError, match="other logits for an image alone than among 7"):
        verify.check_steady(Path("x"), lambda x: x * 1.1 if len(x) == 7 else x, images)


def test_what_cannot_be_exported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ours = bundle("lenet5", channels=1)
    (tmp_path / "there").mkdir()
    for arguments, says in (
        ({"to": "onx"}, "did you mean onnx?"),
        ({"to": "onnx", "out": Path("a.onnx")}, "an export to onnx is a folder, with model.onnx and opsin.json in it"),
        ({"to": "torch", "out": Path("there")}, "there is there already: remove it, or name another with --out"),
        ({"to": "torch", "int8": Int8(Path("digits"))}, "--int8 is for --to onnx and --to openvino"),
        ({"to": "onnx", "int8": Int8(Path("none"))}, "no folder 'none'"),
        ({"to": "onnx", "int8": Int8(Path("digits"))}, "the classes of digits are not those of the network"),
    ):
        with pytest.raises(OpsinError) as caught:
            export(ours, **arguments)
        assert says in str(caught.value)
        assert "\n" not in str(caught.value)
    monkeypatch.setattr(deploy, "find_spec", lambda name: None)
    with pytest.raises(OpsinError, match=r"--to openvino needs onnx, openvino: pip install 'opsin\[openvino\]'"):
        export(ours, "openvino")
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_a_torch_program_that_the_disk_does_not_hold_is_an_oserror(tmp_path):
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OSError):
            deploy.program.write(torch.nn.Linear(300, 300), torch.rand(2, 300), tmp_path / "model.pt2", {}, None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(deploy, "write_json", full)
    with pytest.raises(OSError, match="No space"):
        export(bundle("lenet5", channels=1), "onnx", tmp_path / "net")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(onnx, "save", lambda *_: (_ for _ in ()).throw(RuntimeError("write failed\nat line 3")))
    with pytest.raises(OpsinError, match=r"cannot be written as model.onnx: write failed at line 3"):
        export(bundle("lenet5", channels=1), "onnx", tmp_path / "net")
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_no_exporter_takes(tmp_path):
    ours = bundle("lenet5", channels=1)
    ours.net.register_forward_hook(lambda module, args, output: output * float(output.sum() > 0))
    for to in ("onnx", "torch"):
        with pytest.raises(OpsinError) as caught:
            export(ours, to, tmp_path / to)
        assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def two_classes(folder: Path, n: int = 40) -> Path:
    """Images that are bright above or bright below."""
    random = np.random.default_rng(0)
    for name, flip in (("above", False), ("below", True)):
        (folder / name).mkdir(parents=True)
        for i in range(n):
            ramp = np.linspace(255, 0, 32)[:, None] * random.uniform(0.3, 1, (1, 32)) + random.uniform(0, 9, (32, 32))
            Image.fromarray(ramp.clip(0, 255).astype(np.uint8)[:: -1 if flip else 1]).save(folder / name / f"{i}.png")
    return folder


@pytest.mark.parametrize("to", ["onnx", "openvino"])
def test_int8(tmp_path, to):
    data = two_classes(tmp_path / "data")
    net = zoo.build_model("lenet5", num_classes=2, in_chans=1, input_size=32)
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    preprocess = Preprocess(32, 1, mean=(0.5,), std=(0.3,))
    files = sorted(data.rglob("*.png"))
    x = preprocess.normalize(torch.from_numpy(np.stack([preprocess.pixels(Image.open(file)) for file in files])))
    y = torch.tensor([file.parent.name == "below" for file in files]).long()
    torch.manual_seed(0)
    for _ in range(30):
        torch.nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()
        optimizer.zero_grad()
    arguments = {"num_classes": 2, "in_chans": 1, "input_size": 32}
    ours = Bundle(net.eval(), "lenet5", arguments, ("above", "below"), preprocess, {}, {})
    floats = export(ours, to, tmp_path / "floats")
    written = export(replace(ours, data=scan(load(data)).fingerprint), to, tmp_path / "int8", int8=Int8(data, 30))
    loss = written.loss
    assert loss.same
    assert "other images" not in str(written)
    assert (loss.n, loss.calibrated_on) == (16, 30)
    assert loss.before == loss.after + loss.lost - loss.won
    assert loss.before == 16
    assert loss.points <= 2
    assert "16 validation images" in str(written)
    facts = json.loads((written.folder / "opsin.json").read_text(encoding="utf-8"))
    assert facts["int8"]["n"] == 16
    logits, _ = run_alone(to, written.folder, x.numpy())
    exact, _ = run_alone(to, floats.folder, x.numpy())
    assert 0 < abs(logits - exact).max() < 0.1 * abs(exact).max()
    if to == "onnx":
        scales = [t for t in onnx.load(written.folder / "model.onnx").graph.initializer if t.name.endswith("_scale")]
        assert max(len(onnx.numpy_helper.to_array(t).reshape(-1)) for t in scales) > 1  # a scale for each channel


def test_int8_that_loses_too_much_is_not_written(tmp_path, monkeypatch):
    data = two_classes(tmp_path / "data")
    arguments = {"num_classes": 2, "in_chans": 1, "input_size": 32}
    net = zoo.build_model("lenet5", **arguments).eval()
    ours = Bundle(net, "lenet5", arguments, ("above", "below"), Preprocess(32, 1), {}, {})
    lost = deploy.Loss(n=16, before=15, after=12, lost=4, won=1, calibrated_on=30)
    monkeypatch.setattr(deploy, "measure", lambda *_: lost)
    with pytest.raises(OpsinError, match=r"93.75% -> 75.00% of 16 .* 18.75 points, more than --max-loss 2") as caught:
        export(ours, "onnx", tmp_path / "net", int8=Int8(data))
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert export(ours, "onnx", tmp_path / "net", int8=Int8(data, max_loss=20)).loss == lost
    shutil.rmtree(tmp_path / "net")
