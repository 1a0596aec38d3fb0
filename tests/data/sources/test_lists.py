"""Lists of paths and labels, as spreadsheets, pandas and people write them."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from opsin.data.scan import scan
from opsin.data.sources import load
from opsin.errors import OpsinError

IMAGES = ("img/1.png", "img/2.png", "img/3.png", "img/4.png")


@pytest.fixture
def written(draw):
    """Writes a list beside four images, and returns its path."""
    folder = draw(*IMAGES)

    def write(text, name="list.csv"):
        path = folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def fails(path, *words, groups=None):
    with pytest.raises(OpsinError) as caught:
        load(path, groups)
    line = str(caught.value)
    assert "\n" not in line
    for word in words:
        assert word in line, line


PLAIN = "path,label\nimg/1.png,cat\nimg/2.png,dog\nimg/3.png,cat\nimg/4.png,dog\n"


def test_csv(written):
    source = load(written(PLAIN))
    assert (source.name, source.classes, source.labels.tolist()) == ("list", ("cat", "dog"), [0, 0, 1, 1])
    assert source.ids == ("img/1.png", "img/3.png", "img/2.png", "img/4.png") and source.parts is None
    with Image.open(source.folder / "img/2.png") as image:
        assert (np.asarray(source.image(2)) == np.asarray(image)).all()
    assert source.take([2]).image(0).tobytes() == source.image(2).tobytes()
    assert source.file(0) == source.path.parent / "img/1.png"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "\ufeff" + PLAIN.replace("\n", "\r\n")),  # as Excel saves "CSV UTF-8"
        ("a.csv", PLAIN.replace(",", ";")),  # as Excel saves it where the comma is in numbers
        ("a.tsv", PLAIN.replace(",", "\t")),
        ("a.csv", PLAIN.replace("path,label", " File_Name , Class ")),
        ("a.csv", PLAIN.replace("path,label", "filename,target").replace("img/", ".\\img\\")),
        ("a.csv", PLAIN.replace("img/1.png", '"img/1.png"').replace("cat", '"cat"').replace("\n", "\n\n")),
        ("a.csv", "label,image\ncat,img/1.png\ndog,img/2.png\ncat,img/3.png\ndog,img/4.png"),
        ("a.csv", PLAIN.replace("img/", "img/../img/./")),
    ],
)
def test_the_same_list_as_others_write_it(written, name, text):
    want, source = load(written(PLAIN)), load(written(text, name))
    assert (source.ids, source.classes, source.labels.tolist()) == (want.ids, want.classes, want.labels.tolist())


def test_json_lines(written):
    rows = [{"file_name": name, "label": label} for name, label in zip(IMAGES, (3, 10, 3.0, 10), strict=True)]
    source = load(written("\n".join(map(json.dumps, rows)) + "\n\n", "list.jsonl"))
    assert (source.classes, source.labels.tolist()) == (("10", "3"), [0, 0, 1, 1])


def test_labels_with_commas_quotes_and_lines(written):
    text = 'path,label\nimg/1.png,"a, ""b"""\nimg/2.png,"c\nd"\nimg/3.png,"a, ""b"""\nimg/4.png,\u2028e f\n'
    assert load(written(text)).classes == ('a, "b"', "c\nd", "e f")


def test_numbers_that_pandas_has_made_fractions(written):
    assert load(written(PLAIN.replace("cat", "3.0").replace("dog", "10.0"))).classes == ("10", "3")
    assert load(written(PLAIN.replace("cat", "0.5").replace("dog", "10.0"))).classes == ("0.5", "10.0")


def test_parts_and_groups(written):
    text = (
        "path,label,split,group\nimg/1.png,a,Training,x\nimg/2.png,b,train,y\nimg/3.png,a,valid,z\nimg/4.png,b,val,z\n"
    )
    source = load(written(text))
    assert source.parts == ("train", "train", "test", "test")  # as for folders: the other part is the test part
    assert source.groups == ("x", "y", "z", "z")
    assert load(written(text), groups=r"\d").groups == ("1", "2", "3", "4")
    fails(written(text), "columns of", "split, group", groups="grp")
    fails(written(text.replace(",z\n", ",\n")), "img/3.png (and 1 other image) has no group", groups="group")
    assert load(written(text.replace("Training", "test").replace("train", "test").replace("val,", "test,")
                        .replace("valid", "test"))).parts is None  # fmt: skip
    fails(written(text.replace("Training", "test").replace("train", "test")), "test, val but no train")


