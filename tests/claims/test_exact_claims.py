"""The claims that are arithmetic and structure: their figures against sums by hand and other libraries."""

import re
from functools import cache
from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

from opsin.claims.catalogue import CLAIMS
from opsin.claims.chart import Bars, Grid, Lines
from opsin.claims.claim import Part, Verdict, about, gap, weigh
from opsin.claims.topics import alexnet, bottlenecks, fields, inception, lenet, mobile, residual, vgg

QUICK = {
    "X02": lambda: lenet.sparse_c3(batches=(1,)),
    "X08": lambda: vgg.emulated_5x5(kernels=8),
    "X29": lambda: fields.deeper_sees_more(draws=1),
}
"""Smaller runs of what takes long."""
HOLDS, PARTLY, NOT_HERE = Verdict.HOLDS, Verdict.PARTLY, Verdict.NOT_HERE
EXPECTED = {
    **dict.fromkeys(("X01", "X07", "X09", "X12", "X13", "X15", "X16", "X19", "X20", "X22", "X29"), HOLDS),
    **dict.fromkeys(("X04", "X05", "X08", "X10", "X11", "X17", "X21", "X28", "X32", "X33", "X34", "T34"), PARTLY),
    **dict.fromkeys(("X03", "X23", "X27", "X35", "T35"), NOT_HERE),
}


@cache
def finding(id):
    torch.manual_seed(0)
    return QUICK.get(id, CLAIMS[id].test)()


def figures(text):
    """The numbers of a sentence: "58,631,144 for 5 %" -> [58631144.0, 5.0]."""
    return [float(n.replace(",", "")) for n in re.findall(r"\d[\d,]*(?:\.\d+)?(?:e-?\d+)?", text)]


def of(id, says):
    """The numbers that were found for the part of a claim that says this, and whether it holds."""
    (part,) = [part for part in finding(id).parts if says in part.says]
    return figures(part.found), part.holds


def conv(i, o, k):
    return i * o * k * k


@pytest.mark.parametrize("id", sorted(EXPECTED))
def test_the_verdict(id):
    assert finding(id).verdict == EXPECTED[id]


def test_every_exact_claim_has_its_verdict_here():
    tested = {claim.id for claim in CLAIMS.values() if claim.kind == "exact" and claim.test is not None}
    assert tested - {"X02"} == set(EXPECTED)  # X02 has a part that is measured


def test_a_verdict_is_read_off_the_parts():
    yes, no, told = Part("", "", True), Part("", "", False), Part("", "")
    assert weigh(yes, told).verdict == HOLDS
    assert weigh(yes, no).verdict == PARTLY
    assert weigh(no, told).verdict == NOT_HERE
    with pytest.raises(ValueError, match="no part decides"):
        weigh(told)
    assert about(600e3, 570_001) and not about(600e3, 569_999)
    assert (gap(0.0), gap(7.4e-7)) == ("by nothing", "by at most 7e-07")


def test_lenet_1989():
    h1, h2, h3, out = 12 * 25 + 12 * 64, 12 * 8 * 25 + 12 * 16, 192 * 30 + 30, 30 * 10 + 10
    assert (h1, h2, h3, out) == (1068, 2592, 5790, 310)
    assert of("X01", "9,760") == ([h1 + h2 + h3 + out], True) == ([9760], True)
    shared = 9760 - (768 - 12) - (192 - 12)
    assert of("X01", "one bias a map")[0] == [shared, 9760 - shared] == [8824, 936]
    assert of("X01", "all twelve")[0] == [9760 + 12 * (12 - 8) * 25] == [10_960]
    units = 768 + 192 + 30 + 10
    assert of("X01", "connections")[0] == [768 * 25 + 192 * 8 * 25 + 192 * 30 + 300 + units] == [64_660]
    assert of("X01", "units")[0] == [16 * 16 + units] == [1256]
    (bars,) = finding("X01").charts
    assert isinstance(bars, Bars)
    assert sum(value for way, _, value in bars.rows if way == "as printed") == 9760


