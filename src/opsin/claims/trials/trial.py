"""A trial: one small network trained once, with what the claims look at.

Trials are what claims share: the same network, recipe, images, seed and probes are one trial, trained once, whichever
claims ask for it. A trial runs on one thread and has the same bits wherever it runs on processors of one kind.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from opsin.claims.record import finite
from opsin.claims.trials.images import MOST, Images, Part, arrays, divide, shuffled, taken
from opsin.claims.trials.networks import NETWORKS
from opsin.claims.trials.probes import PROBES, Trained
from opsin.costs.machine import describe
from opsin.data.counted import epoch_order, key
from opsin.data.preprocess import Preprocess
from opsin.data.store import Stored
from opsin.engine.evaluate import predict
from opsin.engine.recipe import Recipe
from opsin.engine.train import Data, Diverged, step_seed, train
from opsin.files import digest, write_json
from opsin.tasks.classify import Classify

INIT = 2**32 - 1
"""The rank under which weights are drawn, so that no training step shares their seed."""
WATCHED = 2000
"""Training images, at most, by which the training error is watched."""
SCHEMA = 2
"""To be raised with every change after which a trial of the same facts would come out otherwise, or says more."""
MACHINE = ("cpu", "device", "gpu", "torch")
"""What a trial tells of where it was trained."""
_WATCHED = 15  # a stream of counted numbers


@dataclass(frozen=True)
class Trial:
    """All that decides one training.

    Attributes:
        network: a name of `NETWORKS`.
        arguments: of its constructor.
        recipe: how it is trained; its name decides nothing.
        seed: of the division of the images, their order and the weights.
        part: what it takes of the images.
        every: steps between two looks at the training and the test error; 0 for none but at the end.
        probes: names of `PROBES`, what else is measured at the end.
    """

    network: str
    arguments: tuple[tuple[str, Any], ...]
    recipe: Recipe
    seed: int
    part: Part = field(default_factory=Part)
    every: int = 0
    probes: tuple[str, ...] = ()

    def facts(self, images: Images) -> dict[str, Any]:
        """What makes it another trial, as JSON has it."""
        facts = {
            "schema": SCHEMA,
            "network": self.network,
            "arguments": dict(self.arguments),
            "recipe": replace(self.recipe, name="").to_dict(),
            "seed": self.seed,
            "part": asdict(self.part),
            "every": self.every,
            "probes": list(self.probes),
            "images": images.fingerprint,
            "shape": list(images.shape[1:]),
        } | ({} if images.most == MOST else {"most": images.most})
        return json.loads(json.dumps(facts))


@dataclass(frozen=True)
class Job:
    """A trial with its images, the file that it leaves, and the device that trains it, for a worker."""

    trial: Trial
    images: Images
    file: Path
    device: str = "cpu"

    def reads(self) -> tuple[Path, ...]:
        return (self.images.file,)

    @property
    def writes(self) -> Path:
        return self.file

    def elsewhere(self, reads: Mapping[Path, Path], writes: Path) -> "Job":
        """The same trial with its files on another machine (see `opsin.launch.node.Travels`)."""
        return replace(self, images=replace(self.images, file=reads[self.images.file]), file=writes)

    def ended(self) -> dict[str, Any] | None:
        """What it has left; None where it is still to be trained."""
        return read(self.file, self.trial, self.images)


def name_of(trial: Trial, images: Images) -> str:
    """A trial's file in a folder of trials."""
    return f"{digest(trial.facts(images))}.json"


def read(file: Path, trial: Trial, images: Images) -> dict[str, Any] | None:
    """What a file has of a trial; None where there is none, or of another one."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("trial") == trial.facts(images) else None


def run(job: Job, report: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Trains a trial and writes its file; returns what stands in it. One that has ended is not trained again."""
    if ended := job.ended():
        return ended
    began, device = time.monotonic(), torch.device(job.device)
    found = {"trial": job.trial.facts(job.images)} | trained(job.trial, job.images, device)
    found["seconds"] = round(time.monotonic() - began, 2)
    here = describe(device)
    found["machine"] = {key: here[key] for key in MACHINE}
    job.file.parent.mkdir(parents=True, exist_ok=True)
    write_json(job.file, found)
    return found


class Watched:
    """The training and the test error of a network on its way, by the step."""

    def __init__(self, trial: Trial, net: nn.Module, data: Data, test: np.ndarray, device: torch.device):
        self.trial, self.net, self.data, self.test, self.device = trial, net, data, test, device
        order = epoch_order(key(_WATCHED, trial.seed), 0, len(data.train))
        self.watched = np.sort(data.train[order[:WATCHED]])
        self.curve: list[tuple[int, float, float]] = []

    def error(self, rows: np.ndarray) -> np.ndarray:
        """Which images at `rows` are given another class than their label: bool [n]."""
        logits = predict(self.net, self.data.images, rows, self.data.preprocess, self.device)
        return logits.argmax(1).numpy() != self.data.labels[rows]

    def look(self, step: int) -> None:
        """To be called after each step."""
        if not self.trial.every or step % self.trial.every or (self.curve and self.curve[-1][0] == step):
            return
        own, others = float(self.error(self.watched).mean()), float(self.error(self.test).mean())
        self.curve.append((step, own, others))


def trained(trial: Trial, images: Images, device: torch.device) -> dict[str, Any]:
    """Trains a network; returns its errors, the curve of them, and what its probes found.

    Errors are shares. `wrong` are the places, among the images of the set, of the test images that it gets wrong,
    `test` those of all of them, `status` is "ok" or where it diverged.
    """
    pixels, labels, given = arrays(images.file)
    division = divide(labels, given, trial.seed, images.most)
    test = division.test
    rows, labels = taken(labels, division.train, trial.part, images.classes, trial.seed)
    if trial.part.shuffled:
        pixels = shuffled(pixels)
    preprocess = Preprocess(size=pixels.shape[2], channels=pixels.shape[1]).with_statistics(pixels, rows)
    data = Data(Stored(pixels), labels, rows, np.empty(0, np.int64), preprocess, classes=images.classes)
    torch.manual_seed(step_seed(trial.seed, 0, INIT))
    built = {"num_classes": images.classes, "in_chans": pixels.shape[1], "input_size": pixels.shape[2]}
    net = NETWORKS[trial.network](**dict(trial.arguments), **built)
    watched, status = Watched(trial, net, data, test, device), "ok"
    try:
        history = train(net, data, trial.recipe, Classify(), seed=trial.seed, device=device, on_step=watched.look)
        losses = [round(epoch["train_loss"], 6) for epoch in history]
    except Diverged as error:
        status, losses = f"diverged: {error}", []
    chance = 1 - 1 / images.classes
    wrong = test[watched.error(test)]
    own = watched.error(rows)
    lost = status != "ok"
    found = {
        "status": status,
        "params": sum(p.numel() for p in net.parameters()),
        "train_images": len(rows),
        "train_error": chance if lost else float(own.mean()),
        "test_error": chance if lost else len(wrong) / len(test),
        "choice_error": chance
        if lost
        else float(watched.error(division.choose).mean())
        if division.choose.size
        else None,
        "wrong": wrong.tolist(),
        "test": test.tolist() if not given.any() else [],
        "losses": losses,
        "curve": [[step, round(own, 6), round(others, 6)] for step, own, others in watched.curve],
    }
    if not lost:
        at_end = Trained(net.cpu(), data, test, torch.Generator().manual_seed(key(trial.seed) % 2**63))
        found |= {"probes": {name: PROBES[name](at_end) for name in trial.probes}}
    return finite(found)
