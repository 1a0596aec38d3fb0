"""`opsin bench`: what it prints and writes, and what it refuses in one line."""

import csv
import json

import pytest

from opsin.bench import session
from opsin.bench.cell import Row
from opsin.cli.bench import ranged


@pytest.fixture
def quick(monkeypatch):
    """In place of measuring: a row for each cell; returns the cells that were asked for."""
    asked = []

    def bench(cells, options, watch, estimate):
        for cell in cells:
            asked.append(cell)
            status = "unstable" if cell.batch == 4 else "ok"
            yield Row(cell, status, 10, 20, 30, why="hog" if cell.batch == 4 else "", p50=2.0, p95=3.0, fits=7)

    monkeypatch.setattr(session, "bench", bench)
    return asked


def test_a_table_a_csv_and_json(opsin, quick, tmp_path):
    code, out, err = opsin("bench", "lenet5", "resnet20_cifar", "--batch", "1,4", "--csv", tmp_path / "t.csv")
    assert (code, err) == (0, "")
    assert "2.00*" in out
    assert "unstable: hog: lenet5 x4, resnet20_cifar x4" in out
    lines = list(csv.DictReader((tmp_path / "t.csv").open()))
    assert [(line["opsin_model"], line["infer_batch_size"]) for line in lines] == [
        ("lenet5", "1"), ("lenet5", "4"), ("resnet20_cifar", "1"), ("resnet20_cifar", "4"),
    ]  # fmt: skip
    code, out, _ = opsin("bench", "lenet*", "--json", "--threads", "1", "--train")
    found = json.loads(out)
    assert found["machine"]["threads"] == 1
    assert {(row["cell"]["model"], row["cell"]["train"]) for row in found["rows"]} >= {
        ("lenet5", True),
        ("lenet1989", False),
    }


def test_all_goes_on_where_it_was(opsin, quick, tmp_path, monkeypatch):
    monkeypatch.setattr(session.fits, "check", lambda cell, free: None)  # predictions of large networks take seconds
    arguments = ("bench", "--all", "--batch", "1", "--keep", tmp_path, "--page", "--out", tmp_path / "all.html")
    code, _, err = opsin(*arguments)
    assert code == 0
    assert "rows to measure: about" in err
    n = len(quick)
    assert n > 50
    code, _, err = opsin(*arguments)
    assert (code, len(quick)) == (0, n)
    assert f"{n} of {n} rows are there already" in err
    assert (tmp_path / "all.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_reasons_that_differ_in_a_number_are_one():
    lines = ["other work took 1.4 cores meanwhile", "other work took 1.3 cores meanwhile"]
    assert ranged(lines) == "other work took 1.3 to 1.4 cores meanwhile"
    assert ranged(lines[:1]) == lines[0]
    assert ranged(["only one visit was so fast"] * 2) == "only one visit was so fast"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "name networks"),
        (("resnet5O",), "did you mean resnet50"),
        (("resnet50", "--all"), "--all takes all"),
        (("lenet5", "--batch", "0"), "whole numbers from 1"),
        (("lenet5", "--batch", "99999999"), "take --batch"),
        (("lenet5", "--backend", "tensorrt"), "tensorrt"),
        (("lenet5", "--precision", "two"), "a share such as 2%"),
        (("vgg16", "--input-size", "16"), "cannot take 16 px"),
        (("lenet5", "--page", "--out", "page.png"), "ends with .html"),
        (("lenet5", "--csv", "no/such/t.csv"), "no folder"),
        (("lenet5", "--csv", "."), "it is a folder"),
        (("lenet5", "--out", "x.html"), "add --page"),
        (("lenet5", "--batch", ""), "whole numbers from 1"),
        (("lenet5", "--seconds", "0"), "--seconds must be above 0"),
        (("--all", "--input-size", "1"), "no network takes images of 1 px"),
    ],
)
def test_what_is_refused_is_refused_in_one_line(opsin, quick, arguments, told):
    code, out, err = opsin("bench", *arguments)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert told in err
    assert quick == []


def test_a_backend_that_is_not_installed_names_the_mend(opsin, quick, monkeypatch):
    monkeypatch.setattr("opsin.runtime.backends.find_spec", lambda package: None)
    code, _, err = opsin("bench", "lenet5", "--backend", "openvino")
    assert code == 1
    assert "pip install 'opsin[openvino]'" in err


def test_nothing_but_failures_is_a_failure(opsin, monkeypatch):
    monkeypatch.setattr(
        session, "bench", lambda cells, *_: (Row(cell, "failed", 1, 2, 3, why="boom") for cell in cells)
    )
    code, out, _ = opsin("bench", "lenet5")
    assert (code, "lenet5 x1: failed: boom" in out) == (1, True)


@pytest.mark.slow
def test_it_measures(opsin):
    code, out, _ = opsin("bench", "lenet5", "resnet20_cifar", "--threads", "1", "--train", "--json", "--batch", "2")
    assert code == 0
    rows = json.loads(out)["rows"]
    assert [row["cell"]["train"] for row in rows] == [False, True] * 2
    for row in rows:
        assert row["status"] in ("ok", "unstable")
        assert 0 < row["p50"] <= row["p95"]
        assert row["memory"] > 4 * row["params"]
    assert rows[3]["p50"] > rows[2]["p50"]
