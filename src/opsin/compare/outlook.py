"""What `opsin plan` says before anything is trained: what each network would take here, and what a comparison would do.

The comparison's part is its own code (`opsin.compare.planning`), so that both say the same.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from opsin import __version__, recipes, zoo
from opsin.compare import several
from opsin.compare.budget import Estimate, Floor
from opsin.compare.plan import Plan
from opsin.compare.planning import Speeds, default_size, make_plan
from opsin.compare.request import Request
from opsin.compare.setting import Setting
from opsin.costs.free import free_memory
from opsin.costs.machine import describe
from opsin.data.scan import Scan, scan
from opsin.data.sources import load
from opsin.data.split import divide
from opsin.device import choose_device
from opsin.engine.recipe import Recipe
from opsin.errors import OpsinError
from opsin.forecast.forecast import Forecast, Row, Training, forecast
from opsin.forecast.remembered import Remembered
from opsin.launch.local import Pool
from opsin.lineups import LINEUPS
from opsin.watch import Watch
from opsin.weights.catalogue import public

LEAST_EPOCHS = Floor.epochs
"""Below these a comparison does not shorten a training from scratch."""
SHARE = 0.9
"""Of the free memory that is planned with."""


@dataclass(frozen=True)
class Outlook:
    """What was found.

    `images` are those of the training, validation and test part; `plan` is what a comparison would train within the
    minutes of the request, and `needs` its minutes; `refused` says why there is none.
    """

    request: Request
    scanned: Scan
    images: tuple[int, int, int]
    input_size: int
    recipe: Recipe
    forecast: Forecast
    machine: dict[str, Any]
    plan: Plan | None = None
    needs: float | None = None
    refused: str = ""

    def verdict(self, row: Row) -> str:
        """Within the minutes: "whole" for all epochs of the recipe, "short" for at least the least, else "none"."""
        assert self.request.minutes is not None
        epochs = row.epochs(self.request.minutes)
        return "whole" if epochs >= self.recipe.epochs else "short" if epochs >= LEAST_EPOCHS else "none"

    def to_dict(self) -> dict[str, Any]:
        return {
            "data": self.request.data,
            "classes": len(self.scanned.source.classes),
            "images": dict(zip(("train", "val", "test"), self.images, strict=True)),
            "input_size": self.input_size,
            "recipe": self.recipe.to_dict(),
            "minutes": self.request.minutes,
            "machine": self.machine,
            "busy": self.forecast.busy,
            "rows": [self._row(row) for row in self.forecast.rows],
            "left_out": list(self.forecast.left_out),
            "comparison": self._comparison(),
        }

    def _row(self, row: Row) -> dict[str, Any]:
        told = {
            "model": row.model,
            "family": row.family,
            "input_size": row.size,
            "params": row.params,
            "macs": row.macs,
            "epoch_seconds": row.epoch,
            "epochs": self.recipe.epochs,
            "minutes": row.minutes(self.recipe.epochs),
            "train_images_per_second": 1 / row.speed.train,
            "predict_images_per_second": 1 / row.speed.predict,
            "memory_mb": row.memory / 2**20,
            "batch": row.batch,
            "speed": "measured" if row.measured else "estimated",
        }
        if public(row.model):
            told["public_weights"] = self._from_public_weights(row)
        if self.request.minutes is not None:
            told |= {"epochs_within": row.epochs(self.request.minutes), "within": self.verdict(row)}
        return told

    def _from_public_weights(self, row: Row) -> dict[str, float]:
        """Minutes of a probe, and of a fine-tuning of all layers, at the row's size; weights may be of a larger one."""
        probe = sum(self.images) * row.speed.predict + self.images[0] * Estimate.fit
        return {
            "probe_minutes": probe / 60,
            "finetune_minutes": row.minutes(self.request.recipe_for("finetune").epochs),
        }

    def _comparison(self) -> dict[str, Any] | None:
        if self.plan is None:
            return {"refused": self.refused} if self.refused else None
        keys = ("input_size", "seeds", "notes", "left_out")
        told = {key: value for key, value in self.plan.to_dict().items() if key in keys}
        return told | {"models": list(self.plan.names), "epochs": self.plan.recipe.epochs, "minutes": self.needs}


