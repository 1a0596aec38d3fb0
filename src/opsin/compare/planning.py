"""The plan of a comparison is made: who meets, from what they start, and what a time budget leaves of it."""

import time
from dataclasses import dataclass, field, replace

import numpy as np

from opsin.compare import budget, several
from opsin.compare.plan import Plan
from opsin.compare.schedule import Trained
from opsin.compare.setting import Setting
from opsin.compare.starts import choose_entries
from opsin.data.scan import Scan
from opsin.data.sources import Source
from opsin.errors import OpsinError
from opsin.forecast.pool import gather
from opsin.forecast.remembered import Remembered
from opsin.forecast.speed import MEASURE, Speed, SpeedProbe
from opsin.training.entry import Entry

SMALLEST, SMALL, LARGE = 16, 64, 224
"""Default input sizes in pixels: the least, the largest on a CPU, and the largest on an accelerator."""
BEST = 3
"""How many of the probed networks are fine-tuned where no time is given, on an accelerator."""
LEAST_EPOCHS = 3
"""Of a fine-tuning that a time budget shortens."""


def make_plan(setting: Setting, began: float, speeds: "Speeds | None" = None) -> Plan:
    """What is run; with a budget of minutes, after a short probe of how fast the networks are here."""
    speeds = speeds or Speeds(setting)
    request, scanned, watch = setting.request, setting.scanned, setting.watch
    size = request.input_size or default_size(scanned, request.device_type)
    chosen = choose_entries(request, own_size(scanned), size, watch)
    entries = several.entries(chosen.entries, request.several) if request.several else chosen.entries
    own = _own(setting, entries)
    notes = (*chosen.notes, several.said(list(own.values()))) if own else chosen.notes
    recipes = [request.recipe_for(start) for start in ("scratch", "finetune")]
    recipe, finetune = (replace(each, batch_size=each.batch(setting.counts()[0])) for each in recipes)
    plan = Plan(
        entries=entries,
        input_size=size,
        seeds=tuple(range(request.seeds)),
        recipe=recipe,
        tune=request.tune,
        finetune=finetune,
        folds=request.folds,
        undecided=chosen.undecided,
        minutes=request.minutes,
        notes=notes,
        own=own,
    )
    for note in notes:
        watch.say(note)
    if request.minutes is None:
        return plan
    least = min(size, max(SMALLEST, default_size(scanned, "cpu") // 2)) if not request.input_size else size
    if any(entry.start != "scratch" for entry in plan.entries):
        least = size  # public weights keep their own
    few = 1 if chosen.undecided else 4 * max(1, len(request.several))
    floor = budget.Floor(least, models=len(plan.entries) if request.models else few)
    watch.say(f"planning for {request.minutes:g} minutes: a short probe of each network's speed")
    spent = time.monotonic()
    speeds.estimate(plan)  # measuring takes of the time, too
    left = _left(setting, began) - speeds.saved
    plan, needs = budget.fit(plan, left, floor, speeds.estimate, request.minutes * 60 - left)
    plan = replace(plan, own=_own(setting, plan.entries, plan))
    for note in plan.notes[len(notes) :]:
        watch.say(f"to keep to the time: {note}")
    watch.say(f"planned: {needs / 60:.1f} minutes, after a probe of {(time.monotonic() - spent) / 60:.1f}")
    return plan


def _own(setting: Setting, entries: tuple[Entry, ...], shortened: Plan | None = None) -> dict[str, several.Fitted]:
    """The recipes of entries that have their own, by their names; fitted to the epochs of a plan that was shortened."""
    request, own = setting.request, {}
    names = {several.label(name): name for name in request.several}
    for entry in entries if names else ():
        epochs = shortened.recipe_of(entry).epochs if shortened else request.epochs
        images, channels = setting.counts()[0], setting.scanned.channels
        name = names[entry.recipe] if entry.recipe else request.several[0]
        own[entry.name] = several.fit(name, entry.model, images, channels, epochs)
    return own


def _decoding(source: Source) -> float:
    """Seconds of reading one image, the median of eight."""
    times = []
    for i in np.linspace(0, len(source) - 1, min(8, len(source))).astype(int).tolist():
        began = time.perf_counter()
        source.image(i).load()
        times.append(time.perf_counter() - began)
    return float(np.median(times))


def _left(setting: Setting, began: float) -> float:
    """Seconds left of the budget."""
    assert setting.request.minutes is not None
    return setting.request.minutes * 60 - (time.monotonic() - began)


def decide(setting: Setting, plan: Plan, probed: dict[str, Trained], began: float) -> Plan:
    """The plan with the best of the probed networks to be fine-tuned, as many as the time allows.

    Without a time these are the best three on an accelerator; on a CPU, where fine-tuning takes hours, none.
    """
    accuracy = {
        name: run["figures"]["val_top1"]
        for name, trained in probed.items()
        for run in trained.runs.values()
        if trained.entry.start == "probe" and run["status"] == "ok"
    }
    ranked = [plan.entry(name) for name in sorted(accuracy, key=lambda name: -accuracy[name])]
    wanted = [replace(entry, start="finetune") for entry in ranked]
    decided = replace(plan, undecided=False)
    if not wanted:
        return _with(decided, [], "none is fine-tuned: no probe ended well")
    if plan.minutes is None:
        if setting.request.device_type != "cpu":
            return _with(decided, wanted[:BEST], f"fine-tuned: the best {len(wanted[:BEST])} of those probed")
        return _with(decided, [], "none is fine-tuned: on a CPU that takes long; --minutes gives it time")
    estimate = Speeds(setting).estimate
    estimate(replace(decided, entries=tuple(wanted[:BEST])))  # measuring takes of the time, too
    seconds = _left(setting, began)
    trained = any(entry.start == "scratch" for entry in plan.entries)
    seeds = len(plan.seeds) if trained else 1  # what has run keeps its seeds
    for wide in range(min(len(wanted), BEST), 0, -1):
        alone = replace(decided, entries=tuple(wanted[:wide]), notes=(), left_out=())
        floor = budget.Floor(plan.input_size, models=wide, seeds=seeds, epochs=LEAST_EPOCHS)
        try:
            fitted, _ = budget.fit(alone, seconds, floor, estimate)
        except OpsinError:
            continue
        kept = replace(decided, finetune=fitted.finetune, seeds=fitted.seeds)
        notes = "; ".join(("", *fitted.notes))
        return _with(kept, wanted[:wide], f"fine-tuned: the best {wide} of those probed{notes}")
    return _with(decided, [], "none is fine-tuned: the time left is too short")


def _with(plan: Plan, entries: list[Entry], note: str) -> Plan:
    return replace(plan, entries=(*plan.entries, *entries), notes=(*plan.notes, note))


def default_size(scanned: Scan, device: str) -> int:
    """The images' own size (median of the short sides), within what is sensible on the device, in pixels."""
    return min(max(own_size(scanned), SMALLEST), SMALL if device == "cpu" else LARGE)


def own_size(scanned: Scan) -> int:
    """The median of the images' short sides, in pixels."""
    return int(np.median(scanned.sizes.min(axis=1)))


@dataclass
class Speeds:
    """Estimates of plans; the speeds that they need are measured on the pool, once, or remembered where they may be.

    `found` has them by `Plan.speed_key`; `saved` are the seconds that those remembered have taken when they were
    measured; `decode` are those of reading an image from its file, where that counts.
    """

    setting: Setting
    remembered: Remembered | None = None
    found: dict[tuple[str, int], Speed] = field(default_factory=dict)
    saved: float = 0.0
    decode: float | None = None

    def estimate(self, plan: Plan) -> budget.Estimate:
        setting, new = self.setting, {}
        for key, entry in {plan.speed_key(entry): entry for entry in plan.entries}.items():
            if key in self.found:
                continue
            probe = self._probe(plan, entry, key[1])
            if self.remembered and (before := self.remembered.get(probe, Speed)):
                self.found[key] = before
                self.saved += before.took / setting.pool.size
            else:
                new[key] = probe
        setting.watch.stage("measuring speed", len(new))
        tasks = {f"{model} {size}": (model, size) for model, size in sorted(new)}
        probes = {name: new[key] for name, key in tasks.items()}
        for name, speed, why in gather(setting.pool, MEASURE, probes, setting.watch):
            if why:
                raise OpsinError(f"{name} px cannot be trained here: {why}")
            self.found[tasks[name]] = speed
            if self.remembered and not speed.busy:
                self.remembered.put(probes[name], speed)
        if self.remembered and new:
            self.remembered.write()
        if self.decode is None and any(plan.recipe_of(entry).looks_at_originals for entry in plan.entries):
            self.decode = _decoding(setting.scanned.source)
        return budget.Estimate(self.found, setting.counts(), setting.pool.size, decode=self.decode or 0.0)

    def _probe(self, plan: Plan, entry: Entry, size: int) -> SpeedProbe:
        recipe = plan.recipe_of(entry)
        trains = any(each.start != "probe" for each in plan.entries if each.model == entry.model)
        return SpeedProbe(
            model=entry.model,
            arguments=self.setting.arguments(plan, entry),
            recipe=recipe,
            batch_size=recipe.batch(self.setting.counts()[0]),
            size=size,
            device=self.setting.request.device_type,
            trains=trains,
        )
