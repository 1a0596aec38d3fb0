"""FractalNet against arithmetic, its expansion rule, its joins and drop-path, its columns, and pytorchcv."""

import copy

import pytest
import torch
from pytorchcv.models.fractalnet_cifar import fractalnet_cifar10

from opsin import zoo
from opsin.cards import agrees
from opsin.costs.count import count
from opsin.models.fractalnet import Fractal, FractalNet, Join

CIFAR_WIDTHS = (64, 128, 256, 512, 512)
HALF_WIDTHS = (32, 64, 128, 256, 256)
IMAGENET_WIDTHS = (128, 256, 512, 1024)
TABLE_3 = {1: "0.3M", 2: "0.8M", 3: "2.1M", 4: "4.8M", 5: "10.2M", 6: "21.1M"}  # columns: parameters


def arithmetic(columns, widths, side, channels=3, classes=10, theirs=False):
    """Parameters and MACs: 2^C - 1 convolutions a block, C of which see its input. `theirs`: biases, plain norms."""
    params = macs = 0
    for width in widths:
        first, inner = columns, 2**columns - 1 - columns
        weights = 9 * width * (first * channels + inner * width)
        params += weights + (first + inner) * width * (1 if theirs else 2)
        macs += weights * side**2
        channels, side = width, side // 2
    return params + (channels + 1) * classes, macs + channels * classes


def imagenet_arithmetic(theirs=False):
    params, macs = arithmetic(4, IMAGENET_WIDTHS, 56, channels=64, classes=1000, theirs=theirs)
    return params + 7 * 7 * 3 * 64 + (64 if theirs else 128), macs + 7 * 7 * 3 * 64 * 112**2


def columns_of(net):
    return [tuple(net.draw_column(torch.zeros(1)).tolist()) for _ in range(400)]


def test_counts_equal_the_arithmetic():
    expected = {
        "fractalnet20_cifar": arithmetic(3, CIFAR_WIDTHS, 32),
        "fractalnet40_cifar": arithmetic(4, HALF_WIDTHS, 32),
        "fractalnet34": imagenet_arithmetic(),
        "fractalnet_32": arithmetic(3, (12, 32), 32),
    }
    for name, counts in expected.items():
        assert (zoo.card(name).params, zoo.card(name).macs) == counts


def test_parameters_with_the_authors_norms_are_those_of_the_departures():
    theirs = {
        "fractalnet20_cifar": arithmetic(3, CIFAR_WIDTHS, 32, theirs=True),
        "fractalnet40_cifar": arithmetic(4, HALF_WIDTHS, 32, theirs=True),
        "fractalnet34": imagenet_arithmetic(theirs=True),
        "fractalnet_32": arithmetic(3, (12, 32), 32, theirs=True),
    }
    for name, (params, _) in theirs.items():
        assert f"{params:,} parameters" in zoo.card(name).departures[0]
    assert arithmetic(4, CIFAR_WIDTHS, 32)[0] == 76_106_634


@pytest.mark.parametrize("columns", TABLE_3)
def test_parameters_of_table_3(columns):
    """A quarter of the widths, CIFAR-100: the same rule gives what the paper prints, from 5 to 160 layers."""
    widths = (16, 32, 64, 128, 128)
    with torch.device("meta"):
        net = FractalNet(columns, widths, num_classes=100)
    params = sum(p.numel() for p in net.parameters())
    assert params == arithmetic(columns, widths, 32, classes=100)[0]
    assert agrees(TABLE_3[columns], params)
    assert sum(len(block.path(columns)) for block in net.blocks) == 5 * 2 ** (columns - 1)


def test_names_are_the_layers_of_the_deepest_column():
    """Stem and classifier are layers of the ImageNet network's 34; the paper leaves the CIFAR ones' classifier out."""
    with torch.device("meta"):
        for name, layers in (("fractalnet20_cifar", 20), ("fractalnet40_cifar", 40), ("fractalnet34", 34 - 2)):
            net = zoo.build_model(name)
            assert sum(len(block.path(net.columns)) for block in net.blocks) == layers


@pytest.mark.parametrize(
    ("name", "sides"), [("fractalnet20_cifar", (32, 16, 8, 4, 2)), ("fractalnet34", (56, 28, 14, 7))]
)
def test_blocks_have_their_sizes(name, sides):
    with torch.device("meta"):
        net = zoo.build_model(name).eval()
        size = zoo.card(name).inputs.size
        seen = []
        for block in net.blocks:
            block.register_forward_hook(lambda module, args, out: seen.append([x.shape for x in out]))
        last = net.forward_features(torch.zeros(2, 3, size, size)).shape
    widths = CIFAR_WIDTHS if name.endswith("cifar") else IMAGENET_WIDTHS
    assert seen == [[(2, w, s, s)] * net.columns for w, s in zip(widths, sides, strict=True)]
    assert last == ((2, 512, 1, 1) if name.endswith("cifar") else (2, 1024, 7, 7))


@torch.no_grad()
def test_expansion_rule():
    """f_3(z) = join of f_2(f_2(z)), whose ends stay apart, and conv(z); its first f_2 ends in a join of two."""
    torch.manual_seed(0)
    f = Fractal(3, 4, 6, dropout=0.0, local_drop=0.15).eval()
    z, none = torch.randn(2, 4, 8, 8), torch.zeros(3, dtype=torch.bool)

    def f2(g, z):
        return g.second.conv(g.first.conv(z)), g.conv(z)

    middle = sum(f2(f.first, z)) / 2
    expected = [*f2(f.second, middle), f.conv(z)]
    for end, wanted in zip(f(z, none), expected, strict=True):
        torch.testing.assert_close(end, wanted)
    torch.testing.assert_close(Join(0.15).eval()(expected, none), sum(expected) / 3)


