"""The processes that train one network together: who this one is, and how it agrees with the others.

Each takes its share of every step's images and of an evaluation. Gradients are averaged by DistributedDataParallel.
Batch normalisation takes its statistics from the share of one process on a CPU, and from the whole step on CUDA.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from importlib import import_module
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed import PrefixStore  # pyright: ignore[reportPrivateImportUsage]
from torch.distributed.rendezvous import rendezvous

from opsin.device import choose_device
from opsin.errors import OpsinError, leave_to_the_first

Shared = TypeVar("Shared")
PATIENCE = timedelta(hours=2)
"""How long a process waits for the others: the first one may be reading images meanwhile."""


@dataclass(frozen=True)
class World:
    """One process of `size`, the `rank`-th, and its device. A single process is a world of its own."""

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def batch_norm(self) -> str | None:
        """Over which images batch normalisation takes its statistics, in words; None for a single process."""
        if self.size == 1:
            return None
        return "synchronised over all processes" if self.device.type == "cuda" else "each process has its own"

    def share(self, n: int, together: int = 2) -> slice:
        """Which of `n` images of a step or an evaluation this process takes: a run of them, from an even place on.

        Neighbours stay `together`: in pairs, since images are mixed in pairs (see opsin.engine.mix); or in batches.
        """
        low, high = (together * round(n * part / (together * self.size)) for part in (self.rank, self.rank + 1))
        return slice(low, n if self.rank + 1 == self.size else min(high, n))

    def check_batch(self, n: int) -> None:
        """Raises OpsinError where a step of `n` images leaves a process with less than two."""
        if self.size > 1 and n < 2 * self.size:
            raise OpsinError(
                f"{n} images a step are too few for {self.size} processes: at least two for each; give a larger "
                "batch_size, or start fewer"
            )

    def join(self, net: nn.Module) -> nn.Module:
        """The network whose gradients are averaged over all processes; the same network where there is but one."""
        if self.size == 1:
            return net
        from torch.nn.parallel import DistributedDataParallel

        if self.device.type == "cuda":
            return DistributedDataParallel(synchronised(net), device_ids=[self.device])
        return DistributedDataParallel(net)

    def sum(self, *values: float) -> list[float]:
        """Each value added up over all processes."""
        if self.size == 1:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(total)
        return total.tolist()

    def most(self, *values: float) -> list[float]:
        """The largest of each value over all processes."""
        largest = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(largest, dist.ReduceOp.MAX)
        return largest.tolist()

    def same_buffers(self, nets: Sequence[nn.Module]) -> None:
        """Gives all processes the buffers (running statistics) of the first one."""
        if self.size > 1:
            for buffer in (buffer for net in nets for buffer in net.buffers()):
                dist.broadcast(buffer, 0)

    def told(self, value: Shared) -> Shared:
        """What the first process says."""
        if self.size == 1:
            return value
        told: list[Any] = [value]
        with hearing():
            dist.broadcast_object_list(told, 0, device=self.device)
        return told[0]

    def first(self, make: Callable[[], Shared]) -> Shared:
        """What the first process makes; the OpsinError that it raises instead, all raise."""
        if self.size == 1:
            return make()
        nothing: Made = (None, None)
        return agreed([self.told(nothing if self.rank else tried(make))])[0]

    def each(self, make: Callable[[], Shared]) -> list[Shared]:
        """What every process makes, in their order; the first OpsinError that one raises instead, all raise."""
        if self.size == 1:
            return [make()]
        made: list[Any] = [None] * self.size
        own = tried(make)
        with hearing():
            dist.all_gather_object(made, own)
        return agreed(made)

    @contextmanager
    def one_voice(self) -> Iterator[None]:
        """Around what all processes do alike: an OpsinError is the first one's, the others end without a word."""
        try:
            yield
        except OpsinError as error:
            if self.rank:
                leave_to_the_first(error.code)
            raise

    def gathered(self, part: Tensor, n: int) -> Tensor:
        """The parts of all processes, [n, ...], in the order of `share`."""
        if self.size == 1:
            return part
        whole = part.new_zeros((n, *part.shape[1:]))
        whole[self.share(n)] = part
        moved = whole.to(self.device)
        dist.all_reduce(moved)  # the others' rows are zeros
        return moved.to(part.device)


