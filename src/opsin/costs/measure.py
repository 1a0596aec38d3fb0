"""What is measured on the machine: latency; and what training keeps in memory, tensor by tensor."""

import gc
import time
import weakref
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from opsin.device import place, place_images, precision


@dataclass(frozen=True)
class Latency:
    """Milliseconds of one forward pass of one image; `busy` where others took the processor meanwhile."""

    p50: float
    p95: float
    runs: int
    busy: bool


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


@torch.inference_mode()
def latency(
    net: nn.Module, channels: int, size: int, device: torch.device, *, threads: int = 1, seconds: float = 1.0
) -> Latency:
    """Median and 95th percentile over the runs that fit into about `seconds` (10 to 200), after a warm-up.

    On a CPU it runs on `threads` threads. A thread that computes has all of a core's time: where the process got less
    than nine tenths of the wall clock, the machine was busy.
    """
    net = place(net.eval(), device)
    image = place_images(torch.zeros(1, channels, size, size, device=device))
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    gc.collect()
    try:
        times: list[float] = []
        with precision(device):
            for _ in range(3):
                net(image)
            synchronise(device)
            began, cpu_began = time.perf_counter(), time.process_time()
            while len(times) < 10 or (len(times) < 200 and time.perf_counter() - began < seconds):
                at = time.perf_counter()
                net(image)
                synchronise(device)
                times.append(time.perf_counter() - at)
        wall, cpu = time.perf_counter() - began, time.process_time() - cpu_began
    finally:
        torch.set_num_threads(before)
    p50, p95 = np.percentile(np.array(times) * 1e3, [50, 95])
    return Latency(float(p50), float(p95), len(times), device.type == "cpu" and cpu < 0.9 * wall)


class LiveTensors(TorchDispatchMode):
    """Follows the bytes of all storages that operators inside it make, until they are freed; `peak` is the most."""

    def __init__(self):
        super().__init__()
        self.live = self.peak = 0
        self.known: set[int] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor):
                self.add(leaf.untyped_storage())
        return out

    def add(self, storage: torch.UntypedStorage) -> None:
        if id(storage) in self.known:
            return
        self.known.add(id(storage))
        self.live += storage.nbytes()
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self.free, id(storage), storage.nbytes())

    def free(self, key: int, size: int) -> None:
        self.known.discard(key)
        self.live -= size


def training_memory(net: nn.Module, channels: int, size: int, batch_size: int) -> int:
    """Bytes that one training step in float32 has alive at its peak, for a network on the `meta` device.

    Weights, gradients, two moments of the optimizer, and what the layers, auxiliary heads included, keep for the
    backward pass; not the loss, nor the work space inside an operator, nor Python and PyTorch themselves. Exact and
    the same on every machine.
    """
    state = sum(x.nbytes for x in (*net.parameters(), *net.buffers())) + 2 * sum(p.nbytes for p in net.parameters())
    net.train()
    with LiveTensors() as tensors:
        images = torch.zeros(batch_size, channels, size, size, device="meta")
        torch.autograd.backward([output.mean() for output in tree_leaves(net(images))])
    net.zero_grad(set_to_none=True)
    return state + tensors.peak
