import shutil

import numpy as np
import pytest
from PIL import Image

from opsin.data.scan import scan
from opsin.data.sources import load
from opsin.errors import OpsinError


def test_digits():
    found = scan(load("digits"))
    assert (found.channels, found.native_sizes, found.duplicates, found.bad) == (1, ((8, 8, 1797),), (), ())


def test_sizes_and_colours(draw):
    draw("a/1.png", "a/2.png", size=(7, 9))
    found = scan(load(draw("b/1.png", size=(4, 3))))
    assert found.sizes.tolist() == [[9, 7], [9, 7], [3, 4]]
    assert found.native_sizes == ((9, 7, 2), (3, 4, 1))
    assert (found.channels, found.grey.tolist()) == (1, [True, True, True])
    found = scan(load(draw("b/2.png", colour=True)))
    assert (found.channels, found.grey.tolist()) == (3, [True, True, True, False])


def test_duplicates_are_found_by_pixels(draw):
    folder = draw("a/1.png", "a/2.png", "b/1.png", "b/2.png")
    image = Image.open(folder / "a/1.png")
    image.save(folder / "b/saved_anew.bmp")
    image.convert("RGB").save(folder / "b/as_colour.png")
    image.transpose(Image.Transpose.ROTATE_90).save(folder / "b/turned.png")
    shutil.copy(folder / "b/2.png", folder / "a/copy.png")
    found = scan(load(folder))
    sets = {tuple(found.source.ids[i] for i in same) for same in found.duplicates}
    assert sets == {("a/1.png", "b/as_colour.png", "b/saved_anew.bmp"), ("a/copy.png", "b/2.png")}


def test_same_bytes_of_another_shape_are_no_duplicate(tmp_path):
    for name, shape in [("a", (2, 6)), ("b", (3, 4))]:
        (tmp_path / name).mkdir()
        Image.fromarray(np.zeros(shape, np.uint8)).save(tmp_path / name / "1.png")
    assert scan(load(tmp_path)).duplicates == ()


def test_fingerprint_stands_for_the_data_and_not_for_its_place(draw, tmp_path_factory):
    folder = draw("a/1.png", "a/2.png", "b/1.png")
    first = scan(load(folder)).fingerprint
    other = tmp_path_factory.mktemp("elsewhere") / "moved"
    shutil.copytree(folder, other)
    assert scan(load(other)).fingerprint == first
    seen = {first, scan(load(folder, groups="[ab]")).fingerprint}
    (other / "a/2.png").rename(other / "a/3.png")
    seen.add(scan(load(other)).fingerprint)
    (other / "a/3.png").rename(other / "b/2.png")
    seen.add(scan(load(other)).fingerprint)
    with Image.open(other / "b/2.png") as image:
        pixels = np.array(image)
    pixels[0, 0] ^= 1
    Image.fromarray(pixels).save(other / "b/2.png")
    seen.add(scan(load(other)).fingerprint)
    assert len(seen) == 5


@pytest.fixture
def damaged(draw):
    folder = draw(*[f"{c}/{i:02d}.png" for c in "ab" for i in range(10)])
    for i in range(7):
        path = folder / f"a/{i:02d}.png"
        path.write_bytes(path.read_bytes()[:50])
    for i in range(5):
        (folder / f"b/{i:02d}.png").write_text("no image, but a text")
    return folder


def test_all_bad_files_are_in_one_line(damaged):
    with pytest.raises(OpsinError) as caught:
        scan(load(damaged))
    line = str(caught.value)
    assert line.startswith(f"12 of 20 images in {damaged} cannot be read") and "\n" not in line
    assert line.count("damaged") == 7 and line.count("is not an image") == 3 and line.endswith(" and 2 more")


def test_one_bad_file(damaged):
    for path in [*damaged.glob("a/0[1-6].png"), *damaged.glob("b/0[0-4].png")]:
        path.unlink()
    with pytest.raises(OpsinError, match=r"^1 of 9 images in .* cannot be read; mend it, .*: a/00\.png is cut short"):
        scan(load(damaged))


def test_skip_bad(damaged):
    found = scan(load(damaged), skip_bad=True)
    assert len(found.bad) == 12 and found.bad[0].startswith("a/00.png is")
    assert len(found.source) == len(found.hashes) == 8
    assert found.source.ids[:3] == ("a/07.png", "a/08.png", "a/09.png")
    assert found.source.labels.tolist() == [0] * 3 + [1] * 5


def test_skip_bad_leaves_no_class_empty(damaged):
    for path in damaged.glob("a/0[7-9].png"):
        path.unlink()
    with pytest.raises(OpsinError, match=r"empty class in .*: a;"):
        scan(load(damaged), skip_bad=True)


def test_progress():
    calls = []
    source = load("digits").take(range(50))
    scan(source, progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (50, 50) and calls == sorted(calls)


def test_an_interrupt_in_progress_ends_the_scan():
    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scan(load("digits"), progress=interrupt)
