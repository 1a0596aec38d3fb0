"""`opsin embed`: the numbers against the network by hand, the files, and what can go wrong."""

import json
import sys
from functools import partial

import numpy as np
import pytest
import timm
import torch
from oracles import empty, randomise
from PIL import Image
from timm.data import create_transform, resolve_model_data_config
from timm.models import save_for_hf

from opsin import zoo
from opsin.bundle import Bundle
from opsin.data.preprocess import Preprocess
from opsin.data.sources import load_any
from opsin.embed import embed, embedder
from opsin.runtime import forward
from opsin.runtime.backends import installed

ARGUMENTS = {"num_classes": 3, "in_chans": 3}


@pytest.fixture
def folder(tmp_path):
    """A bundle, class folders and a plain folder of the same nine images."""
    torch.manual_seed(0)
    net = zoo.build_model("resnet20_cifar", **ARGUMENTS)
    preprocess = Preprocess(size=32, channels=3, mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.2), resize=40)
    Bundle(net, "resnet20_cifar", ARGUMENTS, ("a", "b", "c"), preprocess, {}, {}).write(tmp_path / "bundle")
    rng = np.random.default_rng(0)
    (tmp_path / "plain").mkdir()
    for i in range(9):
        image = Image.fromarray(rng.integers(0, 255, (40 + i, 60, 3), dtype=np.uint8))
        (tmp_path / "classes" / "xyz"[i % 3]).mkdir(parents=True, exist_ok=True)
        image.save(tmp_path / "classes" / "xyz"[i % 3] / f"{i}.png")
        image.save(tmp_path / "plain" / f"{i}.png")
    (tmp_path / "plain" / "notes.txt").write_text("not an image")
    return tmp_path


@pytest.fixture
def one_line(opsin):
    """Runs `opsin embed` and returns its single line of complaint."""

    def run(*arguments):
        code, stdout, stderr = opsin("embed", *arguments)
        assert (code, stdout) == (1, "")
        assert stderr.count("\n") == 1, stderr
        return stderr.removeprefix("opsin: ").strip()

    return run


def by_hand(bundle, path):
    image = bundle.preprocess.pixels(Image.open(path))
    with torch.inference_mode():
        maps = bundle.net.forward_features(bundle.preprocess.normalize(torch.from_numpy(image)[None]))
    return maps.mean(dim=(2, 3))[0].numpy()


@pytest.mark.parametrize("batch_size", [1, 4, 64])
def test_embeddings_of_a_bundle(folder, opsin, batch_size):
    out = folder / "deep" / "er" / "found.npz"
    code, stdout, stderr = opsin(
        "embed", folder / "bundle", folder / "classes", "--out", out, "--batch-size", batch_size
    )
    assert (code, stderr) == (0, "")
    assert "9 embeddings of 64 numbers, resnet20_cifar" in stdout
    found = np.load(out, allow_pickle=False)
    assert sorted(found) == ["classes", "embeddings", "facts", "labels", "paths"]
    assert found["embeddings"].dtype == np.float32
    assert found["classes"].tolist() == ["x", "y", "z"]
    assert found["labels"].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert found["paths"].tolist()[:4] == ["x/0.png", "x/3.png", "x/6.png", "y/1.png"]
    bundle = Bundle.read(folder / "bundle")
    for path, values in zip(found["paths"], found["embeddings"], strict=True):
        np.testing.assert_allclose(values, by_hand(bundle, folder / "classes" / path), rtol=1e-4, atol=1e-5)
    facts = json.loads(str(found["facts"]))
    assert facts["preprocess"] == bundle.preprocess.to_dict()
    assert facts["weights"] == str(folder / "bundle")
    assert {"torch", "opsin"} <= facts["versions"].keys()
    assert [path.name for path in out.parent.iterdir()] == ["found.npz"]


def test_a_plain_folder_has_no_classes(folder):
    found = embed(load_any(folder / "plain"), embedder(str(folder / "bundle")))
    assert found.paths == tuple(f"{i}.png" for i in range(9))
    assert (found.classes, set(found.labels.tolist())) == ((), {-1})


