"""The page of one network: drawn to scale, wired as its paper has it, every figure told, no text breaks out."""

import functools
import math
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from test_history_page import HOSTILE
from test_page import Reader

from opsin import zoo
from opsin.costs import blocks as costs_blocks
from opsin.costs.blocks import Block, sheet_of
from opsin.report.history import record
from opsin.report.sheet import drawing, page, stories
from opsin.report.sheet.eye import SIDE, eye_of, picture
from opsin.report.sheet.stages import stages, wirings

SOME = (
    "lenet5",
    "ciresan_mlp5",
    "alexnet",
    "vgg16",
    "googlenet",
    "resnet50",
    "densenet_32",
    "enet",
    "vit_32",
    "swin_32",
)
_COSTS: dict = {}


def costs(name: str):
    if name not in _COSTS:
        _COSTS[name] = sheet_of(name)
    return _COSTS[name]


def rendered(name: str) -> str:
    return page.render(zoo.card(name), *costs(name))


def svgs(html: str) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(text) for text in re.findall(r"<svg.*?</svg>", html, re.DOTALL)]


@pytest.mark.parametrize("name", SOME)
def test_every_block_and_layer_stands_on_the_page(name):
    html = rendered(name)
    sheet, blocks = costs(name)
    found = Reader(html)
    for block in blocks:
        assert f"<code>{block.name}</code>" in html
        assert f"{block.macs:,}" in found.text
    for layer in sheet.layers:
        assert f"<code>{layer.name or sheet.name}</code>" in html
    for total in (sheet.params, sheet.macs, sheet.activations):
        assert f"{total:,}" in found.text
    card = zoo.card(name)
    for line in (*card.departures, card.note, card.paper.title, *(row.place for row in card.published)):
        assert re.sub(r"\s+", " ", line.replace("`", "")) in found.text


@pytest.mark.parametrize("name", SOME)
def test_the_drawings_are_well_formed_and_inside_their_frame(name):
    wide, narrow = svgs(rendered(name))
    blocks = costs(name)[1]
    assert len([group for group in wide.iter("g") if group.get("class") == "block"]) == len(blocks)
    assert len([rect for rect in narrow.iter("rect") if rect.get("class") == "front"]) == len(blocks)
    for drawn in (wide, narrow):
        right, bottom = map(float, drawn.attrib["viewBox"].split()[2:])
        for rect in drawn.iter("rect"):
            if rect.get("class") in ("front", "bar", "tone0", "tone1", "tone2"):
                x, y, w, h = (float(rect.attrib[key]) for key in ("x", "y", "width", "height"))
                assert 0 <= x <= x + w <= right
                assert 0 <= y <= y + h <= bottom


def test_boxes_and_bars_are_to_scale():
    sheet, blocks = costs("resnet50")
    parts = stages(blocks)
    drawn = drawing.wide(sheet, blocks, parts, eye_of(224, blocks, parts))
    by_name = {block.name: box for block, box in zip(blocks, drawn["boxes"], strict=True)}
    conv1, last = by_name["conv1"], by_name["stages.3.2"]
    assert conv1["height"] / last["height"] == pytest.approx(math.sqrt(112 / 7))
    assert by_name["stages.1.0"]["width"] / last["width"] == pytest.approx(math.sqrt(512 / 2048))
    assert by_name["fc"]["vector"]
    macs = drawn["bars"][0]["bars"]
    assert macs[1]["height"] / macs[4]["height"] == pytest.approx(231_211_008 / 295_436_288)
    seen = drawn["bars"][-1]
    heights = [bar["height"] for bar in seen["bars"]]
    assert heights[-2] / heights[1] == pytest.approx(483 / 19)
    assert seen["y"] - seen["line"] == pytest.approx(heights[-1])  # the whole image, up to the line


def test_squares_are_to_the_picture_s_scale():
    blocks = costs("resnet50")[1]
    parts = stages(blocks)
    eye = eye_of(224, blocks, parts)
    assert eye.stages == (7, 35, 99, 291, 483, None)
    drawn = picture(eye, parts, drawing.steps_of(parts))
    px = drawn["image"] / 224
    assert [square["half"] / px for square in drawn["squares"]] == pytest.approx([241.5, 145.5, 49.5, 17.5, 3.5])
    assert 2 * max(square["half"] for square in drawn["squares"]) == pytest.approx(SIDE)
    assert [line["seen"] for line in drawn["key"]][-2:] == ["483 px", "whole image"]


def test_what_sees_far_beyond_the_image_is_told_and_not_drawn():
    blocks = costs("googlenet")[1]
    parts = stages(blocks)
    drawn = picture(eye_of(224, blocks, parts), parts, drawing.steps_of(parts))
    assert len(drawn["squares"]) == len(drawn["key"]) - 2
    assert "715 px" in [line["seen"] for line in drawn["key"]]


