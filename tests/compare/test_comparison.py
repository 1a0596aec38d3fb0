"""The main job, end to end, on the built-in digits: it repeats, goes on where it was killed, and says what it did."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from opsin.bundle import Bundle
from opsin.compare.comparison import run_comparison
from opsin.compare.request import Request
from opsin.costs.count import count_model
from opsin.errors import OpsinError
from opsin.tasks import metrics

MODELS = ("lenet1989", "ciresan_mlp1")
OPTIONS = {"models": MODELS, "epochs": 2, "seeds": 2}
MEASURED = ("latency_ms_p50", "latency_ms_p95", "train_seconds", "pareto_latency")
pytestmark = pytest.mark.usefixtures("kept_workers")


def repeatable(results):
    """results.json without times, latency and what is drawn from it."""
    rows = [{key: value for key, value in row.items() if key not in MEASURED} for row in results["rows"]]
    baselines = [{key: value for key, value in row.items() if key != "seconds"} for row in results["baselines"]]
    kept = {key: results[key] for key in ("schema", "opsin", "data", "recipe", "plan")}
    return kept | {"rows": rows, "baselines": baselines}


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    out = tmp_path_factory.mktemp("first") / "out"
    return run_comparison(Request("digits", out=out, **OPTIONS))


def test_results_are_whole(first):
    results = json.loads((first.folder / "results.json").read_text())
    assert results == first.results
    data = results["data"]
    assert (data["n_train"] + data["n_val"] + data["n_test"], data["channels"]) == (1797, 1)
    assert len(data["classes"]) == 10
    assert any("enlarged to 16 px" in note for note in data["notes"])
    for row in results["rows"]:
        counted = count_model(row["model"], num_classes=10, in_chans=1, input_size=row["input_size"])
        assert (row["status"], row["seeds"], row["ci_over"]) == ("ok", [0, 1], "images and seeds")
        assert (row["params"], row["macs"]) == (counted.params, counted.macs)
        assert row["top1_ci"][0] <= row["top1_mean"] <= row["top1_ci"][1]
        assert row["top1_mean"] == pytest.approx(np.mean(row["top1_by_seed"]))
        assert row["latency_ms_p50"] <= row["latency_ms_p95"]
        assert row["learning_rate"] in (0.001, 0.003, 0.009)
        assert row["peak_memory_mb"] > 0
    names = ["majority class", "logistic regression on pixels", "RBF-SVM on pixels"]
    assert [row["name"] for row in results["baselines"]] == names
    assert results["baselines"][2]["top1"] > 0.97
    assert results["pick"]["model"] in MODELS
    assert sum(results["pick"]["picked_in_resamples"].values()) == 1000
    assert not (first.folder / "cache").exists()


def test_figures_follow_from_the_predictions(first):
    """An oracle apart from the results' code: accuracy from the runs' own files."""
    row = first.results["rows"][0]
    for seed, top1 in zip(row["seeds"], row["top1_by_seed"], strict=True):
        run = json.loads((first.folder / "runs" / row["model"] / f"seed-{seed}" / "run.json").read_text())
        assert run["figures"]["test_top1"] == pytest.approx(top1)
        assert run["recipe"]["learning_rate"] == row["learning_rate"]
        lines = (first.folder / "runs" / row["model"] / f"seed-{seed}" / "metrics.jsonl").read_text().splitlines()
        assert len(lines) == run["recipe"]["epochs"] == 2


def test_the_page_has_what_it_needs(first):
    page = json.loads((first.folder / "page.json").read_text())
    matrix = np.array(page["confusion"]["matrix"])
    assert matrix.sum() == 2 * first.results["data"]["n_test"]
    row = next(row for row in first.results["rows"] if row["model"] == first.results["pick"]["model"])
    assert metrics.of_confusion("top1", matrix) == pytest.approx(row["top1_mean"])
    assert page["cards"].keys() == set(MODELS)
    assert len(page["samples"]) == 20
    for mistake in page["mistakes"]:
        assert mistake["truth"] != mistake["predicted"]
        assert mistake["image"].startswith("data:image/png;base64,")


def test_the_bundle_stands_for_itself(first):
    page = json.loads((first.folder / "page.json").read_text())
    bundle = Bundle.read(first.folder / page["files"]["bundle"])
    assert bundle.classes == tuple(first.results["data"]["classes"])
    row = next(row for row in first.results["rows"] if row["model"] == bundle.model)
    assert (bundle.preprocess.size, bundle.preprocess.channels) == (row["input_size"], 1)


def test_the_same_again_gives_the_same(first, tmp_path):
    again = run_comparison(Request("digits", out=tmp_path / "out", workers=1, **OPTIONS))
    assert repeatable(again.results) == repeatable(first.results)


def test_what_has_ended_is_not_run_again(first):
    times = {path: path.stat().st_mtime_ns for path in first.folder.rglob("run.json")}
    assert len(times) == 2 * (3 + 2)
    wider = run_comparison(Request("digits", out=first.folder, margin=0.05, metric="macro_f1", **OPTIONS))
    assert {path: path.stat().st_mtime_ns for path in first.folder.rglob("run.json")} == times
    assert (wider.results["plan"]["margin"], wider.results["plan"]["metric"]) == (0.05, "macro_f1")
    assert wider.results["rows"][0]["top1_by_seed"] == first.results["rows"][0]["top1_by_seed"]


def test_what_was_deleted_or_damaged_is_made_again(first):
    """The folder of a finished comparison, half deleted by hand."""
    run = first.folder / "runs" / "lenet1989" / "seed-1"
    (run / "predictions.npz").unlink()
    (first.folder / "latency.json").write_text("{")
    (first.folder / "baselines-top1.json").write_text("[")
    again = run_comparison(Request("digits", out=first.folder, **OPTIONS))
    assert repeatable(again.results) == repeatable(first.results)
    assert (run / "predictions.npz").exists()


def test_a_folder_belongs_to_one_comparison(first):
    with pytest.raises(OpsinError, match=r"belongs to another comparison \(other seeds\)"):
        run_comparison(Request("digits", out=first.folder, models=MODELS, epochs=2, seeds=3))


@pytest.mark.slow
def test_killed_and_started_again_it_ends_the_same(first, tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "opsin.cli.main", "compare", "digits", "--models", ",".join(MODELS)]
    command += ["--epochs", "2", "--seeds", "2", "--out", str(out), "--json"]
    for ended in (1, 4, 8):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while len(list(out.rglob("run.json"))) < ended and process.poll() is None:
            time.sleep(0.02)
        assert process.poll() is None, "it ended before it was killed"
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    done = {path: path.read_bytes() for path in out.rglob("run.json")}
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert repeatable(json.loads(result.stdout)) == repeatable(first.results)
    assert all(path.read_bytes() == content for path, content in done.items())
    assert not list(Path(out).rglob(".*.safetensors*"))
