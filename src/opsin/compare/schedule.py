"""The runs of a comparison on a pool of workers: for each network its probes of learning rates, then its seeds."""

import errno
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from opsin.compare.plan import Plan
from opsin.engine.recipe import Recipe
from opsin.errors import OpsinError
from opsin.launch.local import Event, Pool, Task
from opsin.training.entry import Entry
from opsin.training.job import Job
from opsin.watch import Watch

RUN = "opsin.training.job:run"

MakeJob = Callable[[Entry, Recipe, int, bool, Path], Job]


@dataclass
class Trained:
    """One entry's part in a comparison.

    `probes` holds run.json by learning rate, `runs` by seed; `failure` says why there is no result, if there is none.
    """

    entry: Entry
    rate: float | None = None
    probes: dict[float, dict[str, Any]] = field(default_factory=dict)
    runs: dict[int, dict[str, Any]] = field(default_factory=dict)
    failure: str | None = None

    def seeds(self) -> list[int]:
        """The seeds whose runs ended well."""
        return sorted(seed for seed, run in self.runs.items() if run["status"] == "ok")


class Schedule:
    """Runs a plan. `cost` gives the operations of one epoch of an entry: the dearest ones go first."""

    def __init__(self, plan: Plan, folder: Path, make_job: MakeJob, cost: dict[str, float], watch: Watch):
        self.plan, self.folder, self.make_job, self.cost, self.watch = plan, folder, make_job, cost, watch
        self.trained = {entry.name: Trained(entry) for entry in plan.entries}
        self.tasks: dict[str, tuple[Entry, float | int, Job]] = {}
        self.epochs_told: dict[str, float] = {}

    def run(self, pool: Pool) -> dict[str, Trained]:
        """Runs all that has not ended yet; raises OpsinError where the disk is full."""
        total = sum(self.cost[entry.name] * self._epochs(entry) for entry in self.plan.entries)
        self.watch.stage("training", total)
        for entry in self.plan.entries:
            if self.plan.tuned(entry):
                for rate in self.plan.rates(entry):
                    recipe = self.plan.probe_recipe(self.plan.recipe_of(entry), rate)
                    self._submit(pool, entry, rate, recipe, self.plan.seeds[0], False)
            elif entry.start == "probe":
                self._submit(pool, entry, self.plan.seeds[0], self.plan.recipe, self.plan.seeds[0], True)
            else:
                self._submit_seeds(pool, entry, self.plan.rates(entry)[0])
        for event in pool.events():
            self._handle(pool, event)
        return self.trained

    def _epochs(self, entry: Entry) -> float:
        """An entry's epochs; the one pass of a probe takes about a third of one."""
        return self.plan.epochs_of(entry) or 1 / 3

    def _submit(self, pool: Pool, entry: Entry, of: float | int, recipe: Recipe, seed: int, final: bool) -> None:
        name = f"seed-{seed}" if final else f"lr-{of:g}"
        key = f"{entry.name} {name}"
        job = self.make_job(entry, recipe, seed, final, run_folder(self.folder, entry.name, name))
        self.tasks[key] = entry, of, job
        weight = recipe.epochs if final and entry.start != "probe" else self._epochs(entry)
        pool.submit(Task(key, RUN, job, self.cost[entry.name] * weight))

    def _submit_seeds(self, pool: Pool, entry: Entry, rate: float) -> None:
        self.trained[entry.name].rate = rate
        recipe = replace(self.plan.recipe_of(entry), learning_rate=rate)
        for seed in self.plan.seeds:
            self._submit(pool, entry, seed, recipe, seed, True)

    def _handle(self, pool: Pool, event: Event) -> None:
        entry, of, job = self.tasks[event.key]
        epochs = self._epochs(entry) if entry.start == "probe" else job.recipe.epochs
        if event.kind == "started":
            self.watch.started(event.key, epochs)
        elif event.kind == "news":
            self.watch.epoch(event.key, event.value)
            self._advance(event.key, event.value["epoch"])
        elif event.kind == "lost":
            self.watch.ended(event.key, f"lost ({event.value}), and begun again")
        else:
            run = event.value if event.kind == "done" else {"status": self._failure(job, event.value)}
            self._advance(event.key, epochs)
            self.watch.ended(event.key, run["status"])
            self._end(pool, entry, of, job, run)

    def _advance(self, key: str, epochs: float) -> None:
        """Counts a run's epochs up to this one as done, those too that an earlier call of the command has trained."""
        name = self.tasks[key][0].name
        self.watch.advance(self.cost[name] * (epochs - self.epochs_told.get(key, 0)))
        self.epochs_told[key] = epochs

    def _failure(self, job: Job, facts: dict[str, Any]) -> str:
        """The status of a run that raised, whose traceback goes to a file; a full disk ends the comparison."""
        if facts["errno"] in (errno.ENOSPC, errno.EDQUOT) or "No space left" in facts["message"]:
            raise OpsinError(f"the disk is full: {self.folder} cannot be written; free some space and start again")
        if facts["errno"] in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise OpsinError(f"no permission to write {self.folder}: {facts['message']}")
        if facts["traceback"]:
            job.folder.mkdir(parents=True, exist_ok=True)
            (job.folder / "error.txt").write_text(facts["traceback"], encoding="utf-8")
        kind = "" if facts["type"] == OpsinError.__name__ else f"{facts['type']}: "
        return f"failed: {kind}{facts['message'][:200]}"

    def _end(self, pool: Pool, entry: Entry, of: float | int, job: Job, run: dict[str, Any]) -> None:
        trained, rates = self.trained[entry.name], self.plan.rates(entry)
        if job.final:
            trained.runs[int(of)] = run
            return
        trained.probes[float(of)] = run
        if len(trained.probes) < len(rates):
            return
        rate = best_rate(trained.probes)
        if rate is None:
            epochs = self.plan.recipe_of(entry).epochs * len(self.plan.seeds)
            self.watch.advance(self.cost[entry.name] * epochs)
            trained.failure = next(iter(trained.probes.values()))["status"]
            self.watch.say(f"{entry.name}: no learning rate of {rates} trains it ({trained.failure})")
        else:
            self._submit_seeds(pool, entry, rate)


def run_folder(folder: Path, entry: str, name: str) -> Path:
    """Where a run of an entry lies in a comparison's folder; `name` is "seed-0", or "lr-0.001" for a probe."""
    return folder / "runs" / entry / name


def best_rate(probes: dict[float, dict[str, Any]]) -> float | None:
    """The learning rate with the least validation loss (of equals the smallest); None where no probe ended well."""
    losses = {rate: run["figures"]["val_loss"] for rate, run in probes.items() if run["status"] == "ok"}
    return min(losses, key=lambda rate: (losses[rate], rate), default=None)
