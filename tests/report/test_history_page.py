"""The page of the zoo: the figure against the cards by an independent count, all families told, no text breaks out."""

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_page import Reader

from opsin import zoo
from opsin.costs.blocks import Block
from opsin.errors import OpsinError
from opsin.report import html
from opsin.report.history import figure, page, record, stories, timeline
from opsin.report.history.record import Point
from opsin.report.labels import Anchor, Box, place

CARDS = [zoo.card(name) for name in zoo.list_models()]
HOSTILE = '</script><script>alert(1)</script>"><img src=x onerror=alert(1)>{{ 7*7 }}`<b>`'


def one_block_each() -> dict[str, list[Block]]:
    return {card.name: [Block("all", "Network", (card.num_classes,), card.params, card.macs)] for card in CARDS}


def point(name: str, macs: float, top1: float, year: int = 2015, one_crop: bool = True) -> Point:
    return Point(name, name, "Family", year, 224, int(macs), 10**6, top1, one_crop, "1 crop", "table 1")


@pytest.fixture(scope="module")
def whole() -> Reader:
    return Reader(page.render(one_block_each()))


def test_the_figure_is_the_cards_own_figures():
    """Written anew: the error that stands first among those of one crop, else among all on ImageNet."""
    expected = {}
    for card in CARDS:
        rows = [r for r in card.published if r.top1_err is not None and "ImageNet" in (r.protocol or "")]
        rows = [r for r in rows if "2010" not in (r.protocol or "")]
        if not rows or card.task != "classify":
            continue
        plain = [r for r in rows if re.search(r"\b1 (crop|view)\b", r.protocol or "")]
        plain = [r for r in plain if not re.search(r"networks|-2[12][kK]|JFT|of 320", r.protocol or "")]
        plain = [r for r in plain if "384 px" not in (r.protocol or "") or card.inputs.size == 384]
        expected[card.name] = ({100 - r.top1_err for r in plain or rows if r.top1_err}, bool(plain))
    drawn = {p.model: p for p in record.points()}
    assert drawn.keys() == expected.keys()
    for name, p in drawn.items():
        values, one_crop = expected[name]
        assert any(p.top1 == pytest.approx(value) for value in values), name
        assert (p.one_crop, p.macs, p.params) == (one_crop, zoo.card(name).macs, zoo.card(name).params)
    assert drawn["resnet50"].top1 == 75.3
    assert drawn["convnext_tiny"].top1 == 82.1
    assert (drawn["alexnet"].top1, drawn["alexnet"].one_crop) == (59.3, False)


def test_every_network_is_drawn_or_named_as_lacking():
    drawn = [p.model for p in record.points()]
    lacking = [name for _, names in record.lacking() for name in names]
    assert sorted(drawn + lacking) == sorted(zoo.list_models())


def test_the_front_is_the_best_for_at_most_so_many_operations():
    points = record.points()
    solid = [p for p in points if p.one_crop]
    best = {p.model for p in solid if not any(o.macs <= p.macs and o.top1 >= p.top1 and o is not p for o in solid)}
    assert {p.model for p in figure.front(points)} == best


def test_the_sentences_say_what_the_points_say():
    points = [
        point("Old", 1e9, 60.0, 2012),
        point("New", 1.1e9, 70.0, 2016),
        point("Large", 2e10, 80.0, 2016),
        point("Near", 4e9, 78.0, 2018),
        point("Waste", 3e10, 69.0, 2014),
        point("Hollow", 1e8, 99.0, 2010, one_crop=False),
    ]
    assert stories.figure_title(points) == (
        "Large has the best accuracy printed for one crop, 80\u00a0%; Near comes within 2\u00a0points of it with "
        "5 times fewer operations"
    )
    assert "60\u00a0% in 2012 (Old) and 70\u00a0% in 2016 (New): 10\u00a0points more" in stories.progress(points)
    assert "Waste does 27 times as many as New" in stories.waste(points)
    alone = points[:1]
    assert stories.figure_title(alone) == "Old has the best accuracy printed for one crop, 60\u00a0%"
    assert stories.progress(alone) == stories.waste(alone) == ""


def test_years_are_on_a_linear_axis_and_counts_on_logarithmic_ones():
    families = record.families()
    drawn = timeline.drawing(families, dict.fromkeys((f.year for f in families), 0), 1008, timeline.WIDE)
    at = {family.year: row["x"] for family, row in zip(families, drawn["rows"], strict=True)}
    year = (at[2022] - at[1989]) / 33
    assert all(x == pytest.approx(at[1989] + (y - 1989) * year, abs=0.2) for y, x in at.items())
    macs = timeline.WIDE[0]
    assert macs.px(1e9) - macs.px(1e8) == pytest.approx(macs.px(1e6) - macs.px(1e5), abs=0.2)
    for row in drawn["rows"]:
        assert all(
            strip.left <= stroke["x1"] <= stroke["x2"] <= strip.right
            for strip, stroke in zip(timeline.WIDE, row["strokes"], strict=True)
        )
    assert [row["silence"]["years"] for row in drawn["rows"] if row["silence"]] == [9, 12]


