"""One run of a comparison in a worker of the pool: an entry, a seed, a learning rate, trained or probed."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from opsin import zoo
from opsin.bundle import Bundle
from opsin.compare.entry import Entry
from opsin.data.preprocess import Preprocess
from opsin.device import choose_device, place
from opsin.engine import probe
from opsin.engine.checkpoint import Checkpoints
from opsin.engine.evaluate import embed, predict
from opsin.engine.recipe import Recipe
from opsin.engine.record import Record
from opsin.engine.train import Data, Diverged, step_seed, train
from opsin.errors import OpsinError
from opsin.files import MANIFEST
from opsin.models.network import Network
from opsin.tasks.classify import Classify
from opsin.weights.create import create_model

INIT = 2**32 - 1
"""The rank under which the initial weights are drawn, so that no training step shares their seed."""


@dataclass(frozen=True)
class Job:
    """All that a worker needs for one run.

    `images` is a .npy file of uint8 [n, C, S, S], `table` a .npz file with `labels` [n], `parts` [n] and, where images
    come in groups, `groups` [n]. A probe of a learning rate (`final` false) is scored on validation and leaves neither
    predictions nor a bundle. `folds` are those of an entry that is probed, `data` is the images' fingerprint.
    """

    folder: Path
    entry: Entry
    arguments: dict[str, Any]
    recipe: Recipe
    seed: int
    images: Path
    table: Path
    classes: tuple[str, ...]
    preprocess: Preprocess
    device: str
    final: bool
    folds: int | None = None
    data: str | None = None

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
        } | how

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
        return Bundle(net, *of, recipe, figures, origin, self.data)


def run(job: Job, report: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Runs a job, going on from its checkpoint if it has one; returns its run.json. An ended run is not run again."""
    record = Record(job.folder)
    files = (record.metrics, record.predictions, record.bundle / MANIFEST) if job.final else (record.metrics,)
    if ended := record.ended(job.facts(), files):
        return ended
    record.folder.mkdir(parents=True, exist_ok=True)
    table = np.load(job.table)
    labels, parts = table["labels"], table["parts"]
    train_part, val, test = (np.flatnonzero(parts == part) for part in ("train", "val", "test"))
    data = Data(np.load(job.images, mmap_mode="c"), labels, train_part, val, job.preprocess)
    device = choose_device(job.device)
    if job.entry.start == "probe":
        groups = table["groups"][train_part] if "groups" in table else None
        return run_probe(job, record, data, test, groups, device, report)
    return run_training(job, record, data, test, device, report)


def run_training(
    job: Job,
    record: Record,
    data: Data,
    test: np.ndarray,
    device: torch.device,
    report: Callable[[dict[str, Any]], None],
) -> dict[str, Any]:
    """Trains the network from where it starts, with checkpoints, and evaluates it."""
    net = job.network()
    facts = job.facts() | {"device": str(device), "threads": torch.get_num_threads()}
    task = Classify(job.recipe.label_smoothing, job.recipe.aux_weight)
    checkpoints = Checkpoints(record.checkpoints) if job.final else None
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    try:
        history = train(
            net, data, job.recipe, task, seed=job.seed, device=device, checkpoints=checkpoints, on_epoch=report
        )
    except Diverged as error:
        return record.end(facts | {"status": f"failed: {error}"})
    if checkpoints and checkpoints.skipped:
        facts["checkpoints_skipped"] = checkpoints.skipped
    record.write_metrics(history)
    figures = {key: history[-1][key] for key in ("val_loss", "val_top1")}
    seconds = sum(epoch["seconds"] for epoch in history)
    if job.final:
        logits = {
            name: predict(net, data.images, part, job.preprocess, device).numpy()
            for name, part in (("val", data.val), ("test", test))
        }
        np.savez(record.predictions, val=logits["val"], test=logits["test"])
        figures["test_top1"] = float((logits["test"].argmax(1) == data.labels[test]).mean())
        job.bundle(net, job.recipe.to_dict(), figures).write(record.bundle)
    facts |= {"status": "ok", "figures": figures, "train_seconds": seconds}
    if device.type == "cuda":
        facts["peak_memory_mb"] = torch.cuda.max_memory_allocated() / 2**20
    return record.end(facts)


def run_probe(
    job: Job,
    record: Record,
    data: Data,
    test: np.ndarray,
    groups: np.ndarray | None,
    device: torch.device,
    report: Callable[[dict[str, Any]], None],
) -> dict[str, Any]:
    """One pass of the frozen network over all images, and a logistic regression in the place of its last layer."""
    began = time.monotonic()
    net = job.network()
    place(net, device)
    rows = np.concatenate([data.train, data.val, test])

    def tell(done: int) -> None:
        report({"epoch": done / len(rows) / 3})

    seen = embed(net, data.images, rows, data.preprocess, device, tell).numpy()
    if not np.isfinite(seen).all():
        raise OpsinError(f"{job.entry.model} sees numbers that are not finite: are its weights damaged?")
    train, val, tested = np.split(seen, np.cumsum([len(data.train), len(data.val)]))
    labels, on_val = data.labels[data.train], (val, data.labels[data.val])
    fitted = probe.fit(train, labels, len(job.classes), on_val, folds=job.folds, groups=groups, seed=job.seed)
    put_in_place(net, fitted)
    linear, whole = fitted.logits(seen[:8]), predict(net, data.images, rows[:8], data.preprocess, device).numpy()
    if np.abs(whole - linear).max() > 0.05 * np.abs(linear).max():
        raise OpsinError(f"{job.entry.model} cannot be probed: its logits are not linear in what its last layer sees")
    logits = {"val": fitted.logits(val).astype(np.float32), "test": fitted.logits(tested).astype(np.float32)}
    np.savez(record.predictions, val=logits["val"], test=logits["test"])
    measured = Classify().metrics(torch.from_numpy(logits["val"]), torch.from_numpy(on_val[1]))
    figures = {f"val_{name}": value for name, value in measured.items()}
    figures["test_top1"] = float((logits["test"].argmax(1) == data.labels[test]).mean())
    how = {"name": "probe", "strength": fitted.strength, "chosen_on": fitted.how}
    job.bundle(net, how, figures).write(record.bundle)
    record.write_metrics([])
    report({"epoch": 1 / 3, "val_top1": figures["val_top1"]})
    facts = job.facts() | {"device": str(device), "threads": torch.get_num_threads(), "status": "ok"}
    losses = [{"strength": strength, "loss": loss} for strength, loss in fitted.losses.items()]
    facts |= {"figures": figures, "probe": how | {"losses": losses}, "train_seconds": time.monotonic() - began}
    return record.end(facts)


@torch.no_grad()
def put_in_place(net: Network, fitted: probe.Probe) -> None:
    """The probe as the network's last layer, linear or a 1x1 convolution, so that the whole predicts what it does.

    Raises OpsinError for a last layer of another kind.
    """
    layer = net.get_classifier()
    if not isinstance(layer, torch.nn.Linear | torch.nn.Conv2d) or layer.bias is None:
        raise OpsinError(
            f"a network that ends with {type(layer).__name__} cannot be probed: --start finetune trains it"
        )
    layer.weight.copy_(torch.from_numpy(fitted.weight).view_as(layer.weight))
    layer.bias.copy_(torch.from_numpy(fitted.bias))
