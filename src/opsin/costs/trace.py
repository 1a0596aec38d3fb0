"""What a network computes, operator by operator: one forward pass on the `meta` device, which has shapes and no values.

It takes any nn.Module, leaves it as it is, and gives the same trace in training and evaluation mode, with gradients and
without: the pass is always one in evaluation mode, without gradients, and without PyTorch's fused encoder layers.
"""

import copy
import inspect
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.utils._pytree import tree_leaves, tree_map

from opsin.costs.operators import BY_DATA, base_name
from opsin.errors import OpsinError
from opsin.shapes import Shapes


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
    weights: set[int] = field(default_factory=set)
    """The storages of parameters, of buffers, and of other tensors that do not depend on the images."""


class Recorder(Shapes):
    """Writes down every operator that reaches PyTorch while it is on; what meets `meta` tensors goes to `meta`."""

    def __init__(self, trace: Trace):
        super().__init__()
        self.trace = trace
        self.inside: list[tuple[str, int]] = [("", 0)]
        self.visits = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        given = tree_leaves((args, kwargs or {}))
        args, kwargs = with_meta(func, args, kwargs or {})
        out = super().__torch_dispatch__(func, types, args, kwargs)
        results = [leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
        if any(leaf.is_meta for leaf in results):
            self.trace.weights |= {
                leaf.untyped_storage()._cdata
                for before, leaf in zip(given, tree_leaves((args, kwargs)), strict=True)
                if before is not leaf and isinstance(leaf, Tensor)
            }
            leaves = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
            storages = {leaf.untyped_storage()._cdata for leaf in leaves}
            moves = not func._schema.is_mutable and all(x.untyped_storage()._cdata in storages for x in results)
            self.trace.calls.append(Call(func._overloadpacket, args, kwargs, out, *self.inside[-1], moves))
        return out

    def enter(self, name: str) -> None:
        self.visits += 1
        self.inside.append((name, self.visits))

    def leave(self, out: Any) -> None:
        self.trace.outputs.append((*self.inside.pop(), out))


NO_VALUES = "meta tensor", "meta device type tensor", "unallocated storage", "torch.nonzero"
"""What PyTorch says where values are asked for that are not there, and no operator is to be seen."""


class BranchesOnData(Exception):
    """A network asks for the values of a tensor that depends on its images."""


def with_meta(func: Any, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
    """Arguments of an operator: all on `meta`, and its results too, where one of them is.

    Raises:
        BranchesOnData: it reads a number on `meta`, where none are.
    """
    if not any(isinstance(leaf, Tensor) and leaf.is_meta for leaf in tree_leaves((args, kwargs))):
        return args, kwargs
    if base_name(func._overloadpacket) in BY_DATA:
        raise BranchesOnData(func._overloadpacket.__name__)
    args, kwargs = tree_map(on_meta, (args, kwargs))
    return args, kwargs | ({"device": torch.device("meta")} if kwargs.get("device") is not None else {})


def on_meta(x: Any) -> Any:
    return x.to("meta") if isinstance(x, Tensor) and not x.is_meta else x


DECOMPOSED = F.scaled_dot_product_attention


def whole_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    **kwargs: Any,
) -> Tensor:
    """Scaled dot-product attention as the one operator that a CPU takes for it; `meta` takes it to pieces.

    With dropout, a mask that learns, or heads that differ, a CPU does so too.
    """
    shapes = {(x.dim(), x.shape[:-2], x.shape[-1]) for x in (query, key, value)}
    learns = attn_mask is not None and attn_mask.requires_grad
    if not query.is_meta or len(shapes) > 1 or query.dim() != 4 or dropout_p or learns:
        return DECOMPOSED(query, key, value, attn_mask, dropout_p, is_causal, **kwargs)
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        attn_mask = torch.zeros_like(attn_mask, dtype=query.dtype).masked_fill_(attn_mask, 0.0)
    return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        query, key, value, 0.0, is_causal, attn_mask=attn_mask, scale=kwargs.get("scale")
    )[0]


def meta_copy(net: nn.Module) -> nn.Module:
    """The network with parameters on `meta`, without copying any of their numbers.

    Where it was compiled, what it was compiled from. Buffers keep their values: a forward pass may ask for them.

    Raises:
        OpsinError: a module that is no Python any more, that has no shapes yet, or that cannot be copied.
    """
    net = uncompiled(net)
    for name, module in net.named_modules():
        what = f"{type(module).__name__}{f' ({name})' if name else ''}"
        if isinstance(module, torch.jit.ScriptModule):
            raise OpsinError(f"{what} is TorchScript, which cannot be traced: give the module that it was made from")
        if any(map(is_lazy, (*module.parameters(False), *module.buffers(False)))):
            raise OpsinError(f"{what} has no shapes yet: call the network once on a batch of images")
    copies: dict[int, Any] = {id(x): x.detach().clone() for x in net.buffers()}
    for parameter in net.parameters():
        moved = torch.empty_like(parameter, device="meta", requires_grad=False)
        copies[id(parameter)] = nn.Parameter(moved, requires_grad=parameter.requires_grad)
    for value in (value for module in net.modules() for value in vars(module).values()):
        if isinstance(value, Tensor) and not value.is_leaf:  # computed from parameters, as weight_norm's
            copies[id(value)] = value.detach()
    try:
        copied = copy.deepcopy(net, copies)
    except Exception as error:
        raise OpsinError(f"{type(net).__name__} cannot be copied, and so not be counted: {one_line(error)}") from None
    for module in copied.modules():
        for name, child in module.named_children():
            if child is not uncompiled(child):
                setattr(module, name, uncompiled(child))
    return copied


