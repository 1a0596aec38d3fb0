"""ENet against the rows of its table 1, the paper's totals, and its building blocks written out."""

import pytest
import torch
from torch import nn

from opsin import zoo
from opsin.costs.count import count, count_model
from opsin.models.enet import Downsampling, ENet, InitialBlock, Upsampling, main_convolution

SECTION_1 = [("down", 16, 64), *[("regular", 64, 64)] * 4]
SECTION_2_3 = [
    ("regular", 128, 128),
    ("dilated", 128, 128),
    ("asymmetric", 128, 128),
    ("dilated", 128, 128),
    ("regular", 128, 128),
    ("dilated", 128, 128),
    ("asymmetric", 128, 128),
    ("dilated", 128, 128),
] * 2
ENCODER = [*SECTION_1, ("down", 64, 128), *SECTION_2_3]
DECODER = [("up", 128, 64), *[("regular", 64, 64)] * 2, ("up", 64, 16), ("regular", 16, 16)]


def arithmetic(rows, height, width, in_encoder):
    """Parameters and MACs of bottlenecks (table 1, figure 2b) on a map of height x width; and the map that is left.

    1x1 and the row of an asymmetric convolution have no bias. In the encoder each channel has a slope of its PReLU.
    """
    params = macs = 0
    slope = 1 if in_encoder else 0
    for kind, before, after in rows:
        inner = after // 4
        if kind == "down":
            height, width = height // 2, width // 2
        area = height * width  # of the first 1x1's output
        first = before * inner * (4 if kind == "down" else 1)
        main = {"asymmetric": 10}.get(kind, 9) * inner**2
        params += first + main + inner + inner * after + (2 + slope) * (2 * inner + after)
        macs += (first + main) * area
        if kind == "up":
            params += before * after + 2 * after
            macs += before * after * area
            height, width = 2 * height, 2 * width
        macs += inner * after * height * width
    return params, macs, height, width


