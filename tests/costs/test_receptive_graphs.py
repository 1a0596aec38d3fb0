"""Receptive fields of generated graphs, against the pixels that change a unit, and against a walk over all paths."""

from itertools import chain, product

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from opsin.costs.receptive import shadows_of, summary
from opsin.costs.trace import trace

WIDTH = 4  # channels
kernels = st.sampled_from([(1, 1), (3, 3), (5, 5), (3, 1), (1, 3), (5, 3)])
strides, dilations, groups = st.sampled_from([1, 1, 1, 2]), st.sampled_from([1, 1, 2, 3]), st.sampled_from([1, 2, 4])
convolutions = st.tuples(st.just("convolution"), kernels, strides, dilations, groups)
poolings = st.tuples(st.sampled_from(["max", "average"]), st.sampled_from([1, 2]))  # 3x3, padded
in_place = convolutions.map(lambda op: (*op[:2], 1, *op[3:])) | poolings.map(lambda op: (op[0], 1))  # stride 1
lists = st.lists(in_place, min_size=1, max_size=3)
steps = st.one_of(
    convolutions,
    poolings,
    st.tuples(st.just("residual"), lists),
    st.tuples(st.just("dense"), lists),
    st.tuples(st.just("branches"), st.lists(st.lists(in_place, max_size=2), min_size=2, max_size=3)),
    st.tuples(st.just("halves"), st.sampled_from([2, 4])),  # an even kernel, stride 2
    st.tuples(st.just("attention"), st.sampled_from([2, 4]), st.sampled_from([0, 1])),
    st.tuples(st.just("larger"), st.sampled_from(["nearest", "bilinear"])),
    st.tuples(st.just("transposed"), st.sampled_from([2, 3, 4])),
)
graphs = st.lists(steps, min_size=1, max_size=5)


