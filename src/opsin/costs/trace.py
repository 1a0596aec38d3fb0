"""What a network computes, operator by operator: one forward pass on the `meta` device, which has shapes and no values.

It takes any nn.Module, leaves it as it is, and gives the same trace in training and evaluation mode, with gradients and
without: the pass is always one in evaluation mode, without gradients, and without PyTorch's fused encoder layers.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from opsin.costs.operators import BY_DATA, base_name
from opsin.errors import OpsinError


@dataclass(frozen=True)
class Call:
    """One operator that ran: its arguments and what it put out, inside of the module `layer`.

    `visit` numbers the calls of modules in the order in which they began: a module that is called twice has two.
    """

    operator: Any
    args: tuple
    kwargs: dict[str, Any]
    out: Any
    layer: str
    visit: int
    moves: bool
    """Whether it only shows the values of an argument in another shape: nothing is read or written."""

    @property
    def tensors(self) -> list[Tensor]:
        """The tensors among the arguments, in order."""
        return [leaf for leaf in tree_leaves((self.args, self.kwargs)) if isinstance(leaf, Tensor)]

    @property
    def result(self) -> Tensor | None:
        """What it put out; the first where these are several."""
        return next((leaf for leaf in tree_leaves(self.out) if isinstance(leaf, Tensor)), None)


@dataclass
class Trace:
    """The calls of one forward pass of one image, in order.

    `net` is the network on `meta`, with its parameters there; `images` the input [1, C, H, W]; `outputs` gives the
    modules' calls, in the order in which they ended: name, visit, and what the module put out. `stated` are the MACs
    that modules with a method `macs` state for themselves, by name.
    """

    net: nn.Module
    images: Tensor
    calls: list[Call] = field(default_factory=list)
    outputs: list[tuple[str, int, Any]] = field(default_factory=list)
    stated: dict[str, int] = field(default_factory=dict)


class Recorder(TorchDispatchMode):
    """Writes down every operator that reaches PyTorch while it is on; what meets `meta` tensors goes to `meta`."""

    def __init__(self, trace: Trace):
        super().__init__()
        self.trace = trace
        self.inside: list[tuple[str, int]] = [("", 0)]
        self.visits = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        operator, kwargs = func._overloadpacket, kwargs or {}
        leaves = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        if any(leaf.is_meta for leaf in leaves):
            if base_name(operator) in BY_DATA:
                raise BranchesOnData(f"{func} in {self.inside[-1][0] or 'its forward'}")
            args, kwargs = tree_map(on_meta, (args, kwargs))
        out = func(*args, **kwargs)
        results = [leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
        if any(leaf.is_meta for leaf in results):
            storages = {leaf.untyped_storage()._cdata for leaf in leaves}
            moves = not func._schema.is_mutable and all(x.untyped_storage()._cdata in storages for x in results)
            self.trace.calls.append(Call(operator, args, kwargs, out, *self.inside[-1], moves))
        return out

    def enter(self, name: str) -> None:
        self.visits += 1
        self.inside.append((name, self.visits))

    def leave(self, out: Any) -> None:
        self.trace.outputs.append((*self.inside.pop(), out))


class BranchesOnData(Exception):
    """A network asks for the values of a tensor that depends on its images."""


def on_meta(x: Any) -> Any:
    return x.to("meta") if isinstance(x, Tensor) and not x.is_meta else x


def meta_copy(net: nn.Module) -> nn.Module:
    """The network with parameters on `meta`, without copying any of its numbers; buffers are shared with the network.

    Where it was compiled, what it was compiled from.
    """
    net = getattr(net, "_orig_mod", net)
    shared = {id(x): x for x in net.buffers()}
    for parameter in net.parameters():
        moved = parameter.detach().to("meta")
        shared[id(parameter)] = nn.Parameter(moved, requires_grad=parameter.requires_grad)
    return copy.deepcopy(net, shared)


@contextmanager
def quiet_modes() -> Iterator[None]:
    """Evaluation as it always is: no gradients, nor inference mode, autocast or fused encoder layers."""
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.inference_mode(False), torch.no_grad():
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)


def trace(net: nn.Module, channels: int, size: int | tuple[int, int], batch: int = 1) -> Trace:
    """Runs a network on `batch` images of `channels` x `size` (a side, or (H, W)), and writes down what it computes.

    Raises:
        OpsinError: the network does not take such images, its forward branches on data, or an operator does not run on
            `meta`.
    """
    height, width = (size, size) if isinstance(size, int) else size
    with quiet_modes():
        copied = meta_copy(net).eval()
        dtype = next((p.dtype for p in copied.parameters() if p.is_floating_point()), torch.float32)
        found = Trace(copied, torch.zeros(batch, channels, height, width, device="meta", dtype=dtype))
        recorder = Recorder(found)
        handles = [
            handle for name, module in copied.named_modules() if name for handle in watched(name, module, recorder)
        ]
        what = type(net).__name__
        try:
            with recorder:
                copied(found.images)
        except BranchesOnData as error:
            raise OpsinError(
                f"{what} branches on data ({error}): what it costs depends on the image, and is not counted"
            ) from None
        except (RuntimeError, ValueError, TypeError, NotImplementedError, IndexError, AssertionError) as error:
            why = " ".join(str(error).split())[:200] or type(error).__name__
            raise OpsinError(f"{what} does not take {channels} x {height} x {width} images: {why}") from None
        finally:
            for handle in handles:
                handle.remove()
    return found


def watched(name: str, module: nn.Module, recorder: Recorder) -> Iterator[Any]:
    """Hooks that tell the recorder where a module's call begins and ends."""
    yield module.register_forward_pre_hook(lambda module, args: recorder.enter(name), prepend=True)

    def ended(module: Any, args: tuple, out: Any) -> None:
        recorder.leave(out)
        if callable(getattr(module, "macs", None)):
            recorder.trace.stated[name] = module.macs(out)

    yield module.register_forward_hook(ended)
