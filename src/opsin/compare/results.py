"""The results of a comparison: results.json (stable, docs/results.md) and page.json, what the page shows beside it."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from opsin import __version__, zoo
from opsin.compare import pareto, statistics
from opsin.compare.measured import memory_mb
from opsin.compare.pick import pick
from opsin.compare.plan import Plan
from opsin.compare.request import Request
from opsin.compare.schedule import Trained
from opsin.cost.count import Count
from opsin.cost.measure import Latency
from opsin.data.cache import thumbnail
from opsin.data.preprocess import Preprocess
from opsin.data.scan import Scan
from opsin.data.split import Split
from opsin.engine.record import Record
from opsin.tasks import metrics

SCHEMA = 1
MISTAKES, SAMPLES, SIDE = 24, 20, 96
"""How many pictures the page shows of each, and their greatest side in pixels."""


def default_metric(request: Request, scanned: Scan) -> str:
    """The one that was asked for; else balanced where the largest class has over three times the smallest's images."""
    if request.metric:
        return request.metric
    counts = np.bincount(scanned.source.labels, minlength=len(scanned.source.classes))
    return "balanced" if counts.max() > 3 * counts.min() else "top1"


@dataclass(frozen=True)
class Outcome:
    """All that is known when the last run has ended.

    `val` and `test` hold the logits of each network by seed, [n, K], of the networks that have any.
    """

    request: Request
    plan: Plan
    scanned: Scan
    divided: Split
    trained: dict[str, Trained]
    counts: dict[str, Count]
    arguments: dict[str, dict[str, Any]]
    latency: dict[str, Latency]
    machine: dict[str, Any]
    baselines: list[dict[str, Any]]
    preprocess: dict[int, Preprocess]
    folder: Path
    seconds: float

    @property
    def sizes(self) -> list[int]:
        """The input sizes that the networks have, in pixels."""
        return sorted({self.plan.size_of(model) for model in self.plan.models})

    @property
    def metric(self) -> str:
        return default_metric(self.request, self.scanned)

    @property
    def batch_size(self) -> int:
        return self.plan.recipe.batch(len(self.divided.rows("train")))

    def groups(self, rows: np.ndarray) -> list[str] | None:
        groups = self.scanned.source.groups
        return None if groups is None else [groups[i] for i in rows]

    def run_folder(self, model: str, seed: int) -> Path:
        return self.folder / "runs" / model / f"seed-{seed}"


def assemble(outcome: Outcome) -> tuple[dict[str, Any], dict[str, Any]]:
    """results.json and page.json. The test part's predictions are read here, once the runs have ended."""
    labels, k = outcome.scanned.source.labels, len(outcome.scanned.source.classes)
    logits = {part: _logits(outcome, part) for part in ("val", "test")}
    predicted = {
        part: {model: {seed: scores.argmax(1) for seed, scores in runs.items()} for model, runs in models.items()}
        for part, models in logits.items()
    }
    results = {
        "schema": SCHEMA,
        "opsin": __version__,
        "data": _data(outcome),
        "machine": outcome.machine,
        "command": outcome.request.command,
        "started": (datetime.now(UTC) - timedelta(seconds=outcome.seconds)).isoformat(timespec="seconds"),
        "seconds": outcome.seconds,
        "recipe": outcome.plan.recipe.to_dict(),
        "plan": _plan(outcome),
        "rows": [],
        "baselines": outcome.baselines,
        "pick": None,
    }
    if not predicted["test"]:
        results["rows"] = [_row(outcome, model) for model in outcome.plan.models]
        return results, _page(outcome, None, logits)
    val, test = outcome.divided.rows("val"), outcome.divided.rows("test")
    on_val = statistics.resample(predicted["val"], labels[val], k, outcome.metric, outcome.groups(val))
    on_test = statistics.resample(predicted["test"], labels[test], k, "top1", outcome.groups(test))
    rows = [
        _row(outcome, model) | _scores(outcome, model, predicted, labels[val], labels[test], k, on_test)
        if model in predicted["test"]
        else _row(outcome, model)
        for model in outcome.plan.models
    ]
    _mark_fronts(rows)
    results["rows"] = rows
    finished = list(predicted["val"])
    p50 = {model: outcome.latency[model].p50 for model in finished}
    macs = {model: outcome.counts[model].macs for model in finished}
    picked = pick(on_val, p50, macs, outcome.request.margin)
    results["pick"] = picked.record()
    return results, _page(outcome, picked.model, logits)


