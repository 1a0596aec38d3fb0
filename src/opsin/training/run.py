"""One training, from a set of images to the folder of a run."""

import json
import shutil
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from opsin import zoo
from opsin.costs.free import free_memory
from opsin.data.cache import materialise
from opsin.data.preprocess import Preprocess
from opsin.data.scan import Scan, scan
from opsin.data.sources import load
from opsin.data.split import Split, divide
from opsin.data.store import Decoded
from opsin.device import deterministic
from opsin.engine.recipe import Recipe
from opsin.engine.record import Record
from opsin.engine.stop import Stopped, asked
from opsin.engine.world import World, world
from opsin.errors import OpsinError
from opsin.files import check_writable, digest, locked, slug, write_json
from opsin.training.entry import Entry, started
from opsin.training.job import Job, run
from opsin.training.training import Training
from opsin.watch import Watch
from opsin.words import many

SCHEMA = 1
PLAN, LOCK = "plan.json", ".lock"
PHOTO = 64
"""Images above this side, in pixels, are trained at the size of the network's paper."""
MEASURED = 10_000
"""On how many training images, at most, the mean and the deviation of the pixels are measured."""
SAME_SIGNAL = 2.0
"""Seconds within which a second signal is the first one again, which torchrun hands on."""
ROOM = 0.5
"""Of the memory and of the disk that are free, the share that decoded images may take."""

State = Literal["training", "stopped", "ended"]
Follow = Callable[[Path, State], None]


@dataclass(frozen=True)
class Run:
    """A training that has ended: its folder, and what stands in its run.json; `rank` is this process's in its world."""

    folder: Path
    facts: dict[str, Any]
    rank: int = 0

    @property
    def bundle(self) -> Path:
        return Record(self.folder).bundle

    @property
    def history(self) -> list[dict[str, Any]]:
        """The metrics of each epoch."""
        return Record(self.folder).read_metrics()


def resume(folder: Path, workers: int | None = None) -> Training:
    """What was asked of the run in a folder, to go on with it, with so many decoding threads where they are given.

    Raises OpsinError where there is no run.
    """
    if not (folder / PLAN).is_file():
        raise OpsinError(f"{folder} holds no run: give the folder that --out named, or the line that training printed")
    training = replace(Training.from_dict(read_plan(folder)["asked"]), out=folder)
    return training if workers is None else replace(training, workers=workers)


def run_training(
    training: Training, watch: Watch | None = None, signals: bool = False, follow: Follow | None = None
) -> Run:
    """Trains a network on a set of images, and evaluates it; the same again goes on where it was stopped.

    Several processes that torchrun started train it together: all must see the same disk. With `signals`, SIGTERM and
    SIGINT end it after the step and a save, with opsin.engine.stop.Stopped. The first process calls `follow` with the
    run's folder and "training" at its beginning and after each epoch, "stopped", or "ended". Raises OpsinError for what
    cannot work.
    """
    watch = watch or Watch()
    here = world(training.device)
    grace = SAME_SIGNAL if here.size > 1 else 0.0
    title = f"{training.model} seed-{training.seed}"
    with ExitStack() as held:
        with here.one_voice():
            job = here.first(lambda: prepare(training, watch, held, here.size))

        def tell(state: State) -> None:
            if follow and here.rank == 0:
                follow(job.folder, state)

        def report(metrics: dict[str, Any]) -> None:
            watch.epoch(title, metrics)
            if "note" in metrics:
                watch.say(metrics["note"])
            if "train_loss" in metrics:
                tell("training")

        if training.deterministic:
            held.enter_context(deterministic())
        watch.stage("training")
        watch.started(title, job.recipe.epochs)
        flag = held.enter_context(asked(grace)) if signals else None
        tell("training")
        try:
            facts = run(job, report, flag)
        except BaseException as error:
            tell("stopped")
            if isinstance(error, Stopped):
                error.folder = job.folder
            if isinstance(error, RuntimeError) and (line := mend(error, training, here)):
                raise OpsinError(line) from None
            raise
        watch.ended(title, facts["status"])
        if here.rank == 0 and facts["status"] == "ok":
            shutil.rmtree(job.folder / "cache", ignore_errors=True)
        tell("ended")
        return Run(job.folder, facts, here.rank)


