"""A comparison, from a folder of images to its results."""

import re
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from opsin.compare import budget, lineup
from opsin.compare.baseline_job import BaselineJob
from opsin.compare.baselines import MAX_SIDE
from opsin.compare.job import Job
from opsin.compare.measured import measure
from opsin.compare.outcome import Outcome, default_metric
from opsin.compare.plan import LOCK, Plan, digest, read_plan, write_plan
from opsin.compare.request import Request
from opsin.compare.results import assemble
from opsin.compare.schedule import Schedule, run_folder
from opsin.compare.watch import Watch
from opsin.cost.count import count_model
from opsin.data.cache import materialise
from opsin.data.preprocess import Preprocess
from opsin.data.scan import Scan, scan
from opsin.data.source import load
from opsin.data.split import Split, divide
from opsin.engine.checkpoint import write_json
from opsin.engine.recipe import Recipe
from opsin.engine.record import Record
from opsin.errors import OpsinError
from opsin.launch.local import Pool, Task

SMALLEST, SMALL, LARGE = 16, 64, 224
"""Default input sizes in pixels: the least, the largest on a CPU, and the largest on an accelerator."""


@dataclass(frozen=True)
class Comparison:
    """A comparison that has ended: its folder, and what stands in its results.json."""

    folder: Path
    results: dict[str, Any]

    @property
    def bundle(self) -> Path | None:
        """The pick's bundle, of its first seed."""
        pick = self.results["pick"]
        if pick is None:
            return None
        seeds = next(row["seeds"] for row in self.results["rows"] if row["model"] == pick["model"])
        return Record(run_folder(self.folder, pick["model"], f"seed-{seeds[0]}")).bundle


@dataclass(frozen=True)
class Setting:
    """What the steps of one comparison share."""

    request: Request
    folder: Path
    scanned: Scan
    divided: Split
    pool: Pool
    watch: Watch

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def table(self) -> Path:
        return self.cache / "table.npz"

    def images(self, size: int) -> Path:
        return self.cache / f"images-{size}.npy"

    def counts(self) -> tuple[int, int, int]:
        """Images of the training, validation and test part."""
        train, val, test = (len(self.divided.rows(part)) for part in ("train", "val", "test"))
        return train, val, test


def run_comparison(request: Request, watch: Watch | None = None) -> Comparison:
    """Trains networks on the same split of the same images under one recipe, and picks the one to take.

    The same request again goes on where it was stopped; what has ended is not run again. Raises OpsinError for
    anything in the data or the options that cannot work.
    """
    watch = watch or Watch()
    began = time.monotonic()
    source = load(request.data, request.groups)
    watch.stage("reading images", len(source))
    scanned = scan(source, lambda done, total: watch.advance(1), skip_bad=request.skip_bad)
    divided = divide(scanned)
    for note in divided.notes:
        watch.say(note)
    identity = request.identity(scanned.fingerprint)
    folder = request.out or Path("opsin-runs") / f"{_slug(source.name)}-{digest(identity)}"
    if source.path is not None and folder.resolve().is_relative_to(source.path.resolve()):
        raise OpsinError(f"the results would lie among the images, in {folder}: give an --out elsewhere")
    read_plan(folder, identity)  # says what is wrong before anything is made
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OpsinError(f"cannot make the folder {folder} ({error.strerror}): choose another --out") from None
    with _lock(folder), Pool(request.processes) as pool:
        plan = read_plan(folder, identity)
        setting = Setting(request, folder, scanned, divided, pool, watch)
        if plan is None:
            plan = _plan(setting, began)
            write_plan(folder, identity, plan)
        else:
            watch.say(f"going on with {folder}")
        watch.say(f"{plan}, on {len(source):,} images -> {folder}")
        results = _run(setting, plan, began)
    return Comparison(folder, results)


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "images"


def _lock(folder: Path):
    """Held for as long as a comparison works in its folder; the system frees it when the process ends, however."""
    lock = FileLock(folder / LOCK)
    try:
        return lock.acquire(timeout=0)
    except Timeout:
        raise OpsinError(f"another comparison is at work in {folder}: wait for it, or choose another --out") from None
    except OSError as error:
        raise OpsinError(f"no permission to write {folder} ({error.strerror}): choose another --out") from None


