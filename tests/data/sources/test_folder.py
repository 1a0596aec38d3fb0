import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from opsin.data.scan import scan
from opsin.data.sources import load, load_any
from opsin.errors import OpsinError


def fails(folder, *words, groups=None):
    """That loading fails in one line which says all of `words`."""
    with pytest.raises(OpsinError) as caught:
        load(folder, groups)
    line = str(caught.value)
    assert "\n" not in line
    for word in words:
        assert word in line, line


def test_digits():
    source = load("digits")
    assert (len(source), source.classes, source.path, source.parts) == (1797, tuple("0123456789"), None, None)
    assert (source.ids[7], source.labels.dtype) == ("digits/0007", np.int64)
    assert np.bincount(source.labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    image = source.image(0)
    assert (image.mode, image.size) == ("L", (8, 8))
    # the first digit in the file is a zero; its second row is 0 0 13 15 10 15 5 0, of 16
    assert np.asarray(image)[1].tolist() == [0, 0, 207, 239, 159, 239, 80, 0]


def test_a_folder_called_digits_is_meant_first(draw, monkeypatch):
    monkeypatch.chdir(draw("digits/a/1.png", "digits/b/1.png"))
    assert load("digits").classes == ("a", "b")
    assert load("./digits").path is not None


def test_images_without_classes(draw):
    """A folder with one folder inside, or none, has no classes; one with more is loaded as ever."""
    folder = draw("b.png", "2019/deep/a.png")
    (folder / "notes.txt").write_text("not an image")
    source = load_any(folder)
    assert (source.ids, source.classes, source.labels.tolist()) == (("2019/deep/a.png", "b.png"), (), [-1, -1])
    assert source.take([1]).ids == ("b.png",)
    assert load_any(draw("2020/a/1.png", "2020/b/1.png") / "2020").classes == ("a", "b")
    assert load_any("digits").classes == tuple("0123456789")
    (folder / "2019" / "none").mkdir()
    with pytest.raises(OpsinError, match="no images in"):
        load_any(folder / "2019" / "none")


def test_class_folders(draw):
    source = load(draw("10/a.png", "2/b.png", "2/deep/er/a.png", "2/Z.JPG", "fish/x.png"))
    assert source.classes == ("10", "2", "fish")  # as text
    assert source.ids == ("10/a.png", "2/Z.JPG", "2/b.png", "2/deep/er/a.png", "fish/x.png")
    assert source.labels.tolist() == [0, 1, 1, 1, 2]
    assert source.parts is None and source.groups is None
    assert source.name == source.path.name
    with Image.open(source.path / source.ids[2]) as image:
        assert (np.asarray(source.image(2)) == np.asarray(image)).all()


def test_classes_are_torchvisions(draw):
    folder = draw("b/1.png", "B/1.png", "a/1.png", "_/2.png", "é/1.png", "10/1.png", "9/1.png")
    names = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())
    assert list(load(folder).classes) == names


PARTS = ["train/a/1.png", "train/a/2.png", "train/b/1.png"]


@pytest.mark.parametrize(
    ("others", "parts"),
    [
        (["val", "test"], ["train"] * 3 + ["val"] * 2 + ["test"] * 2),
        (["validation", "test"], ["train"] * 3 + ["val"] * 2 + ["test"] * 2),
        (["val"], ["train"] * 3 + ["test"] * 2),
        (["valid"], ["train"] * 3 + ["test"] * 2),
        (["test"], ["train"] * 3 + ["test"] * 2),
        (["Test"], ["train"] * 3 + ["test"] * 2),
        ([], None),
    ],
)
def test_part_folders(draw, others, parts):
    source = load(draw(*PARTS, *[f"{other}/{c}/9.png" for other in others for c in "ab"]))
    assert source.classes == ("a", "b")
    assert source.parts == (None if parts is None else tuple(parts))
    assert source.ids[:3] == tuple(PARTS)
    assert source.labels[:3].tolist() == [0, 0, 1]


