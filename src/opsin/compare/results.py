"""The results of a comparison: results.json (stable, docs/results.md) and page.json, what the page shows beside it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from opsin import __version__, zoo
from opsin.compare import pareto, statistics
from opsin.compare.details import details
from opsin.compare.gains import gains
from opsin.compare.measured import memory_mb
from opsin.compare.outcome import Outcome
from opsin.compare.pick import pick
from opsin.compare.schedule import Trained
from opsin.engine.record import Record
from opsin.tasks import metrics
from opsin.training.entry import STARTS, Entry

SCHEMA = 1


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
        "recipe": outcome.plan.main_recipe.to_dict() if outcome.plan.recipes else None,
        "recipes": {start: recipe.to_dict() for start, recipe in outcome.plan.recipes.items()},
        "fitted": {entry.name: _fitted(outcome, entry) for entry in outcome.plan.entries if outcome.plan.own},
        "plan": _plan(outcome),
        "rows": [],
        "gains": [],
        "baselines": outcome.baselines,
        "pick": None,
    }
    if not predicted["test"]:
        results["rows"] = [_row(outcome, entry) for entry in outcome.plan.entries]
        return results, details(outcome, None, logits)
    val, test = outcome.divided.rows("val"), outcome.divided.rows("test")
    on_val = statistics.resample(predicted["val"], labels[val], k, outcome.metric, outcome.groups(val))
    on_test = statistics.resample(predicted["test"], labels[test], k, "top1", outcome.groups(test))
    rows = [
        _row(outcome, entry) | _scores(outcome, entry.name, predicted, labels[val], labels[test], k, on_test)
        if entry.name in predicted["test"]
        else _row(outcome, entry)
        for entry in outcome.plan.entries
    ]
    for row in rows:
        row["gain"] = _gain(row, rows, on_test)
    _mark_fronts(rows)
    results["rows"] = rows
    on_validation = {row["entry"]: row["val_mean"] for row in rows if row["val_mean"] is not None}
    results["gains"] = gains(outcome.plan.entries, on_test, on_validation)
    finished = list(predicted["val"])
    p50 = {name: outcome.latency[name].p50 for name in finished}
    macs = {name: outcome.counts[name].macs for name in finished}
    picked = pick(on_val, p50, macs, outcome.request.margin)
    entry = outcome.plan.entry(picked.model)
    results["pick"] = picked.record() | {"entry": entry.name, "model": entry.model, "start": entry.start}
    return results, details(outcome, picked.model, logits)


def _logits(outcome: Outcome, part: str) -> dict[str, dict[int, np.ndarray]]:
    found: dict[str, dict[int, np.ndarray]] = {}
    for name, trained in outcome.trained.items():
        for seed, run in sorted(trained.runs.items()):
            if run["status"] == "ok":
                path = Record(outcome.run_folder(name, seed)).predictions
                with np.load(path) as arrays:
                    found.setdefault(name, {})[seed] = arrays[part]
    return found


def _data(outcome: Outcome) -> dict[str, Any]:
    source, divided = outcome.scanned.source, outcome.divided
    parts = {part: divided.rows(part) for part in ("train", "val", "test")}
    notes = list(divided.notes)
    enlarged = {each.enlargement(outcome.scanned.native_sizes) for each in outcome.preprocess.values()}
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


def _fitted(outcome: Outcome, entry: Entry) -> dict[str, Any]:
    """What an entry's own recipe became, each change in words, and whether its learning rate was tuned."""
    return outcome.plan.own[entry.name].to_dict() | {"tuned": outcome.plan.tuned(entry)}


def _plan(outcome: Outcome) -> dict[str, Any]:
    plan = outcome.plan
    epochs = sorted({plan.recipe_of(entry).epochs for entry in plan.entries})
    return {
        "models": list(dict.fromkeys(entry.model for entry in plan.entries)),
        "entries": list(plan.names),
        "starts": sorted({entry.start for entry in plan.entries}, key=STARTS.index),
        "left_out": list(plan.left_out),
        "input_size": plan.input_size,
        "seeds": list(plan.seeds),
        "epochs": epochs[-1] if plan.own else plan.main_recipe.epochs if plan.recipes else None,
        "recipes": list(dict.fromkeys(each.asked for each in plan.own.values())),
        "metric": outcome.metric,
        "margin": outcome.request.margin,
        "minutes": plan.minutes,
        "tune": plan.tune,
        "folds": plan.folds,
        "notes": list(plan.notes),
    }


def _row(outcome: Outcome, entry: Entry) -> dict[str, Any]:
    """What is known of an entry whether its runs ended well or not."""
    name, card = entry.name, zoo.card(entry.model)
    trained, arguments, count = outcome.trained[name], outcome.arguments[name], outcome.counts[name]
    good, latency = {seed: trained.runs[seed] for seed in trained.seeds()}, outcome.latency.get(name)
    none = {"strength": None, "chosen_on": None}
    probe = next((run["probe"] for run in good.values() if "probe" in run), none)
    return {
        "entry": name,
        "model": entry.model,
        "start": entry.start,
        "recipe": outcome.plan.own[name].asked if name in outcome.plan.own else None,
        "weights": _weights(entry),
        "family": card.family,
        "year": card.year,
        "status": _status(trained),
        "seeds": sorted(good),
        **dict.fromkeys(SCORES),
        "params": count.params,
        "macs": count.macs,
        "input_size": arguments["input_size"],
        "learning_rate": trained.rate,
        "probe_strength": probe["strength"],
        "probe_chosen_on": probe["chosen_on"],
        "latency_ms_p50": latency.p50 if latency else None,
        "latency_ms_p95": latency.p95 if latency else None,
        "peak_memory_mb": _memory(outcome, entry, good),
        "train_seconds": sum(run["train_seconds"] for run in good.values()) / len(good) if good else None,
        "gain": None,
        "pareto": False,
        "pareto_latency": False,
    }


def _weights(entry: Entry) -> dict[str, Any] | None:
    origin = entry.origin
    if origin is None:
        return None
    return {"name": origin.name, "licence": origin.licence, "file": origin.file, "sha256": origin.sha256}


def _memory(outcome: Outcome, entry: Entry, good: dict[int, dict[str, Any]]) -> float | None:
    """MiB at the peak of a training step; None for an entry that is not trained."""
    if entry.start == "probe":
        return None
    counted = [run["peak_memory_mb"] for run in good.values() if "peak_memory_mb" in run]
    return max(counted) if counted else memory_mb(entry.model, outcome.arguments[entry.name], outcome.batch_size(entry))


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


def _gain(row: dict[str, Any], rows: list[dict[str, Any]], on_test: statistics.Resampled) -> dict[str, Any] | None:
    """What a start brings over the first other start of the same network that stands among the rows before it."""
    same = (other for other in rows if other["model"] == row["model"] and other["top1_mean"] is not None)
    base = next(same, row)
    if base is row or row["top1_mean"] is None:
        return None
    gain, interval = on_test.gain(row["entry"], base["entry"])
    return {"over": base["entry"], "top1": gain, "ci": [interval.low, interval.high], "ci_over": interval.over}


def _mark_fronts(rows: list[dict[str, Any]]) -> None:
    """Sets `pareto` (test accuracy against MACs) and `pareto_latency` (against the median latency)."""
    scored = [row for row in rows if row["top1_mean"] is not None]
    accuracy = [row["top1_mean"] for row in scored]
    for mark, cost in (("pareto", "macs"), ("pareto_latency", "latency_ms_p50")):
        for row, on_front in zip(scored, pareto.pareto_front([row[cost] for row in scored], accuracy), strict=True):
            row[mark] = bool(on_front)
