"""OverFeat: counts by arithmetic, the tables' sizes, sliding windows, boxes, initialisation, and that it learns."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from opsin import zoo
from opsin.cards import agrees
from opsin.errors import OpsinError
from opsin.models.overfeat import TABLE_1, TABLE_3, OverFeat

# Rows of the architecture tables as numbers: (maps, inputs of one of them, side of the maps).
FAST = [
    (96, 11 * 11 * 3, 56),
    (256, 5 * 5 * 96, 24),
    (512, 3 * 3 * 256, 12),
    (1024, 3 * 3 * 512, 12),
    (1024, 3 * 3 * 1024, 12),
]
ACCURATE = [
    (96, 7 * 7 * 3, 108),
    (256, 7 * 7 * 96, 30),
    (512, 3 * 3 * 256, 15),
    (512, 3 * 3 * 512, 15),
    (1024, 3 * 3 * 512, 15),
    (1024, 3 * 3 * 1024, 15),
]
HEADS = {
    "overfeat_fast": (FAST, [(3072, 6 * 6 * 1024, 1), (4096, 3072, 1), (1000, 4096, 1)]),
    "overfeat_accurate": (ACCURATE, [(4096, 5 * 5 * 1024, 1), (4096, 4096, 1), (1000, 4096, 1)]),
    "overfeat_fast_boxes": (FAST, [(4096, 6 * 6 * 1024, 1), (1024, 4096, 1), (4000, 1024, 1)]),
    "overfeat_accurate_boxes": (ACCURATE, [(4096, 5 * 5 * 1024, 1), (1024, 4096, 1), (4000, 1024, 1)]),
}
NARROW = {"layers": tuple((8, *row[1:]) for row in TABLE_1), "hidden": (16, 16), "init": "he", "dropout": 0.0}


def arithmetic(rows):
    return sum(o * (i + 1) for o, i, _ in rows), sum(o * i * side**2 for o, i, side in rows)


@pytest.mark.parametrize("name", HEADS)
def test_counts_equal_the_arithmetic(name):
    card = zoo.card(name)
    features, head = HEADS[name]
    assert (card.params, card.macs) == arithmetic(features + head)


def test_counts_are_those_of_the_released_weights():
    """The authors' files of weights hold as many numbers; they begin the last layer's biases at these offsets."""
    assert zoo.card("overfeat_fast").params == 145_919_872 + 1000
    assert zoo.card("overfeat_accurate").params == 144_655_488 + 1000


@pytest.mark.parametrize(("name", "connections"), [("overfeat_fast", 2810e6), ("overfeat_accurate", 5369e6)])
def test_printed_totals(name, connections):
    """Table 4: the parameters agree, the connections are 0.3 % more than the operations, biases and all."""
    card = zoo.card(name)
    printed = card.published[0]
    assert agrees(printed.params, card.params)
    assert printed.macs == f"{connections / 1e6:.0f}M"
    biases = sum(o * side**2 for o, _, side in [*HEADS[name][0], *HEADS[name][1]])
    assert 0.002 < connections / card.macs - 1 < 0.004
    assert f"the biases explain {100 * biases / (connections - card.macs):.0f} %" in card.note
    assert "0.3 %" in card.note


@pytest.mark.parametrize(("name", "rows"), [("overfeat_fast", FAST), ("overfeat_accurate", ACCURATE)])
def test_maps_have_the_sizes_of_the_tables(name, rows):
    shapes = []
    size = zoo.card(name).inputs.size
    with torch.device("meta"):
        net = zoo.build_model(name)
        for layer in net.modules():
            if isinstance(layer, nn.Conv2d):
                layer.register_forward_hook(lambda module, args, out: shapes.append(tuple(out.shape[1:])))
        assert net(torch.zeros(1, 3, size, size)).shape == (1, 1000)
        side = 6 if name == "overfeat_fast" else 5
        assert net.forward_features(torch.zeros(1, 3, size, size)).shape == (1, 1024, side, side)
    assert shapes[: len(rows)] == [(maps, side, side) for maps, _, side in rows]
    assert net.seen == size  # one window, and the next one 32 or 36 px on
    assert net.step == (32 if name == "overfeat_fast" else 36)


@pytest.mark.parametrize(
    ("image", "unpooled", "output"),
    [
        ((245, 245), (17, 17), (3, 3)),
        ((281, 317), (20, 23), (6, 9)),
        ((317, 389), (23, 29), (9, 15)),
        ((389, 461), (29, 35), (15, 21)),
        ((425, 497), (32, 38), (18, 24)),
        ((461, 569), (35, 44), (21, 30)),
    ],
)
def test_six_scales_of_table_5(image, unpooled, output):
    with torch.device("meta"):
        net, x = zoo.build_model("overfeat_accurate"), torch.zeros(1, 3, *image)
        assert net.unpooled_features(x).shape == (1, 1024, *unpooled)
        assert net.dense(x, fine=True).shape == (1, 1000, *output)


@torch.no_grad()
def test_windows_of_a_larger_image_are_computed_together():
    """At the coarse stride: where filters are not padded, each place is the network at its own window."""
    torch.manual_seed(0)
    layers = ((6, 5, 1, 2, 0), (8, 5, 1, 2, 0))
    net = OverFeat(layers, window=3, hidden=(12, 12), init="he", num_classes=4).eval()
    assert (net.seen, net.step) == (24, 4)
    x = torch.randn(1, 3, 32, 36)
    dense = net.dense(x)
    assert dense.shape == (1, 4, 3, 4)
    for r in range(3):
        for c in range(4):
            window = x[:, :, 4 * r : 4 * r + 24, 4 * c : 4 * c + 24]
            torch.testing.assert_close(net(window), dense[:, :, r, c])
    assert torch.equal(net(x), dense.flatten(2).max(2).values)


@torch.no_grad()
def test_fine_stride_is_every_offset_of_the_last_pooling():
    """Section 3.3, step by step: pool at each offset, apply the head, and interleave."""
    torch.manual_seed(0)
    net = zoo.build_model("overfeat_32", num_classes=4).eval()
    x = torch.randn(2, 3, 32, 36)
    fine = net.dense(x, fine=True)
    unpooled = net.unpooled_features(x)
    assert unpooled.shape[2:] == (14, 16)
    for dy in range(2):
        for dx in range(2):
            maps = F.max_pool2d(unpooled[:, :, dy:, dx:], 2)
            head = net.classifier
            maps = head.fc3(F.relu(head.fc2(F.relu(head.fc1(maps)))))
            theirs = fine[:, :, dy::2, dx::2]
            torch.testing.assert_close(theirs, maps[:, :, : theirs.shape[2], : theirs.shape[3]])
    torch.testing.assert_close(fine[:, :, ::2, ::2], net.dense(x))


@pytest.mark.parametrize("size", [231, 240, 263])
def test_sizes_from_one_window_up(size):
    net = zoo.build_model("overfeat_fast", num_classes=5, in_chans=1, **NARROW).eval()
    with torch.no_grad():
        assert net(torch.randn(2, 1, size, size)).shape == (2, 5)
        assert net.dense(torch.randn(1, 1, size, size)).shape[2:] == ((2, 2) if size == 263 else (1, 1))
        with pytest.raises(OpsinError, match="any size from 231 px"):
            net(torch.randn(2, 1, 230, 230))


@torch.no_grad()
def test_boxes_move_with_their_windows():
    net = OverFeat(((8, 5, 1, 2, 0), (8, 5, 1, 2, 0)), window=3, hidden=(16, 16), head="boxes", num_classes=3).eval()
    edges = torch.zeros(1, 12, 2, 4)
    edges[:, 0::4], edges[:, 1::4], edges[:, 2::4], edges[:, 3::4] = 0.25, 0.5, 0.75, 1.0
    boxes = net.in_image(edges, 28, 36)
    assert boxes.shape == (1, 3, 4, 2, 4)
    for r in range(2):
        for c in range(4):  # windows of 24 px, 4 px apart
            expected = [(4 * c + 6) / 36, (4 * r + 12) / 28, (4 * c + 18) / 36, (4 * r + 24) / 28]
            torch.testing.assert_close(boxes[0, 1, :, r, c], torch.tensor(expected))
    x = torch.randn(2, 3, 28, 36)
    torch.testing.assert_close(net(x), net.in_image(net.dense(x), 28, 36).flatten(3).mean(3))
    window = torch.randn(2, 3, 24, 24)
    torch.testing.assert_close(net(window), net.dense(window).view(2, 3, 4))  # one window is the image


def test_shared_box_is_one_for_all_classes():
    net = zoo.build_model("overfeat_fast_boxes", num_classes=5, head="shared_box", **NARROW)
    boxes = net(torch.randn(2, 3, 231, 231))
    assert boxes.shape == (2, 5, 4)
    assert torch.equal(boxes, boxes[:, :1].expand_as(boxes))


@pytest.mark.parametrize("name", ["overfeat_fast", "overfeat_accurate"])
def test_regressor_takes_the_features_of_a_trained_classifier(name):
    with torch.device("meta"):
        classifier, boxes = zoo.build_model(name), zoo.build_model(f"{name}_boxes")
    missing, unexpected = boxes.load_state_dict(classifier.state_dict(), strict=False, assign=True)
    assert {key.partition(".")[0] for key in missing} == {"regressor"}
    assert {key.partition(".")[0] for key in unexpected} == {"classifier"}


def test_accurate_differs_from_fast_as_the_appendix_says():
    """The first stride, the number of stages, and the numbers of maps."""
    assert (TABLE_1[0][2], TABLE_3[0][2]) == (4, 2)
    assert (len(TABLE_1), len(TABLE_3)) == (5, 6)


def test_initialisation_is_the_papers():
    net = OverFeat(tuple((32, *row[1:]) for row in TABLE_1), hidden=(64, 64), num_classes=100)
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            assert layer.weight.std().item() == pytest.approx(0.01, rel=0.05)
            assert not layer.bias.any()


def test_dropout_stands_behind_both_hidden_layers():
    net = zoo.build_model("overfeat_32")
    net.classifier.dropout.p = 1.0
    x = torch.randn(3, 3, 16, 16)
    assert torch.equal(net(x), net.classifier.fc3.bias.expand(3, -1))  # trained: nothing passes
    assert net.eval()(x).std() > 0


@pytest.mark.parametrize("head", ["classes", "boxes", "shared_box"])
def test_every_parameter_gets_a_gradient(head):
    torch.manual_seed(0)
    net = zoo.build_model("overfeat_32", head=head, num_classes=3)
    net(torch.randn(4, 3, 32, 32)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in net.parameters())


def test_boxes_learn_a_batch_by_heart():
    torch.manual_seed(0)
    net = zoo.build_model("overfeat_32", head="boxes", num_classes=2, dropout=0.0)
    x, boxes = torch.randn(8, 3, 16, 16), torch.rand(8, 2, 4)
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3)
    for _ in range(100):
        loss = F.mse_loss(net(x), boxes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.005  # guessing the mean leaves 0.08


def test_narrow_copy_learns_a_batch_by_heart(assert_learns):
    torch.manual_seed(0)
    assert_learns(zoo.build_model("overfeat_fast", num_classes=4, **NARROW), 3, 231)


@pytest.mark.parametrize("head", ["classes", "boxes", "shared_box"])
def test_small_variant_travels(head, assert_travels):
    torch.manual_seed(0)
    assert_travels(zoo.build_model("overfeat_32", head=head), torch.randn(2, 3, 21, 24))
