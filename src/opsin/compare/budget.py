"""The schedule of a time budget: what a comparison takes, and what gives way when that is too long.

The seconds of one image are measured by a short probe of each network, with as many processes at work as later in the
comparison, and the plan gives way in a fixed order: image size, the dearest networks, seeds, epochs.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from opsin import zoo
from opsin.compare.plan import Plan
from opsin.data.preprocess import Preprocess
from opsin.device import choose_device, place, place_images
from opsin.engine.evaluate import predict
from opsin.engine.optim import make_optimizer
from opsin.engine.recipe import Recipe
from opsin.engine.train import train_step
from opsin.errors import OpsinError
from opsin.tasks.classify import Classify

SIZES = (224, 192, 160, 128, 96, 64, 48, 32, 24, 16)
"""Image sizes that a plan can fall back to, in pixels."""
MARGIN = 0.92
"""The share of the budget that is planned with: timings are never better than this."""


@dataclass(frozen=True)
class Floor:
    """Below this a comparison says nothing, and is refused."""

    input_size: int
    models: int = 2
    seeds: int = 1
    epochs: int = 5


@dataclass(frozen=True)
class Speed:
    """Seconds of one image in training (a step's share) and in evaluation."""

    train: float
    predict: float


@dataclass(frozen=True)
class SpeedProbe:
    """What a worker needs to measure a network's speed."""

    model: str
    arguments: dict[str, Any]
    recipe: Recipe
    batch_size: int
    channels: int
    size: int
    device: str


def measure_speed(probe: SpeedProbe, report: Callable[[Any], None]) -> Speed:
    """Times a few training steps (about a second, one step not counted) and one evaluation, on made-up images."""
    device = choose_device(probe.device)
    net = place(zoo.build_model(probe.model, **probe.arguments), device)
    optimizer = make_optimizer(net, probe.recipe)
    task = Classify(probe.recipe.label_smoothing, probe.recipe.aux_weight)
    batch = probe.batch_size
    images = place_images(torch.randn(batch, probe.channels, probe.size, probe.size, device=device))
    labels = torch.zeros(batch, dtype=torch.long, device=device)
    times: list[float] = []
    while len(times) < 3 or (sum(times) < 0.8 and len(times) < 20):
        began = time.perf_counter()
        train_step(net, images, labels, task, optimizer, 1e-9, probe.recipe.clip_norm).item()
        times.append(time.perf_counter() - began)
    shape = (2 * batch, probe.channels, probe.size, probe.size)
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    preprocess = Preprocess(size=probe.size, channels=probe.channels)
    rows, evaluations = np.arange(2 * batch), []
    for _ in range(4):  # the first ones prepare kernels and memory
        began = time.perf_counter()
        predict(net, pixels, rows, preprocess, device)
        evaluations.append((time.perf_counter() - began) / len(rows))
    return Speed(float(np.median(times[1:])) / batch, min(evaluations))


@dataclass(frozen=True)
class Estimate:
    """How long plans take on `workers` processes, for a data set of `images` (n_train, n_val, n_test).

    `fixed` are the seconds of all that is not training: starting workers, baselines, latency, the page.
    """

    speeds: dict[tuple[str, int], Speed]
    images: tuple[int, int, int]
    workers: int
    fixed: float = 20.0

    def epoch(self, plan: Plan, model: str) -> float:
        """Seconds of one epoch, its validation included."""
        speed = self.speeds[model, plan.size_of(model)]
        return self.images[0] * speed.train + self.images[1] * speed.predict

    def seconds(self, plan: Plan) -> float:
        """Seconds of a whole comparison: its runs, the longest first, on the workers."""
        runs: list[float] = []
        for model in plan.models:
            epoch = self.epoch(plan, model)
            if plan.tune:
                runs += [epoch * plan.probe_epochs] * len(plan.rates)
            runs += [epoch * plan.recipe.epochs] * len(plan.seeds)
        return makespan(runs, self.workers) + self.fixed


def makespan(runs: Iterable[float], workers: int) -> float:
    """When the last worker is done, if each takes the longest run that is left as soon as it is free."""
    free = [0.0] * workers
    for run in sorted(runs, reverse=True):
        free[free.index(min(free))] += run
    return max(free)


def fit(plan: Plan, seconds: float, floor: Floor, estimate: Callable[[Plan], Estimate]) -> tuple[Plan, float]:
    """The plan that fits into `seconds`, and what it takes: what gives way, in order, stands in its notes.

    `estimate` measures the speeds that a plan needs (a size not tried before costs a probe). Raises OpsinError where
    even the least plan does not fit, and says how many minutes that would take.
    """
    limit = seconds * MARGIN
    plan, needs = _shrink_images(plan, limit, floor, estimate)
    known = estimate(plan)
    notes = list(plan.notes)
    left_out = list(plan.left_out)
    while needs > limit and len(plan.models) > floor.models:
        dearest = max(plan.models, key=lambda model: known.epoch(plan, model))
        minutes = known.epoch(plan, dearest) * plan.epochs_of_a_model() / known.workers / 60
        left_out.append({"model": dearest, "why": f"the dearest: {minutes:.1f} of the minutes"})
        plan = replace(plan, models=tuple(model for model in plan.models if model != dearest))
        needs = known.seconds(plan)
    if left_out:
        notes.append("left out, the dearest first: " + ", ".join(entry["model"] for entry in left_out))
    asked = len(plan.seeds)
    while needs > limit and len(plan.seeds) > floor.seeds:
        plan = replace(plan, seeds=plan.seeds[:-1])
        needs = known.seconds(plan)
    if len(plan.seeds) < asked:
        notes.append(f"{len(plan.seeds)} instead of {asked} seeds")
    asked = plan.recipe.epochs
    while needs > limit and plan.recipe.epochs > floor.epochs:
        plan = replace(plan, recipe=replace(plan.recipe, epochs=plan.recipe.epochs - 1))
        needs = known.seconds(plan)
    if plan.recipe.epochs < asked:
        notes.append(f"{plan.recipe.epochs} instead of {asked} epochs")
    if needs > limit:
        raise OpsinError(
            f"{seconds / 60:.3g} minutes are too few: {', '.join(plan.models)} with {len(plan.seeds)} seed and "
            f"{plan.recipe.epochs} epochs at {plan.input_size} px would take about {needs / MARGIN / 60:.1f}; "
            f"give --minutes {needs / MARGIN / 60 + 0.1:.1f} or more"
        )
    return replace(plan, notes=tuple(notes), left_out=tuple(left_out)), needs


def _shrink_images(plan: Plan, limit: float, floor: Floor, estimate: Callable[[Plan], Estimate]) -> tuple[Plan, float]:
    """The largest image size from the plan's down to the floor's at which the plan fits; else the floor's."""
    asked = plan.input_size
    needs = estimate(plan).seconds(plan)
    for size in (size for size in SIZES if floor.input_size <= size < asked):
        if needs <= limit:
            break
        plan = replace(plan, input_size=size)
        needs = estimate(plan).seconds(plan)
    if plan.input_size < asked:
        note = f"images of {plan.input_size} instead of {asked} px"
        plan = replace(plan, notes=(*plan.notes, note))
    return plan, needs
