"""`opsin train` as people type it."""

import json

import pytest

ASKED = ("train", "digits", "--model", "lenet1989", "--epochs", "2", "--set", "batch_size=64")


def test_what_it_prints_and_that_the_same_again_trains_nothing(opsin, tmp_path):
    folder = tmp_path / "run"
    code, out, err = opsin(*ASKED, "--out", folder)
    assert code == 0
    lines = [line for line in err.splitlines() if line.startswith("epoch ")]
    assert [line[:9] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    assert all(len(line) <= 80 for line in lines)
    assert "epochs 30 -> 2" in err
    assert "on 359 images, 95 %: " in out and f"Run:      {folder}" in out
    assert f"Page:     {folder / 'report.html'}\n" in out
    assert f"LeNet-\u20601989 recognises {out.split()[2].rstrip('%')}\u00a0%" in (folder / "report.html").read_text()
    assert json.loads((folder / "run.json").read_text())["recipe"]["batch_size"] == 64
    for again in ((*ASKED, "--out", folder), ("train", "--resume", folder)):
        code, repeated, err = opsin(*again)
        assert (code, repeated) == (0, out) and "epoch 1/2" not in err
    code, out, _ = opsin("train", "--resume", folder, "--json")
    assert (code, json.loads(out)["status"], json.loads(out)["page"]) == (0, "ok", str(folder / "report.html"))


def test_without_validation_in_groups(opsin, tmp_path):
    code, out, err = opsin(
        *ASKED, "--epochs", "1", "--val", "0", "--groups", r"digits/(\d{3})", "--out", tmp_path / "run"
    )
    assert (code, err.count("val loss")) == (0, 0) and "(modern, 1 epoch at 16 px)" in err
    assert "test top-1" in out and "which come in groups: no interval" in out and "95 %" not in out


def test_what_diverges_exits_with_3(opsin, tmp_path):
    wild = ("--set", "learning_rate=1e30", "--set", "clip_norm=none")
    code, out, err = opsin(*ASKED, *wild, "--out", tmp_path / "run")
    assert (code, out) == (3, "")
    assert err.splitlines()[-1].startswith("opsin: failed: ") and "--set learning_rate" in err
    assert f"({tmp_path / 'run' / 'report.html'})" in err
    assert "The training of LeNet-\u20601989 failed" in (tmp_path / "run" / "report.html").read_text()
    code, out, _ = opsin("train", "--resume", tmp_path / "run", "--json")
    assert code == 3 and json.loads(out)["status"].startswith("failed: ")


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("digits",), "name the data and the network"),
        (("digits", "--model", "resnet9"), "unknown model 'resnet9'; did you mean"),
        (("digitz", "--model", "lenet5"), "digitz"),
        (("digits", "--model", "lenet5", "--recipe", "resnt"), "did you mean"),
        (("digits", "--model", "lenet5", "--set", "rate=1"), "unknown key of a recipe 'rate'"),
        (("digits", "--model", "lenet5", "--pretrained"), "has no public weights"),
        (("digits", "--model", "resnet18", "--pretrained", "--weights", "timm"), "exclude each other"),
        (("digits", "--resume", "nowhere"), "leave out data"),
        (("--resume", "nowhere", "--seed", "3", "--device", "cpu"), "leave out seed, device"),
        (("--resume", "nowhere", "--compile", "--set", "epochs=2"), "leave out settings, compiled"),
        (("--resume", "nowhere"), "nowhere holds no run"),
        (("digits", "--model", "lenet5", "--device", "tpu"), "unknown device"),
    ],
)
def test_bad_input_is_one_line(opsin, tmp_path, monkeypatch, more, says):
    monkeypatch.chdir(tmp_path)
    code, out, err = opsin("train", *more)
    assert (code, out) == (1, "")
    assert says in err.splitlines()[-1] and "Traceback" not in err
    assert not (tmp_path / "opsin-runs").exists()
