"""SENet against arithmetic, the tables of its paper, pytorchcv and timm."""

from functools import partial

import pytest
import timm
import torch
from oracles import empty, randomise
from pytorchcv.model_provider import get_model
from torch import nn

from opsin import zoo
from opsin.cards import agrees
from opsin.models.senet import SEBasicBlock, SqueezeExcite

# channels of the convolutions of a block and out of it, by stage: table 1, and the appendix for SENet-154
RESNET = [(64, 64, 256), (128, 128, 512), (256, 256, 1024), (512, 512, 2048)]
RESNEXT = [(128, 128, 256), (256, 256, 512), (512, 512, 1024), (1024, 1024, 2048)]
SENET_154 = [(128, 256, 256), (256, 512, 512), (512, 1024, 1024), (1024, 2048, 2048)]
BASIC = [(64, 64), (128, 128), (256, 256), (512, 512)]
NETWORKS = {
    "se_resnet18": ((2, 2, 2, 2), BASIC, {}),
    "se_resnet34": ((3, 4, 6, 3), BASIC, {}),
    "se_resnet50": ((3, 4, 6, 3), RESNET, {}),
    "se_resnet101": ((3, 4, 23, 3), RESNET, {}),
    "se_resnet152": ((3, 8, 36, 3), RESNET, {}),
    "se_resnet50_v1_5": ((3, 4, 6, 3), RESNET, {"halving": 1}),
    "se_resnext50_32x4d": ((3, 4, 6, 3), RESNEXT, {"groups": 32, "halving": 1}),
    "senet154": ((3, 8, 36, 3), SENET_154, {"groups": 64, "halving": 1, "deep_stem": True, "projection": 3}),
}
SIDES = (56, 28, 14, 7)


def arithmetic(depths, stages, groups=1, halving=0, deep_stem=False, projection=1):
    """Parameters, MACs, and the values that the SE blocks pool and scale; `halving`: which convolution halves."""
    params = macs = values = 0

    def convolution(fan_in, fan_out, kernel, side, groups=1):
        nonlocal params, macs
        weights = kernel**2 * fan_in // groups * fan_out
        params += weights + 2 * fan_out  # with the batch norm behind it
        macs += weights * side**2

    if deep_stem:
        convolution(3, 64, 3, 112)
        convolution(64, 64, 3, 112)
        convolution(64, 128, 3, 112)
    else:
        convolution(3, 64, 7, 112)
    channels = 128 if deep_stem else 64
    for stage, (depth, widths, side) in enumerate(zip(depths, stages, SIDES, strict=True)):
        out = widths[-1]
        kernels = (1, 3, 1) if len(widths) == 3 else (3, 3)
        for i in range(depth):
            halves = stage > 0 and i == 0
            fan_in = channels
            for j, (kernel, width) in enumerate(zip(kernels, widths, strict=True)):
                before = halves and j < halving
                grouped = groups if kernel == 3 else 1
                convolution(fan_in, width, kernel, 2 * side if before else side, grouped)
                fan_in = width
            hidden = out // 16
            params += (out + 1) * hidden + (hidden + 1) * out
            macs += 2 * out * hidden
            values += out * side**2
            if halves or channels != out:
                convolution(channels, out, projection if halves else 1, side)
            channels = out
    return params + (channels + 1) * 1000, macs + channels * 1000, values


@pytest.mark.parametrize("name", NETWORKS)
def test_counts_equal_the_arithmetic(name):
    depths, stages, arguments = NETWORKS[name]
    card = zoo.card(name)
    assert (card.params, card.macs) == arithmetic(depths, stages, **arguments)[:2]