def mend(error: RuntimeError, training: Training, here: World) -> str | None:
    """What to do about an error of PyTorch's own, in a line; None where that is not known."""
    why = " ".join(str(error).split())[:200]
    if isinstance(error, torch.OutOfMemoryError):
        return (
            f"{here.device} has too little memory for a step: divide it by --set accumulate=2 (or 4, 8 ...), or give a "
            "smaller batch_size"
        )
    if training.deterministic and "deterministic" in why:
        return f"{training.model} cannot repeat its bits on {here.device}: leave --deterministic out ({why})"
    if training.compiled and type(error).__module__.startswith("torch."):
        return f"{training.model} cannot be compiled here: leave --compile out ({why})"
    return None


def prepare(training: Training, watch: Watch, held: ExitStack, processes: int = 1) -> Job:
    """Looks at every image, decides, and writes it down: what `run` takes. The folder's lock is `held`."""
    source = load(training.data, training.groups, training.root)
    watch.stage("reading images", len(source))
    scanned = scan(source, watch.counter(), skip_bad=training.skip_bad)
    divided = divide(scanned, val=training.val)
    for note in divided.notes:
        watch.say(note)
    identity = training.identity(scanned.fingerprint)
    folder = training.out or Path("opsin-runs") / f"{slug(source.name)}-{training.model}-{digest(identity)}"
    if source.path is not None and folder.resolve().is_relative_to(source.path.resolve()):
        raise OpsinError(f"the run would lie among the images, in {folder}: give an --out elsewhere")
    planned = check_folder(folder, identity)
    check_writable(folder / PLAN)
    held.enter_context(locked(folder / LOCK, "training"))
    if planned is None:
        planned = plan(training, scanned, divided, watch)
        head = {"schema": SCHEMA, "asked": training.settled().to_dict(), "identity": identity, "processes": processes}
        write_json(folder / PLAN, head | planned)
    else:
        watch.say(f"going on with {folder}")
        if (begun := planned.get("processes", processes)) != processes:
            watch.say(f"it began with {begun} processes and goes on with {processes}: its bits will be others")
    entry, preprocess = Entry.from_dict(planned["entry"]), Preprocess.from_dict(planned["preprocess"])
    recipe = Recipe.from_dict(planned["recipe"])
    for note in planned["notes"]:
        watch.say(note)
    how = f"{recipe.name}, {many(recipe.epochs, 'epoch')} at {preprocess.size} px"
    watch.say(f"{training.model} ({how}): {in_parts(divided.counts)} -> {folder}")
    cache = folder / "cache"
    cache.mkdir(exist_ok=True)
    np.savez(cache / "table.npz", labels=scanned.source.labels, parts=divided.parts, allow_pickle=False)
    images = None
    if not recipe.looks_at_originals and fits(len(scanned.source), preprocess, cache):
        images = cache / "images.npy"
        watch.stage(f"decoding images at {preprocess.size} px", len(scanned.source))
        materialise(scanned.source, preprocess, images, watch.counter())
    return Job(
        folder=folder,
        entry=entry,
        arguments=planned["arguments"],
        recipe=recipe,
        seed=training.seed,
        images=images,
        table=cache / "table.npz",
        classes=scanned.source.classes,
        preprocess=preprocess,
        device=training.device,
        final=True,
        data=scanned.fingerprint,
        split={"val": training.val, "groups": training.groups},
        source=scanned.source if images is None else None,
        workers=training.workers,
        compiled=training.compiled,
        save_steps=training.save_steps,
    )


