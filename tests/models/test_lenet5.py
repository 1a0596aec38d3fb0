"""LeNet-5: the paper's figures layer by layer, its table, its sub-sampling and its output units."""

import pytest
import torch
import torch.nn.functional as F

from opsin import zoo
from opsin.costs.count import count_model
from opsin.errors import OpsinError
from opsin.models.lenet5 import C3_TABLE, RBF, LeNet5, Subsampling, output_codes
from opsin.tasks.classify import Classify

# name: (maps, side, inputs of one map's unit without the bias as the paper counts, trainable parameters)
PAPERS_LAYERS = {
    "c1": (6, 28, 25, 156),
    "s2": (6, 14, 4, 12),
    "c3": (16, 10, None, 1_516),
    "s4": (16, 5, 4, 32),
    "c5": (120, 1, 400, 48_120),
    "f6": (84, 1, 120, 10_164),
}


def connections() -> dict[str, int]:
    counts = {name: maps * side**2 * (inputs + 1) for name, (maps, side, inputs, _) in PAPERS_LAYERS.items() if inputs}
    counts["c3"] = sum(100 * (25 * len(row) + 1) for row in C3_TABLE)
    return counts | {"rbf": 10 * 84}


def test_connections_are_the_340_908_of_the_paper():
    assert connections() == {
        "c1": 122_304,
        "s2": 5_880,
        "c3": 151_600,
        "s4": 2_000,
        "c5": 48_120,
        "f6": 10_164,
        "rbf": 840,
    }
    assert sum(connections().values()) == 340_908


def test_parameters_of_each_layer_are_the_papers():
    net = LeNet5()
    for name, (_, _, _, params) in PAPERS_LAYERS.items():
        assert sum(p.numel() for p in getattr(net, name).parameters()) == params, name
    assert not list(net.output.parameters())
    assert net.output.codes.numel() == 840
    assert sum(params for *_, params in PAPERS_LAYERS.values()) == zoo.card("lenet5").params == 60_000


def test_products_are_the_connections_without_biases_and_sums():
    """Sub-sampling adds and scales, it has no products; biases are additions."""
    units = {name: maps * side**2 for name, (maps, side, _, _) in PAPERS_LAYERS.items()}
    expected = sum(connections()[name] - units[name] for name in ("c1", "c3", "c5", "f6")) + 840
    counted = count_model("lenet5")
    assert counted.macs == expected == 326_520
    dense = 16 * 100 * 6 * 25
    assert counted.executed == expected + dense - (connections()["c3"] - units["c3"])
    assert counted.by_layer["c3"] == 150_000
    assert counted.by_layer["output"] == 840


def test_table_has_the_groups_that_the_paper_describes():
    """Six contiguous triples, six contiguous quadruples (both around the ring of six), three others, one of all."""
    ring = [[tuple(sorted((start + i) % 6 for i in range(n))) for start in range(6)] for n in (3, 4)]
    assert sorted(C3_TABLE[:6]) == sorted(ring[0])
    assert sorted(C3_TABLE[6:12]) == sorted(ring[1])
    assert all(len(row) == 4 and row not in ring[1] for row in C3_TABLE[12:15])
    assert C3_TABLE[15] == tuple(range(6))
    assert sum(map(len, C3_TABLE)) == 60
    assert [sum(i in row for row in C3_TABLE) for i in range(6)] == [10] * 6  # ten marks in each row of table I


def test_maps_have_the_sizes_of_figure_2():
    net, shapes = LeNet5(), {}
    for name in PAPERS_LAYERS:
        getattr(net, name).register_forward_hook(
            lambda module, args, out, name=name: shapes.__setitem__(name, tuple(out.shape[1:]))
        )
    net(torch.zeros(1, 1, 32, 32))
    assert shapes.pop("f6") == (84,)
    assert shapes == {name: (m, side, side) for name, (m, side, _, _) in PAPERS_LAYERS.items() if name != "f6"}


