"""AlexNet: counts by arithmetic, sizes of figure 2, groups, order of layers, initialisation, and that it learns."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from opsin import zoo
from opsin.costs.count import count_model
from opsin.errors import OpsinError

NARROW = {"widths": (8, 16, 24, 24, 16), "hidden": 64}


def pooled(side):
    return (side - 3) // 2 + 1


def arithmetic(widths, hidden, side, stem_kernel, classes, groups=2, in_chans=3):
    """Parameters and MACs, layer by layer; `side` is that of conv1's maps."""
    w1, w2, w3, w4, w5 = widths
    rows = []  # (outputs, inputs of one of them, places)
    rows.append((w1, stem_kernel**2 * in_chans, side**2))
    side = pooled(side)
    rows.append((w2, 25 * w1 // groups, side**2))
    side = pooled(side)
    rows.append((w3, 9 * w2, side**2))
    rows.append((w4, 9 * w3 // groups, side**2))
    rows.append((w5, 9 * w4 // groups, side**2))
    side = pooled(side)
    rows += [(hidden, w5 * side**2, 1), (hidden, hidden, 1), (classes, hidden, 1)]
    return sum(o * (i + 1) for o, i, _ in rows), sum(o * i * places for o, i, places in rows)


PAPER = ((96, 256, 384, 384, 256), 4096)


def test_counts_equal_the_arithmetic():
    card = zoo.card("alexnet")
    assert (card.params, card.macs) == arithmetic(*PAPER, 55, 11, 1000) == (60_965_224, 724_406_816)
    assert arithmetic(*PAPER, 55, 11, 1000, groups=1) == (62_378_344, 1_135_256_096)  # as the card's note says
    small = zoo.card("alexnet_32")
    assert (small.params, small.macs) == arithmetic((24, 64, 96, 96, 64), 512, 32, 5, 10)


@pytest.mark.parametrize(("size", "conv1"), [(67, 15), (128, 30), (224, 54)])
def test_other_sizes_of_the_paper_network(size, conv1):
    counted = count_model("alexnet", input_size=size, num_classes=12, in_chans=1)
    assert (counted.params, counted.macs) == arithmetic(*PAPER, conv1, 11, 12, in_chans=1)


@pytest.mark.parametrize(("name", "minimum"), [("alexnet", 67), ("alexnet_32", 16)])
def test_minimum_runs_and_what_is_below_is_refused_in_a_line(name, minimum):
    narrow = NARROW if name == "alexnet" else {}
    net = zoo.build_model(name, input_size=minimum, num_classes=5, in_chans=1, **narrow)
    x = torch.randn(2, 1, minimum, minimum)
    assert net.forward_features(x).shape[2:] == (1, 1)
    assert net(x).shape == (2, 5)
    with pytest.raises(OpsinError, match=f"any size from {minimum} px"):
        zoo.build_model(name, input_size=minimum - 1)


def test_maps_have_the_sizes_of_figure_2():
    shapes = []
    with torch.device("meta"):
        net = zoo.build_model("alexnet")
        for layer in net.modules():
            if isinstance(layer, nn.Conv2d | nn.MaxPool2d | nn.Linear):
                layer.register_forward_hook(lambda module, args, out: shapes.append(tuple(out.shape[1:])))
        net(torch.zeros(1, 3, 227, 227))
    convolutions = [(96, 55, 55), (256, 27, 27), (384, 13, 13), (384, 13, 13), (256, 13, 13)]
    pools = [(96, 27, 27), (256, 13, 13), (256, 6, 6)]
    assert shapes == [
        convolutions[0], pools[0], convolutions[1], pools[1], *convolutions[2:], pools[2], (4096,), (4096,), (1000,)
    ]  # fmt: skip


def test_two_groups_meet_in_conv3_only():
    net = zoo.build_model("alexnet", input_size=67, num_classes=4, **NARROW)
    assert [getattr(net, f"conv{i}").groups for i in range(1, 6)] == [1, 2, 1, 2, 2]
    x = torch.randn(1, 8, 7, 7, requires_grad=True)
    net.conv2(x)[:, :8].sum().backward()  # the first half of conv2 sees the first half of conv1
    assert x.grad[:, :4].abs().min() > 0
    assert not x.grad[:, 4:].any()


def test_response_norm_comes_after_relu_and_before_pooling():
    """Section 3.5; the formula is PyTorch's with alpha times 5, and conv3 to conv5 have none."""
    net = zoo.build_model("alexnet", input_size=67, num_classes=4, **NARROW).eval()
    norm = nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)
    x = 50 * torch.randn(2, 3, 67, 67)
    with torch.no_grad():
        y = x
        for conv in (net.conv1, net.conv2):
            conv.weight.mul_(20)
            y = F.max_pool2d(norm(F.relu(conv(y))), 3, 2)
        for conv in (net.conv3, net.conv4, net.conv5):
            y = F.relu(conv(y))
        y = F.max_pool2d(y, 3, 2)
        torch.testing.assert_close(net.forward_features(x), y, rtol=1e-4, atol=1e-5)


def test_initialisation_is_the_papers():
    net = zoo.build_model("alexnet", input_size=67, widths=(32, 64, 64, 64, 64), hidden=128)
    for name in ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"):
        layer = getattr(net, name)
        # conv1 sees images of deviation 1, where the paper's has 57.6
        assert layer.weight.std().item() == pytest.approx(0.576 if name == "conv1" else 0.01, rel=0.05)
        expected = 1.0 if name in ("conv2", "conv4", "conv5", "fc6", "fc7") else 0.0
        assert layer.bias.unique().tolist() == [expected]


def test_initialisation_of_the_small_variant_goes_by_the_fan_in():
    net = zoo.build_model("alexnet_32")
    for layer in (net.conv2, net.conv4, net.fc6, net.fc7):
        assert layer.weight.std().item() == pytest.approx((2 / layer.weight[0].numel()) ** 0.5, rel=0.05)
        assert not layer.bias.any()


def test_dropout_stands_before_fc7_and_fc8():
    net = zoo.build_model("alexnet_32", in_chans=1, input_size=16)
    net.dropout.p = 1.0
    x = torch.randn(3, 1, 16, 16)
    assert torch.equal(net(x), net.fc8.bias.expand(3, -1))  # trained: nothing passes
    assert net.eval()(x).std() > 0


def test_small_variant_takes_colour_images_of_32_px_forward_and_backward():
    net = zoo.build_model("alexnet_32")
    F.cross_entropy(net(torch.randn(2, 3, 32, 32)), torch.tensor([0, 9])).backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in net.parameters())


def test_narrow_copy_learns_a_batch_by_heart(assert_learns):
    torch.manual_seed(0)
    net = zoo.build_model("alexnet", input_size=67, num_classes=4, init="he", dropout=0.0, **NARROW)
    assert_learns(net, 3, 67)


def test_paper_width_and_initialisation_learn_a_batch_by_heart(assert_learns):
    """What stays at chance where conv1 starts from N(0, 0.01) on images of deviation 1. (Fewer hidden units: time.)"""
    torch.manual_seed(0)
    net = zoo.build_model("alexnet", input_size=67, num_classes=4, dropout=0.0, hidden=1024)
    assert_learns(net, 3, 67, lr=1e-4, images=8)
