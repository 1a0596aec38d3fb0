"""Receptive fields that are known by hand: (taps - 1) * dilation * jump, layer by layer."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from opsin import zoo
from opsin.costs.receptive import receptive_fields
from opsin.costs.trace import trace


def fields(net, channels=3, size=224):
    """What the results of all modules see, by name, in the order in which they come."""
    traced = trace(net, channels, size)
    seen = {id(call.result): s for call, s in zip(traced.calls, receptive_fields(traced), strict=True)}
    return {name: seen[id(out)] for name, _, out in traced.outputs if id(out) in seen}


def of_zoo(name):
    card = zoo.card(name)
    with torch.device("meta"):
        net = zoo.build_model(name)
    return fields(net, card.inputs.channels, card.inputs.size)


def last(function, *modules, channels=1, size=32):
    """What a function of images sees; modules are those that it calls."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.ModuleList(modules)

        def forward(self, x):
            return function(x, *self.inner)

    traced = trace(Net(), channels, size)
    return receptive_fields(traced)[-1]


def conv(kernel, stride=1, padding=0, dilation=1, channels=1):
    return nn.Conv2d(channels, channels, kernel, stride, padding, dilation)


def test_lenet5():
    seen = of_zoo("lenet5")
    sides = {name: seen[name].size for name in ("c1", "s2", "c3", "s4", "c5")}
    assert sides == {"c1": (5, 5), "s2": (6, 6), "c3": (14, 14), "s4": (16, 16), "c5": (32, 32)}
    # 5; + 1; + 4*2; + 1*2; + 4*4
    assert [seen[name].stride for name in ("c1", "s2", "c3", "s4")] == [(1, 1), (2, 2), (2, 2), (4, 4)]
    assert [seen[name].offset[0] for name in ("c1", "s2", "c3", "s4")] == [2, 2.5, 6.5, 7.5]
    assert not seen["c5"].whole


@pytest.mark.parametrize(
    ("name", "size", "shortest", "stride", "offset"),
    [
        # 11; pool 2*4; 5x5 4*8; pool 2*8; three 3x3 2*16; pool 2*16
        ("alexnet", 11 + 8 + 32 + 16 + 3 * 32 + 32, 195, 32, 33),
        # 3x3 and pools of 2: 2, 2 convolutions at jump 1, 2, 4, 8, 16: 2 2 3 3 3; pools at the same jumps
        ("vgg16", 1 + 2 * (2 + 4 + 12 + 24 + 48) + 1 + 2 + 4 + 8 + 16, 212, 32, 15.5),
        ("vgg19", 1 + 2 * (2 + 4 + 16 + 32 + 64) + 1 + 2 + 4 + 8 + 16, 268, 32, 15.5),
        # 7, pool 2*2; a 3x3 a block, behind the stride: 3 at jump 4, 4 at 8, 6 at 16, 3 at 32
        ("resnet50", 11 + 2 * (3 * 4 + 4 * 8 + 6 * 16 + 3 * 32), 11, 32, 0),
        # the same, but the first 3x3 of a stage has the stride, and the jump before it
        ("resnet50_v1_5", 11 + 2 * (3 * 4 + 4 + 3 * 8 + 8 + 5 * 16 + 16 + 2 * 32), 11, 32, 0),
        # the same; max pooling is not padded, and begins 2 px further down
        ("se_resnet50", 11 + 2 * (3 * 4 + 4 * 8 + 6 * 16 + 3 * 32), 11, 32, 2),
        # 27 before inception 3a; 5x5 at jump 8 twice, at 16 five times, at 32 twice; pools 2*8 and 2*16 between
        ("googlenet", 27 + 2 * 32 + 16 + 5 * 64 + 32 + 2 * 128, 27 + 16 + 32, 32, 30),
        # 3; 17 depthwise 3x3, at the jump before their stride: 2 at 2, 2 at 4, 3 at 8, 7 at 16, 3 at 32; those which
        # no residual leads around are one at 2, 2, 4, 8, 16, 16 and 32
        ("mobilenet_v2_100", 3 + 2 * (2 * 2 + 2 * 4 + 3 * 8 + 7 * 16 + 3 * 32), 3 + 2 * 80, 32, 0),
        # 11; 6, 12, 24 and 16 layers; average pools of 2 at jump 4, 8 and 16 between, which alone the shortest has
        ("densenet121", 11 + 2 * (6 * 4 + 12 * 8 + 24 * 16 + 16 * 32) + 28, 11 + 28, 32, 14),
        # 31; A: two 3x3 at jump 8, three times; two more; B: two 7 at 16, four times; 7 and 3 at 16; C: two 3 at 32
        ("inception_v3", 31 + 3 * 32 + 32 + 4 * 192 + 128 + 2 * 128, 31 + 16 + 32, 32, 37),
        # 4; 7x7 three times at jump 4, 8 and 32, nine times at 16; 2x2 at 4, 8, 16 between
        ("convnext_tiny", 4 + 6 * (3 * 4 + 3 * 8 + 9 * 16 + 3 * 32) + 28, 32, 32, 15.5),
    ],
)
def test_last_map(name, size, shortest, stride, offset):
    *_, seen = (s for s in of_zoo(name).values() if s.local and s.stride == (stride, stride))
    assert seen.local == (size, size)
    assert seen.shortest == (shortest, shortest)
    assert seen.offset == (offset, offset)


