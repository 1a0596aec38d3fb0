"""SqueezeNet against the rows of table 1, its bypasses, and torchvision."""

import pytest
import torch
import torchvision

from opsin import zoo
from opsin.models.squeezenet import Fire, SqueezeNet

# (s1x1, e1x1, e3x3) of fire2 to fire9, and the printed parameters of each row of table 1.
FIRES = [(16, 64, 64), (16, 64, 64), (32, 128, 128), (32, 128, 128)]
FIRES += [(48, 192, 192), (48, 192, 192), (64, 256, 256), (64, 256, 256)]
PRINTED = {"conv1": 14_208, "conv10": 513_000}
PRINTED_FIRES = [11_920, 12_432, 45_344, 49_440, 104_880, 111_024, 188_992, 197_184]


def halved(side):
    """Behind a 3x3 pooling of stride 2 whose last window may reach over the border."""
    return -(-(side - 3) // 2) + 1


def arithmetic(stem, pools, complex_bypass=False, size=224, classes=1000):
    """Parameters and MACs, convolution by convolution."""
    filters, kernel = stem
    side = (size - kernel) // 2 + 1
    params = (3 * kernel**2 + 1) * filters
    macs = 3 * kernel**2 * filters * side**2
    channels = filters
    side = halved(side)
    for number, (squeeze, expand1, expand3) in enumerate(FIRES, start=2):
        weights = channels * squeeze + squeeze * expand1 + 9 * squeeze * expand3
        params += weights + squeeze + expand1 + expand3
        if complex_bypass and channels != expand1 + expand3:
            weights += channels * (expand1 + expand3)
            params += (channels + 1) * (expand1 + expand3)
        macs += weights * side**2
        channels = expand1 + expand3
        if number in pools:
            side = halved(side)
    return params + (channels + 1) * classes, macs + channels * classes * side**2


def test_counts_equal_the_arithmetic():
    expected = {
        "squeezenet1_0": arithmetic((96, 7), (4, 8)),
        "squeezenet1_1": arithmetic((64, 3), (3, 5)),
        "squeezenet1_0_simple_bypass": arithmetic((96, 7), (4, 8)),
        "squeezenet1_0_complex_bypass": arithmetic((96, 7), (4, 8), complex_bypass=True),
    }
    for name, counts in expected.items():
        assert (zoo.card(name).params, zoo.card(name).macs) == counts


def test_counts_of_the_notes():
    at_227 = arithmetic((96, 7), (4, 8), size=227)[1]
    assert at_227 == 832_667_936
    padding = 512 * 1000 * (15**2 - 13**2)
    assert padding == 28_672_000
    assert round(2 * (at_227 + padding) / 1e9, 2) == 1.72
    assert arithmetic((64, 3), (3, 5), size=227)[1] == 387_747_520
    assert zoo.card("squeezenet1_0_complex_bypass").params - zoo.card("squeezenet1_0").params == 341_248
    assert f"{zoo.card('squeezenet1_0').params * 4 / 2**20:.1f}" == "4.8"


def test_parameters_of_every_row_are_those_printed_in_table_1():
    with torch.device("meta"):
        net = zoo.build_model("squeezenet1_0")
    for name, printed in PRINTED.items():
        assert sum(p.numel() for p in net.get_submodule(name).parameters()) == printed
    assert [sum(p.numel() for p in fire.parameters()) for fire in net.fires] == PRINTED_FIRES


@pytest.mark.parametrize(("size", "sides"), [(227, (111, 55, 27, 13)), (224, (109, 54, 27, 13))])
def test_maps_have_the_sizes_of_table_1(size, sides):
    with torch.device("meta"):
        net, x = zoo.build_model("squeezenet1_0").eval(), torch.zeros(1, 3, size, size)
    seen = []
    for layer in (net.conv1, *net.fires):
        layer.register_forward_hook(lambda module, args, out: seen.append(tuple(out.shape[1:])))
    assert net.forward_features(x).shape == (1, 512, sides[3], sides[3])
    expected = [(96, sides[0])]
    expected += [(c, sides[1]) for c in (128, 128, 256)] + [(c, sides[2]) for c in (256, 384, 384, 512)]
    expected += [(512, sides[3])]
    assert seen == [(channels, side, side) for channels, side in expected]


def test_simple_bypass_adds_the_input_where_channels_agree():
    """Section 6: around fire3, fire5, fire7 and fire9; the network has the weights of the one without."""
    plain, bypassed = zoo.build_model("squeezenet1_0"), zoo.build_model("squeezenet1_0_simple_bypass")
    bypassed.load_state_dict(plain.state_dict())
    assert [i for i, fire in enumerate(bypassed.fires, start=2) if fire.bypass is not None] == [3, 5, 7, 9]
    x = torch.rand(1, 128, 5, 5)
    with torch.no_grad():
        assert torch.equal(bypassed.fires[1](x), x + plain.fires[1](x))
        x = torch.rand(1, 96, 5, 5)
        assert torch.equal(bypassed.fires[0](x), plain.fires[0](x))


def test_complex_bypass_is_a_1x1_convolution_where_they_do_not():
    with torch.device("meta"):
        net = zoo.build_model("squeezenet1_0_complex_bypass")
    shapes = {i: f.bypass.weight.shape for i, f in enumerate(net.fires, start=2) if list(f.bypass.parameters())}
    assert shapes == {2: (128, 96, 1, 1), 4: (256, 128, 1, 1), 6: (384, 256, 1, 1), 8: (512, 384, 1, 1)}


def test_fire_module_squeezes_and_expands():
    fire = Fire(8, 2, 4)
    x = torch.randn(1, 8, 5, 5)
    squeezed = torch.relu(fire.squeeze(x))
    out = fire(x)
    torch.testing.assert_close(out[:, :4], torch.relu(fire.expand1x1(squeezed)))
    torch.testing.assert_close(out[:, 4:], torch.relu(fire.expand3x3(squeezed)))


def test_initialisation_is_the_authors():
    net = SqueezeNet()
    assert net.conv10.weight.std().item() == pytest.approx(0.01, rel=0.05)
    for fire in net.fires:
        bound = (3 / fire.squeeze.in_channels) ** 0.5
        assert 0.98 * bound < fire.squeeze.weight.abs().max() <= bound


@pytest.mark.parametrize("name", ["squeezenet1_0", "squeezenet1_1"])
def test_logits_equal_torchvision(name, assert_same_logits):
    assert_same_logits(getattr(torchvision.models, name), name)


@pytest.mark.parametrize("arguments", [{}, {"bypass": "simple"}, {"bypass": "complex"}], ids=str)
def test_learns_one_batch_by_heart(arguments, assert_learns):
    torch.manual_seed(0)
    net = zoo.build_model("squeezenet_32", num_classes=4, dropout=0.0, **arguments)
    assert_learns(net, channels=3, size=16, lr=3e-3)


def test_the_papers_network_learns_one_batch_by_heart(assert_learns):
    """Real width and the paper's initial weights, on small images."""
    torch.manual_seed(0)
    net = SqueezeNet(num_classes=4, dropout=0.0, linear_end=True)
    assert_learns(net, channels=3, size=32, lr=1e-3)


@torch.no_grad()
def test_relu_of_conv10_is_the_authors():
    torch.manual_seed(0)
    net = zoo.build_model("squeezenet_32").eval()
    x = torch.randn(4, 3, 16, 16)
    assert (net(x) < 0).any()
    rectified = zoo.build_model("squeezenet_32", linear_end=False).eval()
    rectified.load_state_dict(net.state_dict())
    torch.testing.assert_close(rectified(x), torch.relu(net.conv10(net.forward_features(x))).mean(dim=(2, 3)))


@pytest.mark.parametrize("bypass", ["none", "simple", "complex"])
def test_travels(bypass, assert_travels):
    torch.manual_seed(0)
    assert_travels(zoo.build_model("squeezenet_32", bypass=bypass), torch.randn(2, 3, 16, 16))
