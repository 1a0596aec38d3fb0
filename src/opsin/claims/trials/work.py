"""The trials of many experiments on one pool of processes: each is trained once, whichever of them want it."""

import errno
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opsin.claims.trials.experiment import Experiment
from opsin.claims.trials.images import Images
from opsin.claims.trials.rates import wanted
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
    left, waits = dict(wishes), dict[str, set[str]]()
    submitted, done = set[str](), set[str]()

    def ask(names: Sequence[str]) -> list[str]:
        """Submits what these experiments want now; the names of those that want no more."""
        for name in names:
            trials = {store.file(trial).name: trial for trial in wanted(left[name].experiment, store, left[name].seeds)}
            assert not done & trials.keys(), f"trials of {name} have ended and are not known"
            for key in trials.keys() - submitted:
                pool.submit(Task(key, RUN, store.job(trials[key]), float(trials[key].recipe.epochs)))
            submitted.update(trials)
            waits[name] = set(trials)
        ended = [name for name in names if not waits[name]]
        for name in ended:
            del left[name], waits[name]
        watch.stage(f"training, {len(left)} to go", float(len(submitted)))
        watch.advance(len(done))
        return ended

    yield from ask(list(left))
    for event in pool.events():
        if event.kind == "failed":
            raise failed(event, store)
        if event.kind != "done":
            continue
        done.add(event.key)
        watch.advance(1)
        if ready := [name for name, keys in waits.items() if keys <= done]:
            yield from ask(ready)


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
