"""Near duplicates: candidates against all pairs, alignment against known moves, planted copies among real photos."""

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from damage import picture
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from opsin.data.doctor import Asked, check
from opsin.data.doctor.align import align, likeness, small
from opsin.data.doctor.near import RADIUS, close_pairs
from opsin.data.look import outline
from opsin.data.sources import load

PHOTOS = Path(__file__).parents[4] / "shared/data/imagenette224-subset"


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 60), st.integers(0, 14))
def test_candidates_are_all_close_pairs(seed, n, flips):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 2**64, n, dtype=np.uint64)
    for i in range(0, n - 1, 2):  # half of them differ from another in `flips` bits
        bits = rng.choice(64, flips, replace=False)
        codes[i + 1] = codes[i] ^ np.bitwise_or.reduce(np.uint64(1) << bits.astype(np.uint64), initial=np.uint64(0))
    apart = [(i, j) for i in range(n) for j in range(i + 1, n) if (int(codes[i]) ^ int(codes[j])).bit_count() <= RADIUS]
    pairs, whole = close_pairs(codes)
    assert whole and [tuple(pair) for pair in pairs.tolist()] == apart


def test_a_film_has_bounded_candidates():
    pairs, whole = close_pairs(np.full(3000, 12345, dtype=np.uint64), most=2)
    assert not whole and len(pairs) < 3000 * 3000 / 2


def saved_anew(image, scale=1.0, quality=70, crop=0.0):
    width, height = image.size
    box = (round(crop * width), round(crop * height / 2), width, round(height - crop * height / 2))
    image = image.convert("RGB").crop(box)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return Image.open(stream)


@pytest.mark.parametrize("crop", [0.0, 0.02])
def test_an_outline_survives_a_new_size_and_loss(crop):
    for seed in range(10):
        image = picture(seed, 160)
        assert (outline(image) ^ outline(saved_anew(image, 0.8, 50, crop))).bit_count() <= RADIUS
        assert (outline(image) ^ outline(picture(seed + 50, 160))).bit_count() > RADIUS


def test_a_flat_picture_has_no_outline():
    assert outline(Image.new("RGB", (100, 100), (200, 190, 180))) == 0


def test_alignment_finds_a_known_move():
    y, x = np.mgrid[0:64, 0:64] / 64

    def scene(y, x):
        return 100 + 50 * np.sin(7 * x + 2 * y) + 40 * np.cos(5 * y - 3 * x * y)

    fitted = align(scene(y, x), 0.8 * scene(0.95 * y + 0.03, 0.9 * x + 0.05) + 12)
    assert fitted is not None
    one, other = fitted
    assert one.size > 0.75 * 64 * 64 and np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.999


def test_likeness():
    one = picture(3, 200)
    assert likeness(small(one), small(saved_anew(one, 1.2, 50, 0.05))) > 0.97
    assert likeness(small(one), small(picture(4, 200))) == 0.0
    patched = one.copy()
    patched.paste(Image.new("RGB", (45, 45), "black"), (80, 80))
    assert likeness(small(one), small(patched)) == 0.0  # the same scene, but something has come into it


def test_near_duplicates_of_a_folder(tmp_path):
    for part, seeds in (("train", range(12)), ("val", range(20, 26))):
        for seed in seeds:
            path = tmp_path / part / "ab"[seed % 2] / f"{seed}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture(seed, 96).save(path)
    saved_anew(picture(2, 96), 1.1).save(tmp_path / "val/a/again.jpg")
    saved_anew(picture(5, 96), 0.9).save(tmp_path / "train/a/other.jpg")
    shutil.copy(tmp_path / "train/b/5.png", tmp_path / "train/b/copy.png")
    found = {finding.kind: finding for finding in check(load(tmp_path), Asked(doubts=False)).findings}
    ids = load(tmp_path).ids

    def sets(kind):
        return [{ids[row] for row in item.rows} for item in found[kind].items]

    assert sets("near-copies-across-parts") == [{"train/a/2.png", "val/a/again.jpg"}]
    assert sets("near-conflicts") == [{"train/b/5.png", "train/b/copy.png", "train/a/other.jpg"}]
    assert sets("copies") == [{"train/b/5.png", "train/b/copy.png"}] and found["copies"].items[0].facts["same_bytes"]
    assert not any(f.kind.startswith("near") for f in check(load(tmp_path), Asked(False, False)).findings)


@pytest.mark.slow
@pytest.mark.skipif(not PHOTOS.is_dir(), reason="no photos beside this checkout")
def test_planted_copies_among_photos(tmp_path):
    rng = np.random.default_rng(7)
    for part in ("train", "val"):
        shutil.copytree(PHOTOS / part, tmp_path / part)
    files = sorted((tmp_path / "train").glob("*/*"))
    planted = {}
    for k, at in enumerate(rng.choice(len(files), 100, replace=False).tolist()):
        to = tmp_path / "val" / files[at].parent.name / f"planted-{k}.jpg"
        if k % 2:
            shutil.copy(files[at], to)
        else:
            with Image.open(files[at]) as image:
                anew = saved_anew(image, rng.uniform(0.8, 1.2), int(rng.integers(50, 91)), rng.uniform(0, 0.03))
            to.write_bytes(anew.fp.getvalue())
        planted[frozenset(path.relative_to(tmp_path).as_posix() for path in (files[at], to))] = k % 2
    source = load(tmp_path)
    found = {finding.kind: finding for finding in check(source, Asked(doubts=False)).findings}
    exact, near = (
        {frozenset(source.ids[row] for row in item.rows) for item in found[kind].items}
        for kind in ("copies-across-parts", "near-copies-across-parts")
    )
    assert exact == {pair for pair, copied in planted.items() if copied}  # all, and no false alarm
    assert len(exact) + len(near & planted.keys()) >= 95
    assert len(near & planted.keys()) >= 0.99 * len(near)
    assert not {"copies", "near-copies", "conflicts", "near-conflicts"} & found.keys()
