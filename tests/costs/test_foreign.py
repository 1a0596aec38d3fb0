"""The sheet of other people's modules: against torch's counter on a real forward pass, in every mode, left as found."""

from itertools import product

import pytest
import timm
import torch
import torch.nn.functional as F
import torchvision
from torch import nn
from torch.nn.utils.parametrizations import weight_norm
from torch.utils.flop_counter import FlopCounterMode

from opsin.costs.sheet import cost
from opsin.errors import OpsinError

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
TORCHVISION = {
    "vit_b_16": 224, "swin_t": 224, "swin_v2_t": 256, "convnext_tiny": 224, "googlenet": 224, "inception_v3": 299,
    "maxvit_t": 224,
}  # fmt: skip
TIMM = (
    "vit_base_patch16_224", "swin_tiny_patch4_window7_224", "convnext_tiny", "deit_tiny_patch16_224",
    "efficientnet_b0", "mixer_s32_224",
)  # fmt: skip
TRANSFORMERS = ("ViT", "Swin", "ConvNext", "DeiT")
VIT_B = 14**2 * 768 * 768 + 12 * (197 * 768 * 768 * (3 + 1 + 4 + 4) + 2 * 197 * 197 * 768) + 768 * 1000
"""By hand: patches; in each block qkv, projection, the MLP's two and attention's two products; the classifier."""


def build(library, name):
    with torch.device("meta"):
        if library == "torchvision":
            drawn = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
            return torchvision.models.get_model(name, weights=None, **drawn)
        if library == "timm":
            return timm.create_model(name)
        import transformers

        return getattr(transformers, f"{name}ForImageClassification")(getattr(transformers, f"{name}Config")())


def executed_by_torch(net, size):
    """FlopCounterMode on the module's own forward pass, with gradients."""
    with torch.enable_grad(), FlopCounterMode(display=False) as flops:
        net.eval()(torch.zeros(1, 3, size, size, device="meta"))
    assert flops.get_total_flops() % 2 == 0
    return flops.get_total_flops() // 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("library", "name", "size"),
    [
        *(("torchvision", name, size) for name, size in TORCHVISION.items()),
        *(("timm", name, 224) for name in TIMM),
        *(("transformers", name, 224) for name in TRANSFORMERS),
    ],
)
def test_macs_are_those_that_torch_counts_with_gradients(library, name, size):
    net = build(library, name)
    sheet = cost(net, size)
    assert sheet.macs == sheet.executed == executed_by_torch(net, size)
    assert sheet.params + sheet.aux_params == sum(p.numel() for p in net.parameters())
    assert sheet.params == sum(layer.params for layer in sheet.layers)
    assert sheet.buffers == sum(layer.buffers for layer in sheet.layers)
    assert not sheet.unknown
    if any(word in name.lower() for word in ("vit", "swin", "deit")):
        assert any(layer.kind.endswith("attention") for layer in sheet.layers)


def test_auxiliary_heads_by_torchvisions_names_are_apart():
    sheet = cost(build("torchvision", "inception_v3"), 299)
    assert (sheet.params, sheet.aux_params) == (23_834_568, 27_161_264 - 23_834_568)


@pytest.mark.parametrize(("library", "name"), [("torchvision", "vit_b_16"), ("timm", "vit_base_patch16_224")])
def test_vit_b_by_hand(library, name):
    """Not the 16.87 G of a counter that misses attention, nor the 11.27 G of one that misses fused layers."""
    assert cost(build(library, name), 224).macs == VIT_B == 17_563_828_224


@pytest.mark.parametrize(
    ("library", "name", "millions"),
    [("torchvision", "resnet50", 11.11), ("timm", "vit_base_patch16_224", 16.49), ("timm", "densenet121", 6.90),
     ("timm", "mobilenetv2_100", 6.68), ("timm", "convnext_tiny", 13.44), ("timm", "vgg16", 13.56)],
)  # fmt: skip
def test_activations_are_those_of_timm_s_tables(library, name, millions):
    assert cost(build(library, name), 224).activations / 1e6 == pytest.approx(millions, abs=0.005)