def _logits(outcome: Outcome, part: str) -> dict[str, dict[int, np.ndarray]]:
    found: dict[str, dict[int, np.ndarray]] = {}
    for model, trained in outcome.trained.items():
        for seed, run in sorted(trained.runs.items()):
            if run["status"] == "ok":
                path = Record(outcome.run_folder(model, seed)).predictions
                with np.load(path) as arrays:
                    found.setdefault(model, {})[seed] = arrays[part]
    return found


def _data(outcome: Outcome) -> dict[str, Any]:
    source, divided = outcome.scanned.source, outcome.divided
    parts = {part: divided.rows(part) for part in ("train", "val", "test")}
    notes = list(divided.notes)
    enlarged = {outcome.preprocess[size].enlargement(outcome.scanned.native_sizes) for size in outcome.sizes}
    notes += sorted(note for note in enlarged if note)
    k = len(source.classes)
    return {
        "name": source.name,
        "path": None if source.path is None else str(source.path),
        "fingerprint": outcome.scanned.fingerprint,
        "classes": list(source.classes),
        **{f"n_{part}": len(rows) for part, rows in parts.items()},
        "class_counts": {part: np.bincount(source.labels[rows], minlength=k).tolist() for part, rows in parts.items()},
        "channels": outcome.scanned.channels,
        "native_sizes": [list(size) for size in outcome.scanned.native_sizes[:5]],
        "split": divided.how,
        "groups": outcome.request.groups,
        "duplicates": [list(same) for same in divided.duplicates],
        "notes": notes,
    }


def _plan(outcome: Outcome) -> dict[str, Any]:
    plan = outcome.plan
    return {
        "models": list(plan.models),
        "left_out": list(plan.left_out),
        "input_size": plan.input_size,
        "seeds": list(plan.seeds),
        "epochs": plan.recipe.epochs,
        "metric": outcome.metric,
        "margin": outcome.request.margin,
        "minutes": plan.minutes,
        "tune": plan.tune,
        "notes": list(plan.notes),
    }


def _row(outcome: Outcome, model: str) -> dict[str, Any]:
    """What is known of a network whether its runs ended well or not."""
    card, trained, arguments = zoo.card(model), outcome.trained[model], outcome.arguments[model]
    good = {seed: run for seed, run in trained.runs.items() if run["status"] == "ok"}
    memory = [run["peak_memory_mb"] for run in good.values() if "peak_memory_mb" in run]
    return {
        "model": model,
        "family": card.family,
        "year": card.year,
        "status": _status(trained),
        "seeds": sorted(good),
        **dict.fromkeys(SCORES),
        "params": outcome.counts[model].params,
        "macs": outcome.counts[model].macs,
        "input_size": arguments["input_size"],
        "learning_rate": trained.rate,
        "latency_ms_p50": outcome.latency[model].p50,
        "latency_ms_p95": outcome.latency[model].p95,
        "peak_memory_mb": max(memory) if memory else memory_mb(model, arguments, outcome.batch_size),
        "train_seconds": sum(run["train_seconds"] for run in good.values()) / len(good) if good else None,
        "pareto": False,
        "pareto_latency": False,
    }


SCORES = ("top1_mean", "top1_ci", "ci_over", "top1_by_seed", "balanced_mean", "macro_f1_mean", "val_mean")


def _status(trained: Trained) -> str:
    """ "ok" where every run ended well; else what failed, and for which seeds if some did not."""
    if trained.failure:
        return trained.failure
    failed = {seed: run["status"] for seed, run in sorted(trained.runs.items()) if run["status"] != "ok"}
    if not failed:
        return "ok"
    status = next(iter(failed.values()))
    if len(failed) == len(trained.runs):
        return status
    return f"ok, but seed {', '.join(map(str, failed))} {status}"


def _scores(
    outcome: Outcome,
    model: str,
    predicted: dict[str, dict[str, dict[int, np.ndarray]]],
    val_labels: np.ndarray,
    test_labels: np.ndarray,
    k: int,
    on_test: statistics.Resampled,
) -> dict[str, Any]:
    test = [metrics.scores(test_labels, found, k) for found in predicted["test"][model].values()]
    val = [metrics.scores(val_labels, found, k)[outcome.metric] for found in predicted["val"][model].values()]
    interval = on_test.interval(model)
    return {
        "top1_mean": float(np.mean([scores["top1"] for scores in test])),
        "top1_ci": [interval.low, interval.high],
        "ci_over": interval.over,
        "top1_by_seed": [scores["top1"] for scores in test],
        "balanced_mean": float(np.mean([scores["balanced"] for scores in test])),
        "macro_f1_mean": float(np.mean([scores["macro_f1"] for scores in test])),
        "val_mean": float(np.mean(val)),
    }


