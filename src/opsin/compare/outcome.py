"""All that is known when the last run of a comparison has ended."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from opsin.compare.plan import Plan
from opsin.compare.request import Request
from opsin.compare.schedule import Trained, run_folder
from opsin.costs.count import Count
from opsin.costs.measure import Latency
from opsin.data.preprocess import Preprocess
from opsin.data.scan import Scan
from opsin.data.split import Split
from opsin.training.entry import Entry


def default_metric(request: Request, scanned: Scan) -> str:
    """The one that was asked for; else balanced where the largest class has over three times the smallest's images."""
    if request.metric:
        return request.metric
    counts = np.bincount(scanned.source.labels, minlength=len(scanned.source.classes))
    return "balanced" if counts.max() > 3 * counts.min() else "top1"


@dataclass(frozen=True)
class Outcome:
    """All that is known when the last run has ended, by the names of the plan's entries.

    `latency` has the entries with a run that ended well.
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
    preprocess: dict[str, Preprocess]
    folder: Path
    seconds: float

    @property
    def metric(self) -> str:
        return default_metric(self.request, self.scanned)

    def batch_size(self, entry: Entry) -> int:
        return self.plan.recipe_of(entry).batch(len(self.divided.rows("train")))

    def groups(self, rows: np.ndarray) -> list[str] | None:
        groups = self.scanned.source.groups
        return None if groups is None else [groups[i] for i in rows]

    def run_folder(self, name: str, seed: int) -> Path:
        return run_folder(self.folder, name, f"seed-{seed}")