def test_places_in_alexnet_and_vgg16():
    assert of_zoo("alexnet")["conv5"].size == (163, 163)
    vgg = of_zoo("vgg16")
    assert vgg["features.28"].size == (196, 196)  # conv5_3: 212 less pool5's 16
    assert vgg["classifier.0"].whole and vgg["classifier.0"].size == (224, 224) and vgg["classifier.0"].stride is None


def test_squeeze_and_excitation_sees_the_whole_image_beside_the_local_path():
    seen = of_zoo("se_resnet18")
    assert not seen["stem"].whole
    for name, local in (("stages.0", 11 + 4 * 8), ("stages.3", 435)):
        assert seen[name].whole and seen[name].size == (224, 224) and seen[name].local == (local, local)
    assert seen["stages.3"].shortest == (11, 11) and seen["stages.3"].stride == (32, 32)
    assert seen["fc"].local is None and seen["fc"].shortest == (224, 224)


def test_vit_sees_a_patch_and_then_the_image():
    seen = of_zoo("vit_tiny_patch16_224")
    assert seen["patches"].size == (16, 16) and not seen["patches"].whole
    assert seen["blocks.0.attention"].whole and seen["blocks.0.attention"].local is None
    for block in ("blocks.0", "blocks.11"):
        assert seen[block].whole and seen[block].local == (16, 16) and seen[block].stride == (16, 16)
    assert seen["head"].size == (224, 224) and seen["head"].local is None and seen["head"].stride is None


@pytest.mark.parametrize(
    ("function", "modules", "local"),
    [
        (lambda x, a: a(x).mean((2, 3)), [conv(3)], None),
        (lambda x, a: a(x).mean(3).mean(2), [conv(3)], None),
        (lambda x, a: F.avg_pool2d(a(x), 30), [conv(3)], None),
        (lambda x, a: F.adaptive_max_pool2d(a(x), 1), [conv(3)], None),
        (lambda x, a, b: b(a(x).flatten(1)), [conv(3), nn.Linear(900, 5)], None),
        (lambda x, a: x + a(x).amax((2, 3), keepdim=True), [conv(3)], (1, 1)),
        (lambda x, a: F.interpolate(F.adaptive_avg_pool2d(x, 1), size=(30, 30)) + a(x), [conv(3)], (3, 3)),
        (lambda x, a, b: b(a(x)), [conv(3, padding=1), nn.GroupNorm(1, 1)], (3, 3)),
        (lambda x, a, b: b(a(x)), [conv(3, padding=1), nn.InstanceNorm2d(1)], (3, 3)),
        (lambda x, a: x.flatten(2) + a(x.flatten(2)), [nn.Linear(1024, 1024)], (1, 1)),  # as an MLP-Mixer does
        (lambda x, a: a(x).flatten(2).transpose(1, 2).softmax(1), [conv(3)], None),
        (lambda x: attended(x.flatten(2).transpose(1, 2)[:, None]), [], None),
        (lambda x: x.flatten(2).transpose(1, 2) @ x.flatten(2) @ x.flatten(2).transpose(1, 2), [], None),
        (lambda x, a: torch.cat((x, a(x)[:, :, 1:, 1:]), 1).mean((2, 3)), [conv(2, padding=1)], None),
    ],
)
def test_global_operations(function, modules, local):
    seen = last(function, *modules)
    assert seen is not None and seen.whole
    assert seen.size == (32, 32) and seen.local == local


def attended(x):
    return F.scaled_dot_product_attention(x, x, x)


def test_the_shortest_path_is_no_longer_than_the_image_where_one_is_global():
    """Six 3x3 with a gate over the image of 8 px, and a seventh: 1 + 7 * 2 px, or through the gate all 8 that are."""
    chain = nn.Sequential(*[conv(3, padding=1) for _ in range(6)])
    seen = last(lambda x, a, b: b(a(x) * a(x).mean((2, 3), keepdim=True)), chain, conv(3, padding=1), size=8)
    assert seen.local == (15, 15) and seen.shortest == seen.size == (8, 8)


