"""A network's output belongs to a name, whatever the order of files, rows, parts or numbers.

Each image shows one grey, which says what it is: 10 for the first of the drawn names, 30 for the second, and so on.
"""

import json
import random
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from opsin.data.scan import scan
from opsin.data.sources import load
from opsin.data.sources.source import by_name, by_number
from opsin.errors import OpsinError

LETTERS = st.characters(codec="utf-8", exclude_characters="/\\\0", exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp"))
USUAL = st.sampled_from(["2", "10", "1", "cat", "Cat", "caf\u00e9", "cafe\u0301", "\u00c5", "\u212b", "\uac00", "z"])
NAMES = st.lists(
    st.one_of(USUAL, st.text(LETTERS, min_size=1, max_size=6)),
    min_size=2,
    max_size=8,
    unique_by=lambda name: unicodedata.normalize("NFC", name),
)


def agrees(source, names):
    """Whether each image's class is the name which its grey stands for, in sorted order of the names."""
    names = [unicodedata.normalize("NFC", name) for name in names]
    assert source.classes == tuple(sorted(names))
    for i, label in enumerate(source.labels):
        grey = int(np.asarray(source.image(i))[0, 0])
        assert source.classes[label] == names[(grey - 10) // 20]


@settings(deadline=None)
@given(NAMES, st.randoms(use_true_random=False))
def test_numbers_and_names(names, rnd):
    numbers = [rnd.randrange(len(names)) for _ in range(20)]
    classes, labels = by_number(np.array(numbers), names, "x")
    said = [unicodedata.normalize("NFC", names[c]) for c in numbers]
    assert [classes[label] for label in labels] == said and list(classes) == sorted(classes)
    forms = [unicodedata.normalize(rnd.choice(["NFC", "NFD"]), names[c]) for c in numbers]
    present, labels = by_name(forms)
    assert [present[label] for label in labels] == said and list(present) == sorted(set(said))


@settings(max_examples=30, deadline=None)
@given(names=NAMES, seed=st.integers(0, 999))
def test_arrays(names, seed, tmp_path_factory):
    path = tmp_path_factory.mktemp("arrays") / "set.npz"
    rnd = np.random.default_rng(seed)
    order = rnd.permutation(len(names))  # the number of each drawn name in the file
    shown = np.concatenate([rnd.permutation(len(names)) for _ in range(2)])
    grey = np.broadcast_to((10 + 20 * shown).astype(np.uint8)[:, None, None], (len(shown), 2, 2))
    called = np.empty(len(names), dtype=object)
    called[order] = names
    parts = np.repeat(["test", "train"], len(names))
    np.savez(path, images=grey, labels=order[shown], classes=called.astype(str), parts=parts)
    agrees(load(path), [str(np.str_(name)) for name in names])


@pytest.fixture(scope="module")
def greys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("greys")
    for c in range(8):
        for part in ("train", "test"):
            Image.new("L", (2, 2), 10 + 20 * c).save(folder / f"{part}{c}.png")
    return folder


@settings(max_examples=30, deadline=None)
@given(names=NAMES, rnd=st.randoms(use_true_random=False))
def test_rows_of_a_list(names, rnd, greys):
    rows = []
    for c, name in enumerate(names):
        for part in ("train", "test"):
            label = unicodedata.normalize(rnd.choice(["NFC", "NFD"]), name)
            rows.append({"path": f"{part}{c}.png", "label": label, "part": part})
    seen = set()
    for _ in range(2):
        rnd.shuffle(rows)
        (greys / "list.jsonl").write_text("\n".join(map(json.dumps, rows)))
        source = load(greys / "list.jsonl")
        agrees(source, names)
        seen.add((source.ids, source.parts))
    assert len(seen) == 1


def test_folders_whose_parts_write_a_name_otherwise(tmp_path):
    names = ["caf\u00e9", "10", "2", "\u212b"]
    order = random.Random(0)
    for part, form in (("train", "NFC"), ("val", "NFD"), ("test", "NFC")):
        for c in order.sample(range(4), 4):
            folder = tmp_path / part / unicodedata.normalize(form, names[c])
            folder.mkdir(parents=True)
            Image.new("L", (2, 2), 10 + 20 * c).save(folder / "1.png")
    source = load(tmp_path)
    agrees(source, names)
    assert len(source.ids) == 12 and source.classes == ("10", "2", "caf\u00e9", "\u00c5")


def test_two_folders_of_one_name(draw):
    folder = draw("caf\u00e9/1.png", "dog/1.png")
    try:
        draw("cafe\u0301/2.png")
    except OSError:
        pytest.skip("this file system takes one form only")
    if len(list(folder.iterdir())) < 3:
        pytest.skip("this file system takes the two for one")
    with pytest.raises(OpsinError, match="two folders called caf\u00e9, which differ only in how Unicode"):
        load(folder)


def test_two_numbers_of_one_name():
    with pytest.raises(OpsinError, match="set has more than one class of one name: caf\u00e9; rename"):
        by_number(np.array([0, 1]), ["caf\u00e9", "cafe\u0301"], "set")


def test_the_fingerprint_is_that_of_a_disk_which_writes_names_otherwise(tmp_path):
    def drawn(form):
        for c, name in enumerate(("caf\u00e9", "dog")):
            folder = tmp_path / form / unicodedata.normalize(form, name)
            folder.mkdir(parents=True)
            for file in ("z.png", "\u00e4.png"):
                Image.new("L", (2, 2), 10 + 20 * c).save(folder / unicodedata.normalize(form, file))
        return scan(load(tmp_path / form)).fingerprint

    assert drawn("NFC") == drawn("NFD")