Made = tuple[Any, tuple[str, int] | None]
"""What was made, or the text and the code of the error that was raised instead."""


def tried(make: Callable[[], Any]) -> Made:
    try:
        return make(), None
    except OpsinError as error:
        return None, (str(error), error.code)


def agreed(made: Sequence[Made]) -> list[Any]:
    """What the processes have made. Raises the first error among them."""
    for _, wrong in made:
        if wrong:
            error = OpsinError(wrong[0])
            error.code = wrong[1]
            raise error
    return [value for value, _ in made]


@contextmanager
def hearing() -> Iterator[None]:
    """Around waiting for the others. Raises OpsinError where one of them has ended."""
    try:
        yield
    except RuntimeError as error:
        why = " ".join(str(error).split())[:160]
        raise OpsinError(f"another process has ended, or is not heard ({why}): see what it said") from None


def synchronised(net: nn.Module) -> nn.Module:
    """The network, changed in place: its batch norms take their statistics from all processes.

    Not those of a kind of its own (FractalNet's), which does more than normalise.
    """
    for parent in list(net.modules()):
        for name, child in parent.named_children():
            if type(child) in (nn.BatchNorm1d, nn.BatchNorm2d):
                setattr(parent, name, nn.SyncBatchNorm.convert_sync_batchnorm(child))
    return net


def averaging(net: nn.Module, last: bool) -> AbstractContextManager:
    """Around one part of a step that is accumulated: gradients are averaged with the last part alone."""
    no_sync = None if last else getattr(net, "no_sync", None)
    return no_sync() if no_sync else nullcontext()


def world(device: str = "auto") -> World:
    """The world that this process belongs to: a process group that lives, that which torchrun names, or itself alone.

    After a restart torchrun's store still has the addresses of processes that are dead (PyTorch 2.15), and gloo would
    wait for them: each start has keys of its own there.

    Raises OpsinError where a device is missing, or the other processes do not answer.
    """
    kind = choose_device(device)
    if "RANK" not in os.environ and not dist.is_initialized():
        return World(device=kind)
    here = int(os.environ.get("LOCAL_RANK", 0))
    if kind.type == "cuda":
        if here >= torch.cuda.device_count():
            raise OpsinError(
                f"{here + 1} processes on a machine with {torch.cuda.device_count()} GPUs: start one for each "
                "(torchrun --nproc-per-node), or give --device cpu"
            )
        kind = torch.device("cuda", here)
        torch.cuda.set_device(kind)
    elif kind.type != "cpu":
        raise OpsinError(f"several processes cannot share {kind.type}: start one, or give --device cpu")
    if not dist.is_initialized():
        # Its functions keep the group that is there when they are imported as a default, for ever (PyTorch 2.15), and
        # DistributedDataParallel imports them: gloo's threads would live on behind `leave`, and abort at the exit.
        import_module("torch.distributed.nn.functional")

        threading.Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
        try:
            store, rank, size = next(rendezvous("env://", timeout=PATIENCE))
            store = PrefixStore(f"start-{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
            backend = "nccl" if kind.type == "cuda" else "gloo"
            dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=PATIENCE)
        except (RuntimeError, ValueError) as error:
            why = " ".join(str(error).split())[:160]
            raise OpsinError(f"the processes of this training do not find each other ({why}): see torchrun") from None
    return World(dist.get_rank(), dist.get_world_size(), kind)


def end_with(parent: int) -> None:
    """Asks this process to stop when its parent has ended, however: torchrun's workers would go on without it."""
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(5)
    os._exit(143)  # it waits for another process


def leave() -> None:
    """Ends this process's part in a world, if it is in one, and gloo's threads."""
    if dist.is_initialized():
        dist.destroy_process_group()
