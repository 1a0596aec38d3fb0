"""The page of the claims: every record told, every kind of chart drawn, no text breaks out, a bad file is one line."""

import itertools
import json
import math
import re
from collections import Counter

import pytest
from claims_sample import charts, effect, modules, record, records, write
from hypothesis import given
from hypothesis import strategies as st
from test_page import Reader

from opsin.claims.chart import Bars, Dots
from opsin.claims.claim import Verdict
from opsin.claims.record import read, typed
from opsin.errors import OpsinError
from opsin.report.claims import axes, figures, page, stories, timeline
from opsin.report.claims.dots import far_off
from opsin.report.claims.page import read_records
from opsin.report.claims.plate import NARROW, SETS, WIDE, cut, spec, wrapped
from opsin.report.labels import text_width

HOSTILE = '</script><script>alert(1)</script>"><img src=x onerror=alert(1)>{{ 7*7 }}`<b>`'
LONG = "unbreakable" * 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write(tmp_path_factory.mktemp("claims") / "records", records())


@pytest.fixture(scope="module")
def whole(folder) -> Reader:
    out = page.write_claims(folder, folder.parent / "claims.html")
    return Reader(out.read_text(encoding="utf-8"))


def one(tmp_path, **changes):
    """The record that stands in a file with these changes."""
    return read_records(write(tmp_path / "one", [record("T01", **changes)]))[0]


def test_every_record_stands_on_the_page(whole):
    ids = {attrs["id"]: attrs for name, attrs in whole.elements if name == "article"}
    assert list(ids) == [each["id"] for each in sorted(records(), key=lambda each: (each["year"], each["id"]))]
    for each in records():
        assert ids[each["id"]]["data-kind"] == each["kind"]
        for key in ("statement", "verdict", "measured", "quote", "title"):
            assert each[key] in whole.text
        for part in each["parts"]:
            assert part["found"][1:] in whole.text
        if each["verdict"] != "not run":
            assert f"opsin claims run {each['id']}" in whole.text
    assert "opsin claims run V01" not in whole.text
    assert "It needs a data set of 300 million images." in whole.text
    assert whole.text.count("From memory, not checked.") == 1
    assert "2.1\u00a0points (1.27 to 2.94)" in "".join(whole.words)
    assert "about 40\u00a0seeds would decide" in "".join(whole.words)


def test_verdicts_are_counted_by_kind(folder):
    found = read_records(folder)
    expected = Counter((each["kind"], each["verdict"]) for each in records())
    for (_, row), kind in zip(stories.counts(found), ("exact", "cost", "training"), strict=True):
        assert row == [expected[kind, verdict.value] for verdict in Verdict]
    assert stories.standfirst(found) == (
        "Of 12\u00a0claims that were put to the test, 2 hold, 1 holds in part, 2 do not hold here and 7 are undecided. "
        "One more is listed and was not run."
    )


def test_every_mark_of_the_timeline_leads_to_its_claim(folder, whole):
    links = Counter(attrs["href"] for attrs in whole.all("a") if "data-of" in attrs)
    assert links == {f"#{each['id']}": 2 for each in records()}  # by year across, and down on a phone
    drawn = timeline.drawing(read_records(folder))
    at = {mark["record"].id: mark["x"] for mark in drawn["marks"]}
    year = (at["V01"] - at["L01"]) / 31
    assert at["A01"] - at["L01"] == pytest.approx(23 * year, abs=0.2)
    assert at["D01"] == at["D03"]


def test_marks_of_a_year_of_many_claims_lie_apart(tmp_path):
    many = [record(f"M{k:02d}", year=2015) for k in range(40)] + [record("O01", year=1989)]
    drawn = timeline.drawing(read_records(write(tmp_path, many)))
    side = drawn["side"]
    boxes = [(mark["x"], mark["y"]) for mark in drawn["marks"]]
    for (x, y), (x2, y2) in itertools.combinations(boxes, 2):
        assert abs(x - x2) >= side - 0.2 or abs(y - y2) >= side - 0.2
    assert all(0 <= x <= drawn["width"] - side and 0 <= y <= drawn["base"] for x, y in boxes)