def test_neighbours_of_the_larger_stream_tell_the_stride():
    """As in CrossViT: the class token of one stream of patches joins the other stream."""

    def crossed(x, small, large):
        token = small(x).flatten(2).transpose(1, 2).mean(1, keepdim=True)  # N 1 C
        return torch.cat((token, large(x).flatten(2).transpose(1, 2)), dim=1)

    seen = last(crossed, conv(8, 8), conv(4, 4))
    assert seen.stride == (4, 4) and seen.local == (4, 4) and seen.whole


def test_what_is_written_in_place_is_seen():
    def into_a_part(x, a):
        out = x.new_zeros(1, 1, 32, 32)
        out[:, :, 1:-1, 1:-1] = a(x)
        return out

    def of_a_view(x, a):
        y = a(x)
        y[:, :, ::2].add_(F.avg_pool2d(x, 5, 1)[:, :, :1, :1])
        return y

    def forgotten(x, a):
        y = a(x)
        y.zero_()
        return y + x[:, :, 1:-1, 1:-1]

    assert last(into_a_part, conv(3)).size == (3, 3)
    assert last(of_a_view, conv(3)).size == (31, 32)  # row 28, of px 28 to 30, and column 29 with the corner's 0 to 4
    assert last(forgotten, conv(3)).size == (1, 1)


@pytest.mark.parametrize(
    "function",
    [
        lambda x, a: a(x)[:, :, torch.tensor([3, 1])],
        lambda x, a: a(x).cumsum(2),
        lambda x, a: F.conv2d(x, a(x)[:, :, :3, :3]),
        lambda x, a: a(a(x).sort(dim=2)[0]),
        lambda x, a: a(x) + x[:, :, torch.tensor([0]), 1:-1],
    ],
)
def test_nothing_is_guessed(function):
    assert last(function, conv(3)) is None


def test_constants_have_no_receptive_field():
    assert last(lambda x, a: torch.zeros_like(x) + 1, conv(3)) is None


SWIN = [28, 56, 112, 168]
"""Blocks 1 to 4, in px. A window is 7 tokens of 4. One that is shifted by 3 lies across two of these, 14 tokens. The 2
tokens that are merged may be of two shifted windows, 21 tokens; the 14 tokens of a window of stage 2 lie in 3 shifted
windows, from 4 windows, 28 tokens; one that is shifted lies across two whose parts overlap by half, 42 tokens."""


def test_swin_sees_what_its_windows_share():
    seen = of_zoo("swin_tiny_patch4_window7_224")
    assert [seen[name].size[0] for name in ("stages.0.0", "stages.0.1", "stages.1.1", "stages.1.2")] == SWIN
    assert seen["stages.1.0"].size == (84, 84)  # merging
    window = seen["stages.0.1.attention"]
    assert (window.size, window.shortest, window.stride) == ((56, 56), (28, 28), (4, 4))
    assert [seen[f"stages.{k}"].stride for k in range(4)] == [(4, 4), (8, 8), (16, 16), (32, 32)]
    assert [seen[f"stages.{k}"].shortest for k in range(4)] == [(4, 4), (8, 8), (16, 16), (32, 32)]  # merging alone
    assert seen["stages.3.1"].whole  # 7x7 tokens are one window
    assert not seen["stages.2"].whole


def check_swin(net, blocks):
    seen = fields(net)
    assert [seen[name].size[0] for name in blocks] == SWIN
    ours = of_zoo("swin_tiny_patch4_window7_224")["stages"]
    assert ours in seen.values()


def test_torchvision():
    torchvision = pytest.importorskip("torchvision")
    with torch.device("meta"):
        resnet = fields(torchvision.models.resnet50())
        google = fields(torchvision.models.googlenet(init_weights=False))
        dense = fields(torchvision.models.densenet121())
        swin = torchvision.models.swin_t()
    assert resnet["layer4"].size == (427, 427)  # its stride is in the 3x3
    # its 5x5 branch is a 3x3, its last pooling 2x2: 27; 3x3 at jump 8 twice, at 16 five times, at 32 twice
    assert google["inception5b"].size == (27 + 2 * 16 + 16 + 5 * 32 + 16 + 2 * 64,) * 2
    assert google["inception5b"].shortest == (27 + 16 + 16,) * 2
    assert dense["features"].size == (2071, 2071)
    check_swin(swin, ["features.1.0", "features.1.1", "features.3.0", "features.3.1"])


