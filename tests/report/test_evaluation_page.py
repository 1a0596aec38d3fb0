"""The page of an evaluation: its figures, its sentences, hostile names, and many classes."""

import base64
import io
import re
from dataclasses import replace

import numpy as np
import pytest
from evaluation_sample import made
from PIL import Image

from opsin.report.evaluation import stories
from opsin.report.evaluation.confusion import matrix, neighbours, picture
from opsin.report.evaluation.page import diagram, render, surest_mistakes, write_evaluation


@pytest.fixture(scope="module")
def found():
    return made()


def test_figures_stand_on_the_page(found, tmp_path):
    text = write_evaluation(tmp_path / "page.html", found).read_text(encoding="utf-8")
    top1 = f"{100 * found.figures['top1']:.1f}\u00a0%"
    assert f"<h1>ResNet-\u206020 recognises {top1} of 600\u00a0images</h1>" in text
    for name in found.classes:
        assert text.count(f'<span class="name">{name}</span>') >= 1
    cells = re.findall(r'<td class="(right|wrong|none)"[^>]*>(\d*)</td>', text)
    assert [int(n or 0) for _, n in cells] == found.confusion.ravel().tolist()
    assert 'src="data:image/png;base64,' in text
    assert "A note." in text
    assert len(text) < 200_000  # without Vega, which it does not draw with


def test_hostile_names_stay_text(found):
    attack = "</td><script>alert(1)</script><img src=x onerror=alert(1)>"
    names = (attack, *found.classes[1:])
    facts = found.facts | {"data": attack, "weights": attack, "left_out": [attack]}
    source = replace(found.source, ids=(attack,) * len(found.source))
    text = render(replace(found, classes=names, facts=facts, source=source, notes=(attack,)))
    assert "<script>alert" not in text
    assert "<img src=x" not in text
    assert re.findall(r"<script>", text) == ["<script>"]


def test_the_surest_mistakes_come_first(found):
    shown = surest_mistakes(found)
    assert len(shown) == 24
    assert all(each["truth"] != each["predicted"] for each in shown)
    wrong = np.sort(found.confidence[found.predicted != found.truth])[::-1]
    assert [each["confidence"] for each in shown] == pytest.approx(wrong[:24])


def test_an_evaluation_without_a_mistake():
    found = made(3, 30, skill=100.0)
    text = render(found)
    assert "ResNet-\u206020 makes no mistake here" in text
    assert "Sure, and wrong" not in text


def test_classes_without_images_have_no_row(found):
    more = replace(found, classes=(*found.classes, "absent"), logits=np.pad(found.logits, ((0, 0), (0, 1))) * 1.0)
    more.logits[:, -1] = -99
    assert len(stories.class_rows(more)) == 12
    assert "absent" not in render(more)


def test_many_classes_are_a_picture_and_the_most_confused():
    found = made(100, 3000, skill=2.0)
    shown = matrix(found)
    assert (len(shown["classes"]), shown["occur"], shown["all"]) == (30, 100, False)
    (truth, answer, n), *_ = found.confused()
    row = next(row for row in shown["rows"] if row["label"] == found.classes[truth])
    cell = row["cells"][shown["classes"].index(found.classes[answer])]
    assert cell == {"count": n, "share": n / found.by_class[truth].support, "right": False}
    assert row["recall"] == found.by_class[truth].recall
    text = render(found)
    assert "All 100 classes that occur" in text
    assert "<details><summary>100\u00a0classes, the worst first" in text


def test_the_confused_stand_together():
    """Classes of one family, drawn apart, are neighbours again."""
    found, mixed = made(16, 4000, skill=1.0), np.random.default_rng(3).permutation(16)
    off = found.confusion[np.ix_(mixed, mixed)].copy()
    np.fill_diagonal(off, 0)
    families = mixed[neighbours(off)] // 4
    assert len(np.flatnonzero(np.diff(families))) == 3


@pytest.mark.parametrize("classes", [40, 700])
def test_every_mistake_is_seen_in_the_picture(classes):
    counts = np.eye(classes, dtype=np.int64) * 50
    counts[0, 7] = 1
    content = base64.b64decode(picture(counts).partition(",")[2])
    pixels = np.asarray(Image.open(io.BytesIO(content)))
    red = (pixels[..., 0] > pixels[..., 2]) & (pixels[..., 3] > 60)
    assert red.sum() >= 9


def test_the_diagram_is_of_the_bins(found):
    dots = diagram(found)["dots"]
    filled = [each for each in found.reliability if each.n]
    assert [dot["x"] for dot in dots] == pytest.approx([100 * (each.confidence or 0) for each in filled])
    assert [100 - dot["y"] for dot in dots] == pytest.approx([100 * (each.accuracy or 0) for each in filled])
    assert all(dot["top"] <= dot["y"] + 1e-9 and dot["y"] <= dot["bottom"] + 1e-9 for dot in dots)


def test_sentences_follow_the_figures():
    assert "less sure than it is right" in stories.calibration_title(made())
    sure = made(skill=0.0)
    assert "surer than it is right" in stories.calibration_title(replace(sure, logits=sure.logits * 20))
