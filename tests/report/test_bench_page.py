"""The page of a bench: its charts' data, its sentences, and fits against scipy's."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from bench_sample import made
from scipy.stats import linregress

from opsin.bench.cell import FIRST
from opsin.errors import OpsinError
from opsin.report.bench import stories
from opsin.report.bench.fit import fit
from opsin.report.bench.page import figures_of, render, write_bench
from opsin.report.bench.record import Found

SOME = (*FIRST, "mobilenet_v2_100", "vit_tiny_patch16_224", "convnext_tiny", "swin_large_patch4_window7_224")


@pytest.fixture(scope="module")
def few():
    return made(SOME)


@pytest.mark.parametrize("log", [False, True])
def test_fits_are_scipys(log):
    draw = np.random.default_rng(0)
    x = draw.uniform(1, 100, 30)
    y = 3 * x**1.3 * draw.lognormal(0, 0.3, 30)
    own, theirs = fit(x, y, log), linregress(*((np.log10(x), np.log10(y)) if log else (x, y)))
    assert own is not None
    assert (own.slope, own.intercept, own.r2) == pytest.approx(
        (theirs.slope, theirs.intercept, theirs.rvalue**2)  # pyright: ignore[reportAttributeAccessIssue]
    )
    assert fit([1, 1, 2], [1, 2, 3]) is None


def test_the_charts_of_the_paper_are_there(few):
    names = [figure[0] for figures in figures_of(Found(few)).values() for figure in figures]
    assert names == ["accuracy", "speed", "one", "many", "params", "times", "memory"]
    powered = [figure[0] for figures in figures_of(Found(made(SOME, power=True))).values() for figure in figures]
    assert set(powered) - set(names) == {"watts", "power"}


def test_the_data_is_what_was_measured(few):
    text = render(few)
    payload = re.search(r'id="payload">(.*?)</script>', text, re.DOTALL)
    assert payload is not None
    data = json.loads(payload[1])["data"]
    spot = next(p for p in data["many-wide-points"] if p["model"] == "resnet50")
    row = next(r for r in few.rows if (r.cell.model, r.cell.batch) == ("resnet50", 16))
    assert (spot["x"], spot["y"]) == (row.macs, pytest.approx((row.p50 or 0) / 16))
    assert len(data["times-wide-points"]) == 5 * len(FIRST)
    hollow = {p["model"] for p in data["accuracy-wide-points"] if not p["solid"]}
    assert {"swin_large_patch4_window7_224", "alexnet"} <= hollow
    assert "resnet50" not in hollow


def test_verdicts_follow_the_figures(few):
    found = Found(few)
    assert "holds here" in stories.operations_verdict(found)
    assert "not measured" in stories.power_verdict(found)
    slow = tuple(
        replace(row, p50=(row.p50 or 0) * (40 if row.cell.model in ("mobilenet_v2_100", "resnet18") else 1))
        for row in few.rows
    )
    assert "holds only in part here" in stories.operations_verdict(Found(replace(few, rows=slow)))
    assert "does not hold here" in stories.power_verdict(
        Found(replace(few, rows=tuple(replace(row, watts=10.0 * row.cell.batch) for row in few.rows)))
    )


def test_unstable_rows_are_told(few):
    rows = tuple(replace(row, status="unstable", why="other work took 1.0 cores meanwhile") for row in few.rows)
    text = render(replace(few, rows=rows))
    assert f"{len(rows)} of {len(rows)} rows are unstable" in text
    assert "other work took 1.0 cores" in text


def test_sentences_say_which_batches_were_measured(few):
    rows = tuple(row for row in few.rows if row.cell.batch > 1)
    found = Found(replace(few, rows=tuple(replace(row, watts=10.0) for row in rows)))
    assert "than in batches of 2, one of" in stories.batches(found)
    assert stories.memory_of_params(found.at(2)).startswith("For batches of 2 ")
    assert "holds here" in stories.power_verdict(found)
    assert "holds" not in stories.power_verdict(Found(replace(found.bench, rows=found.bench.rows[:2])))


def test_each_network_at_another_batch(few):
    """As where rows failed."""
    models = list(dict.fromkeys(row.cell.model for row in few.rows))
    rows = [row for row in few.rows if (row.cell.model, row.cell.batch) in zip(models, (1, 2, 4), strict=False)]
    assert len(rows) == 3
    assert "<!doctype html>" in render(replace(few, rows=tuple(rows)))


def test_a_page_of_one_network_and_of_none(few, tmp_path):
    one = replace(few, rows=few.rows[:1])
    assert "<!doctype html>" in render(one)
    with pytest.raises(OpsinError, match="no row was measured"):
        write_bench(tmp_path / "bench.html", replace(few, rows=()))
    assert list(tmp_path.iterdir()) == []
