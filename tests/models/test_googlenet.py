"""GoogLeNet against table 1, row by row, and against torchvision, auxiliary classifiers and all."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

from opsin import zoo
from opsin.data.preprocess import Preprocess
from opsin.data.store import Stored
from opsin.engine.train import Data, train
from opsin.models.googlenet import TABLE_1, GoogLeNet
from opsin.recipes import MODERN
from opsin.tasks.classify import Classify

MODULES = (  # side, input maps, #1x1, #3x3 reduce, #3x3, #5x5 reduce, #5x5, pool proj, K params and M ops as printed
    ("3a", 28, 192, 64, 96, 128, 16, 32, 32, 159, 128),
    ("3b", 28, 256, 128, 128, 192, 32, 96, 64, 380, 304),
    ("4a", 14, 480, 192, 96, 208, 16, 48, 64, 364, 73),
    ("4b", 14, 512, 160, 112, 224, 24, 64, 64, 437, 88),
    ("4c", 14, 512, 128, 128, 256, 24, 64, 64, 463, 100),
    ("4d", 14, 512, 112, 144, 288, 32, 64, 64, 580, 119),
    ("4e", 14, 528, 256, 160, 320, 32, 128, 128, 840, 170),
    ("5a", 7, 832, 256, 160, 320, 32, 128, 128, 1072, 54),
    ("5b", 7, 832, 384, 192, 384, 48, 128, 128, 1388, 71),
)


def products_of(side, maps, w1, reduce3, w3, reduce5, w5, pool, kernel=5):
    """Weights and MACs of one module."""
    weights = maps * (w1 + reduce3 + reduce5 + pool) + 9 * reduce3 * w3 + kernel**2 * reduce5 * w5
    return weights, weights * side**2


def arithmetic(kernel=5, per_channel=1):
    """Parameters and MACs of the network, and parameters of its auxiliary classifiers.

    `per_channel` is 1 for a bias and 2 for batch norm.
    """
    weights = 49 * 3 * 64 + 64 * 64 + 9 * 64 * 192
    macs = 49 * 3 * 64 * 112**2 + (64 * 64 + 9 * 64 * 192) * 56**2
    channels = 64 + 64 + 192
    for _, side, maps, *widths, _, _ in MODULES:
        more = products_of(side, maps, *widths, kernel)
        weights, macs, channels = weights + more[0], macs + more[1], channels + sum(widths)
    heads = sum(maps * 128 + per_channel * 128 + 2049 * 1024 + 1025 * 1000 for maps in (512, 528))
    return weights + per_channel * channels + 1025 * 1000, macs + 1024 * 1000, heads


def test_counts_equal_the_arithmetic():
    card, slim = zoo.card("googlenet"), zoo.card("googlenet_bn")
    assert (card.params, card.macs, card.aux_params) == arithmetic() == (6_998_552, 1_582_671_872, 6_379_728)
    assert (slim.params, slim.macs, slim.aux_params) == arithmetic(kernel=3, per_channel=2)
    assert arithmetic(per_channel=2)[0] == 7_005_832  # batch norm, and the paper's 5x5
    with torch.device("meta"):
        net = GoogLeNet(batch_norm=True, aux_heads=False)
    assert sum(p.numel() for p in net.parameters()) == 7_005_832


def test_rows_of_table_1():
    """The operations agree to a unit but for 5a; the parameters, in units of 1,024, where the card's note says."""
    params, macs = {"conv2": 64 * 64 + 9 * 64 * 192, "linear": 1024 * 1000}, {"conv2": (64 * 64 + 9 * 64 * 192) * 56**2}
    printed_params, printed_macs = {"conv2": 112, "linear": 1000}, {"conv2": 360}
    for name, side, maps, *widths, kilo, mega in MODULES:
        params[name], macs[name] = products_of(side, maps, *widths)
        printed_params[name], printed_macs[name] = kilo, mega
    assert {name for name in macs if abs(macs[name] / 1e6 - printed_macs[name]) > 1} == {"5a"}
    same = {name for name in params if abs(params[name] / 1024 - printed_params[name]) <= 1.1}
    assert same == {"conv2", "3a", "3b", "4b", "linear"}
    total, row_7x7 = sum(printed_params.values()) + 2.7, 34
    assert f"{total:,.1f}K" == zoo.card("googlenet").published[1].params
    assert sum(printed_macs.values()) + row_7x7 + 1 == 1502


def test_printed_first_row_is_a_separable_convolution():
    """7x7 on each colour by itself, 8 maps of each, then 1x1 to 64; it explains what the printed sum lacks."""
    separable = 49 * 3 * 8 + 3 * 8 * 64
    assert separable == 2_712
    assert round(separable * 112**2 / 1e6) == 34
    saved = (49 * 3 * 64 - separable) * 112**2
    printed_5a = 54e6 - products_of(*MODULES[7][1:9])[1]
    assert abs(zoo.card("googlenet").macs - saved + printed_5a - 1502e6) < 1e6


def test_widths_are_those_of_table_1():
    rows = [row for stage in TABLE_1 for row in stage]
    assert rows == [tuple(module[3:9]) for module in MODULES]