def whole(height, width, classes):
    """13 filters of 3x3 beside the image, the encoder, the decoder, and 2x2 full convolutions for the classes."""
    params, macs = 13 * 27 + 13 + 16 * 3, 13 * 27 * (height // 2) * (width // 2)
    p, m, h, w = arithmetic(ENCODER, height // 2, width // 2, in_encoder=True)
    encoder = params + p, macs + m
    q, n, h, w = arithmetic(DECODER, h, w, in_encoder=False)
    assert (2 * h, 2 * w) == (height, width)
    head = 16 * 4 * classes
    return encoder, (encoder[0] + q + head + classes, encoder[1] + n + head * h * w)


def test_counts_equal_the_arithmetic():
    card = zoo.card("enet")
    _, expected = whole(512, 512, classes=12)
    assert (card.params, card.macs) == expected == (363_856, 1_931_673_600)


@pytest.mark.parametrize(
    ("size", "classes", "params", "macs"),
    [((360, 640), 12, 363_856, 1_697_760_000), ((512, 1024), 19, 364_311, 3_922_067_456)],
)
def test_counts_at_other_sizes(size, classes, params, macs):
    with torch.device("meta"):
        counted = count(zoo.build_model("enet", num_classes=classes), 3, size)
    _, expected = whole(*size, classes)
    assert (counted.params, counted.macs) == expected == (params, macs)


def test_the_encoder_is_338156_parameters_and_its_classifier():
    card = zoo.card("enet_encoder")
    (params, macs), _ = whole(512, 512, classes=12)
    assert params == 338_156
    assert (card.params, card.macs) == (params + 129 * 12, macs + 128 * 12 * 64**2)


def test_the_printed_gflops_are_near_twice_the_macs_with_full_convolutions_counted_where_they_write():
    """3.83 GFLOPs at 640x360. A full convolution of stride 2 writes four times as many pixels as it reads."""
    _, (_, macs) = whole(360, 640, classes=12)
    full = 9 * 16**2 * 45 * 80 + 9 * 4**2 * 90 * 160 + 4 * 16 * 12 * 180 * 320
    assert round(2 * macs / 1e9, 2) == 3.40
    assert round(2 * (macs + 3 * full) / 1e9, 2) == 3.72


def test_the_model_has_0_7_megabytes_at_16_bits():
    assert round(2 * zoo.card("enet").params / 1e6, 1) == 0.7


def test_shapes_of_table_1():
    with torch.device("meta"):
        net = zoo.build_model("enet")
        x = net.initial(torch.zeros(2, 3, 512, 512))
        assert x.shape == (2, 16, 256, 256)
        x, places1 = net.down1(x)
        assert x.shape == net.section1(x).shape == (2, 64, 128, 128)
        x, places2 = net.down2(x)
        assert x.shape == net.sections2_3(x).shape == (2, 128, 64, 64)
        x = net.up4(x, places2)
        assert x.shape == net.section4(x).shape == (2, 64, 128, 128)
        x = net.up5(x, places1)
        assert x.shape == net.section5(x).shape == (2, 16, 256, 256)
        assert net.fullconv(x).shape == (2, 12, 512, 512)
        assert [len(s) for s in (net.section1, net.sections2_3, net.section4)] == [4, 16, 2]


def test_dilations_and_dropout_of_table_1():
    with torch.device("meta"):
        net = zoo.build_model("enet")
    convolutions = [m for m in net.sections2_3.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]
    assert [m.dilation[0] for m in convolutions] == [1, 2, 4, 1, 8, 16] * 2
    rates = [m.p for m in net.modules() if isinstance(m, nn.Dropout2d)]
    assert rates == [0.01] * 5 + [0.1] * 17 + [0.0] * 5


def test_biases_are_where_the_authors_code_has_them():
    with torch.device("meta"):
        net = zoo.build_model("enet")
    convolutions = [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    assert sum(m.bias.numel() for m in convolutions if m.bias is not None) == 705


def test_asymmetric_convolution_is_a_5x5_of_rank_one():
    torch.manual_seed(0)
    row, column = main_convolution("asymmetric", 1)
    x = torch.randn(1, 1, 9, 9)
    kernel = column.weight * row.weight  # 1 1 5 5
    expected = nn.functional.conv2d(x, kernel, column.bias, padding=2)
    torch.testing.assert_close(column(row(x)), expected)


def test_the_initial_block_keeps_the_pooled_image():
    torch.manual_seed(0)
    block = InitialBlock(3, 16, stride=2).eval()
    with torch.no_grad():
        block.activation.weight.fill_(1.0)
        x = torch.randn(2, 3, 8, 8)
        out = block(x)
    assert out.shape == (2, 16, 4, 4)
    torch.testing.assert_close(out[:, 13:], nn.functional.max_pool2d(x, 2) / (1 + 1e-3) ** 0.5)


def test_downsampling_fills_up_with_zero_channels():
    torch.manual_seed(0)
    block = Downsampling(4, 8, dropout=0.0)
    block.activation = nn.Identity()
    x = torch.randn(2, 4, 6, 6)
    out, _ = block(x)
    rest = out - block.branch(x)
    torch.testing.assert_close(rest[:, :4], nn.functional.max_pool2d(x, 2))
    torch.testing.assert_close(rest[:, 4:], torch.zeros(2, 4, 3, 3))


def test_upsampling_puts_values_back_where_the_maxima_stood():
    torch.manual_seed(0)
    x = torch.randn(1, 4, 4, 4)
    pooled, places = nn.functional.max_pool2d(x, 2, return_indices=True)
    block = Upsampling(4, 4).eval()
    block.project, block.branch = nn.Identity(), nn.Upsample(scale_factor=2)
    out = block(torch.ones_like(pooled), places)
    maxima = x == pooled.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert torch.equal(out == 2, maxima)


def test_the_encoder_grows_into_the_whole_network():
    """The paper's training: first the encoder, then the classifier gives way to the decoder."""
    encoder, net = zoo.build_model("enet_encoder"), zoo.build_model("enet")
    weights = {k: v for k, v in encoder.state_dict().items() if not k.startswith("classifier.")}
    missing, unexpected = net.load_state_dict(weights, strict=False)
    assert not unexpected
    assert {name.split(".")[0] for name in missing} == {"up4", "section4", "up5", "section5", "fullconv"}


def test_images_with_many_channels_widen_the_initial_block():
    net = ENet((16, 32, 64), depth=1, repeats=1, in_chans=20).eval()
    assert net(torch.zeros(1, 20, 16, 16)).shape == (1, 12, 16, 16)


def test_the_small_network_takes_any_size():
    net = zoo.build_model("enet_encoder_32").eval()
    for size in (16, 17, 31, 32):
        assert net(torch.zeros(1, 3, size, size)).shape == (1, 10)
    assert count_model("enet_encoder_32").params == zoo.card("enet_encoder_32").params


def test_segments_random_images_by_heart():
    """Two images, each pixel of one of four classes."""
    torch.manual_seed(0)
    net = ENet((16, 32, 64), depth=1, section=("regular", 2), repeats=1, num_classes=4)
    x, labels = torch.randn(2, 3, 16, 16), torch.randint(4, (2, 4, 4)).repeat_interleave(4, 1).repeat_interleave(4, 2)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2)
    for _ in range(150):
        loss = nn.functional.cross_entropy(net(x), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert all(p.grad is not None for p in net.parameters())
    assert (net(x).argmax(1) == labels).float().mean() > 0.95


@pytest.mark.parametrize("decoder", [True, False])
def test_travels(decoder, assert_travels):
    torch.manual_seed(0)
    net = ENet((16, 32, 64), depth=1, section=("regular", 2, "asymmetric"), repeats=1, decoder=decoder)
    assert_travels(net, torch.randn(2, 3, 32, 32), bf16=0.15)
