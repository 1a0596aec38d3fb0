"""Networks as ONNX: every family in two runtimes against eager, with nothing in it that hides behind a 0 or 1."""

import warnings

import onnx
import pytest
import torch
from oracles import randomise
from torch import nn

from opsin import zoo
from opsin.errors import OpsinError
from opsin.export.verify import onnxruntime, openvino
from opsin.lineups import LINEUPS
from opsin.models.layers import LocalResponseNorm
from opsin.runtime import graphs
from opsin.runtime.fast import TOLERANCE, difference
from opsin.runtime.graphs import to_onnx

BATCHES = (1, 7)
LARGE = (
    "alexnet", "googlenet", "overfeat_fast", "vgg11_bn", "inception_v3", "inception_resnet_v2", "resnet50", "enet",
    "densenet121", "xception", "se_resnext50_32x4d", "mobilenet_v2_100", "vit_tiny_patch16_224",
    "swin_tiny_patch4_window7_224", "convnext_tiny", "fractalnet40_cifar", "multiscale_108_108", "preact_resnet50",
)  # fmt: skip


def soft_images(n: int, channels: int, size: int) -> torch.Tensor:
    """Noise about a level that differs from image to image."""
    generator = torch.Generator().manual_seed(1)
    noise = torch.rand(n, channels, size, size, generator=generator) * 2 - 1
    return noise + torch.randn(n, channels, 1, 1, generator=generator) / 2


@pytest.mark.parametrize("name", [*LINEUPS["history"], *(pytest.param(name, marks=pytest.mark.slow) for name in LARGE)])
def test_a_graph_gives_the_networks_logits(name, tmp_path):
    torch.manual_seed(0)
    inputs = zoo.card(name).inputs
    net = zoo.build_model(name)
    randomise(net)
    for parameter in net.parameters():
        if parameter.ndim == 3:
            nn.init.normal_(parameter, std=0.2)  # of a table's connections: at 1 and above every tanh saturates
    images = soft_images(max(BATCHES), inputs.channels, inputs.size)
    with torch.inference_mode():
        if norms := [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]:
            for norm in norms:
                norm.momentum = 0.9  # so that what comes out depends on the images
            net.train()(images)
        net.eval()
        to_onnx(net, images[:2], tmp_path / "model.onnx")
        assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
        for load in (onnxruntime, openvino):
            run = load(tmp_path / "model.onnx")
            for n in BATCHES:
                expected = net(images[:n])
                assert difference(run(images[:n]), expected) < TOLERANCE
    assert expected.std(0).max() > 1e-3 * expected.abs().max()


def test_a_response_norm_is_one_operator_of_onnx(tmp_path):
    net = nn.Sequential(LocalResponseNorm(5, 2.0, 0.5), nn.Conv2d(12, 3, 1)).requires_grad_(False)
    forward = net[0].forward
    images = torch.randn(2, 12, 4, 4) * 3
    for alpha, n in ((0.5, 5), (0.1, 3)):
        net[0].alpha, net[0].n = alpha, n
        to_onnx(net, images, tmp_path / "model.onnx")
        model = onnx.load(tmp_path / "model.onnx")
        assert [node.op_type for node in model.graph.node] == ["LRN", "Conv"]
        squares = nn.functional.pad(images**2, (0, 0, 0, 0, n // 2, n // 2)).unfold(1, n, 1).sum(-1)
        expected = net[1](images / (2 + alpha * squares) ** 0.75)
        for load in (onnxruntime, openvino):
            assert difference(load(tmp_path / "model.onnx")(images), expected) < 1e-5
    assert net[0].forward == forward


@pytest.mark.slow
def test_both_exporters_agree(tmp_path):
    torch.manual_seed(0)
    net = zoo.build_model("squeezenet_32").eval()
    images = torch.randn(7, 3, 32, 32)
    names = {"input_names": ["images"], "output_names": ["logits"], "opset_version": graphs.OPSET}
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = net(images)
        for export in (graphs.traced, graphs.exported):
            export(net, images[:2], tmp_path / "model.onnx", names)
            model = onnx.load(tmp_path / "model.onnx", load_external_data=False)
            onnx.checker.check_model(model, full_check=True)
            assert {entry.domain: entry.version for entry in model.opset_import}[""] == graphs.OPSET
            for load in (onnxruntime, openvino):
                assert difference(load(tmp_path / "model.onnx")(images), expected) < 1e-5


class Strange(nn.Module):
    def forward(self, x):
        return torch.special.bessel_j0(x)


@pytest.mark.parametrize("net", [Strange(), nn.Sequential(nn.Conv2d(3, 1, 1), Strange())])
def test_what_has_no_operator_is_said_in_one_line(net, tmp_path):
    with pytest.raises(OpsinError) as caught:
        to_onnx(net, torch.rand(2, 3, 4, 4), tmp_path / "model.onnx")
    assert str(caught.value).startswith(f"{type(net).__name__} cannot be written as ONNX: ")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_nothing_is_said_or_warned(tmp_path, capfd, recwarn):
    to_onnx(zoo.build_model("swin_32").eval(), torch.rand(2, 3, 32, 32), tmp_path / "model.onnx")
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list


def test_no_room_on_the_disk_is_not_a_missing_operator(tmp_path):
    with pytest.raises(OSError):
        to_onnx(zoo.build_model("lenet5").eval(), torch.rand(2, 1, 32, 32), tmp_path / "none" / "model.onnx")
