"""Holds the results of the README's main command against what the README says of them."""

import json
from pathlib import Path

folders = sorted(Path("opsin-runs").glob("digits-*"), key=lambda folder: folder.stat().st_mtime)
results = json.loads((folders[-1] / "results.json").read_text())
rows = results["rows"]
assert all(row["status"] == "ok" for row in rows), [row["status"] for row in rows]
assert len({row["family"] for row in rows}) >= 10
assert (min(row["year"] for row in rows), max(row["year"] for row in rows)) == (1989, 2022)
assert all(len(row["seeds"]) >= 2 for row in rows)
accuracies = {row["model"]: round(row["top1_mean"], 4) for row in rows}
print(accuracies, f"{results['seconds']:.0f} s")
assert sum(accuracy >= 0.97 for accuracy in accuracies.values()) >= 7, accuracies
assert min(accuracies.values()) >= 0.92, accuracies
assert (folders[-1] / "report.html").stat().st_size > 100_000
