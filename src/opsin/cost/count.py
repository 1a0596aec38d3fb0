"""Counts: trainable parameters and multiply-accumulate operations (MACs), exact, layer by layer.

One forward pass of one image is run on the `meta` device, which computes shapes and nothing else, and every operator
that reaches PyTorch is looked up in a table: products are counted, operators known to have no products (activations,
normalisation, pooling, additions) are not, and one that the table does not know is an error, never a silent zero.
Papers that print "FLOPs" mostly mean MACs; the unit here is always MACs. Biases are additions and count nothing.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.module_tracker import ModuleTracker

from opsin import zoo
from opsin.errors import OpsinError

aten = torch.ops.aten


@dataclass
class Count:
    """Totals of one network for one image.

    `params` are the trainable numbers of the network that predicts; those of its auxiliary heads, which work in
    training alone, are `aux_params`. `macs` counts the connections that a layer uses; `executed` what the processor
    multiplies, which is more where a layer that is sparse by a table runs as a dense convolution with zeros in it.
    `by_layer` gives `macs` by the name of the innermost module.
    """

    params: int
    macs: int
    executed: int
    aux_params: int = 0
    by_layer: dict[str, int] = field(default_factory=dict)


def _convolution(args: tuple, out: Tensor) -> int:
    x, weight, transposed = args[0], args[1], args[6]  # weight O I/groups kH kW, or I O/groups kH kW where transposed
    return (x if transposed else out).numel() * math.prod(weight.shape[1:])


def _matmul(args: tuple, out: Tensor) -> int:
    return out.numel() * args[0].shape[-1]


def _addmm(args: tuple, out: Tensor) -> int:
    return out.numel() * args[1].shape[-1]


def _attention(args: tuple, out: Tensor) -> int:
    """Scaled dot products: query [..., L, D] with key [..., S, D], then weights [..., L, S] with value [..., S, E]."""
    query, key, value = args[:3]
    pairs = query.shape[:-1].numel() * key.shape[-2]
    return pairs * (query.shape[-1] + value.shape[-1])


PRODUCTS: dict[Any, Callable[[tuple, Tensor], int]] = {
    aten.convolution: _convolution,
    aten._convolution: _convolution,
    aten.mm: _matmul,
    aten.bmm: _matmul,
    aten.addmm: _addmm,
    aten.baddbmm: _addmm,
    aten.scaled_dot_product_attention: _attention,
    aten._scaled_dot_product_flash_attention: _attention,
    aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    aten._scaled_dot_product_efficient_attention: _attention,
    aten._scaled_dot_product_cudnn_attention: _attention,
    aten._scaled_dot_product_fused_attention_overrideable: _attention,
}

FREE = frozenset(
    """
    add add_ sub rsub mul mul_ div div_ neg pow sqrt rsqrt square abs exp clamp clamp_ clamp_min where
    relu relu_ leaky_relu prelu _prelu_kernel threshold tanh sigmoid gelu hardtanh hardtanh_
    _softmax _safe_softmax log_softmax _log_softmax
    mean sum amax maximum max_pool2d_with_indices max_unpool2d avg_pool2d avg_pool3d _adaptive_avg_pool2d
    native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training cudnn_batch_norm
    _batch_norm_with_update native_layer_norm native_group_norm native_dropout bernoulli bernoulli_
    view _unsafe_view reshape _reshape_alias as_strided t transpose permute expand flatten slice select squeeze
    unsqueeze cat stack chunk split split_with_sizes unbind roll pad constant_pad_nd
    clone copy_ _to_copy detach alias lift_fresh fill_ zero_ zeros ones full empty empty_strided arange scalar_tensor
    zeros_like ones_like empty_like new_zeros new_ones new_empty index index_put index_put_ index_select scatter gather
    """.split()  # noqa: SIM905
)
"""Operators of aten without products: element by element, normalisation, pooling, and the moving of data."""


class Counter(TorchDispatchMode):
    """Counts the products of all operators that run inside it, by the name of the innermost module."""

    def __init__(self):
        super().__init__()
        self.tracker = ModuleTracker()
        self.executed: dict[str, int] = {}

    def __enter__(self):
        self.tracker.__enter__()
        return super().__enter__()

    def __exit__(self, *error):
        super().__exit__(*error)
        self.tracker.__exit__(*error)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        operator = func._overloadpacket
        if operator in PRODUCTS:
            result = out if isinstance(out, Tensor) else out[0]
            path = max(self.tracker.parents, key=lambda name: name.count("."))
            layer = path.partition(".")[2]  # without the class of the outermost module
            self.executed[layer] = self.executed.get(layer, 0) + PRODUCTS[operator](args, result)
        elif func.namespace != "aten" or operator.__name__ not in FREE:
            raise OpsinError(f"the counter does not know the operator {func}: add it to opsin.cost.count")
        return out


def count(net: nn.Module, channels: int, size: int | tuple[int, int]) -> Count:
    """Counts a network that lives on the `meta` device, for one image of `channels` x `size` (a side, or (H, W)).

    A module with a method `macs(output) -> int` states its own count (per image, from its output of one image): layers
    sparse by a table, whose unused connections are not counted, and layers whose products are no operator of PyTorch.
    Auxiliary heads are the network's children whose name starts with "aux".

    Raises:
        OpsinError: an operator that the table does not know.
    """
    stated: dict[str, int] = {}

    def state(name: str):
        return lambda module, args, output: stated.__setitem__(name, module.macs(output))

    hooks = [
        module.register_forward_hook(state(name)) for name, module in net.named_modules() if hasattr(module, "macs")
    ]
    was_training = net.training
    try:
        with torch.no_grad(), Counter() as counter:
            height, width = (size, size) if isinstance(size, int) else size
            net.eval()(torch.zeros(1, channels, height, width, device="meta"))
    finally:
        net.train(was_training)
        for hook in hooks:
            hook.remove()
    by_layer = dict(counter.executed)
    for name, macs in stated.items():
        for layer in [x for x in by_layer if x == name or x.startswith(name + ".")]:
            del by_layer[layer]
        by_layer[name] = macs
    executed = counter.executed | {name: macs for name, macs in stated.items() if name not in counter.executed}
    numbers = {name: p.numel() for name, p in net.named_parameters() if p.requires_grad}
    aux_params = sum(n for name, n in numbers.items() if name.startswith("aux"))
    params = sum(numbers.values()) - aux_params
    return Count(params, sum(by_layer.values()), sum(executed.values()), aux_params, by_layer)


def count_model(name: str, *, input_size: int | None = None, in_chans: int | None = None, **arguments: Any) -> Count:
    """Counts a network of the zoo, built by `build_model` on the `meta` device: no memory, hardly any time."""
    inputs = zoo.card(name).inputs
    size = inputs.size if input_size is None else input_size
    with torch.device("meta"):
        net = zoo.build_model(name, input_size=size, in_chans=in_chans, **arguments)
    return count(net, inputs.channels if in_chans is None else in_chans, size)