class WindowAttention(nn.Module):
    """Every unit attends to those of its window; the map may be rolled before, and is rolled back. N C H W -> same."""

    def __init__(self, window: int, shift: int):
        super().__init__()
        self.window, self.shift = window, shift

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        side = self.window
        x = x.roll((-self.shift, -self.shift), (2, 3)).view(n, c, h // side, side, w // side, side)
        x = x.permute(0, 2, 4, 3, 5, 1).reshape(-1, side * side, c)  # windows T C
        x = (x @ x.transpose(1, 2)).softmax(dim=2) @ x
        x = x.view(n, h // side, w // side, side, side, c).permute(0, 5, 1, 3, 2, 4).reshape(n, c, h, w)
        return x.roll((self.shift, self.shift), (2, 3))


class Step(nn.Module):
    """A step of a graph. With `smooth`, max pooling is average pooling, so that every pixel of a window counts."""

    def __init__(self, op: tuple, smooth: bool, channels: int = WIDTH):
        super().__init__()
        self.op, self.smooth = op, smooth
        kind, *rest = op
        inner = list(chain(*rest[0])) if kind == "branches" else rest[0] if kind in ("residual", "dense") else []
        wide = [channels + WIDTH * k if kind == "dense" else channels for k in range(len(inner))]
        self.inner = nn.ModuleList(Step(one, smooth, width) for one, width in zip(inner, wide, strict=True))
        self.last = None
        if kind == "convolution":
            kernel, stride, dilation, groups = rest
            padding = tuple((k - 1) * dilation // 2 for k in kernel)
            self.last = nn.Conv2d(channels, WIDTH, kernel, stride, padding, dilation, groups=groups)
        elif kind == "transposed":
            self.last = nn.ConvTranspose2d(channels, WIDTH, rest[0], 2, (rest[0] - 1) // 2, rest[0] % 2)
        elif kind == "halves":
            self.last = nn.Conv2d(channels, WIDTH, rest[0], 2, rest[0] // 2 - 1)
        elif kind == "branches":
            self.last = nn.Conv2d(WIDTH * len(rest[0]), WIDTH, 1)
        elif kind == "dense":
            self.last = nn.Conv2d(channels + WIDTH * len(inner), WIDTH, 1)
        elif kind == "attention":
            self.last = WindowAttention(*rest)

    def forward(self, x: Tensor) -> Tensor:
        kind, *rest = self.op
        if kind in ("max", "average"):
            pool = F.max_pool2d if kind == "max" and not self.smooth else F.avg_pool2d
            x = x.repeat_interleave(WIDTH // x.shape[1], 1) if x.shape[1] < WIDTH else x[:, -WIDTH:]
            return pool(x, 3, rest[0], 1)
        if kind == "larger":
            return F.interpolate(x, scale_factor=2, mode=rest[0])
        if kind == "residual":
            y = x
            for step in self.inner:
                y = step(y)
            return x + y
        if kind == "dense":
            for step in self.inner:
                x = torch.cat((x, step(x)), dim=1)
        if kind == "branches":
            inner, outs = iter(self.inner), []
            for branch in rest[0]:
                outs.append(x)
                for _ in branch:
                    outs[-1] = next(inner)(outs[-1])
            x = torch.cat(outs, dim=1)
        assert self.last is not None
        return self.last(x)


def network(graph: list, smooth: bool) -> nn.Module:
    """A graph as a module with positive weights. N 4 H W -> N 4 H' W'."""
    torch.manual_seed(0)
    net = nn.Sequential(*[Step(op, smooth) for op in graph]).double()
    for parameter in net.parameters():
        fan = parameter[0].numel() if parameter.ndim == 4 else 1
        nn.init.uniform_(parameter, 0.5 / fan, 1 / fan)
    return net


def paths(graph: list) -> tuple[list[tuple[float, float]], float]:
    """What every path through a graph sees (H, W), by (taps - 1) * dilation * jump, and the last jump."""
    found, jump = [(1.0, 1.0)], 1.0
    for op in graph:
        longer = [(extra[0] * jump, extra[1] * jump) for extra in extras(op)]
        found = list({(a[0] + b[0], a[1] + b[1]) for a, b in product(found, longer)})
        stride = op[2] if op[0] == "convolution" else op[1] if op[0] in ("max", "average") else 1
        jump *= 2 if op[0] == "halves" else 0.5 if op[0] in ("larger", "transposed") else stride
    return found, jump


def extras(op: tuple) -> list[tuple[float, float]]:
    """How many positions more than the unit before each path through a step sees."""
    kind, *rest = op
    if kind == "convolution":
        return [((rest[0][0] - 1) * rest[2], (rest[0][1] - 1) * rest[2])]
    if kind == "residual":
        return [(0, 0), *along(rest[0])]
    if kind == "dense":  # any of the layers may be left out: each reads all before
        chosen = product([False, True], repeat=len(rest[0]))
        return [e for some in chosen for e in along([one for one, take in zip(rest[0], some, strict=True) if take])]
    if kind == "branches":
        return [e for branch in rest[0] for e in along(branch)]
    side = {"max": 3, "average": 3, "halves": rest[0], "attention": rest[0]}.get(kind)
    if kind == "transposed":
        side = -(-rest[0] // 2)
    if kind == "larger":
        side = {"nearest": 1, "bilinear": 2}[rest[0]]
    return [(side - 1, side - 1)]


def along(ops: list) -> list[tuple[float, float]]:
    found = [(0.0, 0.0)]
    for op in ops:
        found = [(a[0] + b[0], a[1] + b[1]) for a, b in product(found, extras(op))]
    return found


def check(graph: list, channel: int) -> None:
    expected, jump = paths(graph)
    longest = max(max(path) for path in expected)
    assume(longest <= 120 and 0.5 <= jump <= 8)
    side = int(longest // 32 + 3) * 32
    net = network(graph, smooth=True)
    shadow = shadows_of(trace(network(graph, smooth=False), WIDTH, side))[-1]
    images = torch.rand(1, WIDTH, side, side, dtype=torch.float64, requires_grad=True)
    out = net(images)
    assert shadow is not None and shadow.shape == out.shape
    y, x = out.shape[2] // 2, out.shape[3] // 2

    out[0, channel, y, x].backward()
    assert images.grad is not None
    rows, columns = images.grad[0].abs().sum(0).nonzero().T
    box = [[a.expand(out.shape)[0, channel, y, x].item() for a in pair] for pair in (shadow.low, shadow.high)]
    assert box == [[rows.min(), columns.min()], [rows.max(), columns.max()]]

    seen = summary(shadow)
    assert seen.shortest == tuple(round(min(path[axis] for path in expected)) for axis in (0, 1))
    if not {"attention", "larger", "transposed", "halves"} & {op[0] for op in graph}:  # every window has a middle unit
        assert seen.size == seen.local == tuple(max(path[axis] for path in expected) for axis in (0, 1))
        assert seen.stride == (jump, jump) and seen.offset == (0, 0)


@given(graphs, st.integers(0, WIDTH - 1))
@settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_units_see_what_changes_them_and_paths_are_as_short_as_a_walk_finds(graph, channel):
    check(graph, channel)


@pytest.mark.slow
@given(graphs, st.integers(0, WIDTH - 1))
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_same_of_300_graphs(graph, channel):
    check(graph, channel)
