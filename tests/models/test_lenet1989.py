"""LeNet-1989: the paper's counts of units, weights and connections, its borders and its sharing."""

import pytest
import torch

from opsin import zoo
from opsin.costs.count import count_model
from opsin.errors import OpsinError
from opsin.models.lenet1989 import H2_TABLE, LeNet1989


def layers(size=16, hidden=30, classes=10, in_chans=1):
    """(units, inputs of a unit without its bias, weights that are shared among units) of H1, H2, H3 and the output."""
    h1, h2 = 12 * (size // 2) ** 2, 12 * (size // 4) ** 2
    return (
        (h1, 25 * in_chans, 12 * 25 * in_chans),
        (h2, 25 * 8, 12 * 25 * 8),
        (hidden, h2, hidden * h2),
        (classes, hidden, classes * hidden),
    )


def test_units_connections_and_parameters_are_the_papers():
    rows = layers()
    assert 16**2 + sum(units for units, _, _ in rows) == 1_256
    assert [units * (inputs + 1) for units, inputs, _ in rows] == [19_968, 38_592, 5_790, 310]
    assert sum(units * (inputs + 1) for units, inputs, _ in rows) == 64_660
    assert [units + weights for units, _, weights in rows] == [1_068, 2_592, 5_790, 310]
    counted = count_model("lenet1989")
    assert counted.params == sum(units + weights for units, _, weights in rows) == 9_760
    assert counted.macs == sum(units * inputs for units, inputs, _ in rows) == 63_660
    assert counted.executed == counted.macs + 192 * 25 * 4  # the four maps that H2 leaves out are multiplied by zero


@pytest.mark.parametrize(("size", "classes", "in_chans"), [(20, 3, 1), (32, 10, 3), (64, 100, 2)])
def test_other_sizes(size, classes, in_chans):
    rows = layers(size, classes=classes, in_chans=in_chans)
    counted = count_model("lenet1989", input_size=size, num_classes=classes, in_chans=in_chans)
    assert counted.params == sum(units + weights for units, _, weights in rows)
    assert counted.macs == sum(units * inputs for units, inputs, _ in rows)
    net = zoo.build_model("lenet1989", input_size=size, num_classes=classes, in_chans=in_chans)
    x = torch.randn(2, in_chans, size, size)
    assert net.forward_features(x).shape == (2, 12, size // 4, size // 4)
    assert net(x).shape == (2, classes)


@pytest.mark.parametrize("size", [12, 18])
def test_sizes_that_it_does_not_take_are_refused_in_a_line(size):
    with pytest.raises(OpsinError, match="multiples of 4 from 16"):
        zoo.build_model("lenet1989", input_size=size)


def test_each_map_of_h2_sees_eight_of_twelve_and_none_of_h1_is_left_over():
    assert [len(set(row)) for row in H2_TABLE] == [8] * 12
    assert [sum(i in row for row in H2_TABLE) for i in range(12)] == [8] * 12


def test_outside_the_image_is_background():
    """An image of background alone looks the same to every unit of a map: to those at the border as well."""
    net = LeNet1989(padding_value=-0.5)
    for bias in (net.h1_bias, net.h2_bias):
        torch.nn.init.zeros_(bias)
    with torch.no_grad():
        maps = net.squash(net.h1(net.surround(torch.full((1, 1, 16, 16), -0.5))))
    assert torch.allclose(maps, maps[:, :, :1, :1].expand_as(maps), atol=1e-6)
    assert net.surround(torch.zeros(1, 1, 16, 16))[0, 0, 1].unique().item() == -0.5


def test_units_of_a_map_share_their_kernel_but_not_their_bias():
    """Moving the image by two pixels moves H1 by one unit, but for the biases and the border."""
    net = LeNet1989()
    x = torch.randn(1, 1, 16, 16)
    with torch.no_grad():
        here, moved = (net.h1(net.surround(image)) for image in (x, x.roll((2, 2), (2, 3))))
    torch.testing.assert_close(moved[:, :, 2:-1, 2:-1], here[:, :, 1:-2, 1:-2])
    assert net.h1_bias.shape == (12, 8, 8)
    assert net.h1_bias.unique().numel() > 700


def test_weights_start_within_the_fan_in():
    net = LeNet1989()
    for parameter, fan_in in (
        (net.h1.weight, 25),
        (net.h1_bias, 25),
        (net.h2.weight, 200),
        (net.h2_bias, 200),
        (net.h3.weight, 192),
        (net.h3.bias, 192),
        (net.output.weight, 30),
        (net.output.bias, 30),
    ):
        bound = 2.4 / fan_in
        assert 0.5 * bound < parameter.abs().max() <= bound * (1 + 1e-6)
