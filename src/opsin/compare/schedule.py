"""The runs of a comparison on a pool of workers: for each network its probes of learning rates, then its seeds."""

import errno
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from opsin.compare.job import Job
from opsin.compare.plan import Plan
from opsin.compare.watch import Watch
from opsin.engine.recipe import Recipe
from opsin.errors import OpsinError
from opsin.launch.local import Event, Pool, Task

RUN = "opsin.compare.job:run"

MakeJob = Callable[[str, Recipe, int, bool, Path], Job]


@dataclass
class Trained:
    """One network's part in a comparison.

    `probes` holds run.json by learning rate, `runs` by seed; `failure` says why there is no result, if there is none.
    """

    model: str
    rate: float | None = None
    probes: dict[float, dict[str, Any]] = field(default_factory=dict)
    runs: dict[int, dict[str, Any]] = field(default_factory=dict)
    failure: str | None = None

    def seeds(self) -> list[int]:
        """The seeds whose runs ended well."""
        return sorted(seed for seed, run in self.runs.items() if run["status"] == "ok")


class Schedule:
    """Runs a plan. `cost` gives the operations of one epoch of a network: the dearest networks go first."""

    def __init__(self, plan: Plan, folder: Path, make_job: MakeJob, cost: dict[str, float], watch: Watch):
        self.plan, self.folder, self.make_job, self.cost, self.watch = plan, folder, make_job, cost, watch
        self.trained = {model: Trained(model) for model in plan.models}
        self.tasks: dict[str, tuple[str, float | int, Job]] = {}
        self.epochs_told: dict[str, int] = {}

    def run(self, pool: Pool) -> dict[str, Trained]:
        """Runs all that has not ended yet; raises OpsinError where the disk is full."""
        total = sum(self.cost[model] * self.plan.epochs_of_a_model() for model in self.plan.models)
        self.watch.stage("training", total)
        for model in self.plan.models:
            if self.plan.tune:
                for rate in self.plan.rates:
                    self._submit(pool, model, rate, self.plan.probe_recipe(rate), self.plan.seeds[0], False)
            else:
                self._submit_seeds(pool, model, self.plan.rates[0])
        for event in pool.events():
            self._handle(pool, event)
        return self.trained

    def _submit(self, pool: Pool, model: str, of: float | int, recipe: Recipe, seed: int, final: bool) -> None:
        name = f"seed-{seed}" if final else f"lr-{of:g}"
        key = f"{model} {name}"
        job = self.make_job(model, recipe, seed, final, run_folder(self.folder, model, name))
        self.tasks[key] = model, of, job
        weight = self.plan.epochs_of_a_model() if not final else recipe.epochs
        pool.submit(Task(key, RUN, job, self.cost[model] * weight))

    def _submit_seeds(self, pool: Pool, model: str, rate: float) -> None:
        self.trained[model].rate = rate
        recipe = self.plan.recipe_at(rate)
        for seed in self.plan.seeds:
            self._submit(pool, model, seed, recipe, seed, True)

    def _handle(self, pool: Pool, event: Event) -> None:
        model, of, job = self.tasks[event.key]
        if event.kind == "started":
            self.watch.started(event.key, job.recipe.epochs)
        elif event.kind == "news":
            self.watch.epoch(event.key, event.value)
            self._advance(event.key, event.value["epoch"])
        else:
            run = event.value if event.kind == "done" else {"status": self._failure(job, event.value)}
            self._advance(event.key, job.recipe.epochs)
            self.watch.ended(event.key, run["status"])
            self._end(pool, model, of, job, run)

    def _advance(self, key: str, epochs: int) -> None:
        """Counts a run's epochs up to this one as done, those too that an earlier call of the command has trained."""
        model = self.tasks[key][0]
        self.watch.advance(self.cost[model] * (epochs - self.epochs_told.get(key, 0)))
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
        return f"failed: {facts['type']}: {facts['message'][:200]}"

    def _end(self, pool: Pool, model: str, of: float | int, job: Job, run: dict[str, Any]) -> None:
        trained = self.trained[model]
        if job.final:
            trained.runs[int(of)] = run
            return
        trained.probes[float(of)] = run
        if len(trained.probes) < len(self.plan.rates):
            return
        rate = best_rate(trained.probes)
        if rate is None:
            self.watch.advance(self.cost[model] * self.plan.recipe.epochs * len(self.plan.seeds))
            trained.failure = next(iter(trained.probes.values()))["status"]
            self.watch.say(f"{model}: no learning rate of {self.plan.rates} trains it ({trained.failure})")
        else:
            self._submit_seeds(pool, model, rate)


def run_folder(folder: Path, model: str, name: str) -> Path:
    """Where a run of a network lies in a comparison's folder; `name` is "seed-0", or "lr-0.001" for a probe."""
    return folder / "runs" / model / name


def best_rate(probes: dict[float, dict[str, Any]]) -> float | None:
    """The learning rate with the least validation loss (of equals the smallest); None where no probe ended well."""
    losses = {rate: run["figures"]["val_loss"] for rate, run in probes.items() if run["status"] == "ok"}
    return min(losses, key=lambda rate: (losses[rate], rate), default=None)