def test_digits_and_a_random_start(tmp_path, opsin):
    out = tmp_path / "digits.npz"
    code, _, err = opsin("embed", "lenet5", "digits", "--weights", "none", "--out", out)
    assert code == 0
    assert "random weights" in err
    found = np.load(out)
    assert found["embeddings"].shape == (1797, 84)
    assert found["embeddings"].std(axis=0).min() > 0
    assert found["paths"][7] == "digits/0007"


@torch.no_grad()
def test_weights_of_timm_bring_their_preprocessing(folder):
    """timm makes the same of the files, from decoding on."""
    torch.manual_seed(0)
    net = empty(partial(timm.create_model, "vit_tiny_patch16_224"))
    randomise(net)
    save_for_hf(net, folder / "weights", safe_serialization=True)
    found = embed(load_any(folder / "plain"), embedder("vit_tiny_patch16_224", str(folder / "weights")))
    transform = create_transform(**resolve_model_data_config(net), is_training=False)
    images = torch.stack([transform(Image.open(folder / "plain" / path)) for path in found.paths])
    expected = net.forward_head(net.forward_features(images), pre_logits=True).numpy()
    assert found.values.shape == expected.shape == (9, 192)
    assert np.linalg.norm(found.values - expected) < 0.02 * np.linalg.norm(expected)
    assert found.facts["weights"] == str(folder / "weights")
    assert found.facts["origin"]["preprocess"] == found.facts["preprocess"]


def test_another_input_size(folder):
    chosen = embedder(str(folder / "bundle"), input_size=48)
    assert (chosen.preprocess.size, chosen.preprocess.resize) == (48, 60)
    assert embed(load_any(folder / "plain"), chosen).values.shape == (9, 64)
    assert embedder("vit_32", "none", 48).net.positions.shape == (1, 1 + 12**2, 64)


def test_the_network_keeps_its_mode(folder):
    chosen = embedder("resnet20_cifar", "none")
    assert chosen.net.training
    statistics = chosen.net.bn1.running_mean.clone()
    embed(load_any(folder / "plain"), chosen)
    assert chosen.net.training
    assert torch.equal(statistics, chosen.net.bn1.running_mean)


def test_bad_images(folder, one_line, opsin):
    (folder / "plain" / "5b.png").write_bytes((folder / "plain" / "5.png").read_bytes()[:300])
    arguments = (folder / "bundle", folder / "plain", "--out", folder / "found.npz")
    assert "5b.png is cut short or damaged" in one_line(*arguments)
    assert not (folder / "found.npz").exists()
    code, _, err = opsin("embed", *arguments, "--skip-bad")
    assert code == 0
    assert "left out: 5b.png" in err
    found = np.load(folder / "found.npz")
    assert found["paths"].tolist() == [f"{i}.png" for i in range(9)]
    assert "5b.png" in json.loads(str(found["facts"]))["left_out"][0]


def test_images_stream(folder, monkeypatch):
    """No more images are opened ahead of the network than wait in the threads' queue."""
    source = load_any(folder / "plain").take([0] * 2000)
    opened, seen = [], []
    chosen = embedder(str(folder / "bundle"))
    before = type(chosen.preprocess).pixels
    monkeypatch.setattr(Preprocess, "pixels", lambda self, image: opened.append(1) or before(self, image))
    chosen.net.register_forward_hook(lambda *_: seen.append(len(opened)))
    embed(source, chosen, batch_size=16)
    assert len(seen) == 125
    assert seen[0] < 1000


