"""One run of a comparison: a network, a seed, a learning rate, trained and evaluated in a worker of the pool."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from opsin import zoo
from opsin.bundle import Bundle
from opsin.data.preprocess import Preprocess
from opsin.device import choose_device
from opsin.engine.checkpoint import MANIFEST, Checkpoints
from opsin.engine.evaluate import predict
from opsin.engine.recipe import Recipe
from opsin.engine.record import Record
from opsin.engine.train import Data, Diverged, step_seed, train
from opsin.tasks.classify import Classify

INIT = 2**32 - 1
"""The rank under which the initial weights are drawn, so that no training step shares their seed."""


@dataclass(frozen=True)
class Job:
    """All that a worker needs for one run.

    `images` is a .npy file of uint8 [n, C, S, S], `table` a .npz file with `labels` [n] and `parts` [n]. A probe
    (`final` false) is scored on validation and leaves neither predictions nor a bundle.
    """

    folder: Path
    model: str
    arguments: dict[str, Any]
    recipe: Recipe
    seed: int
    images: Path
    table: Path
    classes: tuple[str, ...]
    preprocess: Preprocess
    device: str
    final: bool


def run(job: Job, report: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Runs a job, going on from its checkpoint if it has one; returns its run.json. An ended run is not run again."""
    record = Record(job.folder)
    facts = {"model": job.model, "arguments": job.arguments, "recipe": job.recipe.to_dict(), "seed": job.seed}
    files = (record.metrics, record.predictions, record.bundle / MANIFEST) if job.final else (record.metrics,)
    if ended := record.ended(facts, files):
        return ended
    record.folder.mkdir(parents=True, exist_ok=True)
    table = np.load(job.table)
    labels, parts = table["labels"], table["parts"]
    train_part, val, test = (np.flatnonzero(parts == part) for part in ("train", "val", "test"))
    data = Data(np.load(job.images, mmap_mode="c"), labels, train_part, val, job.preprocess)
    device = choose_device(job.device)
    torch.manual_seed(step_seed(job.seed, 0, INIT))
    net = zoo.build_model(job.model, **job.arguments)
    facts |= {"device": str(device), "threads": torch.get_num_threads()}
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
            for name, part in (("val", val), ("test", test))
        }
        np.savez(record.predictions, val=logits["val"], test=logits["test"])
        figures["test_top1"] = float((logits["test"].argmax(1) == labels[test]).mean())
        recipe = job.recipe.to_dict()
        Bundle(net, job.model, job.arguments, job.classes, job.preprocess, recipe, figures).write(record.bundle)
    facts |= {"status": "ok", "figures": figures, "train_seconds": seconds}
    if device.type == "cuda":
        facts["peak_memory_mb"] = torch.cuda.max_memory_allocated() / 2**20
    return record.end(facts)