@pytest.mark.parametrize("kind", ["bars", "lines", "grid", "dots", "ranges"])
def test_each_kind_of_chart_arrives_with_its_figures(whole, kind):
    payload, values = whole.payload, charts()[kind]
    owner = next(each for each in records() if values in each["charts"])
    k = owner["charts"].index(values)
    view = payload["views"][f"{owner['id']}-{k}-narrow"]
    sets = {name: payload["data"][key] for name, key in view["data"].items()}
    texts = {each["text"] for each in sets["texts"]}
    expected = {
        "bars": lambda: {axes.figure(value) for *_, value in values["rows"]},
        "lines": lambda: set(values["lines"]),
        "grid": lambda: {axes.figure(v) for row in values["cells"] for v in row if v is not None} | {"–"},
        "dots": set,
        "ranges": lambda: {name for name, *_ in values["rows"]} | {"1.25 (0.5 to 2)"},
    }[kind]()
    assert expected <= texts
    if kind == "dots":
        tips = {each["tip"][""] for each in sets["touch"]}
        assert tips == {name for name, *_ in values["dots"]}
    if kind == "lines":
        assert {each["line"] for each in sets["areas"]} == set(values["bands"])
        assert {each["line"]: len(each["x"]) for each in sets["lines"]} == {
            name: len(points) for name, points in values["lines"].items()
        }


def test_all_charts_are_one_specification(whole):
    payload = whole.payload
    assert payload["specs"].keys() == {"plate"}
    assert {each["name"] for each in spec()["data"]} >= set(SETS)
    placed = [attrs["data-chart"] for _, attrs in whole.elements if "data-chart" in attrs]
    assert sorted(placed) == sorted(payload["views"])
    assert all(key in payload["data"] for view in payload["views"].values() for key in view["data"].values())


def test_names_of_lines_that_end_early_stand_where_they_end(tmp_path):
    ends = {"long": (100, 100), "short": (10, 50), "other": (12, 50)}
    lines = {"kind": "lines", "title": "t", "x": "x", "y": "y", "lines": {n: [(0, 0), end] for n, end in ends.items()}}
    plate = figures.drawn(one(tmp_path, charts=[lines]).charts[0], WIDE)
    assert plate is not None
    found = {each["text"]: each for each in plate.texts if each["text"] in lines["lines"]}
    ends = {each["line"]: each["x"][-1] for each in plate.lines}
    assert found["long"]["x"] > ends["long"]
    assert abs(found["short"]["x"] - ends["short"]) < 120
    assert (found["short"]["x"], found["short"]["y"]) != (found["other"]["x"], found["other"]["y"])


def listed(place):
    return place if isinstance(place, list) else [place]


def test_what_is_drawn_lies_on_its_plate(whole):
    payload = whole.payload
    for name, view in payload["views"].items():
        wide, high = view["frame"]["width"], view["frame"]["height"]
        for own, key in view["data"].items():
            for each in payload["data"][key]:
                xs = [x for key in ("x", "x2") if key in each for x in listed(each[key])]
                ys = [y for key in ("y", "y2") if key in each for y in listed(each[key])]
                assert all(-1 <= x <= wide + 1 for x in xs), (name, own, each)
                assert all(-1 <= y <= high + 1 for y in ys), (name, own, each)
                if own == "texts":
                    length = 0.8 * text_width(each["text"], each["size"])
                    align = each.get("align", "left")
                    left = each["x"] - {"left": 0, "center": length / 2, "right": length}[align]
                    assert left >= -2, (name, each)
                    assert left + length <= wide + 2, (name, each)


def test_bars_are_as_long_as_their_values(whole):
    view = whole.payload["views"]["D02-0-wide"]
    rects = whole.payload["data"][view["data"]["rects"]]
    values = [value for *_, value in charts()["bars"]["rows"]]
    lengths = [each["x2"] - each["x"] for each in rects]
    assert [length / lengths[0] for length in lengths] == pytest.approx([v / values[0] for v in values], abs=0.002)


def test_lines_on_a_logarithmic_axis_leave_out_what_has_no_place(tmp_path):
    lines = {"kind": "lines", "title": "t", "x": "x", "y": "y", "log": "xy",
             "lines": {"a": [[0, 1], [1, 0], [1, 10], [10, 100]], "none": [[-1, -1]]}}  # fmt: skip
    chart = one(tmp_path, charts=[lines]).charts[0]
    plate = figures.drawn(chart, WIDE)
    assert plate is not None
    assert [(each["line"], len(each["x"])) for each in plate.lines] == [("a", 2)]