def test_the_table_of_c3():
    maps = 6 * 3 + 9 * 4 + 1 * 6  # six maps see three, nine see four, one sees all
    assert of("X02", "1,516") == ([maps * 25 + 16, 6 * 16 * 25 + 16], None) == ([1516, 2416], None)
    assert of("X02", "151,600")[0] == [1516 * 100] == [151_600]
    c1, s2, s4, c5, f6 = 26 * 6 * 28**2, 5 * 6 * 14**2, 5 * 16 * 5**2, 401 * 120, 121 * 84
    assert of("X02", "340,908")[0] == [60_000, c1 + s2 + 151_600 + s4 + c5 + f6 + 840, 840] == [60_000, 340_908, 840]
    assert of("X02", "1.5 times fewer") == ([1.60], True)
    assert of("X02", "a tenth of the whole") == ([round(100 * 90_000 / (326_520 + 90_000))], True)
    assert finding("X02").verdict in (HOLDS, PARTLY)


def test_the_gathered_c3_is_the_table():
    table, way = lenet.TableConv2d(6, lenet.lenet5.C3_TABLE, 5), lenet.Gathered(lenet.lenet5.C3_TABLE, 5)
    for parameter in table.parameters():
        nn.init.normal_(parameter)
    kernels, at = table.dense_weight().detach(), 0
    for convolution in way.convolutions:
        for row in range(convolution.out_channels):
            seen = list(lenet.lenet5.C3_TABLE[at])
            convolution.weight.data[row] = kernels[at, seen]
            convolution.bias.data[row] = table.bias.data[at]
            at += 1
    x = torch.randn(2, 6, 14, 14)
    assert (way(x) - table(x)).abs().max() < 1e-4


def test_pooling_of_lenet_5():
    assert of("X03", "12 trained numbers")[0] == [2 * 6, 2 * 16]
    assert of("X03", "every unit") == ([1, 1.0], None)
    torch.manual_seed(0)
    mean, largest = nn.AvgPool2d(2), nn.MaxPool2d(2)
    x = torch.randn(1, 1, 2, 2)
    assert mean(x.tanh()) != mean(x).tanh() and largest(x.tanh()) == largest(x).tanh()
    (grid,) = finding("X32").charts
    assert isinstance(grid, Grid)
    assert grid.cells[0] == (0.0, 0.0, 0.0) and min(grid.cells[1]) > 0.05


def test_parameters_of_alexnet():
    convolutions = [
        conv(3, 96, 11) + 96, conv(48, 256, 5) + 256, conv(256, 384, 3) + 384, conv(192, 384, 3) + 384,
        conv(192, 256, 3) + 256,
    ]  # fmt: skip
    linear = 256 * 36 * 4096 + 4096 + 4096 * 4096 + 4096 + 4096 * 1000 + 1000
    assert of("X10", "over 60 million") == ([sum(convolutions) + linear], True) == ([60_965_224], True)
    large, share, rest = of("X10", "large kernels")[0]
    assert (large, share) == (sum(convolutions[:2]), 0.56) == (342_400, 0.56)
    assert linear == 58_631_144 and rest == round(100 * linear / 60_965_224, 1) == 96.2
    small = 60_965_224 - conv(3, 96, 11) - conv(48, 256, 5) + conv(3, 96, 3) + conv(48, 256, 3)
    assert of("X10", "made 3x3")[0][0] == small
    assert of("X10", "a mean of the maps")[0][0] == sum(convolutions) + 257_000
    units = 96 * 55**2 + 256 * 27**2 + (384 + 384 + 256) * 13**2 + 4096 + 4096 + 1000
    assert of("X10", "650,000 units")[0] == [units]


def test_sides_of_alexnet():
    assert of("X11", "55 x 55") == ([54.25], False)
    assert of("X11", "9x9") == ([11, 5, 3, 3, 3], False)
    assert of("X11", "11x11")[1] is True
    assert of("X11", "227")[0] == [55, 55]


def test_errors_of_alexnet_and_senet():
    assert of("T35", "17 %")[0][:2] == [17.0, 2010]
    assert of("T35", "printed for 2012")[0] == [15.4, 18.2, 15.3]
    assert of("T34", "is printed")[0] == [8, 18.68, 4.47]
    assert "validation" in next(part.found for part in finding("T34").parts if part.holds is False)
    assert of("T34", "the network")[0] == [50, 154]


