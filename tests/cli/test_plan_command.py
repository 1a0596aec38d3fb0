"""`opsin plan` as people call it: the table in 80 columns, JSON, and one line for every mistake."""

import json

import pytest
from paper_pool import PaperPool
from PIL import Image

from opsin.cli.plan import in_bytes, named
from opsin.compare import outlook
from opsin.errors import OpsinError

THREE = ("--models", "lenet5,resnet20_cifar,lenet1989", "--workers", "2")


@pytest.fixture
def plan(monkeypatch, tmp_path, opsin):
    """`opsin plan` where every network trains in a thousandth of a second an image, and lenet5 in ten."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(outlook, "Pool", lambda size: PaperPool(size, lambda name: 0.01 if name == "lenet5" else 0.001))
    return lambda *arguments: opsin("plan", *arguments)


def test_the_table(plan):
    code, out, _ = plan("digits", *THREE)
    lines = out.splitlines()
    assert code == 0
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["network", "px", "params", "MACs", "s/epoch", "minutes", "memory", "batch", "speed"]
    rows = {line.split()[0]: line.split() for line in lines[1:4]}
    assert list(rows) == ["resnet20_cifar", "lenet1989", "lenet5"] or list(rows) == [
        "lenet1989",
        "resnet20_cifar",
        "lenet5",
    ]
    assert rows["lenet5"][1] == "28"
    assert rows["lenet5"][4:6] == ["11.7", "5.84"]  # (1078 + 360/4) * 0.01 s, 30 epochs
    assert rows["lenet5"][-2:] == ["32", "timed"]
    assert "opsin compare" not in out


def test_the_minutes(plan):
    code, out, _ = plan("digits", *THREE, "--minutes", "3")
    assert code == 0
    rows = {line.split()[0]: line.split() for line in out.splitlines()[1:4]}
    assert rows["lenet1989"][5] == "30"
    assert rows["lenet5"][5] == "14/30"  # 0.92 of 180 s
    assert "a run of 2 of 3 networks ends all its epochs" in out
    assert "opsin compare digits --minutes 3 --start scratch --models lenet5,resnet20_cifar,lenet1989" in out
    assert "would train 3 networks, 1 seed" in out
    code, out, _ = plan("digits", *THREE, "--minutes", "0.02")
    assert code == 0
    assert "would not start: 0.02 minutes are too few" in out


def test_json(plan):
    code, out, _ = plan("digits", *THREE, "--minutes", "3", "--json")
    told = json.loads(out)
    assert code == 0
    assert told["images"] == {"train": 1078, "val": 360, "test": 359}
    row = next(row for row in told["rows"] if row["model"] == "lenet5")
    assert row["epoch_seconds"] == pytest.approx(11.68)
    assert row["minutes"] == pytest.approx(5.84)
    assert (row["epochs_within"], row["within"], row["speed"]) == (14, "short", "measured")
    assert row["train_images_per_second"] == pytest.approx(100)
    assert told["comparison"]["models"]
    assert "public_weights" not in row


def test_what_public_weights_take(plan):
    """Ten epochs instead of thirty; a pass over 1,797 images at 0.25 ms, and 0.01 s for each to fit."""
    _, out, _ = plan("digits", "--models", "squeezenet1_1", "--json")
    row = json.loads(out)["rows"][0]
    assert row["public_weights"]["finetune_minutes"] == pytest.approx(row["minutes"] / 3)
    assert row["public_weights"]["probe_minutes"] == pytest.approx((1797 * 0.00025 + 1078 * 0.01) / 60)


def test_wide_and_enlarged(plan):
    """The longest name in the zoo, and images smaller than it takes."""
    code, out, _ = plan("digits", "--models", "squeezenet1_0_complex_bypass,lenet1989", "--minutes", "1000")
    assert code == 0
    assert max(map(len, out.splitlines()[:3])) <= 80
    assert "squeezenet1_0_complex_bypass 21" in out
    assert "cannot take 16 px get images enlarged" in out


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["nowhere"], "no folder 'nowhere'"),
        (["digits", "--models", "resnet19"], "unknown model 'resnet19'; did you mean"),
        (["digits", "--models", "rasnet*"], "no network matches 'rasnet*'"),
        (["digits", "--models", ""], "--models names no network"),
        (["digits", "--models", "enet"], "enet does not classify images"),
        (["digits", "--lineup", "smal"], "unknown line-up 'smal'; did you mean small"),
        (["digits", "--minutes", "0"], "--minutes must be above 0"),
        (["digits", "--minutes", "5", "--epochs", "3"], "exclude each other"),
        (["digits", "--recipe", "modem"], "unknown recipe 'modem'; did you mean modern"),
        (["digits", "--input-size", "0"], "--input-size must be at least 1"),
        (["digits", "--workers", "0"], "--workers must be at least 1"),
        (["digits", "--device", "tpu"], "unknown device 'tpu'"),
    ],
)
def test_mistakes_are_one_line(plan, arguments, line):
    code, out, err = plan(*arguments)
    assert (code, out) == (1, "")
    assert line in err
    assert err.count("\n") == 1


def test_images_that_make_no_data_set(plan, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    Image.new("L", (20, 20)).save(tmp_path / "a" / "one.png")
    (tmp_path / "b" / "two.png").write_bytes(b"no image")
    code, _, err = plan(tmp_path)
    assert code == 1
    assert "1 of 2 images" in err
    assert "b/two.png" in err
    assert err.count("\n") == 1


def test_patterns_and_names():
    assert named(None) is None
    assert named("lenet5, overfeat_fast*") == ("lenet5", "overfeat_fast")  # its boxes are no classes
    assert named("resnet1[0-9][0-9]_cifar,resnet110_cifar") == ("resnet110_cifar", "resnet164_cifar")
    with pytest.raises(OpsinError, match="no network matches"):
        named("lenet5,zz*")
    assert [
        in_bytes(x * 2**10) for x in (0.5, 803, 999.4, 1000, 1024, 99.5 * 2**10, 2**20, 20 * 2**20, 3000 * 2**20)
    ] == [
        "0.5k",
        "803k",
        "999k",
        "0.977M",
        "1M",
        "99.5M",
        "1G",
        "20G",
        "3000G",
    ]
