"""A small run in a process of its own, to be killed: python durable_run.py FOLDER [SECONDS].

Prints a line as it begins each step, and the SHA-256 of its final weights. A save takes SECONDS longer at each file.
"""

import hashlib
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from opsin import files
from opsin.data.preprocess import Preprocess
from opsin.data.store import Stored
from opsin.engine import checkpoint
from opsin.engine import train as engine
from opsin.engine.recipe import Recipe
from opsin.engine.stop import Stopped, asked
from opsin.tasks.classify import Classify

EPOCHS, STEPS = 4, 12


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(32, 4),
    )


def data() -> engine.Data:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (16 * STEPS + 20, 3, 16, 16), dtype=np.uint8)
    labels = rng.integers(0, 4, len(images))
    return engine.Data(
        Stored(images), labels, np.arange(16 * STEPS), np.arange(16 * STEPS, len(images)), Preprocess(16, 3)
    )


def digest(net: nn.Module) -> str:
    total = hashlib.sha256()
    for name, value in sorted(net.state_dict().items()):
        total.update(name.encode() + value.contiguous().numpy().tobytes())
    return total.hexdigest()


def main(folder: Path, slow: float) -> None:
    torch.set_num_threads(1)
    flush, step = files.flush, engine.train_step

    def slowly(path: Path) -> None:
        time.sleep(slow)
        flush(path)

    def told(*arguments):
        print("step", flush=True)
        return step(*arguments)

    files.flush, engine.train_step = slowly, told
    recipe = Recipe("durable", epochs=EPOCHS, batch_size=16)
    net = network()
    with asked() as flag:
        try:
            keeper = checkpoint.Checkpoints(folder, steps=1)
            engine.train(
                net, data(), recipe, Classify(0.1), seed=1, device=torch.device("cpu"), checkpoints=keeper, asked=flag
            )
        except Stopped as stopped:
            sys.exit(stopped.code)
    for line in keeper.skipped:
        print("skipped", line, flush=True)
    print("done", digest(net), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 0.0)