def test_the_wiring_is_the_paper_s():
    """GoogLeNet's table 1; ResNet's first block of each stage projects; AlexNet and LeNet-5 are chains."""
    wired = {block.name: w for block, w in zip(costs("googlenet")[1], wirings(costs("googlenet")[1]), strict=True)}
    assert wired["inception3.0"].branches == (64, 128, 32, 32)
    assert wired["inception4.4"].branches == (256, 320, 128, 128)
    blocks = costs("resnet50")[1]
    found = dict(zip((block.name for block in blocks), wirings(blocks), strict=True))
    assert [name for name, w in found.items() if w.projected] == [f"stages.{k}.0" for k in range(4)]
    assert [w.adds for w in found.values()] == [0, *[1] * 16, 0]
    assert all(w.branches == () for w in found.values())
    for name in ("alexnet", "lenet5", "vgg16"):
        assert all(not (w.adds or w.branches or w.dense) for w in wirings(costs(name)[1]))
    assert {w.adds for w in wirings(costs("vit_32")[1])[1:-1]} == {2}
    grown = [w for block, w in zip(costs("densenet_32")[1], wirings(costs("densenet_32")[1]), strict=True) if w.dense]
    assert grown
    assert all(w.branches == () for w in grown)


def told(name: str) -> str:
    sheet, blocks = costs(name)
    parts = stages(blocks)
    return stories.told(sheet, blocks, parts, eye_of(max(sheet.input_shape[1:]), blocks, parts)).replace("\u00a0", " ")


def test_the_sentences_say_what_the_sheet_says():
    assert told("resnet50") == (
        "The six blocks on maps of 14×14 take 36 % of the operations; the three blocks on maps of 7×7 hold 59 % of the "
        "parameters. A unit of the last maps, 7×7, sees 483 px: 2.2 times the side of the image."
    )
    assert told("vit_32").endswith("From blocks.0 on, every unit sees the whole image.")
    assert told("alexnet").endswith("A unit of the last maps, 13×13, sees 163 px: 72 % of the image’s side.")
    assert told("ciresan_mlp5") == ""


def test_a_network_whose_receptive_fields_are_unknown_has_no_squares():
    sheet, blocks = costs("lenet5")
    blind = [replace(block, end=block.end and replace(block.end, sees=None)) for block in blocks]
    html = page.render(zoo.card("lenet5"), sheet, blind)
    wide = svgs(html)[0]
    assert [rect for rect in wide.iter("rect") if rect.get("class") == "frame"] == []
    assert "Sees" not in [text.text for text in wide.iter("text")]


def test_the_page_is_one_file_without_scripts_that_asks_nothing_of_the_network():
    found = Reader(rendered("resnet50"))
    assert not found.scripts
    assert not found.all("link")
    assert not found.all("img")
    policy = next(attrs["content"] for attrs in found.all("meta") if attrs.get("http-equiv")) or ""
    assert "default-src 'none'" in policy
    assert all((attrs["href"] or "").startswith(("#", "https://", "http://")) for attrs in found.all("a"))
    assert all(attrs.get("aria-label") for attrs in found.all("svg"))
    assert [name for name, _ in found.elements if name == "h1"] == ["h1"]


def test_no_text_breaks_out(monkeypatch):
    card = zoo.card("lenet5")
    sheet, blocks = costs("lenet5")
    bad = replace(
        card,
        paper=replace(card.paper, title=HOSTILE, authors=HOSTILE, venue=HOSTILE, url=f"javascript:{HOSTILE}"),
        published=tuple(replace(row, place=HOSTILE, protocol=HOSTILE, params=HOSTILE) for row in card.published),
        departures=(HOSTILE,),
        note=HOSTILE,
    )
    spoilt = [replace(block, name=HOSTILE, kind=HOSTILE) for block in blocks]
    families = [replace(f, brought=HOSTILE) if f.name == card.family else f for f in record.families()]
    monkeypatch.setattr(record, "families", lambda: tuple(families))
    html = page.render(bad, replace(sheet, layers=tuple(replace(row, name=HOSTILE) for row in sheet.layers)), spoilt)
    found = Reader(html)
    assert not found.scripts
    assert not found.all("img")
    assert not [attrs for attrs in found.all("a") if (attrs.get("href") or "").startswith("javascript")]
    assert not [name for _, attrs in found.elements for name in attrs if name.startswith("on")]
    assert "{{ 7*7 }}" in found.text
    assert len(svgs(html)) == 2


def test_an_odd_name_is_cut_to_its_room():
    assert drawing.fitted("stem.conv1", 55) == "…conv1"
    for room in (30, 50, 80):
        assert len(drawing.fitted("a_very_long_name.of.a.layer", room)) <= drawing.letters(room)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in zoo.list_models() if "1001" not in name and "1202" not in name])
def test_every_network_has_a_page_and_fits_80_columns(opsin, name, monkeypatch):
    """In a terminal by `opsin show`, whose sheet the page is of."""
    monkeypatch.setattr(costs_blocks, "sheet_of", functools.cache(sheet_of))
    told = opsin("show", name, "--layers")[1]
    assert max(len(line) for line in told.splitlines() if not line.startswith("http")) <= 80
    sheet, blocks = costs_blocks.sheet_of(name, None, 1)
    assert isinstance(blocks[0], Block)
    assert len(svgs(page.render(zoo.card(name), sheet, blocks))) == 2
