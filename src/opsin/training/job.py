"""Training one network: from where it starts to its bundle, in a folder of its own."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from opsin import zoo
from opsin.bundle import Bundle
from opsin.data.preprocess import Preprocess
from opsin.data.sampler import class_weights
from opsin.data.sources import Source
from opsin.data.store import Decoded, Images, Stored
from opsin.engine.checkpoint import Checkpoints
from opsin.engine.evaluate import predict_together
from opsin.engine.recipe import Recipe
from opsin.engine.record import Record
from opsin.engine.stop import Asked
from opsin.engine.train import Data, Diverged, step_seed, train
from opsin.engine.world import World, world
from opsin.errors import OpsinError
from opsin.files import MANIFEST
from opsin.models.network import Network
from opsin.tasks.classify import Classify
from opsin.training.entry import Entry
from opsin.training.probed import run_probe
from opsin.training.staged import take_layers
from opsin.weights.create import create_model

INIT = 2**32 - 1
"""The rank under which the initial weights are drawn, so that no training step shares their seed."""

TELL = 1.0
"""Seconds between two reports inside an epoch, at least."""

Report = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Job:
    """All that a process needs for one run.

    Attributes:
        folder: of the run.
        entry: the network, and what it starts from.
        arguments: of the network, as it is built for these images.
        images: a .npy file of uint8 [n, C, S, S]; None where they are decoded during the run.
        table: a .npz file with `labels` [n], `parts` [n] and, where images come in groups, `groups` [n].
        final: whether it leaves predictions and a bundle; a short probe of a learning rate leaves neither.
        folds: of the cross-validation of an entry that is probed.
        data: the images' fingerprint.
        source: the images as they came, where a recipe cuts crops out of them or they are decoded during the run.
        workers: threads that decode them; by default one for each core.
        compiled: whether its steps run through torch.compile.
        save_steps: steps after which a checkpoint is due, besides the time.
    """

    folder: Path
    entry: Entry
    arguments: dict[str, Any]
    recipe: Recipe
    seed: int
    images: Path | None
    table: Path
    classes: tuple[str, ...]
    preprocess: Preprocess
    device: str
    final: bool
    folds: int | None = None
    data: str | None = None
    split: dict[str, Any] | None = None
    source: Source | None = None
    workers: int | None = None
    compiled: bool = False
    save_steps: int | None = None

    def facts(self) -> dict[str, Any]:
        """What makes it another run."""
        how = {"folds": self.folds} if self.entry.start == "probe" else {"recipe": self.recipe.to_dict()}
        return {
            "model": self.entry.model,
            "start": self.entry.start,
            "weights": self.entry.origin and self.entry.origin.to_dict(),
            "arguments": self.arguments,
            "preprocess": self.preprocess.to_dict(),
            "seed": self.seed,
            "data": self.data,
            **({"compiled": True} if self.compiled else {}),
        } | how

    def reads(self) -> tuple[Path, ...]:
        """Its files; raises OpsinError where the images themselves are files that it reads."""
        if self.images is None or (self.source and self.source.folder):
            raise OpsinError("images that are read as it trains have to lie where all nodes of the cluster see them")
        return (self.images, self.table, *([Path(self.entry.file)] if self.entry.file else []))

    @property
    def writes(self) -> Path:
        return self.folder

    def elsewhere(self, reads: Mapping[Path, Path], writes: Path) -> "Job":
        """The same run with its files on another machine (see `opsin.launch.node.Travels`)."""
        entry = replace(self.entry, file=str(reads[Path(self.entry.file)])) if self.entry.file else self.entry
        images = self.images and reads[self.images]
        return replace(self, folder=writes, entry=entry, images=images, table=reads[self.table])

    def ended(self) -> dict[str, Any] | None:
        """run.json of this run, where it has ended; else None."""
        record = Record(self.folder)
        files = (record.metrics, record.predictions, record.bundle / MANIFEST) if self.final else (record.metrics,)
        return record.ended(self.facts(), files)

    def network(self) -> Network:
        """The network as it starts."""
        torch.manual_seed(step_seed(self.seed, 0, INIT))
        if self.entry.file is None:
            return zoo.build_model(self.entry.model, **self.arguments)
        net = create_model(self.entry.model, Path(self.entry.file), drop_head=True, **self.arguments)
        if self.entry.origin and net.origin.sha256 != self.entry.origin.sha256:
            raise OpsinError(f"{self.entry.file} is not what it was when this comparison began: choose another --out")
        return net

    def bundle(self, net: Network, recipe: dict[str, Any], figures: dict[str, Any]) -> Bundle:
        origin = self.entry.origin and replace(self.entry.origin, fresh=net.origin.fresh)
        of = (self.entry.model, self.arguments, self.classes, self.preprocess)
        return Bundle(net, *of, recipe, figures, origin, self.data, split=self.split or {})

    def pixels(self) -> Images:
        """The images, from the file of decoded ones or from their source."""
        if self.images is not None:
            return Stored(np.load(self.images, mmap_mode="c"))
        assert self.source is not None
        return Decoded(self.source, self.preprocess, self.workers)


def run(job: Job, report: Report, asked: Asked | None = None) -> dict[str, Any]:
    """Runs a job, going on from its checkpoint if it has one; returns its run.json. An ended run is not run again.

    Where several processes run it together, the first one writes.
    """
    here = world(job.device)
    if ended := here.told(job.ended() if here.rank == 0 else None):
        return ended
    record = Record(job.folder)
    record.folder.mkdir(parents=True, exist_ok=True)
    table = np.load(job.table)
    labels, parts = table["labels"], table["parts"]
    train_part, val, test = (np.flatnonzero(parts == part) for part in ("train", "val", "test"))
    data = Data(job.pixels(), labels, train_part, val, job.preprocess, job.source, job.workers, len(job.classes))
    if job.entry.start == "probe":
        groups = table["groups"][train_part] if "groups" in table else None
        return run_probe(job, record, data, test, groups, here.device, report)
    return train_network(job, record, data, test, here, report, asked)


def begin(job: Job, report: Report, asked: Asked | None) -> Network:
    """The network as it starts: where the recipe says so, with layers of another one that is trained first.

    Raises Diverged where that one could not be trained.
    """
    net = job.network()
    first = job.recipe.start_from
    if first is None or job.entry.start != "scratch":
        return net
    folder = job.folder / "start"
    recipe = replace(job.recipe, start_from=None)
    before = replace(job, folder=folder, entry=Entry(first), recipe=recipe, final=True)  # for its bundle
    facts = run(before, lambda metrics: report({"epoch": 0}), asked)
    if facts["status"] != "ok":
        raise Diverged(f"{first}, with which it starts, {facts['status']}")
    take_layers(net, Bundle.read(folder / "bundle").net)
    return net


def train_network(
    job: Job, record: Record, data: Data, test: np.ndarray, here: World, report: Report, asked: Asked | None = None
) -> dict[str, Any]:
    """Trains the network from where it starts, with checkpoints, and evaluates it."""
    recipe = job.recipe
    facts = job.facts() | {"device": str(here.device), "threads": torch.get_num_threads()}
    if here.size > 1:
        facts |= {"processes": here.size, "batch_norm": here.batch_norm}
    weights = class_weights(data.labels[data.train], data.n_classes) if recipe.balance == "weights" else None
    task = Classify(recipe.label_smoothing, recipe.aux_weight, recipe.loss, weights)
    checkpoints = None
    if job.final:
        checkpoints = Checkpoints(
            record.checkpoints, steps=job.save_steps, say=lambda line: report({"epoch": 0, "note": line})
        )
    if here.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    told = list(record.read_metrics()) if here.rank == 0 else []

    def on_epoch(metrics: dict[str, Any]) -> None:
        told[metrics["epoch"] - 1 :] = [metrics]
        if here.rank == 0:
            record.write_metrics(told)
            report(metrics)

    steps = math.ceil(len(data.train) / recipe.batch(len(data.train)))
    reported = time.monotonic()

    def on_step(step: int) -> None:
        nonlocal reported
        if time.monotonic() - reported > TELL:
            report({"epoch": step / steps})
            reported = time.monotonic()

    calls = {"on_epoch": on_epoch, "on_step": on_step, "asked": asked}
    calls |= {"checkpoints": checkpoints, "compiled": job.compiled}
    try:
        net = begin(job, report, asked)
        history = train(net, data, recipe, task, seed=job.seed, world=here, **calls)
    except Diverged as error:
        return ended(record, here, facts | {"status": f"failed: {error}"})
    if checkpoints and checkpoints.skipped:
        facts["checkpoints_skipped"] = checkpoints.skipped
    figures = {key: history[-1][key] for key in ("train_loss", "val_loss", "val_top1") if key in history[-1]}
    if job.final:
        logits = {}
        for name, part in (("val", data.val), ("test", test)):
            if not len(part):
                continue
            logits[name] = predict_together(net, data.images, part, job.preprocess, here).numpy()
        figures["test_top1"] = float((logits["test"].argmax(1) == data.labels[test]).mean())
        figures["test_images"] = len(test)
        if here.rank == 0:
            record.write_predictions(logits)
            job.bundle(net, recipe.to_dict(), figures).write(record.bundle)
    if here.rank == 0:
        record.write_metrics(history)
    facts |= {"status": "ok", "figures": figures, "train_seconds": sum(epoch["seconds"] for epoch in history)}
    if here.device.type == "cuda":
        facts["peak_memory_mb"] = torch.cuda.max_memory_allocated() / 2**20
    return ended(record, here, facts)


def ended(record: Record, here: World, facts: dict[str, Any]) -> dict[str, Any]:
    """run.json, which the first process writes."""
    return here.told(record.end(facts) if here.rank == 0 else None) or facts