class Encoder(nn.Module):
    """Patches as tokens through PyTorch's own encoder, which fuses its layers in evaluation without gradients."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 32, 4, 4)
        self.norm = nn.BatchNorm2d(32)
        self.layers = nn.TransformerEncoder(nn.TransformerEncoderLayer(32, 4, 64, batch_first=True), 2)

    def forward(self, x):
        return self.layers(self.norm(self.patches(x)).flatten(2).transpose(1, 2)).mean(1)


ENCODER = 64 * 32 * 48 + 2 * (64 * 32 * 32 * 4 + 2 * 64 * 64 * 32 + 2 * 64 * 32 * 64)


def small_swin():
    return torchvision.models.swin_transformer.SwinTransformer([4, 4], 16, [1, 1], [2, 4], [4, 4], num_classes=5)


@pytest.mark.parametrize("build_net", [Encoder, pytest.param(small_swin, marks=pytest.mark.slow)])
def test_a_sheet_is_the_same_in_every_mode_and_the_module_stays_as_it_is(build_net):
    torch.manual_seed(0)
    net = build_net()
    net.register_forward_hook(lambda *_: None)
    state = {name: x.clone() for name, x in net.state_dict().items()}
    parameters = dict(net.named_parameters())
    sheet = cost(net, 32)
    modes = (torch.enable_grad, torch.no_grad, torch.inference_mode, lambda: torch.autocast("cpu", torch.bfloat16))
    for training, mode, frozen in product((True, False), modes, (True, False)):
        net.train(training).requires_grad_(not frozen)
        with mode():
            assert cost(net, 32) == sheet
        assert all(module.training == training for module in net.modules())
        assert all(p.requires_grad == (not frozen) for p in net.parameters())
        assert not any(m._forward_pre_hooks or (m._forward_hooks and m is not net) for m in net.modules())
    assert all(p is parameters[name] and p.device.type == "cpu" for name, p in net.named_parameters())
    assert all(torch.equal(x, state[name]) for name, x in net.state_dict().items())
    assert len(net._forward_hooks) == 1
    assert F.scaled_dot_product_attention is torch._C._nn.scaled_dot_product_attention
    assert torch.backends.mha.get_fastpath_enabled()


def test_fused_encoder_layers_by_hand():
    assert cost(Encoder().eval(), 32).macs == ENCODER


class Tokens(nn.Module):
    """Rows of the image [N, C, H, W] as tokens [N, H, C * W] for a module of sequences."""

    def __init__(self, module, *arguments):
        super().__init__()
        self.module = module

    def forward(self, x):
        rows = x.transpose(1, 2).flatten(2)
        out = self.module(rows, rows, rows) if isinstance(self.module, nn.MultiheadAttention) else self.module(rows)
        return out[0] if isinstance(out, tuple) else out


CONV = 30 * 30 * 4 * 27


class Of(nn.Module):
    """A function of the convolution's maps [N, 4, 30, 30]."""

    def __init__(self, function=lambda x: x):
        super().__init__()
        self.conv, self.function = nn.Conv2d(3, 4, 3), function

    def forward(self, x):
        return self.function(self.conv(x))


def tied():
    net = nn.Sequential(nn.Linear(32, 32, bias=False), nn.ReLU(), nn.Linear(32, 32, bias=False))
    net[2].weight = net[0].weight
    return net


def called_twice():
    conv = nn.Conv2d(3, 3, 3, padding=1, bias=False)
    return nn.Sequential(conv, nn.ReLU(), conv)


def old_weight_norm():
    return nn.Sequential(torch.nn.utils.weight_norm(nn.Conv2d(3, 4, 3, bias=False)))


@pytest.mark.parametrize(
    ("build_net", "macs", "params"),
    [
        pytest.param(tied, 2 * 3 * 32**3, 32 * 32, id="tied weights"),
        pytest.param(called_twice, 2 * 32 * 32 * 81, 81, id="called twice"),
        pytest.param(lambda: nn.Sequential(weight_norm(nn.Conv2d(3, 4, 3, bias=False))), CONV, 112, id="weight norm"),
        pytest.param(old_weight_norm, CONV, 112, id="old weight norm"),
        pytest.param(lambda: Of().half(), CONV, 112, id="fp16"),
        pytest.param(lambda: Of().bfloat16(), CONV, 112, id="bf16"),
        pytest.param(lambda: Of().to("meta"), CONV, 112, id="meta"),
        pytest.param(lambda: torch.compile(Of()), CONV, 112, id="compiled", marks=pytest.mark.slow),
        pytest.param(
            lambda: nn.Sequential(torch.compile(Of()), nn.ReLU()),
            CONV,
            112,
            id="compiled inside",
            marks=pytest.mark.slow,
        ),
        pytest.param(lambda: torch.fx.symbolic_trace(nn.Sequential(nn.Conv2d(3, 4, 3))), CONV, 112, id="fx"),
        pytest.param(lambda: Of(lambda x: {"out": x, "n": 3, "all": [x]}), CONV, 112, id="dict"),
        pytest.param(lambda: Of(lambda x: F.conv2d(x, torch.ones(2, 4, 3, 3))), CONV + 28 * 28 * 72, 112, id="made"),
        pytest.param(lambda: Of(lambda x: torch.einsum("nchw,ncHw->nhH", x, x)), CONV + 30**3 * 4, 112, id="einsum"),
        pytest.param(lambda: Of(lambda x: x + torch.rand(1)), CONV, 112, id="random"),
        pytest.param(
            lambda: nn.Sequential(nn.Unflatten(1, (1, 3)), nn.Conv3d(1, 2, 3, padding=1)),
            2 * 3 * 32**2 * 27,
            56,
            id="3d",
        ),
        pytest.param(lambda: nn.ConvTranspose2d(3, 4, 2, stride=2), 32 * 32 * 48, 52, id="transposed"),
        pytest.param(
            lambda: Tokens(nn.LSTM(96, 20, 2, batch_first=True)), 32 * 80 * (96 + 20 + 20 + 20), 12800, id="LSTM"
        ),
        pytest.param(
            lambda: Tokens(nn.MultiheadAttention(96, 4, batch_first=True)),
            32 * 96 * 96 * 4 + 2 * 32 * 32 * 96,
            4 * 96 * 97,
            id="MultiheadAttention",
        ),
    ],
)
def test_modules_by_hand(build_net, macs, params):
    net, random = build_net(), torch.get_rng_state()
    sheet = cost(net, 32)
    assert (sheet.macs, sheet.params, sheet.unknown) == (macs, params, {})
    assert torch.equal(torch.get_rng_state(), random)


