"""`opsin data check` on the command line: what it prints, what it writes, and its exit code."""

import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from opsin.files import seal

FAST = "--no-doubts"


@pytest.fixture
def photos(tmp_path):
    rng = np.random.default_rng(0)
    for part in ("train", "val"):
        for c in "ab":
            (tmp_path / "photos" / part / c).mkdir(parents=True)
            for k in range(6):
                image = Image.fromarray(rng.integers(0, 256, (9, 9, 3)).astype(np.uint8)).resize((70, 70))
                image.save(tmp_path / "photos" / part / c / f"{k}.png")
    return tmp_path / "photos"


def test_nothing_wrong_is_0_and_a_fault_is_1(opsin, photos):
    code, out, err = opsin("data", "check", photos, FAST)
    assert code == 0 and "no faults" in out and "24 images, 2 classes" in out and err == ""
    assert "70 x 70 px (24)" in out and "train 12, test 12" in out and "PNG RGB (24)" in out
    (photos / "train/a/0.png").write_bytes(b"\x89PNG\r\n\x1a\nthe rest is missing")
    shutil.copy(photos / "train/a/1.png", photos / "val/a/\x1b[2Jodd.png")
    code, out, _ = opsin("data", "check", photos, FAST)
    assert code == 1 and "fault: 1 of 25 images cannot be read" in out
    assert "train/a/0.png is cut short or damaged" in out
    assert "train/a/1.png = val/a/\\x1b[2Jodd.png" in out and "\x1b" not in out
    assert all(len(line) <= 80 for line in out.splitlines() if not line.startswith("  train"))


def test_a_class_that_a_part_lacks_is_one_fault_among_others(opsin, photos):
    shutil.rmtree(photos / "val/b")
    (photos / "val/a/0.png").write_bytes(b"")
    code, out, err = opsin("data", "check", photos, FAST)
    assert code == 1 and err == "" and "1 of 18 images cannot be read" in out
    assert "1 of 2 classes have no readable image in a part\n  b test\n" in out


def test_doubts_of_digits(opsin):
    code, out, _ = opsin("data", "check")
    assert code == 0 and "look doubtful to a quick learner" in out and re.search(r"digits/\d{4}: \d, or rather \d", out)


def test_json_and_files_are_one_record(opsin, photos, tmp_path):
    (photos / "train/b/<img src=x onerror=alert(1)>.png").write_bytes(b"")
    shutil.copy(photos / "train/a/1.png", photos / "val/b/<script>alert(1)<p>.png")
    code, out, _ = opsin("data", "check", photos, FAST, "--json", "--out", tmp_path / "new" / "seen")
    told = json.loads(out)
    assert code == 1 and json.loads((tmp_path / "new/seen/manifest.json").read_text()) == told
    assert seal({key: told[key] for key in told if key != "sha256"}) == told
    assert told["left_out"][0]["why"] == "is empty (0 bytes)" and told["faults"] == 3
    page = (tmp_path / "new/seen/check.html").read_text()
    assert "<script" not in page and "<img src=x" not in page and page.count("data:image/png") >= 4
    assert "&lt;img src=x onerror=alert(1)&gt;" in page and "3 kinds of faults in 26 images" in page.replace(
        "\xa0", " "
    )
    opsin("data", "check", photos, FAST, "--out", tmp_path / "one.json", "--page", tmp_path / "one.html")
    assert json.loads((tmp_path / "one.json").read_text()) == told and (tmp_path / "one.html").read_text() == page


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--workers", "0"), "--workers must be at least 1"),
        (("--minutes", "0"), "--minutes must be above 0"),
        (("--page", "page.txt"), "ends with .html"),
        (("--out", "FILE/below"), "name another with --out"),
        (("--groups", "["), "is not a regular expression"),
    ],
)
def test_mistakes_are_one_line(opsin, photos, tmp_path, options, said):
    (tmp_path / "file").write_text("")
    code, out, err = opsin("data", "check", photos, *(each.replace("FILE", str(tmp_path / "file")) for each in options))
    assert (code, out) == (1, "") and said in err and len(err.strip().splitlines()) == 1