def test_wrong_arguments(folder, one_line, monkeypatch):
    bundle, plain, out = folder / "bundle", folder / "plain", folder / "found.npz"
    (folder / "empty").mkdir()
    (folder / "there.npz").write_text("mine")
    (folder / "file").write_text("")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for arguments, says in (
        (("resnet81", plain, "--out", out), "unknown model 'resnet81'; did you mean resnet"),
        ((folder / "nothing", plain, "--out", out), "no bundle at"),
        ((folder / "plain", plain, "--out", out), "not a whole bundle"),
        (("resnet20_cifar", plain, "--out", out), "resnet20_cifar has no public weights"),
        (("resnet18", plain, "--weights", "torchvision:V9", "--out", out), "unknown weights of resnet18"),
        (("resnet18", plain, "--weights", folder / "no.pth", "--out", out), "no weights at"),
        ((bundle, plain, "--weights", "timm", "--out", out), "--weights is for networks by their name"),
        ((bundle, folder / "nowhere", "--out", out), "no folder"),
        ((bundle, folder / "empty", "--out", out), "no images in"),
        ((bundle, plain, "--out", folder / "found.csv"), "name a file that ends with .npz or .parquet"),
        ((bundle, plain, "--out", folder / "found.parquet"), "a .parquet file needs pyarrow"),
        ((bundle, plain, "--out", folder / "there.npz"), "there.npz is there already"),
        ((bundle, plain, "--out", folder / "file" / "found.npz"), "cannot write"),
        ((bundle, plain, "--batch-size", "0", "--out", out), "--batch-size must be at least 1, not 0"),
        ((bundle, plain, "--input-size", "4", "--out", out), "resnet20_cifar cannot take 4"),
        ((bundle, plain, "--device", "tpu", "--out", out), "unknown device 'tpu'"),
    ):
        assert says in one_line(*arguments)
    assert not out.exists()
    assert (folder / "there.npz").read_text() == "mine"
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_force_replaces_a_file(folder, opsin):
    (folder / "there.npz").write_text("mine")
    code, _, _ = opsin("embed", folder / "bundle", folder / "plain", "--out", folder / "there.npz", "--force")
    assert code == 0
    assert np.load(folder / "there.npz")["embeddings"].shape == (9, 64)


def test_parquet(folder, opsin):
    parquet = pytest.importorskip("pyarrow.parquet")
    for data in ("classes", "plain"):
        out = folder / f"{data}.parquet"
        assert opsin("embed", folder / "bundle", folder / data, "--out", out)[0] == 0
        table = parquet.read_table(out)
        found = embed(load_any(folder / data), embedder(str(folder / "bundle")))
        assert table.column_names == ["path", "label", "class", "embedding"]
        assert table["path"].to_pylist() == list(found.paths)
        np.testing.assert_allclose(np.array(table["embedding"].to_pylist(), np.float32), found.values, rtol=1e-5)
        facts = json.loads(table.schema.metadata[b"opsin"])
        assert facts["network"] == "resnet20_cifar"
        named = [None] * 9 if data == "plain" else [found.classes[c] for c in found.labels]
        assert table["class"].to_pylist() == named
        assert table["label"].to_pylist() == [None if c < 0 else c for c in found.labels.tolist()]


def test_embeddings_by_other_backends(folder, monkeypatch):
    """By name, and by the quickest after two batches: the rows stay those of PyTorch, to 1e-4."""
    source, chosen = load_any(str(folder / "classes")), embedder(str(folder / "bundle"))
    expected = embed(source, chosen, backend="eager").values
    for name in installed(("onnxruntime", "openvino")):
        found = embed(source, chosen, batch_size=4, backend=name)
        assert found.facts["backends"] == [name]
        np.testing.assert_allclose(found.values, expected, rtol=1e-4, atol=1e-4)
    monkeypatch.setattr(forward, "WORTH", 0.0)
    monkeypatch.setattr(forward, "PROBE", 0.0)
    found = embed(source, chosen, batch_size=2, threads=1)
    assert len(found.facts["backends"]) == 2
    np.testing.assert_allclose(found.values, expected, rtol=1e-4, atol=1e-4)
    assert [path.name for path in (folder / "bundle.fast").glob("*.json")] == ["Embedding-3x32x32-batch2-threads1.json"]
