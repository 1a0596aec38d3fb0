"""A bundle predicts as the network did in training, names bad images, and is refused when it is damaged."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from opsin import zoo
from opsin.bundle import Bundle
from opsin.data.preprocess import Preprocess
from opsin.errors import OpsinError
from opsin.files import seal, write_json
from opsin.predict import find_images, memory, predict
from opsin.runtime import forward
from opsin.runtime.backends import installed

CLASSES = ("no", "yes", "<b>perhaps</b>")
ARGUMENTS = {"num_classes": 3, "in_chans": 3, "input_size": 32}


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(0)
    net = zoo.build_model("resnet20_cifar", **ARGUMENTS)
    preprocess = Preprocess(size=32, channels=3, mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.2))
    Bundle(net, "resnet20_cifar", ARGUMENTS, CLASSES, preprocess, {}, {}).write(tmp_path / "bundle")
    rng = np.random.default_rng(0)
    (tmp_path / "photos" / "deep").mkdir(parents=True)
    for i, path in enumerate(("photos/a.png", "photos/deep/b.jpg", "photos/c.PNG")):
        Image.fromarray(rng.integers(0, 255, (40 + i, 60, 3), dtype=np.uint8)).save(tmp_path / path)
    (tmp_path / "photos" / "notes.txt").write_text("not an image")
    return tmp_path


def test_it_predicts_as_the_network_did(folder):
    bundle = Bundle.read(folder / "bundle")
    found = list(predict(bundle, find_images([folder / "photos"]), top=3, batch_size=2))
    assert [prediction.path.name for prediction in found] == ["a.png", "c.PNG", "b.jpg"]
    for prediction in found:
        image = bundle.preprocess.pixels(Image.open(prediction.path))
        with torch.inference_mode():
            chances = bundle.net(bundle.preprocess.normalize(torch.from_numpy(image)[None])).softmax(1)[0]
        best = chances.argsort(descending=True)
        assert prediction.classes == tuple(CLASSES[i] for i in best)
        assert prediction.probabilities == pytest.approx(chances[best].tolist(), abs=1e-5)


def test_json_and_a_bad_image(folder, opsin):
    (folder / "photos" / "broken.jpg").write_bytes((folder / "photos" / "deep" / "b.jpg").read_bytes()[:700])
    code, out, err = opsin("predict", folder / "bundle", folder / "photos", "--json", "--top", "2")
    assert code == 1
    assert "broken.jpg" in err
    assert len(err.splitlines()) == 1
    lines = [json.loads(line) for line in out.splitlines()]
    assert len(lines) == 3
    assert all(len(line["predictions"]) == 2 for line in lines)


def test_what_is_called_an_image_and_is_none_is_told(folder, opsin):
    (folder / "photos" / "empty.png").touch()
    (folder / "photos" / "deep" / "text.jpg").write_text("not an image")
    (folder / "photos" / "._a.jpg").write_text("left behind by another system")
    (folder / "photos" / ".thumbnails").mkdir()
    (folder / "photos" / ".thumbnails" / "a.png").write_text("another program's")
    code, out, err = opsin("predict", folder / "bundle", folder / "photos")
    assert (code, len(out.splitlines())) == (1, 3)
    assert sorted(line.split()[1].rpartition("/")[2] for line in err.splitlines()) == ["empty.png", "text.jpg"]


def test_without_an_output_it_does_not_break(folder):
    script = f"import sys; sys.stdout = None; sys.argv = ['opsin', 'predict', {str(folder / 'bundle')!r}, "
    script += f"{str(folder / 'photos')!r}]; from opsin.cli.main import main; main()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_is_wrong_is_said(folder, opsin):
    for arguments, says in (
        ((folder / "bundle", folder / "none.jpg"), "no image or folder"),
        ((folder / "photos", folder / "photos"), "not a whole bundle"),
        ((folder / "none", folder / "photos"), "no bundle at"),
        ((folder / "bundle", folder / "photos", "--top", "0"), "--top must be at least 1"),
        ((folder / "bundle", folder / "photos", "--threads", "0"), "--threads must be at least 1"),
        ((folder / "bundle", folder / "photos", "--backend", "openvin"), "did you mean openvino?"),
    ):
        code, out, err = opsin("predict", *arguments)
        assert (code, out) == (1, "")
        assert says in err
        assert len(err.splitlines()) == 1


def test_a_flipped_bit_is_found(folder):
    weights = folder / "bundle" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-9] ^= 4
    weights.write_bytes(content)
    with pytest.raises(OpsinError, match=r"model\.safetensors is missing or damaged"):
        Bundle.read(folder / "bundle")


def test_a_bundle_of_an_unknown_network(folder):
    manifest = folder / "bundle" / "manifest.json"
    values = json.loads(manifest.read_text()) | {"model": "resnet21_cifar"}
    write_json(manifest, seal({key: values[key] for key in values if key != "sha256"}))
    with pytest.raises(OpsinError, match="did you mean resnet"):
        Bundle.read(folder / "bundle")


def test_others_may_read_what_the_owner_lets_them(folder):
    bundle = folder / "bundle"
    assert (bundle / "model.safetensors").stat().st_mode == (bundle / "manifest.json").stat().st_mode


def test_every_backend_predicts_the_same(folder, opsin):
    expected = None
    for name in ("eager", *installed(("channels_last", "onnxruntime", "openvino")), "best", "auto"):
        arguments = (folder / "bundle", folder / "photos", "--json", "--top", 3, "--backend", name, "--threads", 1)
        code, out, err = opsin("predict", *arguments)
        found = [json.loads(line) for line in out.splitlines()]
        expected = expected or found
        assert (code, len(found)) == (0, 3)
        assert err.count("\n") == (2 if name == "best" else 0), err
        for line, right in zip(found, expected, strict=True):
            assert line["image"] == right["image"]
            chances = [[each["probability"] for each in sorted_by_name(x)] for x in (line, right)]
            assert chances[0] == pytest.approx(chances[1], abs=1e-5)
    remembered = list((folder / "bundle.fast").glob("*.json"))
    assert [path.name for path in remembered] == ["ResNet-3x32x32-batch16-threads1.json"]


def sorted_by_name(line):
    return sorted(line["predictions"], key=lambda each: each["class"])


def test_the_order_stays_when_the_backend_changes_on_the_way(folder, monkeypatch):
    """Twelve batches, bad images among them, and the backends are tried after two whole ones."""
    monkeypatch.setattr(forward, "WORTH", 0.0)
    monkeypatch.setattr(forward, "PROBE", 0.0)
    rng, files = np.random.default_rng(1), []
    for i in range(24):
        files.append(folder / f"{i}.png")
        if i % 5 == 1:
            files[-1].write_bytes(b"no image")
        else:
            Image.fromarray(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(files[-1])
    bundle, said, told = Bundle.read(folder / "bundle"), [], []
    progress = lambda done, total: told.append((done, total))  # noqa: E731
    found = list(predict(bundle, files, batch_size=2, top=3, threads=1, say=said.append, progress=progress))
    assert len(said) == 2
    assert "ms an image" in said[1]
    assert [prediction.path for prediction in found] == files
    for i, prediction in enumerate(found):
        assert bool(prediction.error) == (i % 5 == 1)
        if not prediction.error:
            (alone,) = predict(bundle, [files[i]], top=3, backend="eager")
            assert prediction.probabilities == pytest.approx(alone.probabilities, abs=1e-5)
    assert told
    assert {total for _, total in told} == {24}


def test_memory_lies_beside_the_bundle(folder, monkeypatch):
    assert memory(None) is None
    monkeypatch.chdir(folder / "bundle")
    assert memory(Bundle.read(folder / "bundle").folder) == (folder / "bundle.fast").resolve()
    assert memory(Bundle.read(folder.relative_to(folder)).folder) == (folder / "bundle.fast").resolve()
