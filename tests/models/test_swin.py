"""Swin against arithmetic, timm, torchvision, and attention among all tokens with a mask."""

import pytest
import timm
import torch
import torchvision
from torch import nn

from opsin import zoo
from opsin.costs.count import count_model
from opsin.models.layers import DropPath
from opsin.models.swin import Block, PatchMerging, Swin, join, partition, relative_positions, shift_mask

SIZES = {
    "tiny": (96, (2, 2, 6, 2)),
    "small": (96, (2, 2, 18, 2)),
    "base": (128, (2, 2, 18, 2)),
    "large": (192, (2, 2, 18, 2)),
}
NAMES = [f"swin_{size}_patch4_window7_224" for size in SIZES]


def arithmetic(dim, depths, side, window, head_dim=32, patch=4, channels=3, classes=1000):
    """Parameters and MACs of table 7 for an image of side * patch px whose maps all divide into windows."""
    params, macs = patch**2 * channels * dim + dim + 2 * dim, side**2 * patch**2 * channels * dim
    for stage, depth in enumerate(depths):
        if stage > 0:
            params += 2 * 4 * dim + 4 * dim * 2 * dim
            dim, side = 2 * dim, side // 2
            macs += side**2 * 2 * dim * dim
        m = min(window, side)
        norms, biases = 4 * dim, (2 * m - 1) ** 2 * dim // head_dim
        params += depth * (norms + biases + 4 * dim**2 + 4 * dim + 8 * dim**2 + 5 * dim)
        macs += depth * side**2 * (12 * dim**2 + 2 * m**2 * dim)  # equation 2 and the perceptron
    return params + 2 * dim + (dim + 1) * classes, macs + dim * classes


@pytest.mark.parametrize("size", SIZES)
def test_counts_equal_the_arithmetic(size):
    card = zoo.card(f"swin_{size}_patch4_window7_224")
    assert (card.params, card.macs) == arithmetic(*SIZES[size], side=56, window=7)


def test_counts_of_the_small_network_equal_the_arithmetic():
    card, at_16 = zoo.card("swin_32"), count_model("swin_32", input_size=16)
    assert (card.params, card.macs) == arithmetic(32, (2, 2), 8, 2, head_dim=16, classes=10)
    assert (at_16.params, at_16.macs) == arithmetic(32, (2, 2), 4, 2, head_dim=16, classes=10)


