"""Inception-ResNet against timm, and against its figures where no library has it."""

import pytest
import timm
import torch
from pytorchcv.models.inceptionresnetv1 import InceptionResNetV1
from torch import nn

from opsin import zoo
from opsin.models.inception_resnet import V1, InceptionResNet, ResidualInception


class Arithmetic:
    """Parameters and MACs of the paper's figures, convolution by convolution with the batch norm behind it."""

    def __init__(self):
        self.params = self.macs = 0

    def chain(self, channels, side, *layers) -> int:
        """`layers` are (channels, area of the filter), on a grid of `side`."""
        for out, kernel in layers:
            self.params += (kernel * channels + 2) * out
            self.macs += kernel * channels * out * side**2
            channels = out
        return channels

    def linear_1x1(self, fan_in, fan_out, side):
        """With a bias, without batch norm."""
        self.params += (fan_in + 1) * fan_out
        self.macs += fan_in * fan_out * side**2


def v1() -> tuple[int, int]:
    a = Arithmetic()
    a.chain(3, 149, (32, 9))  # figure 14
    a.chain(32, 147, (32, 9), (64, 9))
    a.chain(64, 73, (80, 1))
    a.chain(80, 71, (192, 9))
    a.chain(192, 35, (256, 9))
    for _ in range(5):  # figure 10
        a.chain(256, 35, (32, 1))
        a.chain(256, 35, (32, 1), (32, 9))
        a.chain(256, 35, (32, 1), (32, 9), (32, 9))
        a.linear_1x1(96, 256, 35)
    k, l, m, n = 192, 192, 256, 384  # noqa: E741 (table 1)
    a.chain(256, 17, (n, 9))  # figure 7
    a.chain(256, 35, (k, 1), (l, 9))
    a.chain(l, 17, (m, 9))
    assert 256 + n + m == 896  # figure 15
    for _ in range(10):  # figure 11
        a.chain(896, 17, (128, 1))
        a.chain(896, 17, (128, 1), (128, 7), (128, 7))
        a.linear_1x1(256, 896, 17)
    a.chain(896, 17, (256, 1))  # figure 12
    a.chain(256, 8, (384, 9))
    a.chain(896, 17, (256, 1))
    a.chain(256, 8, (256, 9))
    a.chain(896, 17, (256, 1), (256, 9))
    a.chain(256, 8, (256, 9))
    assert 896 + 384 + 256 + 256 == 1792  # figure 15
    for _ in range(5):  # figure 13
        a.chain(1792, 8, (192, 1))
        a.chain(1792, 8, (192, 1), (192, 3), (192, 3))
        a.linear_1x1(384, 1792, 8)
    a.linear_1x1(1792, 1000, 1)
    return a.params, a.macs


def v2() -> tuple[int, int]:
    a = Arithmetic()
    a.chain(3, 149, (32, 9))  # figure 3
    a.chain(32, 147, (32, 9), (64, 9))
    a.chain(64, 73, (96, 9))
    a.chain(160, 73, (64, 1))
    a.chain(64, 71, (96, 9))
    a.chain(160, 73, (64, 1), (64, 7), (64, 7))
    a.chain(64, 71, (96, 9))
    a.chain(192, 35, (192, 9))
    for _ in range(5):  # figure 16
        a.chain(384, 35, (32, 1))
        a.chain(384, 35, (32, 1), (32, 9))
        a.chain(384, 35, (32, 1), (48, 9), (64, 9))
        a.linear_1x1(128, 384, 35)
    k, l, m, n = 256, 256, 384, 384  # noqa: E741 (table 1)
    a.chain(384, 17, (n, 9))  # figure 7
    a.chain(384, 35, (k, 1), (l, 9))
    a.chain(l, 17, (m, 9))
    channels = 384 + n + m
    assert channels == 1152  # figure 17 says 1154
    for _ in range(10):  # figure 17
        a.chain(channels, 17, (192, 1))
        a.chain(channels, 17, (128, 1), (160, 7), (192, 7))
        a.linear_1x1(384, channels, 17)
    a.chain(channels, 17, (256, 1))  # figure 18
    a.chain(256, 8, (384, 9))
    a.chain(channels, 17, (256, 1))
    a.chain(256, 8, (288, 9))
    a.chain(channels, 17, (256, 1), (288, 9))
    a.chain(288, 8, (320, 9))
    channels += 384 + 288 + 320
    assert channels == 2144  # figure 19 says 2048
    for _ in range(5):  # figure 19
        a.chain(channels, 8, (192, 1))
        a.chain(channels, 8, (192, 1), (224, 3), (256, 3))
        a.linear_1x1(448, channels, 8)
    a.linear_1x1(channels, 1000, 1)
    return a.params, a.macs


