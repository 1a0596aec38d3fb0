"""Memory that a network takes at its peak, predicted tensor by tensor on the `meta` device; same on every machine.

Every storage that an operator makes lives from then until Python and autograd let go of it, as on a real device. What
an operator needs inside itself, and Python and PyTorch themselves, are not in it.
"""

import weakref

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from opsin.costs.trace import meta_copy, on_meta, quiet_modes, tree_map


class LiveTensors(TorchDispatchMode):
    """Follows the bytes of all storages that operators inside it make, until they are freed; `peak` is the most."""

    def __init__(self):
        super().__init__()
        self.live = self.peak = 0
        self.known: set[int] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        args, kwargs = tree_map(on_meta, (args, kwargs or {}))
        out = func(*args, **kwargs)
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


def state_bytes(net: nn.Module) -> int:
    return sum(x.nbytes for x in (*net.parameters(), *net.buffers()))


def inference(net: nn.Module, channels: int, size: tuple[int, int], batch: int) -> int:
    """Bytes that a forward pass without gradients has alive at its peak: weights, the batch, maps."""
    with quiet_modes():
        copied = meta_copy(net).eval()
        with LiveTensors() as tensors:
            copied(torch.zeros(batch, channels, *size, device="meta"))
    return state_bytes(net) + tensors.peak


def training(net: nn.Module, channels: int, size: tuple[int, int], batch: int) -> int:
    """Bytes that one training step in float32 has alive at its peak.

    Weights, gradients, two moments of the optimizer, and what the layers, auxiliary heads included, keep for the
    backward pass; not the loss.
    """
    with quiet_modes(), torch.enable_grad():
        copied = meta_copy(net).train()
        with LiveTensors() as tensors:
            images = torch.zeros(batch, channels, *size, device="meta")
            torch.autograd.backward([output.mean() for output in tree_leaves(copied(images))])
    return state_bytes(net) + 2 * sum(p.nbytes for p in net.parameters()) + tensors.peak