def test_subsampling_sums_four_units():
    layer = Subsampling(3)
    x = torch.randn(2, 3, 6, 4)
    with torch.no_grad():
        layer.coefficient.copy_(torch.tensor([1.0, -2.0, 0.5])[:, None, None])
        layer.bias.copy_(torch.tensor([0.0, 1.0, 2.0])[:, None, None])
    block = x[1, 1, 2:4, 2:4]
    torch.testing.assert_close(layer(x)[1, 1, 1, 1], -2 * block.sum() + 1)


@pytest.mark.parametrize("classes", [2, 10, 37])
def test_logits_are_minus_the_squared_distances(classes):
    output = RBF(classes)
    x = torch.randn(5, 84)
    expected = -(torch.cdist(x.double(), output.codes.double()) ** 2)
    torch.testing.assert_close(output(x).double(), expected, rtol=1e-5, atol=1e-3)
    assert output(output.codes).diagonal().abs().max() < 1e-3


def test_cross_entropy_is_the_papers_criterion_without_rubbish():
    """Equation 9: the distance of the right unit plus the logarithm of the sum of exp(-distance)."""
    net = LeNet5()
    x, labels = torch.randn(6, 1, 32, 32), torch.randint(10, (6,))
    distances = -net(x)
    criterion = distances[torch.arange(6), labels] + torch.logsumexp(-distances, 1)
    torch.testing.assert_close(F.cross_entropy(net(x), labels), criterion.mean())
    rubbish = torch.logaddexp(torch.logsumexp(-distances, 1), torch.tensor(-0.1)) - torch.logsumexp(-distances, 1)
    whole = Classify(loss_kind="map").loss(net(x), labels)  # for one of the 84 units
    torch.testing.assert_close(84 * whole, (criterion + rubbish).mean())


def test_digits_are_drawn_in_seven_by_twelve_and_tell_themselves_apart():
    codes = output_codes(10)
    assert codes.shape == (10, 84)
    assert set(codes.unique().tolist()) == {-1.0, 1.0}
    apart = (codes[:, None] != codes).sum(2) + 84 * torch.eye(10, dtype=torch.long)
    assert apart.min() >= 9  # dots
    one = codes[1].view(12, 7)
    assert (one[:, 3] == 1).all()  # the stroke of the 1
    assert (codes[0].view(12, 7)[3:9, 1:6] == -1).all()  # the hole of the 0


@pytest.mark.parametrize("classes", [2, 11, 1000])
def test_other_numbers_of_classes_get_fixed_codes(classes):
    codes = output_codes(classes)
    assert codes.shape == (classes, 84)
    assert set(codes.unique().tolist()) == {-1.0, 1.0}
    apart = (84 - codes @ codes.T) / 2 + 84 * torch.eye(classes)
    assert apart.min() >= 15
    assert codes[1, :8].tolist() == [1, 1, -1, 1, -1, 1, 1, -1]  # sha256("1") begins with 0x6b: the same anywhere
    with torch.device("meta"):
        assert output_codes(classes).shape == codes.shape


@pytest.mark.parametrize(("size", "classes", "in_chans"), [(28, 10, 1), (28, 3, 3), (48, 12, 1)])
def test_other_sizes(size, classes, in_chans):
    net = zoo.build_model("lenet5", input_size=size, num_classes=classes, in_chans=in_chans)
    x = torch.randn(2, in_chans, size, size)
    assert net.forward_features(x).shape == (2, 120, 1, 1)
    assert net(x).shape == (2, classes)


@pytest.mark.parametrize("size", [24, 30])
def test_sizes_that_it_does_not_take_are_refused_in_a_line(size):
    with pytest.raises(OpsinError, match="multiples of 4 from 28"):
        zoo.build_model("lenet5", input_size=size)


def test_codes_are_stored_with_the_weights_and_not_trained():
    net = LeNet5(num_classes=7)
    assert "output.codes" in net.state_dict()
    net(torch.randn(2, 1, 32, 32)).sum().backward()
    assert net.output.codes.grad is None
    assert all(p.grad is not None for p in net.parameters())