def test_clutter_is_ignored(draw):
    folder = draw("a/1.png", "b/1.png")
    for path in [".DS_Store", "a/.DS_Store", "a/Thumbs.db", "b/desktop.ini", "__MACOSX/a/._1.png", "a/.cache/2.png"]:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"\0")
    for path in ["metadata.csv", "a/metadata.csv", "README.md", "LICENSE"]:
        (folder / path).write_text("file_name\n")
    assert load(folder).ids == ("a/1.png", "b/1.png")


def test_an_image_without_its_suffix_is_one(draw):
    folder = draw("a/1.png", "b/1.png")
    (folder / "b/1.png").rename(folder / "b/photo")
    assert load(folder).ids == ("a/1.png", "b/photo")


def test_take(draw):
    source = load(draw("a/1.png", "b/1.png", "b/2.png"), groups="[0-9]").take([2, 0])
    assert (source.ids, source.labels.tolist(), source.groups) == (("b/2.png", "a/1.png"), [1, 0], ("2", "1"))
    digits = load("digits").take(np.array([5]))
    assert (np.asarray(digits.image(0)) == np.asarray(load("digits").image(5))).all()


def test_order_is_not_that_of_the_disk(draw, monkeypatch):
    folder = draw(*[f"{c}/{i}.png" for c in "ba" for i in (3, 1, 2)])
    want, scandir = load(folder).ids, os.scandir

    class Backwards:
        def __init__(self, path):
            with scandir(path) as entries:
                self.entries = sorted(entries, key=lambda e: e.name, reverse=True)

        def __enter__(self):
            return iter(self.entries)

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(os, "scandir", Backwards)
    assert load(folder).ids == want


def test_links_to_folders_are_followed_but_not_in_circles(draw):
    folder = draw("a/1.png", "b/1.png", "elsewhere/x/5.png").joinpath("data")
    folder.mkdir()
    (folder / "a").symlink_to(folder.parent / "a", target_is_directory=True)
    (folder / "b").symlink_to(folder.parent / "elsewhere", target_is_directory=True)
    (folder.parent / "elsewhere/x/round").symlink_to(folder.parent / "elsewhere", target_is_directory=True)
    assert load(folder).ids == ("a/1.png", "b/x/5.png")


def test_missing_folder(tmp_path):
    fails(tmp_path / "phots", "no folder", "phots", "digits")
    fails("digit", "no folder", "'digit'", "digits")


def test_a_file(draw):
    fails(draw("a/1.png") / "a/1.png", "1.png is a file, not a folder")


def test_empty_folder(tmp_path):
    fails(tmp_path, str(tmp_path), "nothing in it")


def test_no_class_folders(draw):
    fails(draw("1.png", "2.png"), "2 images but no class folders")


def test_part_without_class_folders(draw):
    fails(draw(*PARTS, "test/1.png"), "test has 1 image but no class folders")


def test_images_beside_class_folders(draw):
    fails(draw("a/1.png", "b/1.png", "stray.png"), "in no class folder", "stray.png")


def test_one_class(draw):
    fails(draw("cats/1.png", "cats/2.png"), "one class only", "cats")


def test_empty_class(draw):
    folder = draw("a/1.png", "b/1.png")
    (folder / "c/inner").mkdir(parents=True)
    (folder / "c/inner/.DS_Store").write_text("")
    (folder / "d").mkdir()
    fails(folder, "empty class", ": c, d;")


def test_empty_class_in_a_part(draw):
    folder = draw(*PARTS, "test/a/1.png")
    (folder / "test/b").mkdir()
    fails(folder, "empty class", "test/b")


@pytest.mark.parametrize(
    ("paths", "words"),
    [
        (["test/a/1.png"], ["test has no b", "which train has"]),
        (["test/a/1.png", "test/b/1.png", "test/c/1.png"], ["train has no c", "which test has"]),
        (["val/a/1.png", "test/a/1.png", "test/b/1.png"], ["val has no b"]),
    ],
)
def test_classes_that_differ_between_parts(draw, paths, words):
    fails(draw(*PARTS, *paths), *words)


def test_many_classes_that_differ(draw):
    fails(draw(*PARTS, "test/a/1.png", "test/b/1.png", *[f"test/x{i:02d}/1.png" for i in range(12)]), "x09", "2 more")