class OnlyProgress(Watch):
    """Passes on how far something is, but no lines."""

    def __init__(self, watch: Watch):
        self.stage, self.advance = watch.stage, watch.advance


def look_ahead(request: Request, watch: Watch | None = None, thorough: bool = False) -> Outlook:
    """What every network (or those of the request) costs on these images and this machine, from scratch.

    Args:
        thorough: measures every network, else one to three of a family.

    Raises:
        OpsinError: whatever is wrong with the data or the options; no network that can be trained here.
    """
    if len(request.several) > 1 or several.ERA in request.several:
        raise OpsinError(
            f"--recipe {request.recipe}: a forecast is of one recipe: name one, or `opsin compare --minutes`"
        )
    watch = watch or Watch()
    began = time.monotonic()
    source = load(request.data, request.groups, request.root)
    watch.stage("reading images", len(source))
    scanned = scan(source, watch.counter(), skip_bad=request.skip_bad)
    divided = divide(scanned)
    for note in divided.notes:
        watch.say(note)
    machine = describe(choose_device(request.device)) | {"workers": request.processes, "threads_per_worker": 1}
    remembered = Remembered(machine | {"opsin": __version__})
    with Pool(request.processes) as pool:
        setting = Setting(request, Path(), scanned, divided, pool, OnlyProgress(watch))
        speeds = Speeds(setting, remembered)
        plan, needs, refused = None, None, ""
        if request.minutes is not None:
            plan, needs, refused = of_comparison(setting, began, speeds)
        size = request.input_size or default_size(scanned, request.device_type)
        models = request.models or LINEUPS.get(request.lineup or "") or tuple(zoo.list_models())
        training = training_of(request, scanned, setting.counts(), models, size)
        known = {
            model: speed
            for (model, side), speed in speeds.found.items()
            if model in training.networks and side == training.networks[model]["input_size"]
        }
        found = forecast(training, pool, remembered, watch, known, thorough)
    if not found.rows:
        why = [f"{row['model']}: {row['why']}" for row in found.left_out]
        mend = "none fits into the free memory of one process: take a smaller --input-size, or fewer --workers"
        raise OpsinError(f"no network can be trained here: {why[0] if why else mend}")
    tasks = {name: zoo.card(name).task for name in models if name not in training.networks}
    others = [{"model": name, "why": f"does not classify images ({task})"} for name, task in tasks.items()]
    found = replace(found, left_out=(*found.left_out, *others))
    return Outlook(request, scanned, setting.counts(), size, training.recipe, found, machine, plan, needs, refused)


def training_of(
    request: Request, scanned: Scan, images: tuple[int, int, int], models: Sequence[str], size: int
) -> Training:
    """Runs from scratch of those of `models` that classify, at `size` px or the next larger size that they take."""
    inputs = {name: zoo.card(name).inputs for name in models}
    recipe = request.recipe_for("scratch")
    if request.several:
        recipe, _ = several.scaled(recipes.recipe(request.several[0]), images[0], scanned.channels, request.epochs)
    built = {"num_classes": len(scanned.source.classes), "in_chans": scanned.channels}
    free = free_memory(choose_device(request.device))
    return Training(
        networks={
            name: built | {"input_size": inputs[name].fit(size)} for name in models if zoo.card(name).task == "classify"
        },
        images=images,
        recipe=replace(recipe, batch_size=recipe.batch(images[0])),
        device=request.device_type,
        available=None if free is None else int(SHARE * free / request.processes),
    )


def of_comparison(setting: Setting, began: float, speeds: Speeds) -> tuple[Plan | None, float | None, str]:
    """What a comparison would train within the minutes, and its minutes; or why it would not."""
    try:
        plan = make_plan(setting, began, speeds)
    except OpsinError as error:
        return None, None, str(error)
    return plan, speeds.estimate(plan).seconds(plan) / 60, ""