@pytest.mark.parametrize("name", ["googlenet", "googlenet_bn"])
def test_shapes_are_those_of_table_1(name):
    with torch.device("meta"):
        net = zoo.build_model(name)
        shapes = []
        for module in (net.stem, *net.inception3, net.pool3, *net.inception4, net.pool4, *net.inception5):
            module.register_forward_hook(lambda module, args, out: shapes.append(tuple(out.shape[1:])))
        outputs = net(torch.zeros(2, 3, 224, 224))
        assert net.forward_features(torch.zeros(1, 3, 224, 224)).shape == (1, 1024, 7, 7)
    outside = [(192, 28, 28), (256, 28, 28), (480, 28, 28), (480, 14, 14), (512, 14, 14), (512, 14, 14), (512, 14, 14)]
    outside += [(528, 14, 14), (832, 14, 14), (832, 7, 7), (832, 7, 7), (1024, 7, 7)]
    assert shapes[:12] == outside
    assert [tuple(x.shape) for x in outputs] == [(2, 1000)] * 3


def test_module_looks_through_four_windows():
    """A bright pixel reaches 1, 3x3, 5x5 and 3x3 pixels of the four branches."""
    net = zoo.build_model("googlenet_32", aux_heads=False).eval()
    module = net.inception3[0]
    for parameter in module.parameters():
        nn.init.constant_(parameter, 1.0 if parameter.ndim == 4 else 0.0)
    x = torch.zeros(1, 24, 9, 9)
    x[:, :, 4, 4] = 1.0
    with torch.no_grad():
        branches = (module.branch1x1, module.branch3x3, module.branch5x5, module.branch_pool)
        sides = [int((branch(x)[0, 0] > 0).sum()) ** 0.5 for branch in branches]
    assert sides == [1, 3, 5, 3]


def test_auxiliary_pooling_is_the_papers_at_224_px():
    """5x5, stride 3: the mean of a window lands in its pixel, and none lands between."""
    with torch.device("meta"):
        net = GoogLeNet(num_classes=2, aux=(8, 8))
    head = net.aux1.to_empty(device="cpu")
    pooled = []
    head.conv.register_forward_pre_hook(lambda module, args: pooled.append(args[0]))
    x = torch.randn(2, 512, 14, 14)
    head(x)
    assert torch.equal(pooled[0], nn.functional.avg_pool2d(x, 5, stride=3))
    assert pooled[0].shape == (2, 512, 4, 4)


def test_initial_signal_neither_fades_nor_explodes():
    torch.manual_seed(0)
    net = zoo.build_model("googlenet", num_classes=10, aux_heads=False).eval()
    with torch.no_grad():
        features = net.forward_features(torch.randn(2, 3, 96, 96))
    assert 0.5 < features.std() < 10
    assert not any(p.any() for name, p in net.named_parameters() if name.endswith("bias"))


@pytest.mark.parametrize("size", [224, 97])
def test_logits_equal_torchvision(size, assert_same_logits):
    def build():
        return torchvision.models.googlenet(aux_logits=False, init_weights=False)

    assert_same_logits(build, "googlenet_bn", size=size, aux_heads=False)


@torch.no_grad()
def test_auxiliary_logits_equal_torchvision():
    """In training mode, each layer with the statistics of the batch; without dropout."""
    torch.manual_seed(0)
    theirs = torchvision.models.googlenet(aux_logits=True, init_weights=False, num_classes=10)
    ours = zoo.build_model("googlenet_bn", num_classes=10)
    for theirs_parameter, parameter in zip(theirs.parameters(), ours.parameters(), strict=True):
        if parameter.ndim == 1:
            parameter.normal_(1.0, 0.2)
        theirs_parameter.copy_(parameter)
    for module in (*theirs.modules(), *ours.modules()):
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    x = torch.randn(4, 3, 128, 128)
    expected, logits = theirs(x), ours(x)
    assert isinstance(logits, tuple)
    for output, reference in zip(logits, (expected.logits, expected.aux_logits1, expected.aux_logits2), strict=True):
        assert reference.std() > 1e-2
        assert (output - reference).abs().max() <= 1e-5 * reference.abs().max()


def test_auxiliary_classifiers_speak_in_training_alone():
    net = zoo.build_model("googlenet_32")
    x = torch.randn(4, 3, 16, 16)
    assert isinstance(net(x), tuple)
    assert net.eval()(x).shape == (4, 10)
    alone = zoo.build_model("googlenet_32", aux_heads=False)
    assert alone(x).shape == (4, 10)
    names = {name for name in net.state_dict() if not name.startswith("aux")}
    assert set(alone.state_dict()) == names


def test_engine_trains_the_auxiliary_classifiers_too():
    rng = np.random.default_rng(0)
    labels = np.arange(64) % 2
    images = rng.integers(0, 100, (64, 1, 16, 16), dtype=np.uint8)
    images[labels == 1, :, :8] += 100
    rows = np.arange(64)
    pre = Preprocess(16, channels=1).with_statistics(images, rows)
    torch.manual_seed(0)
    net = zoo.build_model("googlenet_32", num_classes=2, in_chans=1)
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    history = train(
        net,
        Data(Stored(images), labels, rows, rows, pre),
        replace(MODERN, epochs=2, batch_size=16),
        Classify(),
        seed=0,
        device=torch.device("cpu"),
    )
    assert history
    for name, parameter in net.named_parameters():
        assert not torch.equal(parameter, before[name]), name


@pytest.mark.parametrize(("name", "size"), [("googlenet_32", 32), ("googlenet", 96), ("googlenet", 224)])
def test_auxiliary_classifiers_see_sixteen_places(name, size):
    """Whatever the image's size, the 4x4 that they see are different means, no copies."""
    torch.manual_seed(0)
    net = zoo.build_model(name, num_classes=4)
    seen = []
    net.aux1.conv.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    with torch.no_grad():
        net(torch.randn(1, 3, size, size))
    assert seen[0].shape[2:] == (4, 4)
    assert max(len(channel.unique()) for channel in seen[0][0]) == 16
