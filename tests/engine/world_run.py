"""One of several processes that train together: python world_run.py FOLDER WHAT, started as torchrun starts it.

WHAT is "float64" or "float32" for fifty steps of a network without batch norm; "killed" for one with it, in which the
second process kills itself once in each of five starts; or "endless". The first process prints the losses, or a
SHA-256.
"""

import json
import os
import random
import signal
import sys
from pathlib import Path

import numpy as np
import torch
from durable_run import data as small_data
from durable_run import digest
from durable_run import network as small_network
from torch import nn

from opsin.data.augment import Shift
from opsin.data.preprocess import Preprocess
from opsin.data.store import Stored
from opsin.engine import train as engine
from opsin.engine.average import EMA
from opsin.engine.checkpoint import Checkpoints
from opsin.engine.mix import Mix
from opsin.engine.recipe import Recipe
from opsin.engine.world import leave, world
from opsin.tasks.classify import Classify

STEPS, KILLS = 50, 5


class In(nn.Module):
    """A network in another precision than its images."""

    def __init__(self, dtype: torch.dtype):
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 4)
        ).to(dtype)
        self.dtype = dtype

    def forward(self, x):
        return self.layers(x.to(self.dtype))


def losses(dtype: torch.dtype) -> list[float]:
    """Of fifty steps of 15 images each, which two processes divide into 8 and 7."""
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (35, 3, 16, 16), dtype=np.uint8), rng.integers(0, 4, 35)
    data = engine.Data(Stored(images), labels, np.arange(15), np.arange(15, 35), Preprocess(16, 3))
    augment = (Shift(2, flip=True),)
    recipe = Recipe("two", epochs=STEPS, batch_size=15, mix=Mix(), average=EMA(), accumulate=2, augment=augment)
    history = engine.train(In(dtype), data, recipe, Classify(0.1), seed=1, world=world("cpu"))
    return [value for epoch in history for value in (epoch["train_loss"], epoch["val_loss"])]


def killed(folder: Path) -> str:
    """Of the final weights."""
    start, step = int(os.environ["TORCHELASTIC_RESTART_COUNT"]), engine.train_step
    left = random.Random(start).randint(2, 6)

    def mortal(*arguments):
        nonlocal left
        left -= 1
        if left == 0 and start < KILLS and world("cpu").rank == 1 and "unbroken" not in folder.name:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(*arguments)

    engine.train_step = mortal
    net, recipe = small_network(), Recipe("durable", epochs=4, batch_size=16, average=EMA())
    engine.train(
        net, small_data(), recipe, Classify(0.1), seed=1, world=world("cpu"), checkpoints=Checkpoints(folder, steps=1)
    )
    return digest(net)


if __name__ == "__main__":
    torch.set_num_threads(1)
    what = sys.argv[2]
    if what == "endless":
        sys.stdout.write(f"pid {os.getpid()} of {world('cpu').size}\n")  # at once: torchrun starts it unbuffered
        sys.stdout.flush()
        while True:
            world("cpu").sum(1.0)
    found = killed(Path(sys.argv[1])) if what == "killed" else losses(getattr(torch, what))
    if world("cpu").rank == 0:
        print("found", json.dumps(found), flush=True)
    leave()
    gloo = [path.read_text() for path in Path("/proc/self/task").glob("*/comm") if "gloo" in path.read_text()]
    assert not gloo, f"threads that live on abort the process at its exit, now and then: {gloo}"
