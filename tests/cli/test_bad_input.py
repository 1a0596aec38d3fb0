"""What a user can get wrong ends in one line, which names the thing and the mend, and an exit code that is not 0."""

import json
import os
import shutil
import struct
import zlib

import pytest
from PIL import Image

from opsin import errors


@pytest.fixture
def photos(tmp_path):
    """Two classes of ten small images."""
    for at, name in enumerate(("cat", "dog")):
        folder = tmp_path / "photos" / name
        folder.mkdir(parents=True)
        for i in range(10):
            Image.new("RGB", (20, 20), (at * 200, i * 20, 30)).save(folder / f"{i}.png")
    return tmp_path / "photos"


@pytest.fixture
def one_line(opsin, tmp_path):
    """Runs `opsin compare` and returns its single line of complaint."""

    def run(*arguments):
        out = () if "--out" in arguments else ("--out", tmp_path / "out")
        code, stdout, stderr = opsin("compare", *arguments, *out)
        assert code not in (0, None)
        assert stdout == ""
        assert stderr.count("\n") == 1, stderr
        assert stderr.startswith("opsin: ")
        return stderr.removeprefix("opsin: ").strip()

    return run


def big_header(path):
    """A PNG of a few bytes whose header claims 30,000 x 30,000 px."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" * 100)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b""))


def test_missing_folder(one_line, tmp_path):
    assert "nowhere" in one_line(tmp_path / "nowhere")


def test_empty_class(one_line, photos):
    (photos / "eel").mkdir()
    assert "eel" in one_line(photos)


def test_one_class_only(one_line, photos):
    for file in (photos / "dog").iterdir():
        file.unlink()
    (photos / "dog").rmdir()
    assert "cat" in one_line(photos)


def test_a_file_that_is_no_image(one_line, photos):
    (photos / "cat" / "notes.txt").write_text("not an image")
    assert "notes.txt" in one_line(photos)


def test_a_truncated_jpeg(one_line, photos):
    path = photos / "cat" / "broken.jpg"
    Image.effect_noise((80, 80), 90).save(path)
    path.write_bytes(path.read_bytes()[:1500])
    assert "broken.jpg" in one_line(photos)


def test_bad_images_can_be_left_out(opsin, photos, tmp_path, kept_workers):
    (photos / "cat" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    options = ("--models", "ciresan_mlp1", "--epochs", "1", "--seeds", "1", "--no-tune", "--input-size", "16")
    code, out, err = opsin("compare", photos, "--skip-bad", "--json", "--out", tmp_path / "out", *options)
    assert code == 0, err
    results = json.loads(out)
    assert any("broken.png" in note for note in results["data"]["notes"])
    assert results["data"]["n_train"] + results["data"]["n_val"] + results["data"]["n_test"] == 20
    assert (tmp_path / "out" / "report.html").exists()


def test_a_huge_header(one_line, photos):
    big_header(photos / "dog" / "huge.png")
    line = one_line(photos)
    assert "huge.png" in line
    assert "30" in line


def test_a_class_too_small_for_every_part(one_line, photos):
    for i in range(2, 10):
        (photos / "dog" / f"{i}.png").unlink()
    assert "dog" in one_line(photos)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--models", "resnet81"), "unknown model 'resnet81'; did you mean resnet"),
        (("--models", "resnet18,resnet18"), "resnet18 more than once"),
        (("--models", ""), "--models names no network"),
        (("--lineup", "smal"), "unknown line-up 'smal'; did you mean small?"),
        (("--models", "resnet18", "--lineup", "small"), "exclude each other"),
        (("--recipe", "moderm"), "unknown recipe 'moderm'; did you mean modern?"),
        (("--metric", "top2"), "unknown metric 'top2'; did you mean top1?"),
        (("--seeds", "0"), "--seeds must be at least 1, not 0"),
        (("--epochs", "0"), "--epochs must be at least 1, not 0"),
        (("--minutes", "-1"), "--minutes must be above 0"),
        (("--minutes", "1", "--epochs", "1"), "exclude each other"),
        (("--margin", "1"), "--margin must be from 0 to below 1"),
        (("--workers", "0"), "--workers must be at least 1"),
        (("--input-size", "0"), "--input-size must be at least 1"),
        (("--device", "tpu"), "unknown device 'tpu'"),
    ],
)
def test_wrong_options(one_line, tmp_path, arguments, says):
    assert says in one_line("digits", *arguments)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_belongs_to_another_comparison(one_line, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "plan.json").write_text('{"schema": 1, "request": {"data": "x"}, "plan": {}}')
    assert "belongs to another comparison" in one_line("digits", "--out", tmp_path / "other")


def test_a_folder_with_other_things_in_it(one_line, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    assert "not empty and holds no comparison" in one_line("digits", "--out", tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_results_do_not_lie_among_the_images(one_line, photos):
    assert "among the images" in one_line(photos, "--models", "lenet1989", "--out", photos / "results")
    assert not (photos / "results").exists()


def test_a_recipe_with_a_wrong_value(one_line, tmp_path):
    (tmp_path / "mine.toml").write_text("epochs = 1.5\n")
    assert "epochs: Input should be a valid integer" in one_line("digits", "--recipe", tmp_path / "mine.toml")


def test_a_comparison_without_any_result_fails(opsin, tmp_path, kept_workers):
    (tmp_path / "wild.toml").write_text("learning_rate = 1e38\nclip_norm = 1e38\nepochs = 1\nwarmup = 0.0\n")
    options = ("--models", "ciresan_mlp1", "--seeds", "1", "--recipe", tmp_path / "wild.toml")
    code, _, err = opsin("compare", "digits", "--no-tune", "--out", tmp_path / "out", *options)
    assert code == 1
    assert "no network could be trained (failed: the loss became" in " ".join(err.split())
    assert (tmp_path / "out" / "report.html").exists()


def test_a_name_that_no_file_can_have(opsin):
    code, _, err = opsin("predict", "x" * 5000, "y.png")
    assert code == 1
    assert len(err.strip().splitlines()) == 1


def test_a_file_in_place_of_the_folder(one_line, tmp_path):
    (tmp_path / "file").write_text("")
    assert "is a file" in one_line("digits", "--out", tmp_path / "file")
    assert "choose another --out" in one_line("digits", "--out", tmp_path / "file" / "below")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is forbidden to root")
def test_no_permission(one_line, tmp_path):
    (tmp_path / "closed").mkdir(mode=0o500)
    assert "choose another --out" in one_line("digits", "--out", tmp_path / "closed" / "out")


def test_disk_full(opsin, tmp_path, monkeypatch):
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    code, out, err = opsin("compare", "digits", "--models", "resnet20_cifar", "--no-tune", "--out", tmp_path / "out")
    assert (code, out) == (1, "")
    assert err.strip().splitlines()[-1].startswith("opsin: disk full")
    assert not list((tmp_path / "out").rglob("*.npy*"))


def test_torchrun_is_for_what_processes_share(opsin, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    code, out, err = opsin("list")
    assert (code, out, len(err.splitlines())) == (1, "", 1)
    assert "opsin list works in one process, and 2 were started: leave torchrun out" in err
    assert "name the data and the network" in opsin("train")[2]
    monkeypatch.setattr(errors, "FIRST", 0)
    monkeypatch.setenv("RANK", "1")
    assert opsin("list") == (1, "", "")
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert opsin("list", "lenet5")[0] == 0
