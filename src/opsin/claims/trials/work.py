"""The trials of many experiments on one pool of processes: each is trained once, whichever of them want it."""

import errno
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opsin.claims.trials.experiment import Experiment, wanted
from opsin.claims.trials.images import Images
from opsin.claims.trials.trial import Job, Trial, name_of, read
from opsin.errors import OpsinError
from opsin.launch.local import Event, Pool, Task
from opsin.watch import Watch

RUN = "opsin.claims.trials.trial:run"


class Store:
    """The trials on some images that are known: one small file each, in a folder that all claims share."""

    def __init__(self, folder: Path, images: Images, device: str = "cpu"):
        self.folder, self.images, self.device = folder, images, device
        self.found: dict[Trial, dict[str, Any]] = {}

    def __call__(self, trial: Trial) -> dict[str, Any] | None:
        """What stands in a trial's file; None where it has not been trained."""
        if trial not in self.found and (found := read(self.file(trial), trial, self.images)):
            self.found[trial] = found
        return self.found.get(trial)

    def file(self, trial: Trial) -> Path:
        return self.folder / name_of(trial, self.images)

    def job(self, trial: Trial) -> Job:
        return Job(trial, self.images, self.file(trial).resolve(), self.device)


@dataclass(frozen=True)
class Wish:
    """An experiment, and how many seeds of it are reported."""

    experiment: Experiment
    seeds: int


def train(wishes: Mapping[str, Wish], store: Store, pool: Pool, watch: Watch) -> Iterator[str]:
    """Trains what experiments want; yields the name of each as soon as all its trials are known.

    What an experiment wants shows as its rates are tuned, so that the number of trials grows on the way. Raises
    OpsinError where a trial fails or the disk is full; what is known by then is kept.
    """
    left, submitted = dict(wishes), set[Trial]()

    def submit() -> list[str]:
        """Submits what is wanted now; the names of what has ended."""
        ended = []
        for name, wish in left.items():
            trials = wanted(wish.experiment, store, wish.seeds)
            if not trials:
                ended.append(name)
            for trial in trials:
                if trial not in submitted:
                    submitted.add(trial)
                    pool.submit(Task(store.file(trial).name, RUN, store.job(trial), float(trial.recipe.epochs)))
        for name in ended:
            del left[name]
        watch.stage(f"training, {len(left)} to go", float(len(submitted)))
        watch.advance(done)
        return ended

    done = 0
    yield from submit()
    for event in pool.events():
        if event.kind == "failed":
            raise failed(event, store)
        if event.kind != "done":
            continue
        done += 1
        watch.advance(1)
        if not pool.pending:
            yield from submit()
    assert not left, f"trials of {', '.join(left)} have ended and are not known"


def failed(event: Event, store: Store) -> OpsinError:
    """The error of a trial that failed, in one line; its traceback goes to a file."""
    facts = event.value
    if facts["errno"] in (errno.ENOSPC, errno.EDQUOT):
        return OpsinError(f"the disk is full: {store.folder} cannot be written; free some space and start again")
    if facts["errno"] in (errno.EACCES, errno.EPERM, errno.EROFS):
        return OpsinError(f"no permission to write {store.folder}: {facts['message']}")
    where = ""
    if facts["traceback"]:
        file = store.folder / "error.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(facts["traceback"], encoding="utf-8")
        where = f"; see {file}"
    return OpsinError(f"a trial failed ({facts['type']}: {facts['message'][:200]}){where}")
