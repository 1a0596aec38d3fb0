"""Checkpoints of a run: folders of which the newest that verifies is gone on from.

The last good one is never deleted before the next one is on the disk and verifies.
"""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from opsin.engine.average import Averaged
from opsin.engine.world import World
from opsin.files import read_manifest, write_folder

FACTS = ("step", "loss", "seconds", "history")


class Resumable(Protocol):
    """What a checkpoint holds of a run (see opsin.engine.train.State)."""

    net: nn.Module
    optimizer: torch.optim.Optimizer
    average: Averaged | None
    step: int
    loss: float
    seconds: float
    history: list[dict[str, Any]]


class Checkpoints:
    """The checkpoints of one run, under `folder`; the newest two that are good are kept.

    `skipped` says which ones `resume` passed over, and why; `say` is told so at once.
    """

    def __init__(
        self,
        folder: Path,
        seconds: float = 30.0,
        steps: int | None = None,
        say: Callable[[str], None] | None = None,
    ):
        """One is due so many seconds after the last one, or so many steps where these are given."""
        self.folder, self.seconds, self.steps, self.say = folder, seconds, steps, say
        self.saved = time.monotonic()
        self.waited = 0
        self.skipped: list[str] = []
        self.good: list[Path] = []

    def due(self) -> bool:
        """Whether it is time for one; to be asked after each step."""
        self.waited += 1
        late = time.monotonic() - self.saved >= self.seconds
        return late or (self.steps is not None and self.waited >= self.steps)

    def save(self, state: Resumable) -> None:
        """Saves a run; all but it and the last good one are deleted when it is on the disk and verifies."""
        moments = {
            f"{index}.{key}": torch.as_tensor(value)
            for index, entry in state.optimizer.state_dict()["state"].items()
            for key, value in entry.items()
            if value is not None
        }
        folder = self.folder / f"epoch-{len(state.history):05d}-step-{state.step:09d}"
        facts = {key: getattr(state, key) for key in FACTS}
        tensors = {"model": state.net.state_dict(), "optimizer": moments}
        if state.average:
            tensors["average"] = state.average.net.state_dict()
        write_folder(folder, tensors, facts)
        read_manifest(folder)
        self.good = [*(good for good in self.good[-1:] if good != folder), folder]
        for old in set(self.folder.glob("epoch-*")).difference(self.good):
            shutil.rmtree(old, ignore_errors=True)
        self.saved, self.waited = time.monotonic(), 0

    def resume(self, state: Resumable, world: World | None = None) -> None:
        """Loads the newest checkpoint that verifies into `state`, if there is one.

        Of several processes the first one reads it and tells the others, who need not see its disk.
        """
        world = world or World()
        found = world.told(self.newest() if world.rank == 0 else None)
        if found is None:
            return
        facts, tensors = found
        state.net.load_state_dict(tensors["model"])
        load_moments(state.optimizer, tensors["optimizer"])
        if state.average:
            state.average.net.load_state_dict(tensors["average"])
        for key in FACTS:
            setattr(state, key, facts[key])

    def newest(self) -> tuple[dict[str, Any], dict[str, dict[str, Tensor]]] | None:
        """The facts and the tensors of the newest checkpoint that verifies; None where there is none."""
        for part in self.folder.glob(".epoch-*"):  # of a process that was killed as it saved
            shutil.rmtree(part, ignore_errors=True)
        for folder in sorted(self.folder.glob("epoch-*"), reverse=True):
            try:
                manifest = read_manifest(folder)
            except ValueError as error:
                self.skipped.append(str(error))
                if self.say:
                    self.say(f"a checkpoint is passed over: {error}")
                continue
            self.good = [folder]
            return manifest, {Path(name).stem: load_file(folder / name) for name in manifest["files"]}
        return None


def load_moments(optimizer: torch.optim.Optimizer, saved: dict[str, Tensor]) -> None:
    """Gives an optimizer the state that it had, by "index.name"."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in saved.items():
        index, _, name = key.partition(".")
        like = parameters[int(index)]
        if value.shape == like.shape:  # a moment, which must lie in memory as its parameter does
            value = torch.empty_like(like).copy_(value)
        state.setdefault(int(index), {})[name] = value.clone()
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
