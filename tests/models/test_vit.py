"""ViT against arithmetic, timm, torchvision, and attention written out."""

import pytest
import timm
import torch
import torchvision

from opsin import zoo
from opsin.costs.count import count_model
from opsin.models.layers import DropPath
from opsin.models.vit import Attention

SIZES = {"tiny": (192, 12, 3), "small": (384, 12, 6), "base": (768, 12, 12), "large": (1024, 24, 16)}


def arithmetic(dim, depth, patches, patch_size, channels=3, classes=1000):
    """Parameters and MACs from equations 1 to 4; the number of heads changes neither."""
    tokens, pixels = patches + 1, patch_size**2 * channels
    block = 4 * dim + (3 * dim**2 + 3 * dim) + (dim**2 + dim) + (4 * dim**2 + 4 * dim) + (4 * dim**2 + dim)
    params = pixels * dim + dim + dim + tokens * dim + depth * block + 2 * dim + (dim + 1) * classes
    products = tokens * 12 * dim**2 + 2 * tokens**2 * dim  # linear maps; scores and weighted sums
    return params, patches * pixels * dim + depth * products + dim * classes


@pytest.mark.parametrize("size", SIZES)
def test_counts_equal_the_arithmetic(size):
    dim, depth, _ = SIZES[size]
    card = zoo.card(f"vit_{size}_patch16_224")
    assert (card.params, card.macs) == arithmetic(dim, depth, patches=14**2, patch_size=16)


@pytest.mark.parametrize("size", ["base", "large"])
def test_counts_at_384_px_equal_the_arithmetic(size):
    dim, depth, _ = SIZES[size]
    card = zoo.card(f"vit_{size}_patch16_384")
    assert (card.params, card.macs) == arithmetic(dim, depth, patches=24**2, patch_size=16)


@pytest.mark.parametrize(
    ("name", "printed"),
    [("vit_base_patch16_224", 17.5), ("vit_base_patch16_384", 55.4), ("vit_large_patch16_384", 190.7)],
)
def test_swin_prints_the_operations_without_the_class_token(name, printed):
    dim, depth, _ = SIZES[name.split("_")[1]]
    tokens = (zoo.card(name).inputs.size // 16) ** 2 + 1
    without_token = zoo.card(name).macs - depth * (12 * dim**2 + 2 * (tokens**2 - (tokens - 1) ** 2) * dim)
    assert round(without_token / 1e9, 1) == printed


@pytest.mark.parametrize("input_size", [32, 384])
def test_position_embeddings_are_cut_to_the_image(input_size):
    counted = count_model("vit_tiny_patch16_224", input_size=input_size, num_classes=7)
    assert (counted.params, counted.macs) == arithmetic(192, 12, (input_size // 16) ** 2, 16, classes=7)


def test_the_printed_307m_fits_patches_of_32_px():
    params, _ = arithmetic(1024, 24, patches=7**2, patch_size=32)
    assert round(params / 1e6, 1) == 306.5


def test_logits_equal_timm(assert_same_logits):
    assert_same_logits(lambda: timm.create_model("vit_base_patch16_224"), "vit_base_patch16_224")


@pytest.mark.slow
def test_logits_equal_timm_at_384_px(assert_same_logits):
    assert_same_logits(lambda: timm.create_model("vit_base_patch16_384"), "vit_base_patch16_384", size=384)


@pytest.mark.parametrize("name", ["vit_tiny_patch16_384", "vit_small_patch16_384", "vit_large_patch16_384"])
def test_others_at_384_px_have_the_tensors_of_timm(name):
    with torch.device("meta"):
        theirs, ours = timm.create_model(name), zoo.build_model(name)
        shapes = [[p.squeeze().shape for p in net.parameters()] for net in (theirs, ours)]
        assert shapes[0] == shapes[1]
        assert ours(torch.zeros(2, 3, 384, 384)).shape == (2, 1000)


def test_logits_equal_torchvision(assert_same_logits):
    """Theirs has class token, patches, positions; ours has the positions second."""

    def positions_second(tensors):
        token, weight, bias, positions, *rest = tensors
        return [token, positions, weight, bias, *rest]

    assert_same_logits(torchvision.models.vit_b_16, "vit_base_patch16_224", positions_second)


def test_attention_is_softmax_of_scaled_products():
    """Appendix A, head by head."""
    torch.manual_seed(0)
    layer = Attention(dim=12, heads=3, dropout=0.0).double()
    x = torch.randn(2, 5, 12, dtype=torch.double)
    q, k, v = (x @ w.T + b for w, b in zip(layer.qkv.weight.split(12), layer.qkv.bias.split(12), strict=True))
    heads = []
    for i in range(3):
        columns = slice(4 * i, 4 * i + 4)
        scores = q[..., columns] @ k[..., columns].transpose(1, 2) / 4**0.5
        heads.append(scores.softmax(-1) @ v[..., columns])
    expected = torch.cat(heads, -1) @ layer.projection.weight.T + layer.projection.bias
    torch.testing.assert_close(layer(x), expected)


def test_only_the_positions_tell_where_a_patch_is():
    """Without them the class token's answer does not depend on the order of the patches."""
    torch.manual_seed(0)
    net = zoo.build_model("vit_32", input_size=16).eval()
    torch.nn.init.normal_(net.head.weight)
    x = torch.randn(1, 3, 16, 16)
    shuffled = x.unflatten(3, (4, 4))[:, :, :, [2, 0, 3, 1]].flatten(3)  # columns of patches change places
    assert not torch.allclose(net(x), net(shuffled), atol=1e-3)
    torch.nn.init.zeros_(net.positions)
    torch.testing.assert_close(net(x), net(shuffled))


def test_features_are_tokens():
    net = zoo.build_model("vit_32").eval()
    assert net.forward_features(torch.zeros(2, 3, 32, 32)).shape == (2, 1 + 64, 64)


def test_drop_path_grows_linearly_over_the_blocks():
    with torch.device("meta"):
        net = zoo.build_model("vit_tiny_patch16_224", drop_path=0.22)
    rates = [module.rate for module in net.modules() if isinstance(module, DropPath)]
    assert rates == pytest.approx([0.02 * i for i in range(12)])


def test_drop_path_drops_whole_images_and_keeps_the_mean():
    torch.manual_seed(0)
    layer, x = DropPath(0.25), torch.ones(4000, 2, 3)
    out = layer(x)
    kept = out[:, 0, 0] > 0
    assert torch.equal(out, torch.where(kept[:, None, None], x / 0.75, 0.0))
    assert kept.float().mean().item() == pytest.approx(0.75, abs=0.03)
    assert layer.eval()(x) is x


def test_dropout_makes_training_random_and_evaluation_not():
    net = zoo.build_model("vit_32", dropout=0.5)
    torch.nn.init.normal_(net.head.weight)
    x = torch.randn(2, 3, 32, 32)
    assert not torch.equal(net(x), net(x))
    net.eval()
    assert torch.equal(net(x), net(x))