def _mark_fronts(rows: list[dict[str, Any]]) -> None:
    """Sets `pareto` (test accuracy against MACs) and `pareto_latency` (against the median latency)."""
    scored = [row for row in rows if row["top1_mean"] is not None]
    accuracy = [row["top1_mean"] for row in scored]
    for mark, cost in (("pareto", "macs"), ("pareto_latency", "latency_ms_p50")):
        for row, on_front in zip(scored, pareto.pareto_front([row[cost] for row in scored], accuracy), strict=True):
            row[mark] = bool(on_front)


def _page(outcome: Outcome, picked: str | None, logits: dict[str, dict[str, dict[int, np.ndarray]]]) -> dict[str, Any]:
    page = {
        "curves": {model: _curves(outcome, trained) for model, trained in outcome.trained.items()},
        "tuning": {model: _tuning(trained) for model, trained in outcome.trained.items() if trained.probes},
        "samples": _samples(outcome),
        "cards": {model: _card(model) for model in outcome.plan.models},
    }
    if picked is None:
        return page
    classes = list(outcome.scanned.source.classes)
    rows = outcome.divided.rows("test")
    truth = outcome.scanned.source.labels[rows]
    runs = logits["test"][picked]
    matrix = sum(metrics.confusion(truth, scores.argmax(1), len(classes)) for scores in runs.values())
    bundle = Record(outcome.run_folder(picked, min(runs))).bundle
    return page | {
        "confusion": {"model": picked, "seeds": len(runs), "classes": classes, "matrix": np.asarray(matrix).tolist()},
        "mistakes": _mistakes(outcome, rows, truth, np.stack(list(runs.values()))),
        "files": {"bundle": bundle.relative_to(outcome.folder).as_posix()},
    }


def _curves(outcome: Outcome, trained: Trained) -> dict[str, dict[str, list[float]]]:
    curves = {}
    for seed, run in sorted(trained.runs.items()):
        if run["status"] == "ok":
            epochs = Record(outcome.run_folder(trained.model, seed)).read_metrics()
            keys = ("epoch", "train_loss", "val_loss", "val_top1")
            curves[str(seed)] = {key: [epoch[key] for epoch in epochs] for key in keys}
    return curves


def _tuning(trained: Trained) -> dict[str, Any]:
    figures = [trained.probes[rate].get("figures", {}) for rate in sorted(trained.probes)]
    return {
        "rates": sorted(trained.probes),
        "val_score": [entry.get("val_top1") for entry in figures],
        "val_loss": [entry.get("val_loss") for entry in figures],
        "chosen": trained.rate,
    }


def _samples(outcome: Outcome) -> list[dict[str, str]]:
    """Images of the test part, one a class as far as they go, then a second one."""
    source, rows = outcome.scanned.source, outcome.divided.rows("test")
    nth = {row: int(np.sum(source.labels[rows[:i]] == source.labels[row])) for i, row in enumerate(rows)}
    chosen = sorted(rows, key=lambda row: (nth[row], source.labels[row]))[:SAMPLES]
    chosen.sort(key=lambda row: source.labels[row])
    return [{"label": source.classes[source.labels[row]], "image": thumbnail(source, int(row), SIDE)} for row in chosen]


def _mistakes(outcome: Outcome, rows: np.ndarray, truth: np.ndarray, logits: np.ndarray) -> list[dict[str, Any]]:
    """The images that most seeds get wrong, of these the most confident first. logits [seeds, n, K]."""
    source = outcome.scanned.source
    shifted = np.exp(logits - logits.max(axis=2, keepdims=True))
    mean = (shifted / shifted.sum(axis=2, keepdims=True)).mean(axis=0)  # n K
    wrong = (logits.argmax(2) != truth).sum(axis=0)
    mean[np.arange(len(truth)), truth] = -1.0
    answer, confidence = mean.argmax(1), mean.max(1)
    worst = sorted(np.flatnonzero(wrong), key=lambda i: (-wrong[i], -confidence[i]))[:MISTAKES]
    return [
        {
            "id": source.ids[rows[i]],
            "truth": source.classes[truth[i]],
            "predicted": source.classes[answer[i]],
            "confidence": float(confidence[i]),
            "wrong_in": int(wrong[i]),
            "of": len(logits),
            "image": thumbnail(source, int(rows[i]), SIDE),
        }
        for i in worst
    ]


def _card(model: str) -> dict[str, Any]:
    card = zoo.card(model)
    return {
        "family": card.family,
        **asdict(card.paper),
        "inputs": str(card.inputs),
        "published": [asdict(row) for row in card.published],
        "departures": list(card.departures),
        "note": card.note,
        "params": card.params,
        "macs": card.macs,
    }
