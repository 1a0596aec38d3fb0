"""A comparison, from a folder of images to its results."""

import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from opsin.compare.baseline_job import BaselineJob
from opsin.compare.baselines import MAX_SIDE
from opsin.compare.measured import measure
from opsin.compare.outcome import Outcome, default_metric
from opsin.compare.plan import LOCK, Plan, read_plan, write_plan
from opsin.compare.planning import decide, make_plan, own_size
from opsin.compare.request import Request
from opsin.compare.results import assemble
from opsin.compare.schedule import Schedule, Trained, run_folder
from opsin.compare.setting import Setting
from opsin.costs.count import count_model
from opsin.data.cache import materialise
from opsin.data.preprocess import Preprocess
from opsin.data.scan import scan
from opsin.data.sources import load
from opsin.data.split import divide
from opsin.engine.recipe import Recipe
from opsin.engine.record import Record
from opsin.errors import OpsinError
from opsin.files import digest, locked, slug, write_json
from opsin.launch.cluster import Cluster, connect
from opsin.launch.local import Pool, Task
from opsin.launch.ray import ClusterPool
from opsin.training.entry import Entry
from opsin.training.job import Job
from opsin.watch import Watch
from opsin.words import many


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
        seeds = next(row["seeds"] for row in self.results["rows"] if row["entry"] == pick["entry"])
        return Record(run_folder(self.folder, pick["entry"], f"seed-{seeds[0]}")).bundle


def run_comparison(request: Request, watch: Watch | None = None) -> Comparison:
    """Trains networks on the same split of the same images under one recipe, and picks the one to take.

    The same request again goes on where it was stopped; what has ended is not run again. Raises OpsinError for
    anything in the data or the options that cannot work.
    """
    watch = watch or Watch()
    began = time.monotonic()
    cluster = connect(request.cluster) if request.cluster else None  # or says why not, before images are read
    source = load(request.data, request.groups, request.root)
    watch.stage("reading images", len(source))
    scanned = scan(source, watch.counter(), skip_bad=request.skip_bad)
    divided = divide(scanned)
    for note in divided.notes:
        watch.say(note)
    identity = request.identity(scanned.fingerprint)
    folder = request.out or Path("opsin-runs") / f"{slug(source.name)}-{digest(identity)}"
    if source.path is not None and folder.resolve().is_relative_to(source.path.resolve()):
        raise OpsinError(f"the results would lie among the images, in {folder}: give an --out elsewhere")
    read_plan(folder, identity)  # says what is wrong before anything is made
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OpsinError(f"cannot make the folder {folder} ({error.strerror}): choose another --out") from None
    with locked(folder / LOCK, "comparison"), _pool(request, folder, cluster) as pool:
        plan = read_plan(folder, identity)
        setting = Setting(request, folder, scanned, divided, pool, watch)
        if plan is None:
            plan = make_plan(setting, began)
            write_plan(folder, identity, plan)
        else:
            watch.say(f"going on with {folder}")
            for note in plan.notes:
                watch.say(note)
        watch.say(f"{plan}, on {many(len(scanned.source), 'image')} -> {folder}")
        results = _run(setting, plan, identity, began)
    return Comparison(folder, results)


def _pool(request: Request, folder: Path, cluster: Cluster | None) -> Pool:
    if cluster is None:
        return Pool(request.processes)
    return ClusterPool(cluster, folder, request.workers, gpu=request.device_type == "cuda")


def _run(setting: Setting, plan: Plan, identity: dict[str, Any], began: float) -> dict[str, Any]:
    preprocess = _decode(setting, plan)
    trained = _train(setting, plan, plan.entries, preprocess)
    if plan.undecided:
        plan = decide(setting, plan, trained, began)
        setting.watch.say(plan.notes[-1])
        write_plan(setting.folder, identity, plan)
        preprocess = _decode(setting, plan)
        trained |= _train(setting, plan, plan.entries[len(trained) :], preprocess)
    baselines = _baselines(setting)
    setting.pool.close()
    arguments = {entry.name: setting.arguments(plan, entry) for entry in plan.entries}
    networks = {entry.name: (entry.model, arguments[entry.name]) for entry in plan.entries}
    ended = {name: network for name, network in networks.items() if trained[name].seeds()}
    latency, machine = measure(setting.folder, ended, setting.request.device_type, setting.watch)
    outcome = Outcome(
        request=setting.request,
        plan=plan,
        scanned=setting.scanned,
        divided=setting.divided,
        trained=trained,
        counts={name: count_model(model, **built) for name, (model, built) in networks.items()},
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


def _train(
    setting: Setting, plan: Plan, entries: tuple[Entry, ...], preprocess: dict[str, Preprocess]
) -> dict[str, Trained]:
    """Trains and probes `entries` of the plan."""

    def make_job(entry: Entry, recipe: Recipe, seed: int, final: bool, folder: Path) -> Job:
        return Job(
            folder=folder.resolve(),
            entry=entry,
            arguments=setting.arguments(plan, entry),
            recipe=recipe,
            seed=seed,
            images=setting.images(preprocess[entry.name]).resolve(),
            table=setting.table.resolve(),
            classes=setting.scanned.source.classes,
            preprocess=preprocess[entry.name],
            device=setting.request.device_type,
            final=final,
            folds=plan.folds,
            data=setting.scanned.fingerprint,
            split={"val": None, "groups": setting.request.groups},
            source=setting.scanned.source if recipe.looks_at_originals else None,
            workers=0 if setting.request.device_type == "cpu" else None,  # its process is one of many
        )

    cost = {entry.name: float(count_model(entry.model, **setting.arguments(plan, entry)).executed) for entry in entries}
    return Schedule(replace(plan, entries=entries), setting.folder, make_job, cost, setting.watch).run(setting.pool)


def _baselines(setting: Setting) -> list[dict[str, Any]]:
    """What people used before 2012, on the images at their own size, or 32 px where that is larger."""
    scanned = setting.scanned
    size = min(own_size(scanned), MAX_SIDE)
    plain = Preprocess(size=size, channels=scanned.channels)
    path = setting.images(plain)
    materialise(scanned.source, plain, path)
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


def _decode(setting: Setting, plan: Plan) -> dict[str, Preprocess]:
    """Decodes all images once for each way that the entries want them, into files that the workers map.

    Returns the preprocessing of each entry.
    """
    source, train = setting.scanned.source, setting.divided.rows("train")
    setting.cache.mkdir(exist_ok=True)
    groups = {} if source.groups is None else {"groups": np.array(source.groups)}
    np.savez(setting.table, labels=source.labels, parts=setting.divided.parts, allow_pickle=False, **groups)
    wanted = {entry.name: (setting.preprocess(plan, entry), entry.origin is not None) for entry in plan.entries}
    measured: dict[tuple[Preprocess, bool], Preprocess] = {}
    for each, stated in sorted(set(wanted.values()), key=str):
        setting.watch.stage(f"decoding images at {each.size} px", len(source))
        images = materialise(source, each, setting.images(each), setting.watch.counter())
        measured[each, stated] = each if stated else each.with_statistics(images, train)
    return {name: measured[way] for name, way in wanted.items()}
