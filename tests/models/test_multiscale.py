"""Multi-scale ConvNet: counts by arithmetic, the skip and its twin, tables, colour, normalisation, learning."""

import pytest
import torch
import torch.nn.functional as F

from opsin import zoo
from opsin.costs.count import count_model
from opsin.models.multiscale import LocalContrastNorm, colour_table, sparse_table


def arithmetic(w1, w2, kernels2, side, classes, hidden=None, skip=True):
    """Parameters and MACs, layer by layer: 5x5 filters without padding, then 2x2 pooling."""
    conv1 = side - 4
    conv2 = conv1 // 2 - 4
    params = 25 * w1 + w1 + 25 * kernels2 + w2
    macs = 25 * w1 * conv1**2 + 25 * kernels2 * conv2**2
    features = w2 * (conv2 // 2) ** 2
    if skip:
        features += w1 * (conv1 // 2 // 2) ** 2
    for inputs, outputs in [(features, hidden), (hidden, classes)] if hidden else [(features, classes)]:
        params += (inputs + 1) * outputs
        macs += inputs * outputs
    return params, macs


ROWS = {
    "multiscale_108_108": (108, 108, 8640, 32, 43),
    "singlescale_108_108": (108, 108, 8640, 32, 43, None, False),
    "multiscale_108_108_grey": (108, 108, 8640, 32, 43, 100),
    "multiscale_32": (38, 64, 1664, 32, 10),
}


@pytest.mark.parametrize("name", ROWS)
def test_counts_equal_the_arithmetic(name):
    card = zoo.card(name)
    assert (card.params, card.macs) == arithmetic(*ROWS[name])


def test_by_hand():
    """Stage 1 has 108 kernels at 28 x 28 places, stage 2 has 8,640 at 10 x 10, the classifier 5,292 + 2,700 inputs."""
    assert 108 * 25 * 28 * 28 + 8640 * 25 * 10 * 10 + (108 * 7 * 7 + 108 * 5 * 5) * 43 == 24_060_456
    assert count_model("multiscale_108_108").macs == 24_060_456


def test_executed_are_the_dense_filters_and_the_windows():
    dense = 25 * 3 * 108 * 28**2 + 25 * 108 * 108 * 10**2 + 7992 * 43
    windows = 2 * 2 * 81 * (28**2 + 10**2)  # two local means a stage, each with the window's own sum at the border
    counted = count_model("multiscale_108_108")
    assert counted.executed == dense + windows == 36_140_472
    assert f"{counted.executed:,}" in zoo.card("multiscale_108_108").note


@pytest.mark.parametrize("size", [16, 19, 48])
def test_other_sizes(size):
    counted = count_model("multiscale_32", input_size=size, num_classes=7, in_chans=1)
    assert (counted.params, counted.macs) == arithmetic(38, 64, 1664, size, 7)


def test_maps_have_the_sizes_of_figure_2():
    with torch.device("meta"):
        net = zoo.build_model("multiscale_108_108").eval()
        first = net.stage1(torch.zeros(1, 3, 32, 32))
        assert first.shape == (1, 108, 14, 14)
        assert net.stage2(first).shape == (1, 108, 5, 5)
        assert net.forward_features(torch.zeros(2, 3, 32, 32)).shape == (2, 7 * 7 * 108 + 5 * 5 * 108)


def test_number_of_kernels():
    """As the paper counts them: 108-8640 for 108-108 maps, 108-16000 for 108-200, 38-1664 for 38-64."""
    for w1, w2, connected, kernels in ((108, 108, 80, 8640), (108, 200, 80, 16000), (38, 64, 26, 1664)):
        table = sparse_table(w2, w1, connected)
        assert sum(map(len, table)) == kernels
        assert all(len(set(row)) == connected and max(row) < w1 for row in table)
        uses = [sum(i in row for row in table) for i in range(w1)]
        assert max(uses) - min(uses) <= connected  # no map is left out
        assert min(uses) > 0


def test_colour_is_seen_by_a_few_maps():
    table = colour_table(108, 3)
    assert [table.count([channel]) for channel in range(3)] == [100, 4, 4]
    assert colour_table(108, 1) == [[0]] * 108
    net = zoo.build_model("multiscale_108_108").eval()
    grey = torch.rand(1, 1, 32, 32).expand(-1, 3, -1, -1)
    tinted = grey + 0.3 * torch.tensor([-0.114 / 0.299, 0.0, 1.0])[:, None, None]  # the same Y, another hue
    with torch.no_grad():
        grey, tinted = (net.stage1.conv(as_yuv(x)) for x in (grey, tinted))
    torch.testing.assert_close(grey[:, :100], tinted[:, :100])
    assert (grey[:, 100:] - tinted[:, 100:]).abs().amax((0, 2, 3)).min() > 1e-3


def as_yuv(x):
    matrix = torch.tensor([[0.299, 0.587, 0.114], [-0.147, -0.289, 0.436], [0.615, -0.515, -0.1]])
    return torch.einsum("oc,nchw->nohw", matrix, x)


def test_forward_is_the_two_stages_side_by_side():
    torch.manual_seed(0)
    net = zoo.build_model("multiscale_108_108").eval()
    x = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        first = net.stage1(as_yuv(x))
        features = torch.cat((F.avg_pool2d(first, 2).flatten(1), net.stage2(first).flatten(1)), 1)
        torch.testing.assert_close(net(x), net.classifier(features))


def test_twin_has_the_same_stages_and_the_second_features_alone():
    torch.manual_seed(0)
    multi, single = zoo.build_model("multiscale_108_108").eval(), zoo.build_model("singlescale_108_108").eval()
    weights = {k: v for k, v in multi.state_dict().items() if k.startswith("stage")}
    single.load_state_dict(weights, strict=False)
    x = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(single.forward_features(x), multi.forward_features(x)[:, 5292:])


def test_contrast_norm_takes_out_brightness_and_contrast():
    norm = LocalContrastNorm()
    x = torch.rand(2, 6, 20, 20)
    torch.testing.assert_close(norm(3 * x + 5), norm(x), rtol=1e-3, atol=1e-4)
    assert norm(torch.ones(1, 1, 12, 12)).abs().max() < 1e-3
    expected = plain_norm(x[:1].double(), norm.window[0, 0].double())
    torch.testing.assert_close(norm(x[:1]).double(), expected, rtol=1e-3, atol=1e-4)


def plain_norm(x, window):
    """The two formulas of section II, place by place."""
    reach = window.shape[0] // 2
    side = x.shape[-1]

    def local_mean(x):
        mean = torch.empty(side, side, dtype=x.dtype)
        for r in range(side):
            for c in range(side):
                rows = slice(max(0, r - reach), min(side, r + reach + 1))
                columns = slice(max(0, c - reach), min(side, c + reach + 1))
                near = window[rows.start - r + reach : rows.stop - r + reach]
                near = near[:, columns.start - c + reach : columns.stop - c + reach]
                mean[r, c] = (near / (near.sum() * x.shape[1]) * x[0, :, rows, columns]).sum()
        return mean

    v = x - local_mean(x)
    deviation = local_mean(v**2).sqrt()
    return v / deviation.clamp(min=deviation.mean().item())


@pytest.mark.parametrize("name", ["multiscale_108_108_grey", "multiscale_32"])
def test_every_parameter_gets_a_gradient(name):
    card = zoo.card(name)
    net = zoo.build_model(name)
    x = torch.randn(3, card.inputs.channels, 32, 32)
    F.cross_entropy(net(x), torch.tensor([0, 1, 9])).backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in net.parameters())
    blank = torch.zeros(2, card.inputs.channels, 32, 32)
    net(blank).sum().backward()
    assert all(p.grad.isfinite().all() for p in net.parameters())
