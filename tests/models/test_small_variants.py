"""The networks for small images, NiN to ConvNeXt: each learns by heart, exports, compiles whole and runs in bf16."""

import pytest
import torch
from torch import nn

from opsin import zoo
from opsin.models import vgg

NAMES = ["nin_32", "vgg_32", "resnet20_cifar", "plain20_cifar", "mobilenet_v2_32", "vit_32", "convnext_32"]


@pytest.mark.parametrize("name", NAMES)
def test_learns_one_batch_by_heart(name, assert_learns):
    torch.manual_seed(0)
    net = zoo.create_model(name, num_classes=4, input_size=16)
    assert_learns(net, channels=3, size=16, lr=3e-3)


@pytest.mark.parametrize("column", [vgg.A, vgg.D, vgg.E], ids=["vgg11", "vgg16", "vgg19"])
def test_vgg_learns_without_batch_norm(column, assert_learns):
    """The paper's depths, an eighth of their width."""
    widths = tuple(tuple(width // 8 for width in stage) for stage in column)
    torch.manual_seed(0)
    assert_learns(vgg.VGG(widths, (64, 64), dropout=0.0, num_classes=4, input_size=32), channels=3, size=32)


@pytest.mark.parametrize("name", NAMES)
def test_travels(name, assert_travels):
    torch.manual_seed(0)
    net = zoo.create_model(name, input_size=16)
    for parameter in net.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.1)  # a head of zeros would say nothing
    assert_travels(net, torch.randn(2, 3, 16, 16))