@pytest.mark.parametrize(("name", "count"), [("inception_resnet_v1", v1), ("inception_resnet_v2", v2)])
def test_counts_equal_the_arithmetic(name, count):
    card = zoo.card(name)
    assert (card.params, card.macs) == count()


def test_the_released_network_is_another_than_the_paper_s():
    released, paper = zoo.card("inception_resnet_v2_slim"), zoo.card("inception_resnet_v2")
    assert f"{released.params - paper.params:,}" in released.departures[0]
    assert f"{released.macs - paper.macs:,}" in released.departures[0]
    assert zoo.card("inception_v4").macs / paper.macs == pytest.approx(1.32, abs=0.005)
    assert zoo.card("inception_v3").macs / zoo.card("inception_resnet_v1").macs == pytest.approx(0.92, abs=0.005)


@pytest.mark.parametrize(
    ("name", "widths"),
    [
        ("inception_resnet_v1", (256, 896, 1792)),
        ("inception_resnet_v2", (384, 1152, 2144)),
        ("inception_resnet_v2_slim", (320, 1088, 2080)),
    ],
)
def test_grids_are_those_of_figure_15(name, widths):
    a, b, c = widths
    shapes = {}
    with torch.device("meta"):
        x = torch.zeros(1, 3, 299, 299)
        for child, module in zoo.build_model(name).eval().named_children():
            if child == "dropout":
                break
            x = module(x)
            shapes[child] = tuple(x.shape[1:])
    assert shapes["stem"] == shapes["inception_a"] == (a, 35, 35)
    assert shapes["reduction_a"] == shapes["inception_b"] == (b, 17, 17)
    assert shapes["reduction_b"] == shapes["inception_c"] == (c, 8, 8)


def test_logits_equal_timm(assert_same_logits):
    assert_same_logits(lambda: timm.create_model("inception_resnet_v2"), "inception_resnet_v2_slim", size=299)


@torch.no_grad()
def test_features_of_v1_equal_those_of_its_variant_for_faces():
    """FaceNet's network is Inception-ResNet-v1 and a sixth module C, which is left out here, with another head."""
    torch.manual_seed(0)
    theirs = InceptionResNetV1(bn_eps=1e-3, num_classes=10).eval().get_submodule("features")
    theirs = nn.Sequential(*[module for name, module in theirs.named_children() if name != "final_pool"])
    theirs[-1] = nn.Sequential(*list(theirs[-1].children())[:-1])
    ours = InceptionResNet(V1, "v1").eval()
    body = nn.ModuleList([module for name, module in ours.named_children() if name != "fc"])
    for source, target in zip(theirs.parameters(), body.parameters(), strict=True):
        source.add_(torch.randn_like(source), alpha=0.2 * source.std().nan_to_num(0.5).item())
        target.copy_(source)
    for source, target in zip(theirs.buffers(), body.buffers(), strict=True):
        if source.is_floating_point():
            source.add_(torch.rand_like(source), alpha=0.5)
            target.copy_(source)
    x = torch.randn(1, 3, 299, 299)
    expected = theirs(x)
    got = ours.forward_features(x)
    assert got.shape == (1, 1792, 8, 8)
    assert (got - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_residuals_are_scaled():
    """Figure 20: y = relu(x + scale * residual)."""
    torch.manual_seed(0)
    module, unscaled = (
        ResidualInception(16, V1["A"], scale, 1.0, relu) for scale, relu in ((0.17, True), (1.0, False))
    )
    unscaled.load_state_dict(module.state_dict())
    module.eval()
    unscaled.eval()
    x = torch.randn(2, 16, 5, 5)
    residual = unscaled(x) - x
    torch.testing.assert_close(module(x), torch.relu(x + 0.17 * residual))
    assert module.expand.bias is not None
    assert module.expand.weight.shape == (16, 96, 1, 1)


def test_initial_weights_keep_the_scale_of_what_passes():
    net = InceptionResNet(V1, "v1", (1, 1, 1), width=0.25, num_classes=10)
    for module in net.modules():
        if isinstance(module, nn.Conv2d) and module.weight.numel() > 3000:
            fan_in = module.weight[0].numel()
            assert module.weight.std().item() == pytest.approx((2 / fan_in) ** 0.5, rel=0.1)


@pytest.mark.parametrize("name", ["inception_resnet_v1", "inception_resnet_v2", "inception_resnet_v2_slim"])
def test_a_narrow_copy_of_the_real_network_learns(name, assert_learns):
    torch.manual_seed(0)
    net = zoo.build_model(name, depths=(1, 1, 1), width=0.125, dropout=0.0, num_classes=4)
    assert_learns(net, channels=3, size=75)