def in_parts(counts: Mapping[str, int]) -> str:
    """ "1,078 to train, 360 to validate, 359 to test": images by part, those without any left out."""
    uses = {"train": "to train", "val": "to validate", "test": "to test"}
    return ", ".join(f"{counts[part]:,} {use}" for part, use in uses.items() if counts.get(part))


def plan(training: Training, scanned: Scan, divided: Split, watch: Watch) -> dict[str, Any]:
    """What follows from the images: the recipe fitted to their number, the input, and the network's arguments."""
    own = int(np.median(scanned.sizes.min(axis=1)))
    inputs = zoo.card(training.model).inputs
    if training.pretrained is None:
        size = training.input_size or (inputs.size if own > PHOTO else inputs.fit(own))
        entry = Entry(training.model)
    else:
        found = started(training.model, training.pretrained, watch, training.input_size)
        entry = replace(found, start="finetune")
        size = entry.size or inputs.size
    train = divided.rows("train")
    recipe, notes = training.fitted_recipe(len(train), scanned.channels)
    preprocess = entry.preprocess(size, scanned.channels)
    if entry.origin is None:
        preprocess = measured(scanned, preprocess, train, watch)
    if said := preprocess.enlargement(scanned.native_sizes):
        notes = (*notes, said)
    arguments = entry.arguments(len(scanned.source.classes), scanned.channels, size)
    return {
        "entry": entry.to_dict(),
        "arguments": arguments | recipe.arguments,
        "recipe": recipe.to_dict(),
        "preprocess": preprocess.to_dict(),
        "split": divided.how,
        "data": {
            "name": scanned.source.name,
            "classes": len(scanned.source.classes),
            "images": divided.counts,
            "notes": list(divided.notes),
        },
        "notes": list(notes),
    }


def measured(scanned: Scan, preprocess: Preprocess, train: np.ndarray, watch: Watch) -> Preprocess:
    """With the mean and the deviation of the training images' pixels, of at most MEASURED of them, evenly picked."""
    some = train[np.linspace(0, len(train) - 1, min(len(train), MEASURED)).astype(np.int64)]
    watch.stage("measuring colours", len(some))
    seen = []
    for batch in Decoded(scanned.source, preprocess).batches(np.array_split(some, -(-len(some) // 256))):
        seen.append(batch.numpy())
        watch.advance(len(batch))
    return preprocess.with_statistics(np.concatenate(seen))


def fits(n: int, preprocess: Preprocess, folder: Path) -> bool:
    """Whether so many decoded images find room on the disk, and in memory with it."""
    needed = n * preprocess.channels * preprocess.size**2
    free = free_memory(torch.device("cpu")) or needed
    return needed < ROOM * min(shutil.disk_usage(folder).free, free)


def check_folder(folder: Path, identity: dict[str, Any]) -> dict[str, Any] | None:
    """The plan of this very run, if the folder holds it. Raises OpsinError where it holds something else."""
    if not folder.exists():
        return None
    if not folder.is_dir():
        raise OpsinError(f"{folder} is a file: choose another --out")
    if not (folder / PLAN).exists():
        if any(not entry.name.startswith(".") for entry in folder.iterdir()):
            raise OpsinError(f"{folder} is not empty and holds no run: choose another --out")
        return None
    found = read_plan(folder)
    differs = [key for key in identity if found["identity"].get(key) != identity[key]]
    if differs == ["data"]:
        raise OpsinError(
            f"{folder} holds a run on other images: some were changed, added or taken away since it began; put them "
            "back, or choose another --out"
        )
    if differs:
        names = ", ".join(key.replace("_", " ") for key in differs)
        raise OpsinError(f"{folder} holds another run (other {names}): choose another --out, or give --resume {folder}")
    return found


def read_plan(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / PLAN).read_text(encoding="utf-8"))
        if found["schema"] != SCHEMA:
            raise ValueError(f"of schema {found['schema']}, here {SCHEMA}")
        return found
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OpsinError(f"cannot read {folder / PLAN} ({error}): choose another --out") from None