@pytest.mark.parametrize("kind", ["bars", "lines", "grid", "dots", "ranges"])
@pytest.mark.parametrize("paper", [WIDE, NARROW])
def test_charts_of_nothing_and_of_one_value_are_drawn_or_left_out(tmp_path, kind, paper):
    empty, single = {
        "bars": ({"rows": []}, {"rows": [["", "a", 0.0]]}),
        "lines": ({"lines": {"a": []}}, {"lines": {"a": [[1, 0]]}}),
        "dots": ({"dots": []}, {"dots": [["a", 1, 1, 0]]}),
        "ranges": ({"rows": []}, {"rows": [["a", 0, 0, 0]]}),
        "grid": (
            {"rows": ["a"], "columns": ["b"], "cells": [[None]]},
            {"rows": ["a"], "columns": ["b"], "cells": [[0]]},
        ),
    }[kind]
    kept = {"bands": None, "said": [], "log": ""} if kind == "lines" else {"said": []} if kind == "bars" else {}
    for change, is_drawn in ((empty, False), (single, True)):
        chart = one(tmp_path, charts=[charts()[kind] | kept | change]).charts[0]
        plate = figures.drawn(chart, paper)
        assert (plate is not None) == is_drawn
        assert plate is None or json.dumps(plate.sets(), allow_nan=False)


def test_what_was_said_of_the_horizontal_axis_stands_upright(tmp_path):
    lines = {"kind": "lines", "title": "t", "x": "maps", "y": "weights", "lines": {"a": [[0.5, 9], [2.5, 45]]}}
    for value, is_upright in ((1.0, True), (20.0, False)):
        chart = one(tmp_path, charts=[lines | {"said": [["said", value]], "upright": is_upright}]).charts[0]
        plate = figures.drawn(chart, WIDE)
        assert plate is not None
        (dashed,) = [each for each in plate.rules if each.get("dash")]
        assert (dashed["x"] == dashed["x2"]) == is_upright


def test_an_effect_without_a_number_is_told_as_such(tmp_path):
    found = one(tmp_path, effect=records()[3]["effect"] | {"mean": None, "low": None, "high": None})
    assert found.effect is None
    assert found.notes[-1] == "No number can be given for this effect: training error, plain 56 less plain 20."


@pytest.mark.parametrize("paper", [WIDE, NARROW])
def test_a_large_grid_is_shades_that_keep_to_their_plate(tmp_path, paper):
    names = [f"unit {k}" for k in range(64)]
    cells = [[math.sin(i * j) for j in range(64)] for i in range(64)]
    chart = one(tmp_path, charts=[charts()["grid"] | {"rows": names, "columns": names, "cells": cells}]).charts[0]
    plate = figures.drawn(chart, paper)
    assert plate is not None
    assert sum(len(each["x"]) for each in plate.rects) == 64 * 64
    assert len(plate.rects) <= 2 * 21
    assert max(max(each["x2"]) for each in plate.rects) <= paper.width + 0.1
    assert max(max(each["y2"]) for each in plate.rects) <= plate.height <= 600
    assert len(plate.texts) < 40
    assert len(json.dumps(plate.sets())) < 130_000


def hostile(each):
    """A record in which every text is an attack, but for those that are one of a few."""
    kept = ("id", "verdict", "checked", "kind", "schema", "log")
    if isinstance(each, dict):
        return {key: value if key in kept else hostile(value) for key, value in each.items()}
    if isinstance(each, list):
        return [hostile(value) for value in each]
    return HOSTILE + each if isinstance(each, str) else each


def test_no_text_of_a_record_breaks_out(tmp_path, whole):
    attacked = [hostile(each) for each in records()]
    for each in attacked:
        each["paper"]["url"] = f"javascript:{HOSTILE}"
    found = Reader(page.render(read_records(write(tmp_path, attacked))))
    assert len(found.scripts) == len(whole.scripts)
    assert not found.all("img")
    assert not [attrs for attrs in found.all("a") if "javascript" in (attrs.get("href") or "")]
    assert not [name for _, attrs in found.elements for name in attrs if name.startswith("on")]
    assert "{{ 7*7 }}" in found.text
    assert found.payload["views"].keys() >= {"D02-0-wide"}


