"""The shapes that are made at once are those that `meta` works out."""

import pytest
import torch

from opsin.shapes import SHAPES, Shapes

ATEN = torch.ops.aten


def on_meta(*shape, dtype):
    return torch.empty(*shape, dtype=dtype, device="meta")


def arguments(like):
    """What an operator of `SHAPES` takes besides its first argument, which is like this one, [2, 6, 5, 4]."""
    dtype = like.dtype
    for weight in (None, on_meta(6, dtype=dtype)):
        moments = on_meta(6, dtype=dtype), on_meta(6, dtype=dtype)
        for training in (True, False):
            yield ATEN.native_batch_norm.default, (weight, weight, *moments, training, 0.1, 1e-5)
            asked = (True, weight is not None, False)
            yield ATEN.native_batch_norm_backward.default, (like, weight, *moments, *moments, training, 1e-5, asked)
    for shape in ([4], [5, 4]):
        for weight in (None, on_meta(*shape, dtype=dtype)):
            yield ATEN.native_layer_norm.default, (shape, weight, weight, 1e-5)
    yield ATEN.threshold_backward.default, (like, 0)
    yield ATEN.gelu_backward.default, (like,)
    yield ATEN.relu.default, ()
    yield ATEN.hardtanh.default, (0.0, 6.0)
    yield ATEN.gelu.default, ()
    yield ATEN._prelu_kernel.default, (on_meta(6, 1, 1, dtype=dtype),)


def told(out):
    return [
        x if x is None else (x.shape, x.stride(), x.dtype, x.device)
        for x in (out if isinstance(out, tuple) else (out,))
    ]


@pytest.mark.parametrize("form", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_they_are_those_of_meta(dtype, form):
    x, seen = on_meta(2, 6, 5, 4, dtype=dtype).to(memory_format=form), set()
    for operator, more in arguments(torch.empty_like(x)):
        expected = told(operator(x, *more))
        with Shapes():
            assert told(operator(x, *more)) == expected, (operator, more)
        assert told(SHAPES[operator](x, *more)) == expected
        seen.add(operator)
    assert seen == set(SHAPES)


def test_values_elsewhere_are_worked_out():
    x = torch.randn(2, 3, 4, 4)
    with Shapes():
        assert torch.equal(torch.relu(x), x.clamp(min=0))
        assert torch.equal(torch.nn.functional.hardtanh(x), x.clamp(-1, 1))
