"""Inception-v3 against torchvision and timm, its table, and its auxiliary head."""

import pytest
import timm
import torch
import torchvision
from torch import nn

from opsin import zoo
from opsin.models.inception_v3 import InceptionV3
from opsin.models.layers import conv_branch


class Arithmetic:
    """Parameters and MACs, convolution by convolution, each with the batch norm behind it."""

    def __init__(self):
        self.params = self.macs = 0

    def conv(self, fan_in, fan_out, kernel, side):
        """`kernel` is the area of the filter, `side` that of the grid it puts out."""
        self.params += (kernel * fan_in + 2) * fan_out
        self.macs += kernel * fan_in * fan_out * side**2

    def chain(self, channels, side, *layers):
        for out, kernel in layers:
            self.conv(channels, out, kernel, side)
            channels = out

    def linear(self, fan_in, fan_out):
        self.params += (fan_in + 1) * fan_out
        self.macs += fan_in * fan_out


def released_network() -> Arithmetic:
    a = Arithmetic()
    a.conv(3, 32, 9, 149)  # 299 = 2 * 149 + 1
    a.conv(32, 32, 9, 147)
    a.conv(32, 64, 9, 147)
    a.conv(64, 80, 1, 73)
    a.conv(80, 192, 9, 71)
    for channels, pool in ((192, 32), (256, 64), (288, 64)):
        a.chain(channels, 35, (64, 1))
        a.chain(channels, 35, (48, 1), (64, 25))
        a.chain(channels, 35, (64, 1), (96, 9), (96, 9))
        a.chain(channels, 35, (pool, 1))
    a.conv(288, 384, 9, 17)
    a.chain(288, 35, (64, 1), (96, 9))
    a.conv(96, 96, 9, 17)
    for inner in (128, 160, 160, 192):
        a.chain(768, 17, (192, 1))
        a.chain(768, 17, (inner, 1), (inner, 7), (192, 7))
        a.chain(768, 17, (inner, 1), (inner, 7), (inner, 7), (inner, 7), (192, 7))
        a.chain(768, 17, (192, 1))
    a.conv(768, 192, 1, 17)
    a.conv(192, 320, 9, 8)
    a.chain(768, 17, (192, 1), (192, 7), (192, 7))
    a.conv(192, 192, 9, 8)
    for channels in (320 + 192 + 768, 2048):
        a.chain(channels, 8, (320, 1))
        a.chain(channels, 8, (384, 1))
        a.chain(channels, 8, (448, 1), (384, 9))
        for _ in range(4):
            a.conv(384, 384, 3, 8)
        a.chain(channels, 8, (192, 1))
    a.linear(2048, 1000)
    return a


def test_counts_equal_the_arithmetic():
    card, network = zoo.card("inception_v3"), released_network()
    assert (card.params, card.macs) == (network.params, network.macs)
    head = Arithmetic()
    head.chain(768, 5, (128, 1))
    head.conv(128, 768, 25, 1)
    head.linear(768, 1000)
    assert card.aux_params == head.params
    assert card.params < 25e6  # the abstract


def test_the_departures_from_table_1_in_numbers():
    """The stem of table 1 would cost more than the released one, so it does not explain the paper's 4.8 billion."""
    card = zoo.card("inception_v3")
    text = " ".join((*card.departures, card.note))
    table = 9 * (64 * 80 * 71**2 + 80 * 192 * 35**2 + 192 * 288 * 35**2)
    released = 64 * 80 * 73**2 + 9 * 80 * 192 * 71**2
    wider = ((288 - 192) * (64 + 48 + 64 + 32) + 288 * (64 - 32) + (288 - 256) * (64 + 48 + 64 + 64)) * 35**2
    branch5x5 = 3 * (25 - 9) * 48 * 64
    one_more = Arithmetic()
    one_more.chain(768, 17, (192, 1))
    one_more.chain(768, 17, (192, 1), (192, 7), (192, 7))
    one_more.chain(768, 17, (192, 1), (192, 7), (192, 7), (192, 7), (192, 7))
    one_more.chain(768, 17, (192, 1))
    for number in (
        table, released, table - released, wider, branch5x5, branch5x5 * 35**2, one_more.params, one_more.macs
    ):  # fmt: skip
        assert f"{number:,}" in text
    assert (card.macs + table - released + wider) / 1e9 == pytest.approx(6.05, abs=0.005)
    assert card.macs / 4.8e9 == pytest.approx(1.19, abs=0.005)