@pytest.mark.parametrize(
    ("name", "printed", "baseline"),
    [
        ("se_resnet50", 3.87, 3.86),
        ("se_resnet101", 7.60, 7.58),
        ("se_resnet152", 11.32, 11.30),
        ("se_resnext50_32x4d", 4.25, 4.24),
    ],
)
def test_what_the_blocks_add_is_what_table_2_says(name, printed, baseline):
    """With one operation for each value that they pool, and one for each that they scale."""
    depths, stages, arguments = NETWORKS[name]
    values = arithmetic(depths, stages, **arguments)[2]
    layers = sum(2 * n * widths[-1] ** 2 // 16 for n, widths in zip(depths, stages, strict=True))
    assert (layers + 2 * values) / 1e9 == pytest.approx(printed - baseline, abs=0.015)


@pytest.mark.parametrize(("ratio", "params"), [(2, "45.7M"), (4, "35.7M"), (8, "30.7M"), (16, "28.1M"), (32, "26.9M")])
def test_reduction_ratios_of_table_10(ratio, params):
    """The layers of SE blocks, with biases, beside the 25.6M parameters of ResNet-50."""
    blocks = [(3, 256), (4, 512), (6, 1024), (3, 2048)]
    extra = sum(n * (2 * c * c // ratio + c // ratio + c) for n, c in blocks)
    assert agrees(params, 25_557_032 + extra)


def test_block_squeezes_and_excites():
    """Equations 2 to 4, value by value."""
    torch.manual_seed(0)
    block = SqueezeExcite(8, reduction=4)
    x = torch.randn(2, 8, 5, 3)
    with torch.no_grad():
        z = torch.stack([torch.stack([channel.mean() for channel in image]) for image in x])
        hidden = (z @ block.fc1.weight.T + block.fc1.bias).clamp(min=0)
        s = 1 / (1 + torch.exp(-(hidden @ block.fc2.weight.T + block.fc2.bias)))
        expected = torch.stack([torch.stack([s[n, c] * x[n, c] for c in range(8)]) for n in range(2)])
        torch.testing.assert_close(block(x), expected)


def test_identity_is_not_rescaled():
    """Figure 3: the block acts on the residual branch, before the addition."""
    block = SEBasicBlock(4, 4, 1, reduction=2).eval()
    nn.init.constant_(block.se.fc2.bias, -100.0)  # closes every channel of the branch
    x = torch.rand(2, 4, 6, 6)
    assert torch.equal(block(x), x)


@pytest.mark.parametrize("name", ["se_resnet34", "se_resnext50_32x4d", "senet154"])
def test_stages_have_the_sizes_of_table_1(name):
    sizes = []
    with torch.device("meta"):
        net = zoo.build_model(name)
        for stage in (net.stem, *net.stages):
            stage.register_forward_hook(lambda module, args, out: sizes.append(tuple(out.shape[1:])))
        assert net(torch.zeros(1, 3, 224, 224)).shape == (1, 1000)
    outs = [(widths[-1], side, side) for widths, side in zip(NETWORKS[name][1], SIDES, strict=True)]
    assert sizes == [(128 if name == "senet154" else 64, 56, 56), *outs]


def test_senet154_is_that_of_the_appendix():
    with torch.device("meta"):
        net = zoo.build_model("senet154")
    layers = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
    weighted = [m for m in layers if m.kernel_size == (1, 1) or m.groups == 64]
    assert sum(m.groups == 64 for m in layers) == 50
    assert 3 + 150 + 1 == 154  # the stem, three convolutions of 50 blocks, the classifier
    assert len(weighted) == 150 + 1  # and the projection that does not halve the image
    assert net.dropout.p == 0.2


@torch.no_grad()
def test_the_padding_of_the_pooling_is_seen_in_the_logits():
    """So weights trained with the one are not used with the other: docs/weights.md."""
    torch.manual_seed(0)
    caffe = empty(partial(zoo.build_model, "se_resnet50"))
    randomise(caffe)
    padded = zoo.build_model("se_resnet50", caffe_pool=False).eval()
    padded.load_state_dict(caffe.state_dict())
    x = torch.randn(1, 3, 128, 128)
    logits = caffe(x)
    assert (padded(x) - logits).abs().max() > 0.01 * logits.abs().max()


def test_initialisation_is_he_et_al():
    """Section 5.1."""
    net = zoo.build_model("se_resnet18")
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            fan_in = module.weight[0].numel()
            assert module.weight.std().item() == pytest.approx((2 / fan_in) ** 0.5, rel=0.05)


def with_caffe_pool(name):
    """pytorchcv's, the max pooling padded on the right and below alone."""
    net = get_model(name)
    net.features.init_block.pool = nn.MaxPool2d(3, stride=2, ceil_mode=True)
    return net


@pytest.mark.parametrize(
    ("build", "theirs", "name"),
    [
        (get_model, "seresnet18", "se_resnet18"),
        (with_caffe_pool, "seresnet50", "se_resnet50"),
        (get_model, "seresnext50_32x4d", "se_resnext50_32x4d"),
        pytest.param(get_model, "senet154", "senet154", marks=pytest.mark.slow),
    ],
)
def test_logits_equal_pytorchcv(build, theirs, name, assert_same_logits):
    assert_same_logits(partial(build, theirs), name)


def with_padded_pool(name):
    """timm's copy of the authors' networks, the max pooling padded on all sides."""
    net = timm.create_model(name)
    net.pool0 = nn.MaxPool2d(3, stride=2, padding=1)
    return net


@pytest.mark.parametrize(
    ("build", "theirs", "name"),
    [
        (timm.create_model, "seresnet50", "se_resnet50_v1_5"),
        (timm.create_model, "legacy_seresnet50", "se_resnet50"),
        (with_padded_pool, "legacy_seresnext50_32x4d", "se_resnext50_32x4d"),
        pytest.param(timm.create_model, "senet154", "senet154", marks=pytest.mark.slow),
    ],
)
def test_logits_equal_timm(build, theirs, name, assert_same_logits):
    assert_same_logits(partial(build, theirs), name, size=128)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("se_resnet_32", {}), ("se_resnext50_32x4d", {"depths": (1, 1), "widths": (16, 32)})],
)
def test_small_networks_learn_by_heart(name, arguments, assert_learns):
    torch.manual_seed(0)
    assert_learns(zoo.build_model(name, num_classes=4, **arguments), channels=3, size=32, lr=3e-3)
