"""`opsin compare` with a server on loopback in the place of torchvision's and the hub's: found, probed, said."""

import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import timm
import torch
import torchvision
from fake_server import serve
from PIL import Image
from timm.models import save_for_hf

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Two classes of 30 pictures of 80 px: bright at the left, bright at the right."""
    folder = tmp_path_factory.mktemp("photos")
    draw = np.random.default_rng(0)
    for side in ("left", "right"):
        (folder / side).mkdir()
        for i in range(30):
            pixels = draw.integers(0, 120, (80, 80, 3), dtype=np.uint8)
            pixels[:, 40 * (side == "right") :][:, :40] += 100
            Image.fromarray(pixels).save(folder / side / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def public(tmp_path_factory):
    """torchvision's squeezenet1_1 and timm's mobilenetv2_050, random, as their libraries write them."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("hub")
    save_for_hf(timm.create_model("mobilenetv2_050"), folder, safe_serialization=True)
    repository = {name: (folder / name).read_bytes() for name in ("config.json", "model.safetensors")}
    file = io.BytesIO()
    torch.save(torchvision.models.squeezenet1_1().state_dict(), file)
    return file.getvalue(), repository


def opsin(folder, server, *arguments, **environment):
    command = [sys.executable, "-m", "opsin.cli.main", "compare", *map(str, arguments), "--workers", "1"]
    environment = os.environ | (server.environment(folder) if server else {}) | environment
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder)


def test_photos_start_from_what_the_hub_has(photos, public, tmp_path):
    with serve(repos={"timm/mobilenetv2_050.lamb_in1k": public[1]}) as server:
        arguments = (photos, "--models", "mobilenet_v2_050,lenet5", "--seeds", 1, "--epochs", 1, "--no-tune", "--json")
        ended = opsin(tmp_path, server, *arguments, "--out", "out")
        assert ended.returncode == 0, ended.stderr
        results = json.loads(ended.stdout)
        rows = {row["entry"]: row for row in results["rows"]}
        assert list(rows) == ["mobilenet_v2_050-probe", "lenet5"]
        weights = rows["mobilenet_v2_050-probe"]["weights"]
        assert (weights["name"], weights["licence"]) == ("timm:lamb_in1k", "apache-2.0")
        assert rows["mobilenet_v2_050-probe"]["input_size"] == 224
        assert rows["mobilenet_v2_050-probe"]["top1_mean"] > 0.8
        assert any("lenet5" in note for note in results["plan"]["notes"])
        bundle = json.loads((tmp_path / "out/runs/mobilenet_v2_050-probe/seed-0/bundle/manifest.json").read_text())
        assert bundle["origin"]["licence"] == "apache-2.0"
        assert bundle["preprocess"]["size"] == 224
        asked = len(server.asked)
        again = opsin(tmp_path, server, *arguments, "--out", "out")
        assert json.loads(again.stdout)["rows"][0]["top1_mean"] == results["rows"][0]["top1_mean"]
        assert len(server.asked) == asked  # a plan that stands asks nobody
        cut_off = opsin(tmp_path, server, *arguments, "--out", "offline", HF_HUB_OFFLINE="1")
        assert cut_off.returncode == 0, cut_off.stderr
        assert len(server.asked) == asked
        assert [row["start"] for row in json.loads(cut_off.stdout)["rows"]] == ["probe", "scratch"]


def test_a_wrong_file_is_one_line_and_nothing_is_kept(photos, public, tmp_path):
    with serve({"/models/squeezenet1_1-b8a52dc0.pth": public[0]}) as server:
        ended = opsin(tmp_path, server, photos, "--models", "squeezenet1_1", "--start", "probe")
    assert ended.returncode == 1
    lines = ended.stderr.strip().splitlines()
    assert lines[-1].startswith("opsin: ") and "b8a52dc0" in lines[-1]
    assert not list((tmp_path / "torch").rglob("*.pth"))


def test_nothing_to_be_had(photos, tmp_path):
    """Without a network: from scratch by default, in words; and an error where weights were asked for."""
    arguments = (photos, "--models", "resnet20_cifar,squeezenet1_1", "--seeds", 1, "--epochs", 1, "--no-tune")
    nowhere = {"HF_HUB_OFFLINE": "1", "TORCH_HOME": str(tmp_path / "torch"), "HF_HOME": str(tmp_path / "hf")}
    ended = opsin(tmp_path, None, *arguments, "--input-size", 48, "--json", **nowhere)
    assert ended.returncode == 0, ended.stderr
    assert {row["start"] for row in json.loads(ended.stdout)["rows"]} == {"scratch"}
    assert "all start from scratch: no public weights are cached" in ended.stderr
    refused = opsin(tmp_path, None, *arguments[:-5], "--start", "finetune", "--models", "squeezenet1_1", **nowhere)
    assert refused.returncode == 1
    assert "HF_HUB_OFFLINE" in refused.stderr.strip().splitlines()[-1]
