"""BN-Inception against figure 5, row by row, and against pytorchcv."""

import pytest
import torch
from pytorchcv.models.bninception import bninception
from torch import nn

from opsin import zoo
from opsin.models.bn_inception import FIGURE_5, BNInception

MODULES = (  # side, input maps, output maps, then figure 5: #1x1, 3x3 reduce, 3x3, double reduce, double 3x3, proj
    ("3a", 28, 192, 256, 64, 64, 64, 64, 96, 32),
    ("3b", 28, 256, 320, 64, 64, 96, 64, 96, 64),
    ("3c", 28, 320, 576, 0, 128, 160, 64, 96, 0),
    ("4a", 14, 576, 576, 224, 64, 96, 96, 128, 128),
    ("4b", 14, 576, 576, 192, 96, 128, 96, 128, 128),
    ("4c", 14, 576, 608, 160, 128, 160, 128, 160, 128),
    ("4d", 14, 608, 608, 96, 128, 192, 160, 192, 128),
    ("4e", 14, 608, 1056, 0, 128, 192, 192, 256, 0),
    ("5a", 7, 1056, 1024, 352, 192, 320, 160, 224, 128),
    ("5b", 7, 1024, 1024, 352, 192, 320, 192, 224, 128),
)


def arithmetic(modules=MODULES, per_channel=2):
    """Parameters and MACs; `per_channel` is 2 for batch norm, 3 with a bias besides."""
    weights = 49 * 3 * 64 + 64 * 64 + 9 * 64 * 192
    macs = 49 * 3 * 64 * 112**2 + (64 * 64 + 9 * 64 * 192) * 56**2
    channels = 64 + 64 + 192
    for _, side, maps, _, w1, reduce3, w3, reduce_double, double, proj in modules:
        before = maps * (w1 + reduce3 + reduce_double + proj) + 9 * reduce_double * double
        halved = 9 * reduce3 * w3 + 9 * double * double
        weights += before + halved
        macs += before * side**2 + halved * (side if w1 else side // 2) ** 2
        channels += w1 + reduce3 + w3 + reduce_double + 2 * double + proj
    return weights + per_channel * channels + 1025 * 1000, macs + 1024 * 1000


def output_column():
    """Figure 5 with the maps of its output column: 96 of pool projection in 4c and 4d."""
    rows = {row[0]: list(row) for row in MODULES}
    rows["4c"][3], rows["4c"][9] = 576, 96
    rows["4d"][2], rows["4d"][3], rows["4d"][9] = 576, 576, 96
    rows["4e"][2], rows["4e"][3] = 576, 1024
    rows["5a"][2] = 1024
    return tuple(map(tuple, rows.values()))


def test_counts_equal_the_arithmetic():
    card = zoo.card("bn_inception")
    assert (card.params, card.macs) == arithmetic(per_channel=3) == (11_295_240, 2_032_600_064)
    with torch.device("meta"):
        without = zoo.build_model("bn_inception", bias=False)
    params, _ = arithmetic()
    assert sum(p.numel() for p in without.parameters()) == params == card.params - 10_016


def test_departures_in_numbers():
    params, macs = arithmetic()
    other_params, other_macs = arithmetic(output_column())
    assert other_params == 11_194_984
    departures = zoo.card("bn_inception").departures
    assert f"{params - other_params:,} parameters and {macs - other_macs:,} MACs fewer" in departures[0]
    saved = 49 * 3 * 64 - (49 * 3 * 8 + 3 * 8 * 64)
    assert f"{saved:,} parameters and {saved * 112**2:,} MACs fewer" in departures[1]
    stages = tuple(
        tuple((*row[:6], 96) if row in (FIGURE_5[1][3], FIGURE_5[1][4]) else row for row in rows) for rows in FIGURE_5
    )
    with torch.device("meta"):
        assert sum(p.numel() for p in BNInception(stages).parameters()) == other_params


def test_each_module_has_the_maps_that_the_next_one_takes():
    for rows in (MODULES, output_column()):
        for (_, _, maps, out, w1, _, w3, _, double, proj), after in zip(rows, (*rows[1:], None), strict=True):
            assert out == w1 + w3 + double + (proj if w1 else maps)
            assert after is None or after[2] == out


def test_widths_are_those_of_figure_5():
    rows = [row for stage in FIGURE_5 for row in stage]
    assert [(*row[:5], row[6]) for row in rows] == [module[4:] for module in MODULES]
    assert [row[5] for row in rows] == ["avg", "avg", "max", "avg", "avg", "avg", "avg", "max", "avg", "max"]


def test_shapes_are_those_of_figure_5():
    shapes = []
    with torch.device("meta"):
        net = zoo.build_model("bn_inception")
        for module in (net.stem, *(module for stage in net.stages for module in stage)):
            module.register_forward_hook(lambda module, args, out: shapes.append(tuple(out.shape[1:])))
        assert net(torch.zeros(2, 3, 224, 224)).shape == (2, 1000)
    sides = [28, 28, 28, 14, 14, 14, 14, 14, 7, 7, 7]
    assert shapes == [(maps, side, side) for maps, side in zip((192, *(m[3] for m in MODULES)), sides, strict=True)]


def test_two_3x3_see_what_a_5x5_sees_and_the_pool_passes_through():
    with torch.device("meta"):
        net = zoo.build_model("bn_inception_32")
    first, reduction = net.stages[0][0], net.stages[1][0]
    branch = first.branches[2].to_empty(device="cpu").eval()
    for module in branch.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.ones_(module.weight)
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
    x = torch.zeros(1, 24, 9, 9)
    x[:, :, 4, 4] = 1.0
    with torch.no_grad():
        assert (branch(x)[0, 0] > 0).sum() == 5**2
    x = torch.rand(1, 64, 8, 8)
    pooled = nn.functional.max_pool2d(x, 3, stride=2, ceil_mode=True)
    assert torch.equal(reduction.branches[-1](x), pooled)
    assert pooled.shape == (1, 64, 4, 4)
    assert reduction.branches[-1](x[:, :, 1:]).shape == pooled.shape  # an odd side


def test_biases_say_nothing_in_training():
    """Batch norm takes the mean of each map away, and the bias with it (section 3.2)."""
    torch.manual_seed(0)
    net = zoo.build_model("bn_inception_32", bias=True)
    x = torch.randn(4, 3, 16, 16)
    with torch.no_grad():
        expected = net(x)
        for name, parameter in net.named_parameters():
            if name.endswith("conv.bias"):
                parameter.add_(torch.randn_like(parameter))
        assert (net(x) - expected).abs().max() <= 1e-4 * expected.abs().max()


@pytest.mark.parametrize("size", [224, 256])
def test_logits_equal_pytorchcv(size, assert_same_logits):
    def build():
        net = bninception()
        net.features.final_pool = nn.AdaptiveAvgPool2d(1)  # theirs is 7x7 and fits 224 px alone
        return net

    assert_same_logits(build, "bn_inception", size=size)
