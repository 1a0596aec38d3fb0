"""Small runs in processes of their own, to be killed; they say when they begin a step, and the weights' SHA-256."""

import hashlib
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from opsin import files
from opsin.data.preprocess import Preprocess
from opsin.data.store import Stored
from opsin.engine import checkpoint, stop
from opsin.engine import train as engine
from opsin.engine.optim import make_optimizer
from opsin.engine.recipe import Recipe
from opsin.engine.stop import Asked
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


def say(line: str) -> None:
    """At once, and from a signal handler too."""
    os.write(1, f"{line}\n".encode())


def main(folder: Path, slow: float) -> int:
    """The run; a save takes `slow` seconds longer at each file. Returns its exit code."""
    flush, step = files.flush, engine.train_step

    def slowly(path: Path) -> None:
        time.sleep(slow)
        flush(path)

    def told(*arguments):
        say("step")
        return step(*arguments)

    class Heard(Asked):
        def __call__(self, signum, frame):
            say("signal")
            super().__call__(signum, frame)

    files.flush, engine.train_step, stop.Asked = slowly, told, Heard
    recipe, net = Recipe("durable", epochs=EPOCHS, batch_size=16), network()
    keeper = checkpoint.Checkpoints(folder, steps=1)
    with stop.asked() as flag:
        try:
            engine.train(
                net, data(), recipe, Classify(0.1), seed=1, device=torch.device("cpu"), checkpoints=keeper, asked=flag
            )
        except stop.Stopped as stopped:
            return stopped.code
    for line in keeper.skipped:
        say(f"skipped {line}")
    say(f"done {digest(net)}")
    return 0


def serve() -> None:
    """Runs one after another, each in a fork of this process, which has imported all: FOLDER SECONDS on a line.

    Says "pid N", what the run says, and "exit CODE".
    """
    for line in sys.stdin:
        folder, slow = line.split()
        pid = os.fork()
        if pid == 0:
            os._exit(main(Path(folder), float(slow)))
        say(f"pid {pid}")
        say(f"exit {os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    make_optimizer(network(), Recipe("durable"))  # the first optimizer of a process imports much
    say("ready")
    serve()
