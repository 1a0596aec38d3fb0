"""Records of claims that were never run: every kind of chart, every verdict, effects; and one of the modules."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

PAPER = {
    "title": "A Paper of Depth",
    "authors": "Author, Other",
    "year": 2015,
    "venue": "A Venue",
    "url": "https://example.org/paper",
}
BASE: dict[str, Any] = {
    "schema": 1, "id": "X01", "title": "A claim", "statement": "Networks of more layers have a larger error.",
    "quote": "deeper is worse", "articles": [{"letter": "A", "title": "An article of networks"}], "year": 2015,
    "paper": PAPER, "measured": "27.94 and 28.54 % (table 2)", "checked": "paper", "kind": "training",
    "rule": "the interval of the difference lies above 0", "errs": "", "waits": "", "full": "", "verdict": "holds",
    "parts": [{"says": "the error grows", "found": "by 2.1 points", "holds": True},
              {"says": "by more than 10 points", "found": "2.1", "holds": False},
              {"says": "time", "found": "1.4 times", "holds": None}],
    "notes": ["Five seeds."], "effect": None, "charts": [], "tier": "quick", "data": "digits", "seeds": 5,
    "minutes": 3.5, "machine": {"cpu": "A CPU of 2 GHz", "threads": 2}, "versions": {"opsin": "0.1.0", "torch": "2.15"},
    "definition": "01234567", "images": None,
}  # fmt: skip
CHANGES = (("ELU", 1.7, 0.4), ("tanh", -6.2, -1.9), ("max pooling", 1.1, -0.3), ("batch norm", 2.4, 1.8),
           ("linear decay", 1.6, 0.9), ("no dropout", -2.0, 0.2))  # fmt: skip
"""What changes did in a large study and here, in points."""


def record(id: str, **changes: Any) -> dict[str, Any]:
    found = BASE | {"id": id, "title": f"The title of {id}", "command": f"opsin claims run {id}"} | changes
    return found | {"paper": PAPER | {"year": found["year"]}}


def curves(names: tuple[str, ...], epochs: int = 40) -> dict[str, list[list[float]]]:
    return {
        name: [[float(e), 90 * math.exp(-e * (0.15 - 0.025 * k)) + 4 + k] for e in range(1, epochs + 1)]
        for k, name in enumerate(names)
    }


def effect(what: str, mean: float, unit: str = "points", n: int = 5, seed: int = 0, **more: Any) -> dict[str, Any]:
    values = np.random.default_rng(seed).normal(mean, 0.2 * abs(mean) + 0.1, n).round(3).tolist()
    wide = 0.35 * abs(mean) + 0.1
    found = {"what": what, "unit": unit, "mean": mean, "low": mean - wide, "high": mean + wide, "n": n, "p": 0.0625,
             "values": values, "decides": None}  # fmt: skip
    return found | more


def charts() -> dict[str, dict[str, Any]]:
    """One of each kind, the larger ones as they come."""
    lines = curves(("plain 20", "plain 56", "residual 20", "residual 56"))
    draw = np.random.default_rng(1)
    macs = 10 ** draw.uniform(8, 10.3, 40)
    blocks = [(kind, k) for kind in ("plain", "residual") for k in range(1, 5)]
    rows = [[kind, f"block {k}", 6.0 + 60 * (kind == "plain") + 3.25 * k] for kind, k in blocks]
    spans = [["tanh", 1.25, 0.5, 2.0], ["ELU", -0.4, -0.9, 0.1], ["Leaky ReLU, slope 0.01", 0.05, -0.3, 0.4],
             ["sigmoid", 4.5, None, None]]  # fmt: skip
    return {
        "bars": {"kind": "bars", "title": "Test error after each layer is left out", "unit": "%", "log": False,
                 "rows": rows, "said": [["no better than chance", 90.0]], "stacked": False},
        "lines": {"kind": "lines", "title": "Training error by epoch", "x": "epoch", "y": "training error, %",
                  "lines": lines, "log": "y", "said": [["10 %", 10.0]],
                  "bands": {name: [[x, 0.85 * y, 1.2 * y] for x, y in own] for name, own in lines.items()}},
        "grid": {"kind": "grid", "title": "Times quicker", "unit": "times", "rows": ["batch 1", "batch 8", "batch 64"],
                 "columns": ["14 px", "28 px", "56 px"], "cells": [[0.9, 1.6, 2.75], [1.2, None, 4.1], [1.4, 3.0, 6.2]],
                 "log": True},
        "dots": {"kind": "dots", "title": "Products and time", "x": "MACs", "y": "ms", "log": "xy",
                 "dots": [[f"network {k}", float(m), float(m / 4e7 * draw.uniform(0.4, 2.5)), float(m / 100)]
                          for k, m in enumerate(macs)]},
        "ranges": {"kind": "ranges", "title": "Test error less that of ReLU", "unit": "points", "none": 0.0,
                   "log": False, "rows": spans},
        "table": {"kind": "table", "title": "As printed", "head": ["network", "error"],
                  "rows": [["first", "1.5 %"], ["second", "2.5 %"]]},
    }  # fmt: skip


def records() -> list[dict[str, Any]]:
    """A dozen records, every verdict and kind of chart among them."""
    one = charts()
    open = [
        record(f"R{k:02d}", year=2016, verdict="undecided", charts=[],
               effect=effect(f"test error without {name} less that with it", ours, seed=k, decides=40))
        for k, (name, _, ours) in enumerate(CHANGES)
    ]  # fmt: skip
    lower = effect("training error, plain 56 less plain 20", 2.1)
    ratio = effect(
        "epochs to 90 %, tanh over ReLU", 2.4, "times", low=None, high=None, values=[2.2, None, 2.6, 2.0, 3.1]
    )
    return [
        record("L01", year=1989, kind="exact", charts=[one["table"]], data=None, seeds=None, checked="arithmetic",
               statement="The first network has 9,760 parameters.", errs="It has them with its biases alone."),
        record("A01", year=2012, verdict="holds partly", charts=[one["lines"] | {"log": ""}], effect=ratio,
               checked="memory"),
        record("A02", year=2012, kind="cost", verdict="does not hold here", charts=[one["dots"], one["grid"]],
               errs="Time is no number of products."),
        record("D01", charts=[one["lines"]], effect=lower, full="`opsin claims run D01 --full` on a GPU"),
        record("D02", charts=[one["bars"]], verdict="does not hold here"),
        record("D03", charts=[one["ranges"], one["bars"] | {"stacked": True, "said": []}], verdict="undecided"),
        record("V01", year=2020, verdict="not run", parts=[], effect=None, seeds=None, minutes=None, machine=None,
               waits="It needs a data set of 300 million images."),
        *open,
    ]  # fmt: skip


def modules() -> dict[str, Any]:
    """The record of single changes, here and in a large study."""
    dots = {"kind": "dots", "title": "Points there and here", "x": "points there", "y": "points here", "log": "",
            "same": True, "dots": [[*change, 1.0] for change in CHANGES]}  # fmt: skip
    found = effect("rank correlation", 0.6, "of 1", values=[], p=None, low=-0.2, high=0.9)
    return record("modules", year=2016, quote="", articles=[], charts=[dots], effect=found, verdict="undecided")


def write(folder: Path, found: list[dict[str, Any]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for each in found:
        (folder / f"{each['id']}.json").write_text(json.dumps(each), encoding="utf-8")
    return folder