def test_paths_elsewhere(draw, monkeypatch):
    """Absolute paths and "..": what is named stays the same where everything is moved."""
    top = draw("old/img/1.png", "old/img/2.png", "old/other/3.png", "old/lists/4.png")

    def ids(base):
        rows = [f"{base}/img/1.png,a", "../img/2.png,b", f"{base}/other/3.png,a"]
        (base / "lists/l.csv").write_text("\n".join(["path,label", *rows]))
        source = load(base / "lists/l.csv")
        assert source.file(0) == base / "img/1.png" and source.image(0)
        return source.ids, scan(source).fingerprint

    first = ids(top / "old")
    assert first[0] == ("img/1.png", "other/3.png", "img/2.png")
    (top / "old").rename(top / "new")
    assert ids(top / "new") == first
    (top / "new/img/l.csv").write_text(f"path,label\n{top}/new/img/1.png,a\n2.png,b\n")
    assert load(top / "new/img/l.csv").ids == ("1.png", "2.png")
    monkeypatch.chdir(top / "new/img")
    assert load("l.csv").ids == ("1.png", "2.png")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["lists no images"]),
        ("path,label\n", ["lists no images"]),
        ("img/1.png,cat\nimg/2.png,dog\n", ["without a header", "img/1.png, cat", "path,label"]),
        ("id,label\n1,cat\n", ["no column of paths", "file_name", "id, label"]),
        ("path,colour\nimg/1.png,red\n", ["no column of labels", "path, colour"]),
        ("path,label,class\nimg/1.png,1,a\n", ["2 columns of labels (label, class)"]),
        ("path,path,label\nimg/1.png,1,a\n", ["two columns called path"]),
        (PLAIN.replace("/2", "/9").replace("/4", "/8"), ["2 files", "img/9.png (line 3), img/8.png (line 5)"]),
        (PLAIN.replace("img/2", "im/2"), ["1 file that is not in", "im/2.png (line 3)"]),
        (PLAIN + "./img/1.png,dog\n", ["line 6: img/1.png stands on line 2"]),
        (PLAIN.replace("png,dog", "png, ", 1), ["line 3: no label"]),
        (PLAIN.replace("img/2.png", ""), ["line 3: no path"]),
        (PLAIN.replace("png,dog", "png,dog,brown", 1), ["line 3: 3 values for 2 columns", "double quotes"]),
        (PLAIN.replace("cat", '"cat', 1), ["not CSV"]),
        (PLAIN.replace("dog", "cat"), ["one class only", "cat"]),
        (PLAIN.replace("cat", "caf\u00e9").encode("latin-1"), ["not in UTF-8"]),
        (PLAIN.encode("utf-16"), ["not in UTF-8"]),
        ("path,label,part\nimg/1.png,a,train\nimg/2.png,b,tset\n", ["line 3", "'tset'", "did you mean test"]),
        ("path,label,part\nimg/1.png,a,train\nimg/2.png,b,\n", ["line 3: no part"]),
        ("path,label,part\nimg/1.png,a,train\nimg/2.png,b,train\nimg/3.png,a,test\n", ["test has no b"]),
        ("path,label\nimg/1.png\0,a\nimg/2.png,b\n", [r"img/1.png\x00 (line 2)"]),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_list(written, text, words):
    fails(written(text), "list.csv", *words)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"path": "img/1.png", "label": ', ["line 1: not JSON"]),
        ('["img/1.png", "a"]', ["line 1: not an object"]),
        ('{"path": "img/1.png"}', ["no column of labels"]),
        ('{"path": "img/1.png", "label": ["a", "b"]}', ["line 1: label is ['a', 'b']"]),
        ('{"path": "img/1.png", "label": true}', ["line 1: label is True"]),
        ('{"path": "img/1.png", "label": "\\ud800"}', ["line 1: label is no text", r"\ud800"]),
        ('{"path": "img/1.png", "label": "a"}\n{"path": "img/2.png"}', ["line 2: no label"]),
    ],
)
def test_what_is_wrong_in_json_lines(written, line, words):
    fails(written(line, "list.jsonl"), "list.jsonl", *words)


def test_folders_are_listed_and_no_file_is_opened_or_looked_at(written, monkeypatch):
    path, listed, scandir = written(PLAIN), [], os.scandir
    monkeypatch.setattr(os, "scandir", lambda folder: listed.append(os.fspath(folder)) or scandir(folder))
    monkeypatch.setattr("opsin.data.sources.source.read", lambda *_: pytest.fail("opened"))
    monkeypatch.setattr("pathlib.Path.is_file", lambda self: self == path or pytest.fail(f"looked at {self}"))
    assert len(load(path)) == 4
    assert listed == [str(path.parent / "img")]


def test_no_such_list(tmp_path):
    fails(tmp_path / "none.csv", "no file", "none.csv")
    (tmp_path / "photos.xlsx").write_bytes(b"PK")
    fails(tmp_path / "photos.xlsx", "is a file, not a folder", ".jsonl")