def test_a_hostile_id_stays_a_name(tmp_path):
    found = Reader(page.render([typed(record("T01") | {"id": HOSTILE}, tmp_path)]))
    assert not found.all("img")
    assert HOSTILE in {attrs.get("id") for _, attrs in found.elements}


def test_long_words_are_cut_in_charts_and_whole_on_the_page(tmp_path):
    bars = charts()["bars"] | {"rows": [[LONG, LONG, 1.0], [LONG, "b", 2.0], ["c", LONG, 1.5]]}
    found = one(tmp_path, charts=[bars, charts()["ranges"] | {"rows": [[LONG, 1.0, 0.5, 2.0]]}])
    for chart, paper in itertools.product(found.charts, (WIDE, NARROW)):
        plate = figures.drawn(chart, paper)
        assert plate is not None
        assert all(text_width(each["text"], each["size"]) <= paper.width for each in plate.texts)
    assert LONG in Reader(page.render([found])).text


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"schema": 2}, "is of schema 2, here 1"),
        ({"verdict": "maybe"}, "verdict: Input should be 'holds'"),
        ({"year": "soon"}, "year: Input should be a valid integer"),
        ({"paper": {"title": "t"}}, "has no paper.authors"),
        ({"charts": [{"kind": "pie"}]}, "unknown kind, 'pie'; known: bars"),
        ({"charts": [charts()["bars"] | {"rows": [["a", "b", "much"]]}]}, "bars: rows.0.2"),
        ({"charts": 3}, "charts must be a list of tables"),
        ({"effect": {"what": "w"}}, "has no effect.unit"),
        ({"minutes": float("nan")}, "NaN is no number"),
        ({"minutes": 1e999}, "Infinity is no number"),
    ],
)
def test_a_damaged_record_is_one_line_that_names_the_file(tmp_path, change, told):
    folder = write(tmp_path / "records", [record("T01") | change])
    with pytest.raises(OpsinError) as error:
        page.write_claims(folder, tmp_path / "out.html")
    assert told in str(error.value)
    assert "T01.json" in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out.html").exists()


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b'{"schema": 1}', b"[" * 100_000])
def test_what_is_no_record_is_one_line(tmp_path, content):
    path = tmp_path / "T01.json"
    path.write_bytes(content)
    with pytest.raises(OpsinError, match=re.escape("T01.json")) as error:
        read(path)
    assert "\n" not in str(error.value)


def test_an_empty_folder_and_a_record_under_another_name_are_told(tmp_path):
    with pytest.raises(OpsinError, match="no records of claims in"):
        read_records(tmp_path / "nowhere")
    write(tmp_path, [record("T01")])
    (tmp_path / "copy.json").write_text((tmp_path / "T01.json").read_text())
    with pytest.raises(OpsinError, match=r"copy.json is a record of T01: give it that name"):
        read_records(tmp_path)


def test_the_page_is_one_file_that_asks_nothing_of_the_network(whole):
    assert all(not attrs.get("src") for attrs in whole.all("script"))
    assert not whole.all("link")
    assert not whole.all("img")
    policy = next(attrs["content"] for attrs in whole.all("meta") if attrs.get("http-equiv")) or ""
    assert "default-src 'none'" in policy
    assert all((attrs["href"] or "").startswith(("#", "https://", "http://")) for attrs in whole.all("a"))
    assert [name for name, _ in whole.elements].count("h1") == 1
    assert all((attrs.get("href") or "#").startswith("#") for attrs in whole.all("use"))


def test_without_a_script_every_figure_is_in_a_table(whole):
    cells = whole.text
    for each in charts().values():
        if each["kind"] == "bars":
            assert all(axes.figure(row[2]) in cells for row in each["rows"])
        if each["kind"] == "dots":
            assert all(f"{name}" in cells for name, *_ in each["dots"])


