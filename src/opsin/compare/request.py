"""What is asked of a comparison."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from opsin import recipes
from opsin.compare import several
from opsin.device import choose_device
from opsin.engine.recipe import Recipe
from opsin.errors import OpsinError, unknown
from opsin.launch.cluster import check_address
from opsin.lineups import choose
from opsin.tasks import metrics
from opsin.training.entry import Start, parse_starts
from opsin.weights import create
from opsin.zoo import list_models


@dataclass(frozen=True)
class Request:
    """Data and options of a comparison, checked on creation (OpsinError) as far as that goes without the images.

    Attributes:
        data: a folder of class folders, a list, arrays, or a set by its name (see opsin.data.sources).
        models: names of networks; None for a line-up that suits the images.
        lineup: "small", "history", "large" or "public" instead of names.
        start: what the networks start from: "scratch", "probe" or "finetune", several with commas between them; or
            "auto" (see opsin.compare.starts).
        weights: which weights a network starts from, by its name, as `pretrained` of `opsin.create_model` takes them;
            by default its first public ones.
        folds: of a probe's cross-validation; 0 to choose on the validation part.
        seeds: runs of each network, each with its own initial weights and order.
        epochs: passes over the training part, instead of the recipe's.
        minutes: a budget for the whole comparison instead; what gives way to it, in order: image size, the dearest
            networks, seeds, epochs.
        recipe: a name, or a .toml or .json file; by default "modern" from scratch and "finetune" from public weights.
            One of a paper is fitted to the images, and trains from scratch; "era" stands for that of each network's
            own paper. Several with commas between them: each network is trained by each of them, from scratch, and
            what they gained is told apart from what the networks gained.
        input_size: the images' side in pixels; by default the images' own, from 16 to 64 (224 on an accelerator).
        metric: "top1", "balanced" or "macro_f1"; by default balanced where the largest class has more than three
            times the images of the smallest, else top1.
        margin: how much less than the best the pick may have, in 0..1.
        tune: whether a short probe on validation chooses each network's learning rate.
        groups: a regular expression on the images' paths, or a column of metadata.csv: images of one group stay in
            one part.
        skip_bad: whether images that cannot be read are left out, and listed, instead of stopping the comparison.
        root: where a copy of a named set lies, if not in the cache folder.
        out: the folder; by default opsin-runs/<data>-<hash of what was asked>.
        device: "auto", "cpu", "cuda" or "mps".
        workers: processes; by default one for each core on a CPU, one on an accelerator.
        cluster: "auto", or HOST:PORT of a Ray cluster's head: the workers are on its nodes (see opsin.launch.ray), by
            default one for each of its CPUs, or GPUs where the device is CUDA.
        command: the command line, for the record.
    """

    data: str
    models: tuple[str, ...] | None = None
    lineup: str | None = None
    start: str = "auto"
    weights: Mapping[str, str] = field(default_factory=dict)
    folds: int | None = None
    seeds: int = 2
    epochs: int | None = None
    minutes: float | None = None
    recipe: str | None = None
    input_size: int | None = None
    metric: str | None = None
    margin: float = 0.01
    tune: bool = True
    groups: str | None = None
    skip_bad: bool = False
    root: Path | None = None
    out: Path | None = None
    device: str = "auto"
    workers: int | None = None
    cluster: str | None = None
    command: str = ""

    def __post_init__(self):
        checks = {
            f"--seeds must be at least 1, not {self.seeds}": self.seeds >= 1,
            f"--epochs must be at least 1, not {self.epochs}": self.epochs is None or self.epochs >= 1,
            f"--minutes must be above 0, not {self.minutes}": self.minutes is None or self.minutes > 0,
            "--minutes and --epochs exclude each other: give one of them": None in (self.minutes, self.epochs),
            f"--input-size must be at least 1, not {self.input_size}": self.input_size is None or self.input_size > 0,
            f"--margin must be from 0 to below 1 (0.01 is one point), not {self.margin}": 0 <= self.margin < 1,
            f"--folds must be 0, or at least 2, not {self.folds}": self.folds is None
            or self.folds == 0
            or self.folds > 1,
            f"--workers must be at least 1, not {self.workers}": self.workers is None or self.workers >= 1,
        }
        for line, holds in checks.items():
            if not holds:
                raise OpsinError(line)
        if self.metric is not None:
            metrics.find(self.metric)
        if self.models is not None or self.lineup is not None:
            choose(self.models, self.lineup, 0)
        for name in self.weights:
            if name not in (self.models or list_models()):
                raise unknown("network in --weights", name, self.models or list_models())
        if self.several and parse_starts(self.start.replace("auto", "scratch")) != ("scratch",):
            raise OpsinError(f"--recipe {self.recipe} trains from scratch: leave --start {self.start} out")
        if self.weights and self.starts == ("scratch",):
            raise OpsinError("--weights and --start scratch exclude each other: give one of them")
        if self.cluster is not None:
            check_address(self.cluster)
        _ = self.recipe_for("scratch"), self.recipe_for("finetune"), self.device_type

    @property
    def starts(self) -> tuple[Start, ...] | None:
        """What the networks start from; None where that is to be seen."""
        if self.several:
            return ("scratch",)
        return None if self.start == "auto" else parse_starts(self.start)

    @property
    def several(self) -> tuple[str, ...]:
        """The recipes, where they are fitted to images and networks; empty where one serves all as it is."""
        names = several.named(self.recipe)
        return names if len(names) > 1 or several.FITTED.issuperset(names) else ()

    def recipe_for(self, start: Start) -> Recipe:
        """The recipe of a start, with the epochs that were asked for."""
        one = None if self.several else self.recipe
        recipe = recipes.recipe(one or {"finetune": "finetune"}.get(start, "modern"))
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
        """What makes it another comparison: the data and all that changes a run; not what is only read off the runs.

        Raises OpsinError for a file of weights that cannot be read.
        """
        asked = {
            "data": fingerprint,
            "models": list(self.models) if self.models else None,
            "lineup": self.lineup,
            "seeds": self.seeds,
            "recipe": self.recipe_for("scratch").to_dict(),
            "finetune": self.recipe_for("finetune").to_dict(),
            "start": self.starts and list(self.starts),
            "weights": {name: create.fingerprint(weights) for name, weights in self.weights.items()},
            "folds": self.folds,
            "minutes": self.minutes,
            "input_size": self.input_size,
            "tune": self.tune,
            "device": self.device_type,
        }
        if not self.several:
            return asked
        own = {name: several.ERA if name == several.ERA else recipes.recipe(name).to_dict() for name in self.several}
        return asked | {"recipe": None, "finetune": None, "recipes": own, "epochs": self.epochs}