def test_local_sampling_drops_each_input_with_its_rate_and_never_all():
    """The mean is that of the inputs that are left."""
    torch.manual_seed(0)
    rate, draws = 0.4, 4000
    join, none = Join(rate), torch.zeros(3, dtype=torch.bool)
    inputs = [torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 1.0, 0.0]), torch.tensor([0.0, 0.0, 1.0])]
    weights = torch.stack([join(inputs, none) for _ in range(draws)])
    active = weights > 0
    assert active.any(dim=1).all()
    torch.testing.assert_close(weights, active / active.sum(dim=1, keepdim=True))
    kept = 1 - rate + rate**3 / 3  # the lone survivors of draws that would drop all, alike for each input
    torch.testing.assert_close(active.float().mean(dim=0), torch.full((3,), kept), atol=0.03, rtol=0)


def test_global_sampling_takes_one_column_in_half_of_the_batches():
    torch.manual_seed(0)
    drawn = columns_of(FractalNet(3, (2,), (0.0,)))
    none = drawn.count((False, False, False))
    assert 160 < none < 240
    singles = [drawn.count(tuple(i == j for i in range(3))) for j in range(3)]
    assert none + sum(singles) == 400
    assert min(singles) > 40
    assert set(columns_of(FractalNet(3, (2,), (0.0,), global_drop=0.0))) == {(False, False, False)}
    assert set(columns_of(FractalNet(3, (2,), (0.0,)).eval())) == {(False, False, False)}


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_batch_of_global_sampling_is_that_column_alone(number, monkeypatch):
    """In training mode, with the statistics of the batch; the other columns get no gradient from it."""
    torch.manual_seed(0)
    net = FractalNet(3, (4, 6), (0.0, 0.0))
    column = torch.arange(3) == 3 - number
    monkeypatch.setattr(net, "draw_column", lambda x: column)
    x = torch.randn(4, 3, 8, 8)
    logits, plain = net(x), net.column(number)
    torch.testing.assert_close(logits, plain(x))
    logits.square().sum().backward()
    used = {id(p) for p in plain.parameters()}
    for parameter in net.parameters():
        assert parameter.grad is not None
        assert bool(parameter.grad.any()) is (id(parameter) in used) or parameter.ndim == 1


def test_columns_come_out_as_plain_networks():
    """Column 3 of the 20 layers is the 20 alone: a third of the operations, and the layers are shared, not copied."""
    with torch.device("meta"):
        net = zoo.build_model("fractalnet20_cifar")
        for number in (1, 2, 3):
            column = net.column(number)
            convolutions = [m for m in column.modules() if isinstance(m, torch.nn.Conv2d)]
            assert len(convolutions) == 5 * 2 ** (number - 1)
            assert {id(p) for p in column.parameters()} < {id(p) for p in net.parameters()}
            params = macs = 0
            channels, side = 3, 32
            for width in CIFAR_WIDTHS:
                weights = 9 * width * (channels + (2 ** (number - 1) - 1) * width)
                params += weights + 2 * width * 2 ** (number - 1)
                macs += weights * side**2
                channels, side = width, side // 2
            counted = count(column, 3, 32)
            assert (counted.params, counted.macs) == (params + 5130, macs + 5120)


@pytest.mark.parametrize("number", [None, 2])
def test_statistics_are_those_of_local_sampling(number, monkeypatch):
    torch.manual_seed(0)
    net = FractalNet(3, (4,), (0.0,))
    monkeypatch.setattr(net, "draw_column", lambda x: torch.arange(3) == (-1 if number is None else 3 - number))
    before = {name: b.clone() for name, b in net.named_buffers() if "running" in name}
    net(torch.randn(8, 3, 8, 8))
    for name, statistic in before.items():
        assert torch.equal(net.get_buffer(name), statistic) is (number is not None)
    plain = copy.deepcopy(net.column(2))
    plain(torch.randn(8, 3, 8, 8))
    for name, statistic in plain.named_buffers():
        assert "running" not in name or not torch.equal(statistic, torch.full_like(statistic, float("var" in name)))


def test_dropout_stands_between_convolution_and_norm_at_the_rates_of_the_blocks():
    with torch.device("meta"):
        net = zoo.build_model("fractalnet20_cifar")
    rates = [{m.p for m in block.modules() if isinstance(m, torch.nn.Dropout)} for block in net.blocks]
    assert rates == [{0.0}, {0.1}, {0.2}, {0.3}, {0.4}]
    assert list(dict(net.blocks[0].conv.named_children())) == ["conv", "dropout", "bn"]


def test_initialisation_is_the_authors():
    net = FractalNet(2, (8, 8), (0.0, 0.0))
    bound = (3 / (9 * 8)) ** 0.5
    weight = net.blocks[1].conv.conv.weight
    assert 0.95 * bound < weight.abs().max() <= bound


def test_logits_equal_pytorchcv(assert_same_logits):
    assert_same_logits(fractalnet_cifar10, "fractalnet20_cifar", size=32)


@pytest.mark.parametrize("stem_channels", [None, 8])
def test_learns_one_batch_by_heart(stem_channels, assert_learns):
    torch.manual_seed(0)
    net = FractalNet(3, (16, 32), (0.0, 0.0), stem_channels=stem_channels, num_classes=4)
    assert_learns(net, channels=3, size=32, lr=3e-3)


@pytest.mark.parametrize("arguments", [{}, {"stem_channels": 8}], ids=str)
def test_travels(arguments, assert_travels):
    torch.manual_seed(0)
    assert_travels(zoo.build_model("fractalnet_32", **arguments), torch.randn(2, 3, 32, 32))
