"""What the page of a comparison shows beside results.json: curves, samples, the pick's mistakes, cards."""

from collections import Counter
from dataclasses import asdict
from typing import Any

import numpy as np

from opsin import zoo
from opsin.compare.outcome import Outcome
from opsin.compare.schedule import Trained
from opsin.data.cache import thumbnail
from opsin.engine.record import Record
from opsin.tasks import metrics

MISTAKES, SAMPLES, SIDE = 24, 20, 96
"""How many pictures the page shows of each, and their greatest side in pixels."""

Logits = dict[str, dict[str, dict[int, np.ndarray]]]
"""Logits [n, K] by part, entry and seed."""


def details(outcome: Outcome, picked: str | None, logits: Logits) -> dict[str, Any]:
    """page.json. `picked` is the network whose errors are shown, if there is one."""
    page = {
        "curves": {name: _curves(outcome, trained) for name, trained in outcome.trained.items()},
        "tuning": {name: _tuning(trained) for name, trained in outcome.trained.items() if trained.probes},
        "samples": _samples(outcome),
        "cards": {entry.model: _card(entry.model) for entry in outcome.plan.entries},
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
        "confusion": {
            "entry": picked,
            "model": outcome.plan.entry(picked).model,
            "seeds": len(runs),
            "classes": classes,
            "matrix": np.asarray(matrix).tolist(),
        },
        "mistakes": _mistakes(outcome, rows, truth, np.stack(list(runs.values()))),
        "files": {"bundle": bundle.relative_to(outcome.folder).as_posix()},
    }


def _curves(outcome: Outcome, trained: Trained) -> dict[str, dict[str, list[float]]]:
    curves = {}
    for seed, run in sorted(trained.runs.items()):
        if run["status"] == "ok" and trained.entry.start != "probe":
            epochs = Record(outcome.run_folder(trained.entry.name, seed)).read_metrics()
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
    seen: Counter[int] = Counter()
    nth = {}
    for row in rows:
        label = int(source.labels[row])
        nth[row], seen[label] = seen[label], seen[label] + 1
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
