"""Shared layers against plain loops and against PyTorch's own."""

import copy

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from opsin.models.layers import LocalResponseNorm, ScaledTanh, TableConv2d, lecun_uniform_


def test_scaled_tanh_maps_one_to_one_and_saturates_at_its_scale():
    squash = ScaledTanh()
    x = torch.tensor([-100.0, -1.0, 0.0, 1.0, 100.0])
    assert squash(x).tolist() == pytest.approx([-1.7159, -1.0, 0.0, 1.0, 1.7159], abs=1e-4)


def test_scaled_tanh_and_its_gradients_are_those_of_tanh():
    """Twice differentiated, too; and a saturated unit passes nothing on, not even a number below 1e-38."""
    x = torch.linspace(-12, 12, 97, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(ScaledTanh()(x), 1.7159 * torch.tanh(2 / 3 * x))
    assert torch.autograd.gradcheck(ScaledTanh(), x)
    assert torch.autograd.gradgradcheck(ScaledTanh(), x)
    far = torch.tensor([-1e9, -120.0, -60.0, -30.0, 30.0, 60.0, 120.0, 1e9], requires_grad=True)
    ScaledTanh()(far).sum().backward()
    assert far.grad is not None and not far.grad.any()


tables = st.integers(1, 5).flatmap(
    lambda maps: st.tuples(
        st.just(maps), st.lists(st.sets(st.integers(0, maps - 1), min_size=1).map(tuple), min_size=1, max_size=5)
    )
)


@settings(deadline=None, max_examples=30)
@given(tables, st.integers(1, 3), st.integers(1, 2))
def test_table_conv_is_a_sum_over_its_table(maps_and_table, kernel, stride):
    """Oracle: one convolution of one map by one kernel for each connection, added up."""
    maps, table = maps_and_table
    layer = TableConv2d(maps, table, kernel, stride)
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    x = torch.randn(2, maps, 6, 7)
    kernels = iter(layer.weight)
    expected = []
    for row, bias in zip(table, layer.bias, strict=True):
        parts = [F.conv2d(x[:, i : i + 1], next(kernels)[None, None], stride=stride) for i in row]
        expected.append(sum(parts) + bias)
    expected = torch.cat(expected, 1)
    output = layer(x)
    torch.testing.assert_close(output, expected, rtol=1e-4, atol=1e-5)
    assert layer.macs(output[:1]) == sum(map(len, table)) * kernel**2 * output.shape[2] * output.shape[3]


def test_table_conv_trains_its_connections_and_no_others():
    layer = TableConv2d(3, [(0, 2), (1,)], 3)
    nn.init.normal_(layer.weight)
    before = layer.dense_weight()
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1, weight_decay=0.1)
    layer(torch.randn(4, 3, 5, 5)).square().sum().backward()
    optimizer.step()
    after = layer.dense_weight()
    used = torch.tensor([[True, False, True], [False, True, False]])
    assert (after != before).all(dim=(2, 3))[used].all()
    assert not after[~used].any()
    assert sum(p.numel() for p in layer.parameters()) == 3 * 9 + 2
    assert set(layer.state_dict()) == {"weight", "bias"}


def test_lecun_uniform_draws_within_the_fan_in_of_each_unit():
    torch.manual_seed(0)
    sparse = TableConv2d(8, [(0,), range(8)] * 40, 5)
    for layer in (sparse, nn.Conv2d(3, 64, 5), nn.Linear(50, 80)):
        lecun_uniform_(layer)
        if layer is sparse:
            fan_in = torch.tensor(layer.fan_in)
            assert layer.fan_in[:2] == [25, 200]
            per_kernel = torch.cat([torch.full((f // 25,), float(f)) for f in layer.fan_in])[:, None, None]
        else:
            fan_in = per_kernel = torch.tensor(layer.weight[0].numel())
        scaled = layer.weight * per_kernel
        assert scaled.abs().max() <= 2.4 * (1 + 1e-6)
        assert scaled.std().item() == pytest.approx(2.4 / 3**0.5, rel=0.05)
        biases = layer.bias * fan_in
        assert 1.8 < biases.abs().max() <= 2.4 * (1 + 1e-6)


def response_norm_by_loops(x, n, k, alpha):
    """The formula of section 3.3, element by element."""
    out = torch.empty_like(x)
    channels = x.shape[1]
    for i in range(channels):
        window = x[:, max(0, i - n // 2) : min(channels - 1, i + n // 2) + 1]
        out[:, i] = x[:, i] / (k + alpha * (window**2).sum(1)) ** 0.75
    return out


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 12), st.sampled_from([1, 3, 5, 7]), st.floats(0.5, 3), st.floats(1e-4, 0.5))
def test_response_norm_is_the_formula_of_the_paper(channels, n, k, alpha):
    x = 3 * torch.randn(2, channels, 3, 4, dtype=torch.float64)
    torch.testing.assert_close(LocalResponseNorm(n, k, alpha)(x), response_norm_by_loops(x, n, k, alpha))


def test_response_norm_equals_torch_where_alpha_is_multiplied_by_its_size():
    theirs = nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)
    x = (20 * torch.randn(2, 16, 5, 5)).requires_grad_()
    direction = torch.randn_like(x)
    results = [(layer(x), *torch.autograd.grad(layer(x), x, direction)) for layer in (LocalResponseNorm(), theirs)]
    torch.testing.assert_close(*results, rtol=1e-5, atol=1e-5)
    unscaled = nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0)(x)
    assert (results[0][0] - unscaled).abs().max() > 0.01


@pytest.mark.parametrize("channels", [1, 2, 7])
def test_response_norm_has_the_right_gradients(channels):
    layer = LocalResponseNorm(alpha=0.3)
    x = torch.randn(1, channels, 2, 1, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, x)
    assert torch.autograd.gradgradcheck(layer, x)


@pytest.mark.parametrize("layer", [LocalResponseNorm(), TableConv2d(4, [(0, 1), (2, 3), (0, 3)], 3)])
def test_layers_export_compile_whole_copy_and_take_bf16(layer):
    x = torch.randn(2, 4, 5, 5)
    if isinstance(layer, TableConv2d):
        nn.init.normal_(layer.weight)
    expected = layer(x)
    assert torch.equal(copy.deepcopy(layer)(x), expected)
    torch.testing.assert_close(torch.export.export(layer, (x,)).module()(x), expected)
    torch.testing.assert_close(torch.compile(layer, fullgraph=True, backend="eager")(x), expected)
    half = copy.deepcopy(layer).bfloat16()(x.bfloat16())
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), expected, rtol=0.05, atol=0.05)
