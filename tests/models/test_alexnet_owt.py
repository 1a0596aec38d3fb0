"""The single tower: counts by arithmetic, the footnote's widths, parity with torchvision, and that it learns."""

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from opsin import zoo
from opsin.costs.count import count_model

NARROW = {"widths": (8, 12, 16, 16, 12), "hidden": 32, "input_size": 63}
FOOTNOTE = (64, 192, 384, 384, 256)


def arithmetic(widths, hidden, side, stem_kernel, classes, in_chans=3):
    """Parameters and MACs, layer by layer; `side` is that of conv1's maps, all layers see all maps."""
    w1, w2, w3, w4, w5 = widths
    pooled = (side - 3) // 2 + 1
    twice = (pooled - 3) // 2 + 1
    last = (twice - 3) // 2 + 1
    rows = [  # (outputs, inputs of one of them, places)
        (w1, stem_kernel**2 * in_chans, side**2),
        (w2, 25 * w1, pooled**2),
        (w3, 9 * w2, twice**2),
        (w4, 9 * w3, twice**2),
        (w5, 9 * w4, twice**2),
        (hidden, w5 * last**2, 1),
        (hidden, hidden, 1),
        (classes, hidden, 1),
    ]
    return sum(o * (i + 1) for o, i, _ in rows), sum(o * i * places for o, i, places in rows)


def test_counts_equal_the_arithmetic():
    card = zoo.card("alexnet_owt")
    counted = arithmetic((64, 192, 384, 256, 256), 4096, 55, 11, 1000)
    assert (card.params, card.macs) == counted == (61_100_840, 714_188_480)
    small = zoo.card("alexnet_owt_32")
    assert (small.params, small.macs) == arithmetic((16, 48, 96, 64, 64), 256, 32, 5, 10)


def test_footnote_and_text_of_the_paper_disagree():
    """The text: 0.2 % more parameters, 2.4 % fewer connections than two towers. The footnote's widths have more."""
    two, one = zoo.card("alexnet"), zoo.card("alexnet_owt")
    counted = count_model("alexnet_owt", widths=FOOTNOTE)
    assert (counted.params, counted.macs) == arithmetic(FOOTNOTE, 4096, 55, 11, 1000) == (61_838_248, 838_788_800)
    assert f"{100 * (one.params / two.params - 1):.1f} {100 * (one.macs / two.macs - 1):.1f}" == "0.2 -1.4"
    assert f"{100 * (counted.params / two.params - 1):.1f} {100 * (counted.macs / two.macs - 1):.1f}" == "1.4 15.8"
    for figure in ("61,838,248", "838,788,800", "0.2 %", "1.4 %", "15.8 %"):
        assert figure in " ".join((one.note, *one.departures))


@pytest.mark.parametrize(("size", "conv1"), [(63, 15), (100, 24), (227, 56)])
def test_other_sizes(size, conv1):
    counted = count_model("alexnet_owt", input_size=size, num_classes=12, in_chans=1)
    assert (counted.params, counted.macs) == arithmetic((64, 192, 384, 256, 256), 4096, conv1, 11, 12, in_chans=1)


def test_maps_have_the_sizes_of_the_two_towers():
    """Section 5: each layer's maps are of the same size as with two towers."""
    sides = {}
    for name in ("alexnet", "alexnet_owt"):
        shapes = []
        with torch.device("meta"):
            net = zoo.build_model(name)
            for layer in net.modules():
                if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
                    layer.register_forward_hook(lambda module, args, out, s=shapes: s.append(out.shape[2:]))
            size = zoo.card(name).inputs.size
            net(torch.zeros(1, 3, size, size))
        sides[name] = shapes
    assert sides["alexnet_owt"] == sides["alexnet"]


def test_logits_equal_torchvision(assert_same_logits):
    assert_same_logits(torchvision.models.alexnet, "alexnet_owt")


def test_response_norm_is_that_of_2012():
    """Behind the ReLU and before the pooling, in conv1 and conv2 alone; PyTorch divides alpha by 5."""
    torch.manual_seed(0)
    net = zoo.build_model("alexnet_owt", response_norm=True, init="he", num_classes=4, **NARROW).eval()
    norm = nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)
    x = 20 * torch.randn(2, 3, 63, 63)
    with torch.no_grad():
        y = F.max_pool2d(norm(F.relu(net.conv1(x))), 3, 2)
        y = F.max_pool2d(norm(F.relu(net.conv2(y))), 3, 2)
        for conv in (net.conv3, net.conv4, net.conv5):
            y = F.relu(conv(y))
        torch.testing.assert_close(net.forward_features(x), F.max_pool2d(y, 3, 2), rtol=1e-4, atol=1e-5)


def test_dropout_stands_before_fc6_and_fc7():
    net = zoo.build_model("alexnet_owt_32", input_size=16)
    net.dropout.p = 1.0
    x = torch.randn(3, 3, 16, 16)
    hidden = F.relu(net.fc7.bias).expand(3, -1)
    assert torch.equal(net(x), net.fc8(hidden))  # trained: nothing passes into fc7
    assert net.eval()(x).std() > 0


def test_initialisation_is_that_of_the_released_configuration():
    net = zoo.build_model("alexnet_owt", widths=(32, 64, 64, 64, 64), hidden=128, input_size=63)
    expected = {"conv1": 0.0, "conv2": 1.0, "conv3": 0.0, "conv4": 1.0, "conv5": 1.0, "fc6": 1.0, "fc7": 1.0, "fc8": -7}
    for name, bias in expected.items():
        layer = getattr(net, name)
        std = {"conv1": 0.576, "conv3": 0.03, "conv4": 0.03, "conv5": 0.03}.get(name, 0.01)  # images of deviation 1
        assert layer.weight.std().item() == pytest.approx(std, rel=0.05)
        assert layer.bias.unique().tolist() == [bias]


def test_small_variant_takes_colour_images_of_32_px_forward_and_backward():
    torch.manual_seed(0)
    net = zoo.build_model("alexnet_owt_32")
    F.cross_entropy(net(torch.randn(8, 3, 32, 32)), torch.arange(8)).backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in net.parameters())


def test_narrow_copy_learns_a_batch_by_heart(assert_learns):
    torch.manual_seed(0)
    assert_learns(zoo.build_model("alexnet_owt", num_classes=4, init="he", dropout=0.0, **NARROW), 3, 63, lr=3e-3)
