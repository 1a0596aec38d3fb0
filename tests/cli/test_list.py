"""`opsin list`: the picture at 80 columns, its rows against the cards, its filters against filters by hand."""

import json
import re

import pytest

from opsin import zoo

CARDS = [zoo.card(name) for name in zoo.list_models()]


def names(opsin, *arguments):
    code, out, err = opsin("list", *arguments, "--json")
    assert (code, err) == (0, "")
    return [entry["name"] for entry in json.loads(out)]


def rows(out):
    """The lines of a table below its head, up to the explanation."""
    return out.partition("\n\n")[0].splitlines()[1:]


@pytest.mark.parametrize("columns", [80, 130])
def test_the_picture_has_a_row_for_every_family_and_fits(opsin, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    code, out, _ = opsin("list")
    assert code == 0
    assert max(map(len, out.splitlines())) <= columns
    assert "…" not in out
    families = list(dict.fromkeys(card.family for card in CARDS))
    told = [row for row in rows(out) if "⋮" not in row]
    assert len(told) == len(families)
    for row, family in zip(told, families, strict=True):
        assert family in row
        assert int(row.partition(family)[2].split()[0]) == sum(card.family == family for card in CARDS)
    assert re.search(r"⋮ +9 years", out)
    assert re.search(r"⋮ +12 years", out)
    assert ("●" in out) == (columns == 130)


def test_errors_of_one_crop_stand_alone_and_others_are_marked(opsin):
    _, out, _ = opsin("list")
    ends = {row[6:25].strip(): row for row in rows(out)}
    assert "15.7–17.9 " in ends["ConvNeXt"]
    assert "23.0–24.7 " in ends["ResNet"]
    assert "27.0–29.6*" in ends["VGG"]
    assert "0.95†" in ends["LeNet-5"]
    assert "%" not in ends["ENet"]


def test_a_pattern_gives_a_row_a_network(opsin):
    _, out, _ = opsin("list", "vgg1?")
    assert [row[6:].split()[0] for row in rows(out)] == ["vgg11", "vgg13", "vgg16", "vgg19"]
    _, out, _ = opsin("list", "--all")
    assert [row[6:].split()[0] for row in rows(out)] == [card.name for card in CARDS]
    assert max(map(len, out.splitlines())) <= 80
    assert "…" not in out


@pytest.mark.parametrize(
    ("arguments", "passes"),
    [
        (("--year", "2012"), lambda card: card.year == 2012),
        (("--year", "2012-2016"), lambda card: 2012 <= card.year <= 2016),
        (("--year", "2017-"), lambda card: card.year >= 2017),
        (("--year", "-2000"), lambda card: card.year <= 2000),
        (("--max-macs", "1G"), lambda card: card.macs <= 10**9),
        (("--max-macs", "63660"), lambda card: card.macs <= 63660),
        (("--max-params", "1.5M"), lambda card: card.params <= 1_500_000),
        (("--task", "segment"), lambda card: card.task == "segment"),
        (("--min-size", "32"), lambda card: card.inputs.minimum <= 32 and 32 % card.inputs.multiple == 0),
        (
            ("densenet*", "--year", "2016", "--max-params", "1m"),
            lambda card: card.name.startswith("densenet") and card.params <= 10**6,
        ),
    ],
)
def test_filters(opsin, arguments, passes):
    found = names(opsin, *arguments)
    assert found == [card.name for card in CARDS if passes(card)]
    assert 0 < len(found) < len(CARDS)


def test_json_has_all_fields(opsin):
    _, out, _ = opsin("list", "resnet50", "--json")
    (entry,) = json.loads(out)
    card = zoo.card("resnet50")
    assert (entry["family"], entry["year"], entry["task"], entry["params"]) == ("ResNet", 2015, "classify", card.params)
    assert (entry["input"], entry["inputs"]["minimum"], entry["num_classes"]) == (224, card.inputs.minimum, 1000)
    assert [row["top1_err"] for row in entry["published"]] == [row.top1_err for row in card.published]
    assert isinstance(entry["weights"], list)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--year", "20x"), "--year 20x: write 2012, 2012-2016, 2012- or -2000"),
        (("--year", "2016-2012"), "--year 2016-2012"),
        (("--year", "-"), "--year -:"),
        (("--max-macs", "1Q"), "--max-macs 1Q: write a number such as"),
        (("--max-params", "-3M"), "--max-params -3M"),
        (("--task", "classfy"), "did you mean classify"),
        (("--year", ""), "write 2012"),
        (("--max-macs", ""), "write a number"),
        (("--year", "2003"), "no network passes"),
        (("resmet*",), "no network matches 'resmet*'"),
    ],
)
def test_bad_filters_are_one_line(opsin, arguments, told):
    code, out, err = opsin("list", *arguments)
    assert (code, out) == (1, "")
    assert told in err
    assert err.count("\n") == 1
