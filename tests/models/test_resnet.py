"""ResNet against torchvision, its shortcuts and its plain twins."""

from functools import partial

import pytest
import torch
import torchvision
from pytorchcv.model_provider import get_model
from torch import nn

from opsin import zoo
from opsin.models.layers import PadShortcut

PLAIN = zoo.list_models("plain*")


def arithmetic(depths, widths, bottleneck, stem, option_b, stride_in_3x3=False, size=224, classes=1000):
    """Parameters and MACs of a residual network, convolution by convolution (tables 1 and 6)."""
    params = macs = 0
    side = size

    def convolution(fan_in, fan_out, kernel, stride):
        nonlocal params, macs, side
        side //= stride
        params += (kernel**2 * fan_in + 2) * fan_out  # with the batch norm behind it
        macs += kernel**2 * fan_in * fan_out * side**2

    channels = widths[0]
    convolution(3, channels, *stem)
    if stem[0] == 7:
        side //= 2
    for stage, (depth, width) in enumerate(zip(depths, widths, strict=True)):
        for i in range(depth):
            stride = 2 if stage > 0 and i == 0 else 1
            first, second = (1, stride) if stride_in_3x3 else (stride, 1)
            out = 4 * width if bottleneck else width
            if bottleneck:
                convolution(channels, width, 1, first)
                convolution(width, width, 3, second)
                convolution(width, out, 1, 1)
            else:
                convolution(channels, width, 3, stride)
                convolution(width, width, 3, 1)
            if option_b and (stride != 1 or channels != out):
                side *= stride
                convolution(channels, out, 1, stride)
            channels = out
    return params + (channels + 1) * classes, macs + channels * classes


WIDTHS = (64, 128, 256, 512)
IMAGENET = {
    "resnet18": ((2, 2, 2, 2), False),
    "resnet34": ((3, 4, 6, 3), False),
    "resnet50": ((3, 4, 6, 3), True),
    "resnet101": ((3, 4, 23, 3), True),
    "resnet152": ((3, 8, 36, 3), True),
}


@pytest.mark.parametrize("name", IMAGENET)
def test_imagenet_counts_equal_the_arithmetic(name):
    depths, bottleneck = IMAGENET[name]
    card = zoo.card(name)
    assert (card.params, card.macs) == arithmetic(depths, WIDTHS, bottleneck, (7, 2), option_b=True)


@pytest.mark.parametrize("name", ["resnet50", "resnet101", "resnet152"])
def test_v1_5_has_the_same_parameters_and_more_operations(name):
    depths, _ = IMAGENET[name]
    card, variant = zoo.card(name), zoo.card(f"{name}_v1_5")
    assert (variant.params, variant.macs) == arithmetic(depths, WIDTHS, True, (7, 2), True, stride_in_3x3=True)
    assert variant.params == card.params
    assert variant.departures and not card.departures
    with torch.device("meta"):
        shapes = [[tuple(p.shape) for p in zoo.build_model(n).state_dict().values()] for n in (card.name, variant.name)]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("depth", [20, 32, 44, 56, 110, 1202])
def test_cifar_counts_equal_the_arithmetic(depth):
    """6n + 2 layers (section 4.2); option A adds no parameters."""
    blocks = ((depth - 2) // 6,) * 3
    card = zoo.card(f"resnet{depth}_cifar")
    assert (card.params, card.macs) == arithmetic(blocks, (16, 32, 64), False, (3, 1), False, size=32, classes=10)


@pytest.mark.parametrize("depth", [164, 1001])
def test_bottleneck_cifar_counts_equal_the_arithmetic(depth):
    """9n + 2 layers, published as baselines in the pre-activation paper; its 10.2M are what has no batch norm."""
    card = zoo.card(f"resnet{depth}_cifar")
    blocks = ((depth - 2) // 9,) * 3
    params, macs = arithmetic(blocks, (16, 32, 64), True, (3, 1), True, stride_in_3x3=True, size=32, classes=10)
    assert (card.params, card.macs) == (params, macs)
    _, macs = arithmetic(blocks, (16, 32, 64), True, (3, 1), True, size=32, classes=10)
    assert f"{macs:,}" in card.departures[0]
    with torch.device("meta"):
        net = zoo.build_model(card.name)
    norms = sum(p.numel() for m in net.modules() if isinstance(m, nn.BatchNorm2d) for p in m.parameters())
    assert depth == 164 or f"{params - norms:,}" in card.note


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_stages_have_the_sizes_of_table_1(name):
    net = zoo.build_model(name, num_classes=2).eval()
    expansion = 4 if name == "resnet50" else 1
    with torch.no_grad():
        x = net.maxpool(net.conv1(torch.zeros(1, 3, 224, 224)))
        assert x.shape == (1, 64, 56, 56)
        for stage, width, side in zip(net.stages, WIDTHS, (56, 28, 14, 7), strict=True):
            x = stage(x)
            assert x.shape == (1, width * expansion, side, side)


def test_option_a_takes_every_second_pixel_and_pads_channels_with_zeros():
    x = torch.randn(2, 16, 8, 8)
    out = PadShortcut(16, 32, 2)(x)
    assert out.shape == (2, 32, 4, 4)
    assert torch.equal(out[:, :16], x[:, :, ::2, ::2])
    assert not out[:, 16:].any()


@pytest.mark.parametrize("name", PLAIN)
def test_plain_twin_is_the_residual_network_without_the_addition(name):
    """Same parameters in the same order, but for the projections; the shortcut is the only difference of a block."""
    with torch.device("meta"):
        plain, residual = zoo.build_model(name), zoo.build_model(name.replace("plain", "resnet"))
    weights = {k: v.shape for k, v in residual.state_dict().items() if ".shortcut." not in k}
    assert {k: v.shape for k, v in plain.state_dict().items()} == weights


def test_plain_block_plus_its_input_is_the_residual_block():
    torch.manual_seed(0)
    residual = zoo.build_model("resnet20_cifar").eval()
    plain = zoo.build_model("plain20_cifar").eval()
    plain.load_state_dict(residual.state_dict())
    ours, twin = residual.stages[0][0], plain.stages[0][0]
    x = torch.rand(2, 16, 8, 8)
    before_relu = []
    for block in (ours, twin):
        block.bn2.register_forward_hook(lambda module, args, out: before_relu.append(out))
    with torch.no_grad():
        assert torch.equal(ours(x), torch.relu(before_relu[0] + x))
        assert torch.equal(twin(x), torch.relu(before_relu[1]))
    assert torch.equal(*before_relu)


def test_initialisation_is_he_et_al():
    """Section 3.4: a deep network keeps the scale of what passes through it."""
    net = zoo.build_model("resnet18")
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            fan_in = module.weight[0].numel()
            assert module.weight.std().item() == pytest.approx((2 / fan_in) ** 0.5, rel=0.05)


@pytest.mark.parametrize(("name", "theirs"), [("resnet18", "resnet18"), ("resnet50_v1_5", "resnet50")])
def test_logits_equal_torchvision(name, theirs, assert_same_logits):
    assert_same_logits(getattr(torchvision.models, theirs), name)


@pytest.mark.parametrize(
    ("name", "theirs", "size"), [("resnet50", "resnet50", 224), ("resnet164_cifar", "resnet164bn_cifar10", 32)]
)
def test_logits_equal_pytorchcv(name, theirs, size, assert_same_logits):
    assert_same_logits(partial(get_model, theirs), name, size=size)