def test_the_modules_stand_apart_from_the_claims(tmp_path):
    folder = write(tmp_path / "records", [*records(), modules()])
    page_of = Reader(page.write_claims(folder, tmp_path / "claims.html").read_text(encoding="utf-8"))
    ids = [attrs["id"] for name, attrs in page_of.elements if name == "article"]
    assert ids[0] == "modules" and len(ids) == 1 + len(records())  # in front of the claims
    assert "opsin claims run modules" in page_of.text
    assert "#modules" not in {attrs["href"] for attrs in page_of.all("a") if "data-of" in attrs}
    assert "7 are undecided" in page_of.text  # it is not counted among them


def test_what_goes_the_other_way_in_another_place_is_a_diamond(tmp_path):
    path = write(tmp_path, [modules()]) / "modules.json"
    (chart,) = typed(read(path), path).charts
    for paper in (WIDE, NARROW):
        drawn = figures.drawn(chart, paper)
        shapes = Counter(spot["shape"] for spot in drawn.spots)
        assert shapes == {"circle": 4, "diamond": 2}  # max pooling and no dropout have another sign
        assert {text["text"] for text in drawn.texts} >= {"tanh", "no dropout"}


def test_p_values_are_adjusted_for_all_that_are_shown(tmp_path):
    ps = {"P01": 0.002, "P02": 0.04, "P03": 0.03, "P04": 0.5}
    own = [record(id, effect=effect("e", 1.0, p=p)) for id, p in ps.items()] + [record("P05", effect=None)]
    own.append(record("P06", effect=effect("e", 1.0, p=None)))
    rows = {each.id: (p, q) for each, _, p, q in stories.effects(read_records(write(tmp_path, own)))}
    assert rows == {  # by hand: p times 4 over its rank, and no greater than that of the next
        "P01": ("0.002", "0.008"), "P02": ("0.04", "0.053"), "P03": ("0.03", "0.053"), "P04": ("0.5", "0.5"),
        "P06": ("–", "–"),
    }  # fmt: skip
    assert stories.effects(read_records(write(tmp_path / "none", [record("P05", effect=None)]))) == []


@given(st.lists(st.booleans(), max_size=9))
def test_no_chart_stands_beside_nothing(wide):
    """Laid out two to a row, every row is full."""
    small, large = (Bars("", "", (("", "a", 1.0),)), Dots("", "x", "y", ()))
    found = figures.widths([large if own else small for own in wide])
    assert all(full for full, own in zip(found, wide, strict=True) if own)
    for full, run in itertools.groupby(found):
        assert full or len(list(run)) % 2 == 0
    assert sum(found) - sum(wide) <= 1 + sum(wide)


def test_figures_are_short():
    written = {0: "0", 1.2345: "1.23", -0.5: "−0.5", 15346: "15,346", 40_604_123: "40.6\u00a0M", 2e-7: "2×10⁻⁷",
               1e-10: "10⁻¹⁰", -2.5e6: "−2.5\u00a0M", 1e15: "10¹⁵", 999.6: "1,000", 0.0004: "4×10⁻⁴",
               1.7e-17: "0", -3e-14: "0"}  # fmt: skip
    assert {value: axes.figure(value) for value in written} == written


@given(st.lists(st.floats(-50, 400), min_size=1, max_size=8))
def test_names_at_the_ends_of_lines_do_not_touch(wanted):
    found = axes.spread(wanted, 18.0, 0.0, 300.0)
    ordered = sorted(found)
    assert all(b - a >= 18.0 - 1e-9 for a, b in itertools.pairwise(ordered))
    assert [k for _, k in sorted(zip(found, range(8), strict=False))] == sorted(
        range(len(wanted)), key=lambda k: (wanted[k], k)
    )


@given(st.text(max_size=60), st.floats(20, 300))
def test_wrapped_texts_fit(text, width):
    for line in wrapped(text, width, 13.0):
        assert text_width(line, 13.0) <= max(width, text_width("…", 13.0))
    assert cut("ResNet", 200, 13.0) == "ResNet"


def test_the_furthest_off_are_named():
    spots = [(f"n{k}", float(k), float(k) + (40.0 if k == 17 else 0.0), 3.0) for k in range(40)]
    named = far_off(spots, 9)
    assert len(named) == 9
    assert {"n17", "n0", "n39"} <= named


def test_the_page_stays_small(whole):
    data = whole.payload
    assert len(json.dumps(data["specs"])) < 10_000
    assert len(json.dumps(data["data"])) < 200_000