def test_products_of_a_bottleneck():
    steps = [conv(256, 64, 1), conv(64, 64, 3), conv(64, 256, 1)]
    assert bottlenecks.bottleneck() == (conv(256, 256, 3), steps) == (589_824, [16_384, 36_864, 16_384])
    assert of("X04", "about 70,000") == ([sum(steps)], True) == ([69_632], True)
    assert of("X04", "ten times") == ([8.47], False)
    assert of("X04", "14 x 14")[0] == [589_824 * 196, 196]
    assert of("X05", "250 x 250") == ([252, 252, 3, 3, 571_536], False)
    assert of("X05", "almost 600,000") == ([562_500], False)
    assert of("X05", "by 63 maps") == ([252 * 63 + 9 * 63**2 + 63 * 252], True) == ([67_473], True)
    assert of("X09", "12 weights")[0] == [12] and of("X09", "108")[0] == [108]


def test_ten_times_less_would_hold(monkeypatch):
    monkeypatch.setattr(bottlenecks, "bottleneck", lambda: (589_824, [20_000, 18_982, 20_000]))
    assert [part.holds for part in bottlenecks.ten_times_less().parts] == [True, False, True, None]


def test_stacks_of_3x3():
    assert of("X07", "two 3x3 see") == ([5], True) and of("X07", "three 3x3 see") == ([7], True)
    assert of("X07", "18 weights") == ([2 * 9, 25], True) and of("X07", "27 weights") == ([3 * 9, 49], True)
    assert of("X07", "81 %")[0] == [round(100 * (49 / 27 - 1))]
    assert of("X07", "around them")[0][-1] == round(25 / 18, 2)


def test_what_two_3x3_can_be():
    """Through one map the kernels are products of two polynomials; a map more adds what is left."""
    assert of("X08", "dimensions")[0] == [1, 17, 2, 25, 4, 25, 8, 25]
    found, holds = of("X08", "any 5x5 kernel")
    assert found[:2] == [1, 18] and 20 < found[2] < 90 and not holds
    assert of("X08", "from which they can")[0] == [2, 36]
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((2, 1, 3, 3))
    kernel = np.zeros((5, 5))
    for i, j in product(range(5), range(5)):
        kernel[i, j] = sum(
            a[0, p, q] * b[0, i - p, j - q] for p, q in product(range(3), range(3)) if 0 <= i - p < 3 and 0 <= j - q < 3
        )
    np.testing.assert_allclose(vgg.composed(a, b), kernel)
    assert vgg.residual(kernel, 1, rng, starts=8, rounds=2000) < 1e-6


@pytest.mark.slow
def test_two_hundred_kernels():
    full = vgg.emulated_5x5()
    assert full.verdict == PARTLY
    assert [part.holds for part in full.parts] == [True, False, None, None]


def test_weights_of_googlenet():
    with_them = 192 * 64 + (192 * 96 + conv(96, 128, 3)) + (192 * 16 + conv(16, 32, 5)) + 192 * 32
    without = 192 * 64 + conv(192, 128, 3) + conv(192, 32, 5)
    assert of("X12", "1.5 times")[0][1:] == [without, 1, 1, with_them, round(without / with_them, 2)]
    assert (without, with_them) == (387_072, 163_328)
    assert of("X12", "where the cut")[0] == [1_025_000, 58_631_144, 6_998_552 - 1_025_000, 60_965_224 - 58_631_144]
    assert of("X12", "twelve times")[0] == [round(60_965_224 / 6_998_552, 1)]
    assert of("X13", "than AlexNet's") == ([1_024_000, 256 * 36 * 4096 + 4096**2 + 4_096_000, 57], True)
    assert of("X13", "than VGG's")[0] == [512 * 49 * 4096 + 4096**2 + 4_096_000, 121] == [123_633_664, 121]
    assert of("X34", "22 layers") == ([22], True) and of("X34", "batch norm")[0] == [0, 2015, 2014]
    assert of("X34", "instead")[0] == [2]


def test_rows_and_columns():
    assert of("X15", "33 %")[0] == [round(100 * (1 - 6 / 9))]
    assert of("X15", "71 %")[0] == [round(100 * (1 - 14 / 49))]


def test_a_reduction_with_another_stride_is_seen(monkeypatch):
    def unstrided(unit, x):
        return inception_applied(unit, x) + 1e-3

    inception_applied = inception.applied
    monkeypatch.setattr(inception, "applied", unstrided)
    assert inception.grid_reduction().verdict == NOT_HERE


