"""The schedule of a time budget: what a comparison takes, and what gives way when that is too long.

The seconds of one image are measured by a short probe of each network (opsin.forecast.speed), with as many processes
at work as later in the comparison, and the plan gives way in a fixed order: image size, the dearest networks, seeds,
epochs.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from opsin import zoo
from opsin.compare.plan import Plan
from opsin.engine.optimizers import DiagonalLM
from opsin.engine.recipe import Recipe
from opsin.errors import OpsinError
from opsin.forecast.speed import MARGIN, Speed, makespan
from opsin.training.entry import Entry

SIZES = (224, 192, 160, 128, 96, 64, 48, 32, 24, 16)
"""Image sizes that a plan can fall back to, in pixels."""


@dataclass(frozen=True)
class Floor:
    """Below this a comparison says nothing, and is refused."""

    input_size: int
    models: int = 2
    seeds: int = 1
    epochs: int = 5


@dataclass(frozen=True)
class Estimate:
    """How long plans take on `workers` processes, for a data set of `images` (n_train, n_val, n_test).

    `fixed` are the seconds of all that is not training: starting workers, baselines, latency, the page. `fit` are those
    of a probe's logistic regression, for an image, and `decode` those of reading one from its file, which recipes do
    that cut crops out of it.
    """

    speeds: dict[tuple[str, int], Speed]
    images: tuple[int, int, int]
    workers: int
    fixed: float = 20.0
    fit: float = 0.01
    decode: float = 0.0

    def epoch(self, plan: Plan, entry: Entry) -> float:
        """Seconds of one epoch, its validation included."""
        speed, recipe = self.speeds[plan.speed_key(entry)], plan.recipe_of(entry)
        curved = min(self.images[0], recipe.optimizer.samples) if isinstance(recipe.optimizer, DiagonalLM) else 0
        decoded = self.images[0] * self.decode if recipe.looks_at_originals else 0.0
        return speed.epoch(self.images) + curved * speed.train + decoded

    def runs(self, plan: Plan, entry: Entry) -> list[float]:
        """Seconds of each run of an entry."""
        if entry.start == "probe":
            speed = self.speeds[plan.speed_key(entry)]
            return [sum(self.images) * speed.predict + self.images[0] * self.fit]
        recipe, epoch = plan.recipe_of(entry), self.epoch(plan, entry)
        if recipe.start_from:  # is trained first, and so long
            epoch *= 1 + (zoo.card(recipe.start_from).macs or 0) / (zoo.card(entry.model).macs or 1)
        tries = [epoch * plan.probe_epochs(recipe)] * len(plan.rates(entry)) if plan.tuned(entry) else []
        return tries + [epoch * recipe.epochs] * len(plan.seeds)

    def seconds(self, plan: Plan) -> float:
        """Seconds of a whole comparison: its runs, the longest first, on the workers."""
        runs = [run for entry in plan.entries for run in self.runs(plan, entry)]
        return makespan(runs, self.workers) + self.fixed


def fit(
    plan: Plan, seconds: float, floor: Floor, estimate: Callable[[Plan], Estimate], spent: float = 0.0
) -> tuple[Plan, float]:
    """The plan that fits into `seconds`, and what it takes: what gives way, in order, stands in its notes.

    `spent` are the seconds of the budget that are gone already. `estimate` measures the speeds that a plan needs (a
    size not tried before costs a probe). Raises OpsinError where even the least plan does not fit, and says how many
    minutes that would take.
    """
    limit = seconds * MARGIN
    plan, needs = _shrink_images(plan, limit, floor, estimate)
    known = estimate(plan)
    notes = list(plan.notes)
    left_out = list(plan.left_out)
    while needs > limit and len(plan.entries) > floor.models:
        dearest = max(plan.entries, key=lambda entry: sum(known.runs(plan, entry)))
        out = [entry for entry in plan.entries if entry is dearest or (entry.recipe and entry.model == dearest.model)]
        minutes = sum(sum(known.runs(plan, entry)) for entry in out) / known.workers / 60
        name = dearest.model if dearest.recipe else dearest.name
        left_out.append({"model": name, "why": f"the dearest: {minutes:.1f} of the minutes"})
        plan = replace(plan, entries=tuple(entry for entry in plan.entries if entry not in out))
        needs = known.seconds(plan)
    if left_out:
        notes.append("left out, the dearest first: " + ", ".join(entry["model"] for entry in left_out))
    asked = len(plan.seeds)
    while needs > limit and len(plan.seeds) > floor.seeds:
        plan = replace(plan, seeds=plan.seeds[:-1])
        needs = known.seconds(plan)
    if len(plan.seeds) < asked:
        notes.append(f"{len(plan.seeds)} instead of {asked} seeds")
    asked = plan
    while needs > limit and (shorter := _shortened(plan, floor.epochs)) != plan:
        plan, needs = shorter, known.seconds(shorter)
    for told in dict.fromkeys(
        f"{each.recipe.epochs} instead of {asked.own[name].recipe.epochs} epochs"
        for name, each in plan.own.items()
        if each.recipe.epochs < asked.own[name].recipe.epochs
    ):
        notes.append(told)
    for start, recipe in plan.recipes.items():
        if recipe.epochs < asked.recipes[start].epochs:
            of = "" if start == "scratch" else " of fine-tuning"
            notes.append(f"{recipe.epochs} instead of {asked.recipes[start].epochs} epochs{of}")
    if needs > limit:
        minutes = (spent + needs / MARGIN) / 60
        raise OpsinError(
            f"{(spent + seconds) / 60:.3g} minutes are too few: {', '.join(plan.names)} ({plan}) "
            f"would take about {minutes:.1f}; give --minutes {minutes + 0.1:.1f} or more"
        )
    return replace(plan, notes=tuple(notes), left_out=tuple(left_out)), needs


def _shortened(plan: Plan, least: int) -> Plan:
    """The plan with an epoch less of each recipe that has more than `least` of them."""

    def shorter(recipe: Recipe) -> Recipe:
        return replace(recipe, epochs=max(min(recipe.epochs, least), recipe.epochs - 1))

    own = {name: replace(each, recipe=shorter(each.recipe)) for name, each in plan.own.items()}
    return replace(plan, recipe=shorter(plan.recipe), finetune=shorter(plan.finetune), own=own)


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