def _plan(setting: Setting, began: float) -> Plan:
    """What is run; with a budget of minutes, after a short probe of how fast the networks are here."""
    request, scanned, watch = setting.request, setting.scanned, setting.watch
    size = request.input_size or default_size(scanned, request.device_type)
    models = lineup.choose(request.models, request.lineup, size)
    recipe = request.full_recipe
    recipe = replace(recipe, batch_size=recipe.batch(setting.counts()[0]))
    plan = Plan(models, size, tuple(range(request.seeds)), recipe, request.tune, request.minutes)
    if request.minutes is None:
        return plan
    least = min(size, max(SMALLEST, default_size(scanned, "cpu") // 2)) if not request.input_size else size
    floor = budget.Floor(least, models=len(models) if request.models else 4)
    seconds = request.minutes * 60 - (time.monotonic() - began)
    watch.say(f"planning for {request.minutes:g} minutes: a short probe of each network's speed")
    probe = _speed_probe(setting)
    spent = time.monotonic()
    plan, needs = budget.fit(plan, seconds, floor, probe)
    for note in plan.notes:
        watch.say(f"to keep to the time: {note}")
    watch.say(f"planned: {needs / 60:.1f} minutes, after a probe of {(time.monotonic() - spent) / 60:.1f}")
    return plan


def default_size(scanned: Scan, device: str) -> int:
    """The images' own size (median of the short sides), within what is sensible on the device, in pixels."""
    return min(max(own_size(scanned), SMALLEST), SMALL if device == "cpu" else LARGE)


def own_size(scanned: Scan) -> int:
    """The median of the images' short sides, in pixels."""
    return int(np.median(scanned.sizes.min(axis=1)))


def _arguments(setting: Setting, plan: Plan, model: str) -> dict[str, Any]:
    return {
        "num_classes": len(setting.scanned.source.classes),
        "in_chans": setting.scanned.channels,
        "input_size": plan.size_of(model),
    }


def _speed_probe(setting: Setting):
    """A function from a plan to its estimate, which measures the speeds it lacks on the pool."""
    speeds: dict[tuple[str, int], budget.Speed] = {}
    channels, device = setting.scanned.channels, setting.request.device_type

    def estimate(plan: Plan) -> budget.Estimate:
        wanted = {(model, plan.size_of(model)) for model in plan.models} - speeds.keys()
        setting.watch.stage(f"measuring speed at {plan.input_size} px", len(wanted))
        batch = plan.recipe.batch(setting.counts()[0])
        tasks = {}
        for model, size in sorted(wanted):
            arguments = _arguments(setting, plan, model)
            probe = budget.SpeedProbe(model, arguments, plan.recipe, batch, channels, size, device)
            tasks[f"{model} {size}"] = model, size
            setting.pool.submit(Task(f"{model} {size}", "opsin.compare.budget:measure_speed", probe))
        for event in setting.pool.events():
            if event.kind == "done":
                speeds[tasks[event.key]] = event.value
                setting.watch.advance(1)
            if event.kind == "failed":
                raise OpsinError(f"{event.key} px cannot be trained here: {event.value['message'][:200]}")
        return budget.Estimate(speeds, setting.counts(), setting.pool.size)

    return estimate


def _run(setting: Setting, plan: Plan, began: float) -> dict[str, Any]:
    preprocess = _decode(setting, plan)
    arguments = {model: _arguments(setting, plan, model) for model in plan.models}
    counts = {model: count_model(model, **built) for model, built in arguments.items()}

    def make_job(model: str, recipe: Recipe, seed: int, final: bool, folder: Path) -> Job:
        size = plan.size_of(model)
        return Job(
            folder=folder.resolve(),
            model=model,
            arguments=arguments[model],
            recipe=recipe,
            seed=seed,
            images=setting.images(size).resolve(),
            table=setting.table.resolve(),
            classes=setting.scanned.source.classes,
            preprocess=preprocess[size],
            device=setting.request.device_type,
            final=final,
        )

    cost = {model: float(count.executed) for model, count in counts.items()}
    trained = Schedule(plan, setting.folder, make_job, cost, setting.watch).run(setting.pool)
    baselines = _baselines(setting)
    setting.pool.close()
    trainable = {model: arguments[model] for model in plan.models if trained[model].seeds()}
    latency, machine = measure(setting.folder, trainable, setting.request.device_type, setting.watch)
    outcome = Outcome(
        request=setting.request,
        plan=plan,
        scanned=setting.scanned,
        divided=setting.divided,
        trained=trained,
        counts=counts,
        arguments=arguments,
        latency=latency,
        machine=machine | {"workers": setting.pool.size, "threads_per_worker": setting.pool.threads},
        baselines=baselines,
        preprocess=preprocess,
        folder=setting.folder,
        seconds=time.monotonic() - began,
    )
    results, page = assemble(outcome)
    write_json(setting.folder / "page.json", page)
    write_json(setting.folder / "results.json", results)
    shutil.rmtree(setting.cache, ignore_errors=True)
    return results


def _baselines(setting: Setting) -> list[dict[str, Any]]:
    """What people used before 2012, on the images at their own size, or 32 px where that is larger."""
    scanned = setting.scanned
    size = min(own_size(scanned), MAX_SIDE)
    path = setting.images(size)
    materialise(scanned.source, Preprocess(size=size, channels=scanned.channels), path)
    metric = default_metric(setting.request, scanned)
    job = BaselineJob(
        file=setting.folder.resolve() / f"baselines-{metric}.json",
        images=path.resolve(),
        table=setting.table.resolve(),
        n_classes=len(scanned.source.classes),
        metric=metric,
        groups=scanned.source.groups,
    )
    setting.watch.stage("baselines on pixels")
    setting.pool.submit(Task("baselines", "opsin.compare.baseline_job:run", job))
    for event in setting.pool.events():
        if event.kind == "failed":
            (setting.folder / "error.txt").write_text(event.value["traceback"], encoding="utf-8")
            raise OpsinError(f"the baselines failed ({event.value['message'][:200]}): see {setting.folder}/error.txt")
        if event.kind == "done":
            return event.value
    return []


def _decode(setting: Setting, plan: Plan) -> dict[int, Preprocess]:
    """Decodes all images once for each input size, into files that the workers map; the preprocessing by size."""
    source, train = setting.scanned.source, setting.divided.rows("train")
    setting.cache.mkdir(exist_ok=True)
    np.savez(setting.table, labels=source.labels, parts=setting.divided.parts)
    preprocess = {}
    for size in sorted({plan.size_of(model) for model in plan.models}):
        setting.watch.stage(f"decoding images at {size} px", len(source))
        plain = Preprocess(size=size, channels=setting.scanned.channels)
        images = materialise(source, plain, setting.images(size), lambda done, total: setting.watch.advance(1))
        preprocess[size] = plain.with_statistics(images, train)
    return preprocess
