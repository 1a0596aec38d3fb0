"""Two recipes end to end on digits: the runs, what is gained, the page, and the same command again."""

import io
import json

import numpy as np
import pytest
from rich.console import Console

from opsin.bundle import Bundle
from opsin.cli.compare import print_summary
from opsin.compare.comparison import run_comparison
from opsin.compare.request import Request
from opsin.engine.recipe import Recipe
from opsin.report.page import write_page

pytestmark = pytest.mark.slow
MODELS = ("lenet1989", "alexnet_32")
OPTIONS = {"models": MODELS, "recipe": "era,modern", "epochs": 1, "seeds": 2, "workers": 1}


@pytest.fixture(scope="module")
def met(tmp_path_factory):
    return run_comparison(Request("digits", out=tmp_path_factory.mktemp("met") / "out", **OPTIONS))


def test_each_run_had_its_recipe(met):
    """The recipe of 1989 has one image a step and no try of rates; that of 2012 cuts crops out of the originals."""
    rows = {row["entry"]: row for row in met.results["rows"]}
    assert list(rows) == [f"{model}-{recipe}" for model in MODELS for recipe in ("era", "modern")]
    assert {row["status"] for row in rows.values()} == {"ok"}
    for name, row in rows.items():
        fitted = met.results["fitted"][name]
        assert row["recipe"] == fitted["asked"] == name.rpartition("-")[2]
        for seed in (0, 1):
            run = json.loads((met.folder / "runs" / name / f"seed-{seed}" / "run.json").read_text())
            assert run["recipe"] == fitted["recipe"] | {"learning_rate": row["learning_rate"]}
        assert fitted["tuned"] is (row["recipe"] == "modern")
        tries = list((met.folder / "runs" / name).glob("lr-*"))
        assert len(tries) == (3 if fitted["tuned"] else 0)
    lenet = Recipe.from_dict(met.results["fitted"]["lenet1989-era"]["recipe"])
    assert (lenet.name, lenet.batch_size, lenet.epochs) == ("lenet1989", 1, 1)
    assert Recipe.from_dict(met.results["fitted"]["alexnet_32-era"]["recipe"]).looks_at_originals
    assert (met.results["recipe"], met.results["recipes"]) == (None, {})
    assert met.results["plan"]["recipes"] == ["era", "modern"]
    assert Bundle.read(met.bundle).recipe["epochs"] == 1


def test_what_was_gained_follows_from_the_predictions(met):
    right = {}
    for row in met.results["rows"]:
        right[row["entry"]] = np.mean(row["top1_by_seed"])
    (gain,) = met.results["gains"]
    for each in gain["networks"]:
        hand = right[f"{each['model']}-modern"] - right[f"{each['model']}-era"]
        assert each["training"]["top1"] == pytest.approx(hand)
    assert gain["oldest"] == "lenet1989"
    assert met.results["pick"]["entry"] in right


def test_the_same_again_runs_nothing(met):
    times = {path: path.stat().st_mtime_ns for path in met.folder.rglob("run.json")}
    again = run_comparison(Request("digits", out=met.folder, **OPTIONS | {"recipe": "modern, era"}))
    assert {path: path.stat().st_mtime_ns for path in met.folder.rglob("run.json")} == times
    assert again.results["gains"] == met.results["gains"]


def test_page_and_summary(met):
    page = write_page(met.folder)
    html = page.read_text(encoding="utf-8")
    assert "What the architecture gained, what the training gained" in html
    assert "epochs 90 → 1" in html
    out = io.StringIO()
    print_summary(Console(file=out, width=80, highlight=False), met, page)
    lines = out.getvalue().splitlines()
    assert "points from era to modern" in out.getvalue()
    assert max(len(line.rstrip()) for line in lines if not line.startswith(("Page:", "Predict:"))) <= 80