def test_blocks_that_are_no_identity():
    (grid,) = finding("X17").charts
    assert isinstance(grid, Grid)
    cells = dict(zip(grid.rows, grid.cells, strict=True))
    for name in ("ResNet basic", "ResNet bottleneck", "SE-ResNet basic"):  # relu(x) is max(x, 0)
        assert cells[name][0] == cells[name][2] == 0 and cells[name][1] > 1
    for name in ("pre-activation basic", "MobileNetV2", "ConvNeXt", "ViT", "Xception module"):
        assert max(cells[name]) < 1e-6
    assert all(cells[name] == (None, None, None) for name in cells if "projection B" in name or "shortcut A" in name)


def test_small_networks():
    from torchvision.models import resnet34, squeezenet1_0

    with torch.device("meta"):
        small, res = (sum(p.numel() for p in build().parameters()) for build in (squeezenet1_0, resnet34))
    assert of("X20", "50 times fewer")[0] == [small, 60_965_224, round(60_965_224 / small, 1)]
    assert of("X20", "the title's 0.5 MB")[0] == [round(4e6 / small, 1)]
    assert of("X20", "32 bits")[0] == [4.99, 4.76, 244]
    params, found = of("X19", "0.7 MB")[0][2], of("X19", "0.7 MB")[0][:2]
    assert found == [round(2 * params / 1e6, 3), round(2 * params / 2**20, 3)]
    assert of("X21", "36") == ([2, 34], True)
    assert of("X21", "in parameters") == ([round(22_855_952 / res, 2)], True)
    assert of("X21", "in products")[0] == [2.28, 299, 224]


def test_bytes_on_the_disk():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).half()
    numbers = 2 * (3 * 4 * 9 + 4 + 4 * 4) + 8  # and a counter of 64 bits
    assert numbers < mobile.bytes_on_disk(net) < numbers + 1000


def test_channels():
    assert of("X22", "growth rate") == ([48, 12], True)
    assert of("X22", "widest")[0] == [342]
    widths = [24]
    for block in range(3):
        widths += [widths[-1] + 12 * (layer + 1) for layer in range(16)]
        if block < 2:
            widths.append(widths[-1] // 2)
    lines = finding("X22").charts[0]
    assert isinstance(lines, Lines)
    assert [y for _, y in lines.lines["DenseNet-BC-100, k = 12"]] == widths[1:]
    assert residual.maps_held(2, growth=12, first=24, pixels=1) == 36 + 48
    assert of("X27", "reduces")[0] == [24, 144] and of("X27", "expands")[0] == [144, 24]
    assert of("X23", "normal convolution") == ([100], False)
    assert of("X23", "depthwise")[0] == [0] and of("X23", "in an SE block")[0] == [100]
    squeezed = [(64 * 4, 3), (128 * 4, 4), (256 * 4, 6), (512 * 4, 3)]  # two layers with their biases, a 16th between
    extra = sum(blocks * (2 * c * (c // 16) + c // 16 + c) for c, blocks in squeezed)
    assert of("X23", "10 %")[0][:2] == [9.9, extra]


def test_stem_and_fields():
    assert of("X33", "7x7") == ([7, 7, 2], True) and of("X33", "2x2") == ([3, 3, 2], False)
    assert of("X33", "both sees")[0] == [7 + (3 - 1) * 2]
    assert of("X29", "by hand") == ([16, 163, 196], True)
    assert of("X29", "twice as much")[0][1:] == [2, 1, 4, 2, 8, 4, 16, 8, 32, 16]
    found, whole = of("X29", "95 %")[0][0], of("X29", "95 %")[0][2]
    assert 0 < found < whole


def test_the_square_that_holds_the_gradient():
    energy = torch.zeros(21, 21)
    energy[8:13, 8:13] = 1
    assert fields.side_of(1.0, energy) == 5 and fields.side_of(0.3, energy) == 3
    assert not fields.grows([("a", 5, 1.0), ("b", 3, 1.0)])


def test_patches_in_another_order():
    assert of("X28", "no notion of place")[0][0] < 1e-5
    assert of("X28", "a convolution has")[0][0] > 0.1
    assert of("X28", "slides")[0] == [16, 16, 16]


def test_years():
    assert of("X35", "1994") == ([1998, 86, 11], False)
    assert of("X35", "60,000")[0] == [60_000]


def test_shares_of_alexnet_add_up():
    (bars,) = alexnet.why_sixty_million().charts
    for group in ("parameters", "products"):
        assert sum(value for own, _, value in bars.rows if own == group) == pytest.approx(1)
