"""What is asked of a comparison."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from opsin import recipes
from opsin.compare.lineup import choose
from opsin.device import choose_device
from opsin.engine.recipe import Recipe
from opsin.errors import OpsinError
from opsin.tasks import metrics


@dataclass(frozen=True)
class Request:
    """Data and options of a comparison, checked on creation (OpsinError) as far as that goes without the images.

    Attributes:
        data: "digits", or a folder of class folders (see opsin.data.source).
        models: names of networks; None for a line-up that suits the images.
        lineup: "small", "history" or "large" instead of names.
        seeds: runs of each network, each with its own initial weights and order.
        epochs: passes over the training part, instead of the recipe's.
        minutes: a budget for the whole comparison instead; what gives way to it, in order: image size, the dearest
            networks, seeds, epochs.
        recipe: a name, or a .toml or .json file.
        input_size: the images' side in pixels; by default the images' own, from 16 to 64 (224 on an accelerator).
        metric: "top1", "balanced" or "macro_f1"; by default balanced where the largest class has more than three
            times the images of the smallest, else top1.
        margin: how much less than the best the pick may have, in 0..1.
        tune: whether a short probe on validation chooses each network's learning rate.
        groups: a regular expression on the images' paths, or a column of metadata.csv: images of one group stay in
            one part.
        skip_bad: whether images that cannot be read are left out, and listed, instead of stopping the comparison.
        out: the folder; by default opsin-runs/<data>-<hash of what was asked>.
        device: "auto", "cpu", "cuda" or "mps".
        workers: processes; by default one for each core on a CPU, one on an accelerator.
        command: the command line, for the record.
    """

    data: str
    models: tuple[str, ...] | None = None
    lineup: str | None = None
    seeds: int = 2
    epochs: int | None = None
    minutes: float | None = None
    recipe: str = "modern"
    input_size: int | None = None
    metric: str | None = None
    margin: float = 0.01
    tune: bool = True
    groups: str | None = None
    skip_bad: bool = False
    out: Path | None = None
    device: str = "auto"
    workers: int | None = None
    command: str = ""

    def __post_init__(self):
        checks = {
            f"--seeds must be at least 1, not {self.seeds}": self.seeds >= 1,
            f"--epochs must be at least 1, not {self.epochs}": self.epochs is None or self.epochs >= 1,
            f"--minutes must be above 0, not {self.minutes}": self.minutes is None or self.minutes > 0,
            "--minutes and --epochs exclude each other: give one of them": None in (self.minutes, self.epochs),
            f"--input-size must be at least 1, not {self.input_size}": self.input_size is None or self.input_size > 0,
            f"--margin must be from 0 to below 1 (0.01 is one point), not {self.margin}": 0 <= self.margin < 1,
            f"--workers must be at least 1, not {self.workers}": self.workers is None or self.workers >= 1,
        }
        for line, holds in checks.items():
            if not holds:
                raise OpsinError(line)
        if self.metric is not None:
            metrics.find(self.metric)
        if self.models is not None or self.lineup is not None:
            choose(self.models, self.lineup, 0)
        _ = self.full_recipe, self.device_type

    @property
    def full_recipe(self) -> Recipe:
        """The recipe, with the epochs that were asked for."""
        recipe = recipes.recipe(self.recipe)
        return recipe if self.epochs is None else replace(recipe, epochs=self.epochs)

    @property
    def device_type(self) -> str:
        return choose_device(self.device).type

    @property
    def processes(self) -> int:
        if self.workers is not None:
            return self.workers
        if self.device_type != "cpu":
            return 1
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

    def identity(self, fingerprint: str) -> dict[str, Any]:
        """What makes it another comparison: the data and all that changes a run; not what is only read off the runs."""
        return {
            "data": fingerprint,
            "models": list(self.models) if self.models else None,
            "lineup": self.lineup,
            "seeds": self.seeds,
            "recipe": self.full_recipe.to_dict(),
            "minutes": self.minutes,
            "input_size": self.input_size,
            "tune": self.tune,
            "device": self.device_type,
        }