def test_attention_in_pieces_is_called_attention():
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.softmax = nn.Softmax(-1)

        def forward(self, x):
            return self.softmax(x @ x.transpose(-2, -1) * 0.1) @ x

    kinds = [layer.kind for layer in cost(nn.Sequential(Attention()), 32).layers]
    assert kinds == ["attention", "Softmax", "attention"]


def test_what_is_not_known_is_listed_with_its_layer_and_sums_say_at_least():
    sheet = cost(nn.Sequential(Of(lambda x: torch.fft.rfft2(x).abs())), 32)
    assert sheet.unknown == {"aten._fft_r2c": ("0",)}
    assert sheet.macs == CONV
    assert f"at least {CONV / 1e6:.3f} MMACs" in str(sheet)
    assert "not counted: aten._fft_r2c in 0" in str(sheet)
    assert sheet.to_dict()["unknown"] == sheet.unknown


@pytest.mark.parametrize(
    "function",
    [
        pytest.param(lambda x: x if x.sum() > 0 else 2 * x, id="if"),
        pytest.param(lambda x: x * x.max().item(), id="item"),
        pytest.param(lambda x: x[x > 0], id="mask"),
        pytest.param(lambda x: torch.where(x > 0)[0], id="where"),
        pytest.param(lambda x: x * len(x[0, 0, 0].tolist()), id="tolist"),
        pytest.param(lambda x: torch.from_numpy(x.cpu().numpy()), id="numpy"),
    ],
)
def test_a_forward_that_branches_on_data_is_said_and_not_guessed(function):
    with pytest.raises(OpsinError, match=r"^Sequential branches on data \(.*in 1.*\): what it costs") as error:
        cost(nn.Sequential(nn.ReLU(), Of(function)), 32)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("build_net", "size", "words"),
    [
        (lambda: torch.jit.script(nn.Sequential(nn.Conv2d(3, 4, 3))), 32, "is TorchScript"),
        (lambda: nn.Sequential(torch.jit.script(nn.Conv2d(3, 4, 3))), 32, r"\(0\) is TorchScript"),
        (lambda: nn.Sequential(nn.Flatten(), nn.LazyLinear(3)), 32, r"LazyLinear \(1\) has no shapes yet"),
        (Of, (4, 32, 32), r"does not take .* images of 4 x 32 x 32 \(in conv, Conv2d\(3, 4"),
        (lambda: nn.Sequential(nn.Conv2d(3, 4, 7)), 4, r"does not take .* 3 x 4 x 4 \(in 0, .*: .*Kernel size"),
        (lambda: build("torchvision", "vit_b_16"), 100, "does not take .* 3 x 100 x 100"),
        (lambda: build("timm", "vit_base_patch16_224"), 100, "does not take .* 3 x 100 x 100"),
        (lambda: Of(lambda x, y: x), 32, r"does not take .* \(in its forward\): .*missing 1"),
        (Of, None, "input_size is missing"),
        (Of, (1, 2, 3, 4), "input_size must be"),
        (Of, 0, "input_size must be"),
    ],
)
def test_mistakes_are_one_line(build_net, size, words):
    with pytest.raises(OpsinError, match=words) as error:
        cost(build_net(), size)
    assert "\n" not in str(error.value)


def test_buffers_that_count_are_left_alone():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("calls", torch.zeros(()))
            self.norm = nn.BatchNorm2d(3)

        def forward(self, x):
            self.calls += 1
            return self.norm(x) * (1 if self.calls > 0 else 2)

    net = Counting().train()
    cost(net, 8, batch=2)
    assert (net.calls.item(), net.norm.num_batches_tracked.item()) == (0, 0)
