"""ConvNeXt against arithmetic, its block, and torchvision and timm."""

import pytest
import timm
import torch
import torchvision

from opsin import zoo
from opsin.models.convnext import Block, LayerNorm2d
from opsin.models.layers import DropPath

SIZES = {
    "tiny": ((3, 3, 9, 3), (96, 192, 384, 768)),
    "small": ((3, 3, 27, 3), (96, 192, 384, 768)),
    "base": ((3, 3, 27, 3), (128, 256, 512, 1024)),
    "large": ((3, 3, 27, 3), (192, 384, 768, 1536)),
}


def arithmetic(depths, widths, patch_size=4, size=224, channels=3, classes=1000):
    """Parameters and MACs, stage by stage."""
    params = macs = 0
    fan_in, kernel, side = channels, patch_size, size
    for depth, width in zip(depths, widths, strict=True):
        side //= kernel
        norm = 2 * (width if kernel == patch_size and fan_in == channels else fan_in)  # behind the stem, else before
        params += (kernel**2 * fan_in + 1) * width + norm
        macs += kernel**2 * fan_in * width * side**2
        block = (49 + 1) * width + 2 * width + (4 * width**2 + 4 * width) + (4 * width**2 + width) + width
        params += depth * block
        macs += depth * (49 * width + 8 * width**2) * side**2
        fan_in, kernel = width, 2
    return params + 2 * fan_in + (fan_in + 1) * classes, macs + fan_in * classes


@pytest.mark.parametrize("size", SIZES)
def test_counts_equal_the_arithmetic(size):
    card = zoo.card(f"convnext_{size}")
    assert (card.params, card.macs) == arithmetic(*SIZES[size])


def test_stages_have_the_published_sizes():
    with torch.device("meta"):
        net, x = zoo.build_model("convnext_tiny"), torch.zeros(1, 3, 224, 224)
        for stage, width, side in zip(net.stages, SIZES["tiny"][1], (56, 28, 14, 7), strict=True):
            x = stage(x)
            assert x.shape == (1, width, side, side)


def test_logits_equal_torchvision(assert_same_logits):
    assert_same_logits(torchvision.models.convnext_tiny, "convnext_tiny")


def test_logits_equal_timm(assert_same_logits):
    assert_same_logits(lambda: timm.create_model("convnext_tiny"), "convnext_tiny")


def test_layer_norm_is_over_the_channels_of_a_pixel():
    x = 3 + 2 * torch.randn(2, 32, 4, 5)
    out = LayerNorm2d(32, eps=1e-6)(x)
    torch.testing.assert_close(out.mean(1), torch.zeros(2, 4, 5), atol=1e-5, rtol=0)
    torch.testing.assert_close(out.var(1, correction=0), torch.ones(2, 4, 5), atol=1e-4, rtol=0)


def test_layer_scale_weighs_the_branch():
    torch.manual_seed(0)
    x = torch.randn(1, 8, 9, 9)
    block = Block(8, layer_scale=1.0, drop_path=0.0)
    branch = block(x) - x
    torch.nn.init.constant_(block.layer_scale, 0.25)
    torch.testing.assert_close(block(x), x + 0.25 * branch)


def test_layer_scale_starts_where_the_paper_says():
    with torch.no_grad():
        scales = [p for name, p in zoo.build_model("convnext_tiny").named_parameters() if "layer_scale" in name]
    assert len(scales) == 18
    assert all((scale == 1e-6).all() for scale in scales)


def test_a_block_sees_7_by_7():
    block = Block(4, layer_scale=1.0, drop_path=0.0).double()
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(1, 4, 13, 13, dtype=torch.double, requires_grad=True)
    block(x)[0, :, 6, 6].sum().backward()
    seen = x.grad.abs().sum((0, 1)) > 0
    assert seen[3:10, 3:10].all()
    assert seen.sum() == 49


def test_drop_path_grows_linearly_over_the_blocks():
    with torch.device("meta"):
        net = zoo.build_model("convnext_tiny", drop_path=0.34)
    rates = [module.rate for module in net.modules() if isinstance(module, DropPath)]
    assert rates == pytest.approx([0.02 * i for i in range(18)])
