"""Memory that a network takes at its peak, predicted tensor by tensor on the `meta` device; same on every machine.

Every storage that an operator makes lives from then until Python and autograd let go of it, as on a real device. The
figures are in bytes, with weights and maps in the type of the network's parameters. What an operator needs inside
itself, and Python and PyTorch themselves, are not in it: of that, most is oneDNN's on a CPU, whose gradient of a 7 x 7
depthwise convolution takes up to 256 times the layer's weights, which counts in small networks alone.
"""

import weakref
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from opsin.costs.trace import blank_images, meta_copy, quiet_modes, told_in_one_line, with_meta
from opsin.shapes import Shapes


class LiveTensors(Shapes):
    """Follows the bytes of all storages that operators inside it make, until they are freed; `peak` is the most.

    What there is before, `state`, stays.
    """

    def __init__(self, state: list[Tensor]):
        super().__init__()
        self.live = self.peak = 0
        self.known: set[int] = set()
        for x in state:
            self.add(x.untyped_storage())

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        args, kwargs = with_meta(func, args, kwargs or {})
        out = super().__torch_dispatch__(func, types, args, kwargs)
        given = {x.untyped_storage()._cdata for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)}
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor) and leaf.untyped_storage()._cdata not in given:
                self.add(leaf.untyped_storage())
        return out

    def add(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self.known:
            return
        self.known.add(key)
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self.free, key, size)

    def free(self, key: int, size: int) -> None:
        self.known.discard(key)
        self.live -= size


def inference(net: nn.Module, channels: int, size: tuple[int, int], batch: int) -> int:
    """Bytes that a forward pass without gradients has alive at its peak: weights, the batch, maps.

    Raises:
        OpsinError: see `opsin.costs.trace.trace`.
    """
    with quiet_modes():
        copied, images = placed(meta_copy(net).eval(), channels, size, batch)
        tensors = LiveTensors([*copied.parameters(), *copied.buffers(), images])
        with told_in_one_line(net, images, []), tensors:
            copied(images)
    return tensors.peak


def training(net: nn.Module, channels: int, size: tuple[int, int], batch: int, moments: int = 2) -> int:
    """Bytes that one training step has alive at its peak.

    Weights, gradients, `moments` of the optimizer for each weight (AdamW two, SGD with momentum one), the batch, and
    what the layers, auxiliary heads included, keep for the backward pass of a cross-entropy. All parameters train.

    Raises:
        OpsinError: see `opsin.costs.trace.trace`; a batch too small for batch normalisation.
    """
    with quiet_modes(), torch.enable_grad():
        copied, images = placed(meta_copy(net).train(), channels, size, batch)
        weights = [p.requires_grad_(p.is_floating_point()) for p in copied.parameters()]
        tensors = LiveTensors([*weights, *copied.buffers(), images])
        with told_in_one_line(net, images, []), tensors:
            outputs = [x for x in tree_leaves(copied(images)) if isinstance(x, Tensor) and x.requires_grad]
            torch.autograd.backward([loss(x) for x in outputs])
    return tensors.peak + moments * sum(p.nbytes for p in weights)


def placed(net: nn.Module, channels: int, size: tuple[int, int], batch: int) -> tuple[nn.Module, Tensor]:
    """A network and a batch for it with channels last, as `opsin.device` places them."""
    images = blank_images(net, channels, size, batch)
    for parameter in net.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return net, images.contiguous(memory_format=torch.channels_last)


def loss(output: Tensor) -> Tensor:
    """The cross-entropy of logits [N, K, ...]."""
    if output.dim() < 2:
        return output.mean()
    return F.cross_entropy(output, output.new_zeros(output.shape[:1] + output.shape[2:], dtype=torch.long))


MOST = 2**20
"""No larger batch is looked for."""


def largest_batch(peak: Callable[[int], int], available: int, smallest: int = 1) -> int:
    """The most images whose `peak(batch)` is within `available` bytes, at most `MOST`; 0 where `smallest` are not.

    Memory is a straight line in the batch, or (as one peak takes over from another) bends upwards: a line through two
    points that encloses the answer is above it, and lands on batches that fit.
    """
    low, at_low = smallest, peak(smallest)
    if at_low > available:
        return 0
    high = low + 1
    at_high = peak(high)
    while at_high <= available:  # beyond the line's end, but not too far
        step = (at_high - at_low) / (high - low)
        low, at_low = high, at_high
        if low >= MOST:
            return MOST
        high = min(16 * low, int(low + (available - at_low) / max(1.0, step)) + 1)
        at_high = peak(high)
    by_line = True
    while high - low > 1:
        share = (available - at_low) / (at_high - at_low) if by_line else 0.5
        middle = min(high - 1, low + max(1, int(share * (high - low))))
        at_middle = peak(middle)
        if at_middle <= available:
            low, at_low = middle, at_middle
        else:
            high, at_high = middle, at_middle
        by_line = not by_line
    return low