def uncompiled(module: nn.Module) -> nn.Module:
    return getattr(module, "_orig_mod", module)


def one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


@contextmanager
def quiet_modes() -> Iterator[None]:
    """Evaluation as it always is: no gradients, nor inference mode, autocast, compilation or fused encoder layers.

    Attention stays whole, and the generator of random numbers as it is.
    """
    fused = torch.backends.mha.get_fastpath_enabled()
    with ExitStack() as modes:
        modes.callback(torch.backends.mha.set_fastpath_enabled, fused)
        modes.callback(setattr, F, "scaled_dot_product_attention", DECOMPOSED)
        torch.backends.mha.set_fastpath_enabled(False)
        F.scaled_dot_product_attention = whole_attention
        modes.enter_context(torch.inference_mode(False))
        modes.enter_context(torch.no_grad())
        modes.enter_context(torch.random.fork_rng(devices=[]))
        for device in ("cpu", "cuda"):
            modes.enter_context(torch.autocast(device, enabled=False))
        if "torch._dynamo" in sys.modules:  # nothing is compiled where it was not imported
            modes.enter_context(torch.compiler.set_stance("force_eager"))
        yield


@contextmanager
def told_in_one_line(net: nn.Module, images: Tensor, inside: list[tuple[str, int]]) -> Iterator[None]:
    """Whatever a network raises on such images becomes an OpsinError which names the innermost layer of `inside`."""
    what = type(net).__name__
    try:
        yield
    except OpsinError:
        raise
    except Exception as error:
        name = inside[-1][0] if inside else ""
        module = dict(net.named_modules()).get(name)
        is_leaf = module is not None and not any(True for _ in module.children())
        layer = "its forward" if not name else f"{name}, {module}" if is_leaf else name
        if isinstance(error, BranchesOnData) or any(words in str(error) for words in NO_VALUES):
            asks = f"{error} " if isinstance(error, BranchesOnData) else ""
            told = f"{what} branches on data ({asks}in {layer}): what it costs depends on the image"
        else:
            shape = " x ".join(map(str, images.shape[1:]))
            told = f"{what} does not take a batch of {len(images)} images of {shape} (in {layer}): {one_line(error)}"
        raise OpsinError(told) from None


def blank_images(net: nn.Module, channels: int, size: tuple[int, int], batch: int) -> Tensor:
    """A batch [N, C, H, W] on `meta`, of the type of the network's numbers. Raises OpsinError beyond 2^63 bytes."""
    dtype = next((p.dtype for p in net.parameters() if p.is_floating_point()), torch.float32)
    try:
        return torch.zeros(batch, channels, *size, device="meta", dtype=dtype)
    except (RuntimeError, TypeError, OverflowError):
        shape = " x ".join(map(str, (channels, *size)))
        raise OpsinError(f"no machine can hold a batch of {batch} images of {shape}: take a smaller one") from None


def trace(net: nn.Module, channels: int, size: int | tuple[int, int], batch: int = 1) -> Trace:
    """Runs a network on `batch` images of `channels` x `size` (a side, or (H, W)), and writes down what it computes.

    Raises:
        OpsinError: the network does not take such images, its forward branches on data, or an operator does not run on
            `meta`; see `meta_copy` too.
    """
    with quiet_modes():
        copied = meta_copy(net).eval()
        images = blank_images(copied, channels, (size, size) if isinstance(size, int) else size, batch)
        found = Trace(copied, images)
        found.weights |= {x.untyped_storage()._cdata for x in (*copied.parameters(), *copied.buffers())}
        recorder = Recorder(found)
        for name, module in copied.named_modules():
            if name:
                watch(name, module, recorder)
        with told_in_one_line(net, images, recorder.inside), recorder:
            copied(images)
    return found


def watch(name: str, module: nn.Module, recorder: Recorder) -> None:
    """Tells the recorder where a module's call begins and ends."""
    module.register_forward_pre_hook(lambda module, args: recorder.enter(name), prepend=True)

    def ended(module: Any, args: tuple, out: Any) -> None:
        recorder.leave(out)
        if states_macs(module):
            recorder.trace.stated[name] = recorder.trace.stated.get(name, 0) + module.macs(out)

    module.register_forward_hook(ended)


def states_macs(module: nn.Module) -> bool:
    """Whether a module has a method `macs(output)`; one of that name with other arguments is something else."""
    method = getattr(module, "macs", None)
    if not callable(method):
        return False
    try:
        inspect.signature(method).bind(None)
    except (TypeError, ValueError):
        return False
    return True


def aux_parameters(traced: Trace) -> dict[str, nn.Parameter]:
    """Parameters of auxiliary heads: of children named "aux..." (or "Aux...") that the forward pass did not call."""
    called = {name.partition(".")[0] for name, _, _ in traced.outputs}
    return {
        name: parameter
        for name, parameter in traced.net.named_parameters()
        if name.lower().startswith("aux") and name.partition(".")[0] not in called
    }