def test_grids_are_those_of_table_1():
    with torch.device("meta"):
        net = zoo.build_model("inception_v3").eval()
        shapes = {}
        for name, module in net.named_modules():
            module.register_forward_hook(lambda m, args, out, name=name: shapes.update({name: tuple(out.shape[1:])}))
        net(torch.zeros(1, 3, 299, 299))
    expected = {
        "stem.conv1": (32, 149, 149),
        "stem.conv2": (32, 147, 147),
        "stem.conv3": (64, 147, 147),
        "stem.conv4": (80, 73, 73),
        "stem.conv5": (192, 71, 71),
        "stem": (192, 35, 35),
        "inception35.0": (256, 35, 35),
        "inception35": (288, 35, 35),
        "reduction17": (768, 17, 17),
        "inception17": (768, 17, 17),
        "reduction8": (1280, 8, 8),
        "inception8": (2048, 8, 8),
    }
    assert {name: shapes[name] for name in expected} == expected


def test_factorised_filters_see_as_much_for_less():
    """Section 3.1: two 3x3 have 28 % fewer weights than a 5x5. Section 3.2: a 1x7 and a 7x1 have 2/7 of a 7x7."""

    def weights(*layers):
        branch = conv_branch(8, *layers)
        return sum(p.numel() for p in branch.parameters() if p.ndim == 4)

    assert weights((8, 3), (8, 3)) / weights((8, 5)) == pytest.approx(1 - 0.28)
    assert weights((8, (1, 7)), (8, (7, 1))) / weights((8, (7, 7))) == pytest.approx(2 / 7)


def test_logits_equal_torchvision(assert_same_logits):
    def theirs():
        return torchvision.models.inception_v3(init_weights=False, transform_input=False)

    assert_same_logits(theirs, "inception_v3", size=299)


def test_logits_equal_timm(assert_same_logits):
    assert_same_logits(
        lambda: timm.create_model("inception_v3", aux_logits=False), "inception_v3", size=299, aux_heads=False
    )


@torch.no_grad()
def test_auxiliary_logits_equal_torchvision():
    """In training, with the batch's own statistics and without dropout; 16 classes to keep it quick."""
    torch.manual_seed(0)
    theirs = torchvision.models.inception_v3(init_weights=False, transform_input=False, num_classes=16, dropout=0.0)
    ours = zoo.build_model("inception_v3", num_classes=16, dropout=0.0)
    for parameter, source in zip(ours.parameters(), theirs.parameters(), strict=True):
        parameter.copy_(source)
    x = torch.randn(2, 3, 299, 299)
    for got, expected in zip(ours(x), theirs.train()(x), strict=True):
        assert expected.std() > 1e-3
        assert (got - expected).abs().max() <= 1e-4 * expected.abs().max()
    assert isinstance(ours.eval()(x[:1, :, :75, :75]), torch.Tensor)


def test_auxiliary_head_takes_any_grid_and_can_be_left_out():
    for size in (75, 96, 299, 331):
        with torch.device("meta"):
            logits, aux = zoo.build_model("inception_v3", num_classes=7)(torch.zeros(2, 3, size, size))
        assert logits.shape == aux.shape == (2, 7)
    with torch.device("meta"):
        net = zoo.build_model("inception_v3", aux_heads=False)
        assert net(torch.zeros(2, 3, 75, 75)).shape == (2, 1000)
    assert not any(name.startswith("aux") for name, _ in net.named_parameters())


def test_initial_weights_are_truncated_at_two_sigma():
    net = InceptionV3(width=0.5, num_classes=10)
    assert net.aux is not None
    for module in net.modules():
        if isinstance(module, nn.Conv2d) and module is not net.aux.conv2.conv and module.weight.numel() > 5000:
            fan_in = module.weight[0].numel()
            assert module.weight.std().item() == pytest.approx((2 / fan_in) ** 0.5, rel=0.1)
    assert net.aux.conv2.conv.weight.abs().max() <= 0.02
    assert net.aux.fc.weight.abs().max() <= 0.002


def test_a_narrow_copy_of_the_real_network_learns(assert_learns):
    torch.manual_seed(0)
    net = InceptionV3((32,), (128,), 1, width=0.125, dropout=0.0, num_classes=4)
    assert_learns(net, channels=3, size=75)