@pytest.mark.slow
def test_timm():
    timm = pytest.importorskip("timm")
    with torch.device("meta"):
        swin, vit, mixer = (timm.create_model(name) for name in NAMES)
    check_swin(swin, ["layers.0.blocks.0", "layers.0.blocks.1", "layers.1.blocks.0", "layers.1.blocks.1"])
    seen = fields(vit)
    assert seen["blocks.11"].whole and seen["blocks.11"].local == (16, 16)
    seen = fields(mixer)
    assert seen["blocks.0"].whole and seen["blocks.0"].local == (16, 16) and seen["blocks.0"].stride == (16, 16)


NAMES = ("swin_tiny_patch4_window7_224", "vit_tiny_patch16_224", "mixer_s16_224")


@pytest.mark.parametrize(
    ("function", "modules", "size", "stride", "offset"),
    [
        (lambda x, a, b, c: c(b(a(x))), [conv(3, 1, d, d) for d in (1, 2, 4)], (15, 15), (1, 1), (0, 0)),
        (lambda x, a, b, c: c(b(a(x))), [conv(3, 2, 1)] * 3, (15, 15), (8, 8), (0, 0)),  # 3, 3 + 4, 7 + 8
        (lambda x, a, b, c: c(b(a(x))), [conv(3, 2)] * 3, (15, 15), (8, 8), (7, 7)),  # as above, begins 1 + 2 + 4 in
        (lambda x, a: a(x), [conv((3, 1))], (3, 1), (1, 1), (1, 0)),
        (lambda x, a: a(x), [conv(4, 4)], (4, 4), (4, 4), (1.5, 1.5)),
        # every second unit has two taps, 2 px apart, beside the 3 px of each
        (lambda x, a, b: b(a(x)), [conv(3, 2, 1), nn.ConvTranspose2d(1, 1, 3, 2, 1, 1)], (5, 5), (1, 1), (0, 0)),
        (lambda x: F.interpolate(F.avg_pool2d(x, 2), scale_factor=2), [], (2, 2), (1, 1), (0, 0)),
        (lambda x: F.interpolate(x, size=(64, 64), mode="bilinear"), [], (2, 2), (0.5, 0.5), (-0.25, -0.25)),
        (
            lambda x: F.interpolate(x, size=(63, 63), mode="bilinear", align_corners=True),
            [],
            (2, 2),
            (0.5, 0.5),
            (0, 0),
        ),
        (lambda x: F.interpolate(x, size=(64, 64), mode="bicubic"), [], (4, 4), (0.5, 0.5), (-0.25, -0.25)),
        (lambda x: F.interpolate(x, size=(16, 16), mode="bilinear", antialias=True), [], (4, 4), (2, 2), (0.5, 0.5)),
        (lambda x: F.adaptive_avg_pool2d(x, 8), [], (4, 4), (4, 4), (1.5, 1.5)),
        (lambda x: F.max_pool2d(x, 3, 2, 1, 2), [], (5, 5), (2, 2), (1, 1)),
        (lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2), [], (2, 2), (1, 1), (0, 0)),
        (lambda x, a: a(F.pad(x, (1, 1, 1, 1))), [conv(3)], (3, 3), (1, 1), (0, 0)),
        (lambda x, a: a(F.pad(x, (1, 1, 1, 1), mode="reflect")), [conv(3)], (3, 3), (1, 1), (0, 0)),
        (lambda x: F.avg_pool2d(x, 3, 1).permute(0, 2, 3, 1).flip(1)[:, ::2, ::2], [], (3, 3), (2, 2), (30, 1)),
        (lambda x: F.pixel_unshuffle(x, 2), [], (1, 1), (1, 1), (0, 0)),  # to the next channel
        (lambda x, a: a(F.pixel_unshuffle(x, 2)), [nn.Conv2d(4, 1, 1)], (2, 2), (2, 2), (0.5, 0.5)),
        (lambda x: x.view(-1, 1, 16, 2, 16, 2).mean((3, 5)), [], (2, 2), (2, 2), (0.5, 0.5)),
        (lambda x, a: F.relu(a(x), inplace=True), [conv(3)], (3, 3), (1, 1), (1, 1)),
        (lambda x: F.layer_norm(x, x.shape[3:]), [], (1, 32), (1, 1), (0, 0)),  # over rows
        (lambda x: F.local_response_norm(x.expand(-1, 5, -1, -1), 3), [], (1, 1), (1, 1), (0, 0)),
        (lambda x, a: torch.stack((x, a(x)), 2).mean(2), [conv(3, 1, 1)], (3, 3), (1, 1), (0, 0)),
    ],
)
def test_by_hand(function, modules, size, stride, offset):
    seen = last(function, *modules)
    assert seen is not None and not seen.whole
    assert (seen.size, seen.local, seen.stride, seen.offset) == (size, size, stride, offset)