@pytest.mark.parametrize("name", NAMES)
def test_stages_have_the_sizes_of_table_7(name):
    width = zoo.card(name).build.keywords["dim"]
    with torch.device("meta"):
        net = zoo.build_model(name)
        x = net.patch_norm(net.patches(torch.zeros(2, 3, 224, 224)).permute(0, 2, 3, 1))
        for stage, side in zip(net.stages, (56, 28, 14, 7), strict=True):
            x = stage(x)
            assert x.shape == (2, side, side, width)
            heads = {block.attention.heads for block in stage if isinstance(block, Block)}
            assert heads == {width // 32}
            width *= 2
        assert net.forward_features(torch.zeros(2, 3, 224, 224)).shape == (2, width // 2, 7, 7)


def test_every_second_block_shifts_its_windows_by_half_but_not_where_one_covers_the_map():
    with torch.device("meta"):
        net = zoo.build_model("swin_tiny_patch4_window7_224")
    shifts = [[block.shift for block in stage if isinstance(block, Block)] for stage in net.stages]
    assert shifts == [[0, 3], [0, 3], [0, 3] * 3, [0, 0]]


@torch.no_grad()
def assert_same(theirs: nn.Module, ours: nn.Module, size: int, reorder=lambda named: named) -> None:
    """Random weights copied in order (the tables and masks that nobody learns are each library's own)."""
    for name, parameter in theirs.named_parameters():
        if name.endswith("bias_table"):
            parameter.normal_()
        elif parameter.ndim > 1:
            parameter.normal_(std=parameter[0].numel() ** -0.5)
        else:
            parameter.normal_(0.0 if name.endswith("bias") else 1.0, 0.2)
    named = reorder(list(theirs.named_parameters()))
    for (_, source), target in zip(named, ours.parameters(), strict=True):
        assert source.shape == target.shape
        target.copy_(source)
    x = torch.randn(1, 3, size, size)
    expected = theirs.eval()(x)
    assert expected.std() > 1e-3
    assert (ours.eval()(x) - expected).abs().max() <= 1e-5 * expected.abs().max()


def norm_first(named):
    """torchvision's patch merging registers the linear map before the norm that precedes it."""
    rank = {".reduction.weight": 2, ".norm.weight": -1, ".norm.bias": -1}
    keys = []
    for i, (name, _) in enumerate(named):
        merging = name.startswith("features") and name.count(".") == 3
        keys.append(i + (next((r for end, r in rank.items() if name.endswith(end)), 0) if merging else 0))
    return [named[i] for i in sorted(range(len(named)), key=lambda i: keys[i])]


def test_logits_equal_timm():
    torch.manual_seed(0)
    name = "swin_tiny_patch4_window7_224"
    assert_same(timm.create_model(name), zoo.build_model(name), 224)


def test_logits_equal_torchvision():
    torch.manual_seed(0)
    assert_same(torchvision.models.swin_t(), zoo.build_model("swin_tiny_patch4_window7_224"), 224, norm_first)


def test_padded_windows_equal_torchvision():
    """Maps of 24 and 12 tokens are filled up to 28 and 14."""
    torch.manual_seed(0)
    theirs = torchvision.models.SwinTransformer([4, 4], 32, [2, 2], [2, 4], [7, 7], num_classes=10)
    ours = Swin(32, (2, 2), head_dim=16, num_classes=10, input_size=96)
    assert any(block.padding for block in ours.modules() if isinstance(block, Block))
    assert_same(theirs, ours, 96, norm_first)


def test_windows_smaller_than_the_table_equal_timm():
    """At 64 px the maps have 16, 8, 4 and 2 tokens a side; a window of 8 shrinks to the last two."""
    torch.manual_seed(0)
    theirs = timm.create_model("swin_tiny_patch4_window7_224", img_size=64, window_size=8, num_classes=10)
    ours = zoo.build_model("swin_tiny_patch4_window7_224", input_size=64, window_size=8, num_classes=10)
    assert_same(theirs, ours, 64)


@pytest.mark.parametrize("name", NAMES[1:])
def test_the_larger_ones_have_the_tensors_of_timm(name):
    with torch.device("meta"):
        theirs, ours = timm.create_model(name), zoo.build_model(name)
    assert [p.shape for p in theirs.parameters()] == [p.shape for p in ours.parameters()]


def test_windows_are_cut_and_joined():
    x = torch.arange(2 * 6 * 6).view(2, 6, 6, 1)
    windows = partition(x, 3)
    assert windows.shape == (2, 4, 9, 1)
    assert torch.equal(windows[1, 2].view(3, 3), x[1, 3:, :3, 0])
    assert torch.equal(join(windows, 3, 6), x)


def test_pairs_of_equal_offset_share_a_bias():
    index = relative_positions(3)
    offsets = {}
    for a in range(9):
        for b in range(9):
            offsets.setdefault((a // 3 - b // 3, a % 3 - b % 3), set()).add(int(index[a, b]))
    assert all(len(rows) == 1 for rows in offsets.values())
    assert sorted(row for (row,) in offsets.values()) == list(range(25))


@pytest.mark.parametrize("shifted", [False, True])
def test_a_block_attends_to_the_neighbours_of_its_window(shifted):
    """Token by token, without rolling anything: the windows' borders lie at multiples of 4, or 2 past them."""
    torch.manual_seed(0)
    side, window = 8, 4
    block = Block(8, 2, side, window, shifted, drop_path=0.0).double()
    for parameter in block.parameters():
        nn.init.normal_(parameter, std=0.5)
    x = torch.randn(1, side, side, 8, dtype=torch.double)
    edge = window // 2 if shifted else 0
    home = (torch.arange(side) + window - edge) // window  # of a row or a column; at the map's ends they are narrower
    cell = (home[:, None] * 10 + home).flatten()
    together = cell[:, None] == cell
    attention = block.attention
    y, column = torch.arange(64) // side, torch.arange(64) % side
    down, right = y[:, None] - y, column[:, None] - column
    near = (down.abs() < window) & (right.abs() < window)
    row = (down + window - 1) * (2 * window - 1) + right + window - 1
    bias = attention.bias_table[row.where(near, 0)].permute(2, 0, 1)
    q, k, v = attention.qkv(block.norm1(x).flatten(1, 2)[0]).view(64, 3, 2, 4).permute(1, 2, 0, 3)  # heads T D
    scores = q @ k.transpose(1, 2) / 4**0.5 + bias
    out = scores.masked_fill(~together, -torch.inf).softmax(-1) @ v
    expected = attention.projection(out.transpose(0, 1).flatten(1)).view(1, side, side, 8)
    torch.testing.assert_close(block.attend(block.norm1(x)), expected)


def test_the_mask_keeps_opposite_ends_apart():
    mask = shift_mask(side=8, window=4, shift=2)
    assert mask.shape == (4, 16, 16)
    assert not mask[0].any()  # the first window holds true neighbours alone
    assert (mask[3] == -torch.inf).sum() == 16 * 12  # the last one four quarters
    assert (mask.amax(-1) == 0).all()


def test_merging_takes_four_neighbours():
    merge = PatchMerging(1)
    merge.norm = nn.Identity()
    nn.init.ones_(merge.reduction.weight)
    x = torch.arange(16.0).view(1, 4, 4, 1)
    assert merge(x)[0, :, :, 0].tolist() == [[0 + 1 + 4 + 5, 2 + 3 + 6 + 7], [8 + 9 + 12 + 13, 10 + 11 + 14 + 15]]


def test_drop_path_grows_linearly_over_the_blocks():
    with torch.device("meta"):
        net = zoo.build_model("swin_tiny_patch4_window7_224", drop_path=0.22)
    rates = [module.rate for module in net.modules() if isinstance(module, DropPath)]
    assert rates == pytest.approx([0.02 * i for i in range(12)])
