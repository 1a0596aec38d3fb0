"""Looks that are remembered: nothing is decoded twice, and nothing is believed that may have changed."""

import os
import random
import shutil

import pytest
from PIL import Image

from opsin.data import remembered
from opsin.data.scan import scan
from opsin.data.sources import load, source


@pytest.fixture
def decoded(monkeypatch, tmp_path_factory):
    """The ids that are decoded; every look is kept at once, in a cache folder of this test."""
    seen, read = [], source.read
    monkeypatch.setattr(source, "read", lambda file, name: seen.append(name) or read(file, name))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setattr(remembered, "SLOW", 0.0)
    monkeypatch.setattr(remembered, "SETTLED", -(10**9))
    return seen


@pytest.fixture
def folder(draw):
    draw("a/1.png", "a/2.png", size=(80, 70), colour=True)
    return draw("b/1.png", "b/2.png")


def same(one, other):
    return one.fingerprint == other.fingerprint and all(
        (getattr(one, name) == getattr(other, name)).all() for name in ("sizes", "grey", "outlines")
    )


def test_a_second_scan_decodes_nothing(decoded, folder):
    first = scan(load(folder))
    assert sorted(decoded) == sorted(first.source.ids)
    decoded.clear()
    assert same(scan(load(folder)), first) and decoded == []


def test_what_has_changed_is_looked_at_again(decoded, folder):
    before = scan(load(folder)).fingerprint
    path = folder / "a/1.png"
    old = path.stat()
    with Image.open(path) as image:
        image.transpose(Image.Transpose.ROTATE_180).save(folder / "new.png")
    content = (folder / "new.png").read_bytes()
    (folder / "new.png").unlink()
    path.write_bytes(content[: old.st_size].ljust(old.st_size, b"\0"))
    os.utime(path, ns=(old.st_atime_ns, old.st_mtime_ns))  # of the same size and time as before
    decoded.clear()
    assert scan(load(folder)).fingerprint != before and decoded == ["a/1.png"]


def test_bad_images_are_not_remembered(decoded, folder):
    (folder / "a/bad.png").write_bytes(b"no image")
    for _ in range(2):
        decoded.clear()
        assert scan(load(folder), skip_bad=True).bad and "a/bad.png" in decoded
    assert decoded == ["a/bad.png"]


def test_a_damaged_cache_is_not_trusted(decoded, folder, tmp_path_factory):
    first = scan(load(folder))
    (kept,) = (remembered.cache_folder() / "looks").glob("*.json")
    whole = kept.read_bytes()
    draws = random.Random(0)
    for k in range(40):
        content = bytearray(whole)
        if k % 4:
            content[draws.randrange(len(content))] ^= 1 << draws.randrange(8)
        else:
            del content[draws.randrange(len(content)) :]
        kept.write_bytes(content)
        decoded.clear()
        assert same(scan(load(folder)), first) and len(decoded) == 4


def test_other_folders_and_quick_or_recent_looks_are_not_kept(decoded, folder, monkeypatch, tmp_path_factory):
    scan(load(folder))
    decoded.clear()
    elsewhere = shutil.copytree(folder, tmp_path_factory.mktemp("copy") / "data")
    monkeypatch.setattr(remembered, "SETTLED", 10**12)
    for _ in range(2):
        scan(load(elsewhere))
    assert len(decoded) == 8
    monkeypatch.setattr(remembered, "SETTLED", -(10**9))
    monkeypatch.setattr(remembered, "SLOW", 1e9)
    for _ in range(2):
        scan(load(elsewhere))
    assert len(decoded) == 16


def test_few_are_kept_and_a_cache_that_cannot_be_written_is_none(decoded, draw, monkeypatch, tmp_path_factory):
    monkeypatch.setattr(remembered, "MOST", 2)
    for k in range(4):
        scan(load(draw(f"{k}/a/1.png", f"{k}/b/1.png") / str(k)))
    assert len(list((remembered.cache_folder() / "looks").iterdir())) == 2
    blocked = tmp_path_factory.mktemp("blocked") / "file"
    blocked.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    scan(load(draw("0/a/2.png") / "0"))
