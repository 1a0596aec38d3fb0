"""The check as a whole: what it finds in a folder with one of everything, and that it finds nothing in good data."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from damage import picture
from PIL import Image

from opsin.compare.outcome import default_metric
from opsin.compare.request import Request
from opsin.data.doctor import Asked, check
from opsin.data.doctor.classes import UNEVEN, of_classes
from opsin.data.images import header, read
from opsin.data.look import look_at
from opsin.data.scan import assembled, scan
from opsin.data.sources import load

QUICK = Asked(doubts=False)


def found(folder, asked=QUICK):
    return {finding.kind: finding for finding in check(load(folder), asked).findings}


def save(path, image, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)


@pytest.fixture
def photos(tmp_path):
    """Two classes of twelve good photos each, in train and test."""
    for part, seeds in (("train", range(16)), ("test", range(16, 24))):
        for seed in seeds:
            save(tmp_path / part / "ab"[seed % 2] / f"{seed:02d}.png", picture(seed, 80))
    return tmp_path


def test_good_data_has_no_findings(photos):
    checked = check(load(photos), QUICK)
    assert checked.findings == () and checked.faults == 0 and checked.bad == ()
    assert checked.alike is not None and checked.notes == ("labels were not doubted",)


def test_digits_raise_no_alarm():
    checked = check(load("digits"))
    assert checked.faults == 0 and {finding.kind for finding in checked.findings} <= {"doubted-labels"}
    assert len(checked.findings[0].items) < 10 and "near" in checked.notes[0]


def test_oddities_of_files(photos):
    train = photos / "train/a"
    save(train / "cmyk.jpg", picture(50, 80).convert("CMYK"))
    save(train / "deep.png", Image.fromarray(np.arange(6400, dtype=np.uint16).reshape(80, 80) * 10))
    save(train / "alpha.png", picture(51, 80).convert("RGBA"))
    save(train / "frames.gif", picture(52, 80).convert("P"), save_all=True, append_images=[picture(53, 80)])
    exif = Image.Exif()
    exif[0x0112] = 6
    save(train / "turned.jpg", picture(54, 80), exif=exif)
    save(train / "tiny.png", picture(55, 80).resize((9, 9)))
    save(train / "slim.png", picture(56, 80).resize((500, 90)))
    kinds = found(photos)
    ids = load(photos).ids

    def names(kind):
        return [ids[item.rows[0]] for item in kinds[kind].items]

    assert names("16-bit") == names("grey-among-colour") == ["train/a/deep.png"]
    assert names("cmyk") == ["train/a/cmyk.jpg"] and names("palette") == names("animated") == ["train/a/frames.gif"]
    assert names("transparent") == ["train/a/alpha.png"] and names("turned") == ["train/a/turned.jpg"]
    assert names("tiny") == ["train/a/tiny.png"] and names("slim") == ["train/a/slim.png"]
    assert {finding.level for finding in kinds.values()} == {"note"}


def test_a_header_is_that_of_what_is_read(tmp_path):
    save(tmp_path / "a.tif", picture(1), save_all=True, append_images=[picture(2)])
    told = header(tmp_path / "a.tif")
    assert (told.format, told.mode, told.animated, told.turned, told.transparent) == ("TIFF", "RGB", True, False, False)
    assert read(tmp_path / "a.tif").size == (48, 48)


def test_copies_and_conflicts(photos):
    shutil.copy(photos / "train/a/00.png", photos / "test/a/copy.png")
    save(photos / "train/b/anew.bmp", Image.open(photos / "train/a/02.png"))
    save(photos / "train/b/also.bmp", Image.open(photos / "train/b/03.png"))
    kinds, ids = found(photos), load(photos).ids
    across, torn, others = (kinds[kind].items for kind in ("copies-across-parts", "conflicts", "copies"))
    assert [[ids[row] for row in item.rows] for item in across] == [["train/a/00.png", "test/a/copy.png"]]
    assert [{ids[row] for row in item.rows} for item in torn] == [{"train/a/02.png", "train/b/anew.bmp"}]
    assert [{ids[row] for row in item.rows} for item in others] == [{"train/b/03.png", "train/b/also.bmp"}]
    assert [item.facts["same_bytes"] for item in (*across, *torn, *others)] == [True, False, False]
    assert kinds["copies-across-parts"].level == kinds["conflicts"].level == "fault"
    assert kinds["copies"].level == "note" and not any(kind.startswith("near") for kind in kinds)


def test_a_published_set_is_not_at_fault(photos):
    shutil.copy(photos / "train/a/00.png", photos / "test/b/copy.png")
    levels = {f.kind: f.level for f in check(replace(load(photos), path=None), QUICK).findings}
    assert levels == {"copies-across-parts": "warning", "conflicts": "warning"}


def test_classes(tmp_path):
    for name, count in (("many", 40), ("some", 12), ("few", 5), ("one", 1)):
        for k in range(count):
            save(tmp_path / name / f"{k}.png", picture(ord(name[0]) * 100 + k, 20))
    (tmp_path / "one/0.png").write_bytes(b"no image")
    checked = check(load(tmp_path), QUICK)
    kinds = {finding.kind: finding for finding in checked.findings}
    assert [dict(item.facts) for item in kinds["missing-class"].items] == [{"class": "one", "part": "all"}]
    assert [dict(item.facts) for item in kinds["small-class"].items] == [{"class": "few", "images": 5}]
    assert "8.0 times" in kinds["imbalance"].says and checked.faults == 2
    assert checked.to_dict()["classes"] == ["few", "many", "one", "some"]
    for k in range(2):
        save(tmp_path / "one" / f"{k}.png", picture(900 + k, 20))
    assert [dict(item.facts) for item in found(tmp_path)["too-small-class"].items] == [{"class": "one", "images": 2}]


@pytest.mark.parametrize("ratio", [UNEVEN, UNEVEN + 0.5])
def test_compare_picks_by_what_the_check_says(ratio):
    labels = np.repeat([0, 1], [20, int(20 * ratio)])
    source = replace(load("digits").take(range(len(labels))), labels=labels, classes=("x", "y"))
    chosen = default_metric(Request("digits"), assembled(source, look_at(source)))
    assert (chosen == "balanced") == ("imbalance" in {finding.kind for finding in of_classes(source)})


def test_all_unreadable_is_a_finding_too(tmp_path):
    for c in "ab":
        (tmp_path / c).mkdir()
        (tmp_path / c / "1.png").write_bytes(b"")
    checked = check(load(tmp_path))
    assert len(checked.bad) == 2 and checked.to_dict()["readable"] == 0 and checked.faults


def test_the_manifest(photos):
    (photos / "train/a/bad.jpg").write_bytes(b"")
    shutil.copy(photos / "train/a/00.png", photos / "train/b/copy.png")
    checked = check(load(photos), QUICK)
    told = json.loads(json.dumps(checked.to_dict(), allow_nan=False))
    assert told["left_out"] == [{"id": "train/a/bad.jpg", "class": "a", "why": "is empty (0 bytes)"}]
    assert told["images"] == 26 and told["readable"] == 25 and told["classes"] == ["a", "b"]
    assert told["counts"] == {"train": [8, 9], "test": [4, 4]}
    assert told["sizes"] == [{"height": 80, "width": 80, "images": 25}]
    assert told["stored"] == [{"format": "PNG", "mode": "RGB", "images": 25}]
    torn = next(finding for finding in told["findings"] if finding["kind"] == "conflicts")
    assert torn["items"][0]["images"][1] == {"id": "train/b/copy.png", "class": "b", "part": "train"}
    assert told["fingerprint"] == scan(load(photos), skip_bad=True).fingerprint
    moved = photos.rename(photos.with_name("elsewhere"))
    assert check(load(moved), QUICK).to_dict() | {"data": ""} == told | {"data": ""}