def test_parts_and_classes_mixed(draw):
    fails(draw(*PARTS, "test/a/1.png", "test/b/1.png", "dogs/1.png"), "mixes", "test, train", "dogs")


def test_parts_without_train(draw):
    fails(draw("val/a/1.png", "test/a/1.png"), "test, val", "no train")


def test_two_folders_for_a_part(draw):
    fails(draw(*PARTS, "val/a/1.png", "validation/b/1.png"), "two folders", "val, validation")


def test_files_that_are_no_images(draw):
    folder = draw("a/1.png", "b/1.png")
    (folder / "a/notes.txt").write_text("cats")
    fails(folder, "1 file beside its images", "a/notes.txt")
    for i in range(11):
        (folder / f"b/{i:02d}.json").write_text("{}")
    fails(folder, "12 files", "a/notes.txt, b/00.json", "b/08.json and 2 more")


def test_a_pipe_is_not_waited_for(draw):
    folder = draw("a/1.png", "b/1.png")
    os.mkfifo(folder / "b/pipe")
    fails(folder, "b/pipe")


def test_unreadable_folder(draw, monkeypatch):
    folder = draw("a/1.png", "b/1.png")
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("b"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    fails(folder, "cannot read the folder", "/b: Permission denied")


def test_a_name_that_is_no_text(draw):
    folder = draw("a/1.png", "b/1.png")
    try:
        (folder / "b/1.png").rename(os.fsdecode(os.fsencode(folder) + b"/b/\xff.png"))
    except OSError:
        pytest.skip("this file system takes no such names")
    fails(folder, "not valid UTF-8", r"\udcff")


def test_groups_by_regular_expression(draw):
    folder = draw("a/p1_1.png", "a/p1_2.png", "a/p2_1.png", "b/p3_1.png")
    assert load(folder, groups=r"/(p\d+)_").groups == ("p1", "p1", "p2", "p3")
    assert load(folder, groups=r"p\d+").groups == ("p1", "p1", "p2", "p3")
    fails(folder, "a/p1_1.png (and 1 other image) has no group", groups="2")
    fails(folder, "has no group", groups="p(9)?")
    fails(folder, "not a regular expression", "'('", groups="(")


def test_groups_of_digits():
    assert load("digits", groups=r"\d\d").groups[123] == "01"


def test_groups_by_column(draw):
    folder = draw("a/1.png", "a/x/2.png", "b/1.png")
    table = folder / "metadata.csv"
    table.write_text("\ufefffile_name,age,patient\na/1.png,3,Ann\n.\\a\\x\\2.png,3,Ann\nb/1.png,4,Bo\ngone.png,1,C\n")
    assert load(folder, groups="patient").groups == ("Ann", "Ann", "Bo")
    fails(folder, "has no group", "columns of", "age, patient", groups="patiant")
    table.write_text("file_name,patient\na/1.png,Ann\nb/1.png,\n")
    fails(folder, "a/x/2.png (and 1 other image) has no group", "column 'patient'", groups="patient")
    table.write_text("file_name,patient\na/1.png,Ann\na/x/2.png,Bo\nb/1.png,Bo\na/1.png,Bo\n")
    fails(folder, "a/1.png into two groups, 'Ann' and 'Bo'", groups="patient")
    table.write_text("patient,file_name\nAnn,a/1.png\n")
    fails(folder, "first column must be file_name", "'patient'", groups="patient")
    table.write_bytes(b"file_name,patient\n\xff\xfe,Ann\n")
    fails(folder, "UTF-8", groups="patient")


def test_photos():
    """Real photos in the folders train and val, where they are at hand."""
    folder = Path(os.environ.get("OPSIN_TEST_DATA", Path(__file__).parents[4] / "shared/data")) / "imagenette224-subset"
    if not folder.is_dir():
        pytest.skip("no photos here")
    source = load(folder)
    assert len(source.classes) == 10 and source.parts is not None
    assert (source.parts.count("train"), source.parts.count("test"), len(source)) == (2200, 700, 2900)
    found = scan(source.take(range(0, 2900, 50)))
    assert found.channels == 3 and found.native_sizes == ((224, 224, 58),)