def test_the_page_holds_every_family_and_figure_without_a_script(whole):
    text = whole.text
    ids = {attrs.get("id") for _, attrs in whole.elements}
    for module, family in zip(zoo.FAMILIES, record.families(), strict=True):
        assert f"card-{family.slug}" in ids
        assert family.name in text
        assert page.typeset(module.BROUGHT) in text
        for card in module.CARDS:
            assert f"{card.params:,}" in text
            assert f"{card.macs:,}" in text
            assert card.paper.title in text
            for row in card.published:
                assert row.place in text
                assert (row.protocol or "") in text
    for name in zoo.list_models():
        assert name in text
    for p in record.points():
        assert f"{p.top1:g}\u00a0%".replace("\u00a0", " ") in text.replace("\u00a0", " ")


def test_the_page_is_one_file_that_asks_nothing_of_the_network(whole):
    assert all(not attrs.get("src") for attrs in whole.all("script"))
    assert not whole.all("link")
    assert not whole.all("img")
    policy = next(attrs["content"] for attrs in whole.all("meta") if attrs.get("http-equiv")) or ""
    assert "default-src 'none'" in policy
    assert all((attrs["href"] or "").startswith(("#", "https://", "http://")) for attrs in whole.all("a"))
    heads = [name for name, _ in whole.elements if name in ("h1", "h2", "h3")]
    assert heads.count("h1") == 1
    assert all(attrs.get("aria-label") for attrs in whole.all("svg"))


def test_the_payload_holds_blocks_and_both_charts(whole):
    payload = whole.payload
    assert payload["networks"].keys() == set(zoo.list_models())
    assert payload["networks"]["vgg16"]["rows"] == [["all", "Network", "1000", 15_470_264_320, 138_357_544, 1]]
    for size in ("wide", "narrow"):
        models = [record["model"] for record in payload["data"][f"figure-{size}-points"]]
        assert sorted(models) == sorted(p.model for p in record.points())


def test_no_text_of_a_card_breaks_out(monkeypatch, whole):
    family = record.families()[1]
    card = family.cards[0]
    bad = replace(
        card,
        name=card.name,
        family=HOSTILE,
        paper=replace(card.paper, title=HOSTILE, authors=HOSTILE, venue=HOSTILE, url=f"javascript:{HOSTILE}"),
        published=tuple(replace(row, place=HOSTILE, protocol=HOSTILE, params=HOSTILE) for row in card.published),
        departures=(HOSTILE,),
        note=HOSTILE,
    )
    spoilt = replace(family, name=HOSTILE, brought=HOSTILE, paper=bad.paper, cards=(bad,))
    others = record.families()
    monkeypatch.setattr(record, "families", lambda: (others[0], spoilt, *others[2:]))
    monkeypatch.setattr(page, "public", lambda name: ())
    blocks = one_block_each() | {card.name: [Block(HOSTILE, HOSTILE, (1,), 1, 1)]}
    found = Reader(page.render(blocks))
    assert len(found.scripts) == len(whole.scripts)
    assert not found.all("img")
    assert not [attrs for attrs in found.all("a") if (attrs.get("href") or "").startswith("javascript")]
    assert not [name for _, attrs in found.elements for name in attrs if name.startswith("on")]
    assert "{{ 7*7 }}" in found.text
    assert found.payload["networks"][card.name]["rows"][0][0] == HOSTILE


@given(st.text())
def test_code_in_a_text_stays_text(text):
    tags = re.findall(r"<[^>]*>", html.coded(text))
    assert set(tags) <= {"<code>", "</code>"}
    assert len(tags) == 2 * (len(tags) // 2)


def test_a_page_that_cannot_be_written_is_one_line_and_leaves_nothing(tmp_path):
    for target in (tmp_path, tmp_path / "no" / "page.html"):
        with pytest.raises(OpsinError, match="cannot write") as error:
            html.check(target)
        assert "\n" not in str(error.value)
    with pytest.raises(OpsinError):
        html.write(tmp_path / "no" / "page.html", "text")
    assert list(tmp_path.iterdir()) == []


spots = st.builds(Anchor, st.floats(150, 400), st.floats(150, 300), st.just(6.0), st.just("ResNet-50"))


@given(st.lists(spots, min_size=2, max_size=8))
def test_a_label_without_a_line_is_nearest_to_its_own_dot(anchors):
    for own, label in zip(anchors, place(anchors, Box(0, 0, 900, 600), 12.0), strict=True):
        if label is not None and not label.far:
            gaps = [label.box.distance(other.x, other.y) for other in anchors]
            assert label.box.distance(own.x, own.y) <= min(gaps)


def test_the_data_stays_small(whole):
    assert len(json.dumps(whole.payload["data"])) < 150_000
