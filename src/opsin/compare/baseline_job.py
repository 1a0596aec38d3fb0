"""The baselines of a comparison as a task of the pool, kept in its folder once they are fitted."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from opsin.compare.baselines import Part, run_baselines
from opsin.files import write_json


@dataclass(frozen=True)
class BaselineJob:
    """`images` is a .npy file of uint8 [n, C, S, S], at most 32 px; `table` a .npz file with labels and parts [n]."""

    file: Path
    images: Path
    table: Path
    n_classes: int
    metric: str
    groups: tuple[str, ...] | None

    def reads(self) -> tuple[Path, ...]:
        return self.images, self.table

    @property
    def writes(self) -> Path:
        return self.file

    def elsewhere(self, reads: Mapping[Path, Path], writes: Path) -> "BaselineJob":
        """The same with its files on another machine (see `opsin.launch.node.Travels`)."""
        return replace(self, file=writes, images=reads[self.images], table=reads[self.table])

    def ended(self) -> list[dict[str, Any]] | None:
        """The rows of an earlier run; None where they are not fitted yet, or not readable any more."""
        try:
            return json.loads(self.file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None


def run(job: BaselineJob, report: Callable[[Any], None]) -> list[dict[str, Any]]:
    """Fits and scores the baselines, unless the file of an earlier run has them; returns their rows."""
    if ended := job.ended():
        return ended
    images, table = np.load(job.images, mmap_mode="r"), np.load(job.table)
    labels, parts = table["labels"], table["parts"]
    rows = {part: np.flatnonzero(parts == part) for part in ("train", "val", "test")}
    train, val, test = (Part(images[rows[part]], labels[rows[part]]) for part in rows)
    groups = None if job.groups is None else [job.groups[i] for i in rows["test"]]
    records = [found.record() for found in run_baselines(train, val, test, job.n_classes, job.metric, groups)]
    write_json(job.file, records)
    return records
