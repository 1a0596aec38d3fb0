import base64
import errno
import io
import shutil
import signal

import numpy as np
import pytest
from PIL import Image

from opsin.data.cache import materialise, thumbnail
from opsin.data.images import BadImage
from opsin.data.preprocess import Preprocess
from opsin.data.sources import load
from opsin.errors import OpsinError


@pytest.fixture
def source(draw):
    folder = draw(*[f"{c}/{i:02d}.png" for c in "ab" for i in range(20)], size=(13, 11), colour=True)
    return load(folder)


def test_materialise(source, tmp_path):
    preprocess, path = Preprocess(8, 3), tmp_path / "cache/8.npy"
    calls = []
    images = materialise(source, preprocess, path, progress=lambda done, total: calls.append((done, total)))
    assert isinstance(images, np.memmap) and not images.flags.writeable
    assert (images.shape, images.dtype) == ((40, 3, 8, 8), np.uint8)
    assert all((images[i] == preprocess.pixels(source.image(i))).all() for i in range(40))
    assert calls[-1] == (40, 40)
    assert [entry.name for entry in path.parent.iterdir()] == ["8.npy"]


def test_a_whole_file_is_taken_as_it_is(source, tmp_path, monkeypatch):
    preprocess, path = Preprocess(8, 3), tmp_path / "8.npy"
    first = np.array(materialise(source, preprocess, path))
    monkeypatch.setattr("opsin.data.sources.source.read", lambda *_: pytest.fail("decoded anew"))
    assert (materialise(source, preprocess, path) == first).all()


@pytest.mark.parametrize("damage", ["cut short", "empty", "other shape", "other type", "text"])
def test_what_is_not_that_file_is_written_anew(source, tmp_path, damage):
    preprocess, path = Preprocess(8, 3), tmp_path / "8.npy"
    first = np.array(materialise(source, preprocess, path))
    if damage == "cut short":
        path.write_bytes(path.read_bytes()[:-1])
    elif damage in ("empty", "text"):
        path.write_text("" if damage == "empty" else "not an array")
    else:
        np.save(path, first[:, :1] if damage == "other shape" else first.astype(np.int16))
    assert (materialise(source, preprocess, path) == first).all()


def left(folder):
    return sorted(entry.name for entry in folder.iterdir())


def test_too_little_room(source, tmp_path, monkeypatch):
    out = tmp_path / "out"
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=5000))
    with pytest.raises(OpsinError, match=r"^disk full: the decoded images need .* MB in .*out, .* free; "):
        materialise(source, Preprocess(8, 3), out / "8.npy")
    assert left(out) == []


def test_the_disk_fills_up_on_the_way(source, tmp_path):
    """The system's limit on the size of a file makes a real write fail half-way."""
    resource = pytest.importorskip("resource")
    out = tmp_path / "out"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, before[1]))
    try:
        with pytest.raises(OpsinError, match=r"^disk full"):
            materialise(source, Preprocess(8, 3), out / "8.npy")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert left(out) == []


def test_no_permission(source, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("pathlib.Path.mkdir", refuse)
    with pytest.raises(OpsinError, match=r"^cannot write .*8\.npy: Permission denied"):
        materialise(source, Preprocess(8, 3), tmp_path / "8.npy")


def test_a_file_that_went_bad_since(source, tmp_path):
    (source.path / "b/19.png").write_bytes(b"")
    with pytest.raises(BadImage, match=r"^b/19\.png is empty"):
        materialise(source, Preprocess(8, 3), tmp_path / "out/8.npy")
    assert left(tmp_path / "out") == []


def picture(uri):
    head, _, body = uri.partition(",")
    assert head == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(body)))


def test_thumbnails(source):
    digits = load("digits")
    tiny = picture(thumbnail(digits, 0, 100))
    assert tiny.size == (96, 96)  # 12 times, in whole pixels
    assert (np.asarray(tiny) == np.kron(np.asarray(digits.image(0)), np.ones((12, 12), np.uint8))).all()
    assert picture(thumbnail(source, 0, 15)).size == (13, 11)
    assert picture(thumbnail(source, 0, 7)).size == (7, 6)
