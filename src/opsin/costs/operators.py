"""What PyTorch's operators do, as far as costs go: one table, by which counts and receptive fields go.

Every operator that reaches PyTorch is a product (a convolution, a linear layer, the two products of attention), takes
values one by one, takes sums or extremes along dimensions, slides a window, or moves values. One that stands in no
group is unknown, and is said to be.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

aten = torch.ops.aten


def convolution(args: tuple, out: Tensor) -> int:
    x, weight, transposed = args[0], args[1], args[6]  # weight O I/groups kH kW, or I O/groups kH kW where transposed
    return (x if transposed else out).numel() * math.prod(weight.shape[1:])


def _matmul(args: tuple, out: Tensor) -> int:
    return out.numel() * args[0].shape[-1]


def _addmm(args: tuple, out: Tensor) -> int:
    return out.numel() * args[1].shape[-1]


def attention(args: tuple, out: Tensor) -> int:
    """Scaled dot products: query [..., L, D] with key [..., S, D], then weights [..., L, S] with value [..., S, E]."""
    query, key, value = args[:3]
    pairs = query.shape[:-1].numel() * key.shape[-2]
    return pairs * (query.shape[-1] + value.shape[-1])


CONVOLUTIONS = frozenset({aten.convolution, aten._convolution})
ATTENTION = frozenset(
    {
        aten.scaled_dot_product_attention,
        aten._scaled_dot_product_flash_attention,
        aten._scaled_dot_product_flash_attention_for_cpu,
        aten._scaled_dot_product_efficient_attention,
        aten._scaled_dot_product_cudnn_attention,
        aten._scaled_dot_product_fused_attention_overrideable,
    }
)
PRODUCTS: dict[Any, Callable[[tuple, Tensor], int]] = {
    **dict.fromkeys(CONVOLUTIONS, convolution),
    aten.linear: _matmul,
    aten.mm: _matmul,
    aten.bmm: _matmul,
    aten.mv: _matmul,
    aten.dot: _matmul,
    aten.vdot: _matmul,
    aten.addmm: _addmm,
    aten.addmv: _addmm,
    aten.baddbmm: _addmm,
    **dict.fromkeys(ATTENTION, attention),
}
"""Operators that multiply and accumulate, and how many MACs they take, from their arguments and their output."""


def _named(names: str) -> frozenset[str]:
    return frozenset(names.split())


POINTWISE = _named("""
    add sub rsub mul div neg pow sqrt rsqrt square reciprocal abs sign exp expm1 log log1p sin cos floor ceil round
    clamp clamp_min clamp_max where maximum minimum addcmul addcdiv lerp fmod remainder floor_divide
    relu leaky_relu prelu _prelu_kernel threshold tanh sigmoid log_sigmoid_forward softplus gelu silu mish hardtanh
    hardsigmoid hardswish elu celu erf erfc erfinv softshrink hardshrink sgn tan atan atan2 sinh cosh trunc frac
    exp2 log2 log10 logit xlogy logaddexp nan_to_num isnan isinf isfinite
    eq ne lt le gt ge logical_and logical_or logical_not logical_xor bitwise_not bitwise_and bitwise_or masked_fill
    native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training cudnn_batch_norm
    _batch_norm_with_update
""")
"""One value out for one value in, and one operation for each value out (batch normalisation has two)."""
REDUCTIONS = _named("""
    mean sum nansum amax amin aminmax max min prod var var_mean std std_mean norm linalg_vector_norm logsumexp argmax
    argmin any all count_nonzero _softmax _safe_softmax _log_softmax log_softmax native_layer_norm native_group_norm
    _fused_rms_norm cumsum cumprod cummax cummin _weight_norm_interface
""")
"""Sums, extremes and normalisation along dimensions: one operation for each value in (what normalises has two)."""
WINDOWS = _named("""
    max_pool2d max_pool2d_with_indices avg_pool2d avg_pool3d max_pool3d_with_indices avg_pool1d
    _adaptive_avg_pool2d adaptive_avg_pool2d adaptive_max_pool2d upsample_nearest2d upsample_bilinear2d
    upsample_bicubic2d _upsample_bilinear2d_aa _upsample_bicubic2d_aa _upsample_nearest_exact2d
    grid_sampler_2d
""")
"""Pooling and resampling: one operation for each value that a window reads."""
MOVES = _named("""
    view _unsafe_view reshape _reshape_alias as_strided t transpose permute expand flatten unflatten slice select
    squeeze unsqueeze cat stack chunk unsafe_chunk split unsafe_split split_with_sizes unsafe_split_with_sizes
    unbind roll flip pad constant_pad_nd reflection_pad1d reflection_pad2d replication_pad2d view_as_real
    view_as_complex clone copy _to_copy detach alias lift_fresh lift_fresh_copy contiguous max_unpool2d
    pixel_shuffle pixel_unshuffle fill zero zeros ones full empty empty_strided arange linspace scalar_tensor eye
    tril triu zeros_like ones_like full_like empty_like rand_like randn_like new_zeros new_ones new_full new_empty
    new_empty_strided index index_put index_select index_fill masked_select scatter gather embedding repeat tile
    native_dropout dropout bernoulli rand randn uniform normal randperm im2col col2im unfold diagonal movedim
    broadcast_tensors channel_shuffle meshgrid resize set _assert_async _assert_tensor_metadata
""")
"""What moves values or makes them up, and computes nothing."""
BY_DATA = _named("_local_scalar_dense nonzero equal masked_select unique_dim _unique2 is_nonzero")
"""What a program needs the values for, and not their shapes alone."""


def base_name(operator: Any) -> str:
    """An operator's name without the underscore of those that work in place: "relu_" -> "relu"."""
    name = operator.__name__
    return name[:-1] if name.endswith("_") and not name.endswith("__") else name


def known(operator: Any) -> bool:
    """Whether the table has the operator, and a count without it is whole."""
    if operator in PRODUCTS:
        return True
    aten_name = base_name(operator)
    return operator._qualified_op_name.startswith("aten::") and any(
        aten_name in group for group in (POINTWISE, REDUCTIONS, WINDOWS, MOVES)
    )


def elementwise(operator: Any, args: tuple, out: Tensor) -> int:
    """Operations that are no products: additions, comparisons, functions of one value; of attention, its softmax."""
    name = base_name(operator)
    if operator in ATTENTION:
        return 3 * args[0].shape[:-1].numel() * args[1].shape[-2]
    if name in POINTWISE:
        return out.numel() * (2 if "batch_norm" in name else 1)
    if name in REDUCTIONS:
        return args[0].numel() * (2 if "norm" in name or "softmax" in name else 1)
    if name in WINDOWS:
        return out.numel() * _taps(name, args, out)
    return 0


def _taps(name: str, args: tuple, out: Tensor) -> int:
    """How many values one value of pooling or resampling is made from, at least one."""
    if "adaptive" in name:
        return max(1, args[0].numel() // out.numel())
    if "upsample" in name or "grid" in name:
        return 1 if "nearest" in name else 16 if "bicubic" in name else 4
    kernel = args[1]
    return math.prod(kernel) if len(kernel) > 1 else kernel[0] ** (3 if "3d" in name else 2 if "2d" in name else 1)
