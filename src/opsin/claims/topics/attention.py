"""Claims about attention: squeeze and excitation, 2017, and vision transformers, 2020."""

import torch
from torch import Tensor, nn

from opsin import zoo
from opsin.claims.chart import Grid, Table
from opsin.claims.claim import Claim, Finding, Part, gap, weigh
from opsin.costs.sheet import cost
from opsin.models import senet, vit


def sees_across(layer: nn.Module, channels: int = 8) -> Tensor:
    """How much each channel that comes out moves with each that goes in, [out, in]: sums of |gradient|."""
    x = torch.randn(1, channels, 7, 7, requires_grad=True)
    rows = []
    for channel in range(channels):
        (gradient,) = torch.autograd.grad(layer(x)[0, channel].sum(), x)
        rows.append(gradient[0].abs().sum((1, 2)))
    return torch.stack(rows)


def channels_apart() -> Finding:
    """The gradients between channels of a convolution, a depthwise one and an SE block; what SE blocks cost."""
    torch.manual_seed(0)
    layers = {
        "convolution": nn.Conv2d(8, 8, 3, padding=1),
        "depthwise convolution": nn.Conv2d(8, 8, 3, padding=1, groups=8),
        "SE block": senet.SqueezeExcite(8, 2),
    }
    found = {name: sees_across(layer) for name, layer in layers.items()}
    off = ~torch.eye(8, dtype=torch.bool)
    across = {name: float((gradient[off] > 0).float().mean()) for name, gradient in found.items()}
    plain, own = cost("resnet50"), cost("se_resnet50")
    return weigh(
        Part(
            "in a normal convolution each channel is computed from its own alone",
            f"{across['convolution']:.0%} of the other channels move it",
            across["convolution"] == 0,
        ),
        Part("in a depthwise one", f"{across['depthwise convolution']:.0%}"),
        Part("in an SE block", f"{across['SE block']:.0%}"),
        Part(
            "the paper: SE blocks add 10 % to ResNet-50's parameters, 3.87 for 3.86 GFLOPs",
            f"{own.params / plain.params - 1:.1%} ({own.params - plain.params:,}); "
            f"{own.macs / 1e9:.3f} for {plain.macs / 1e9:.3f} G products",
        ),
        charts=tuple(
            Grid(
                f"{name}: what moves what",
                "",
                tuple(map(str, range(8))),
                tuple(map(str, range(8))),
                tuple(tuple(float(v / gradient.max()) for v in row) for row in gradient),
            )
            for name, gradient in found.items()
        ),
    )


def error_of_senet() -> Finding:
    """What 4.47 % is the error of, by the card of SENet-154."""
    rows = [p for p in zoo.card("senet154").published if p.top5_err is not None]
    (same,) = [p for p in rows if p.top5_err == 4.47]
    layers = [m for m in zoo.meta_model("senet154").modules() if isinstance(m, senet.SEBottleneck)]
    protocol = same.protocol or ""
    return weigh(
        Part("a top-5 error of 4.47 % is printed", f"{same.place}: {same.top1_err} and {same.top5_err} %", True),
        Part(
            "it is that of the contest",
            f"{protocol}; the contest was won at 2.251 %, by several networks",
            "test" in protocol,
        ),
        Part(
            "the network", f"{len(layers)} blocks, {3 * len(layers) + 2 + 2} layers with its stem of three and its head"
        ),
        charts=(
            Table(
                "SENet-154 as printed",
                ("top-5 error", "measured on", "place"),
                tuple((f"{p.top5_err} %", p.protocol or "", p.place) for p in rows),
            ),
        ),
        notes=("4.47 % was compared with the paper; 2.251 %, of its abstract, is written down from memory.",),
    )


@torch.no_grad()
def no_locality() -> Finding:
    """Patches in another order: a transformer's encoder without positions, a convolution; patches as a convolution."""
    torch.manual_seed(0)
    blocks = nn.Sequential(*(vit.Block(32, 4, 128, 0.0, 0.0) for _ in range(4))).eval()
    tokens = torch.randn(2, 49, 32)
    order = torch.randperm(49)
    moved = (blocks(tokens)[:, order] - blocks(tokens[:, order])).abs().max().item()
    grid = tokens.transpose(1, 2).unflatten(2, (7, 7))
    convolution = nn.Conv2d(32, 32, 3, padding=1)
    shuffled = grid.flatten(2)[:, :, order].unflatten(2, (7, 7))
    local = (convolution(grid).flatten(2)[:, :, order] - convolution(shuffled).flatten(2)).abs().max().item()
    net = zoo.build_model("vit_base_patch16_224").eval()
    patches = net.get_submodule("patches")
    assert isinstance(patches, nn.Conv2d)
    image = torch.randn(1, 3, 224, 224)
    unfolded = nn.functional.unfold(image, 16, stride=16)  # 1 768 196
    linear = patches.weight.flatten(1) @ unfolded[0] + (patches.bias[:, None] if patches.bias is not None else 0)
    embedded = (patches(image).flatten(2)[0] - linear).abs().max().item()
    assert patches.kernel_size == patches.stride
    return weigh(
        Part(
            "the encoder has no notion of place: other order in, same order out",
            f"differs {gap(moved)}",
            moved < 1e-5,
        ),
        Part("a convolution has", f"differs by up to {local:.1f}"),
        Part(
            "nothing in it is a kernel that slides over the image",
            f"patches are a convolution of {patches.kernel_size[0]}x{patches.kernel_size[0]} and stride "
            f"{patches.stride[0]}",
            False,
        ),
        Part("as a linear map of each patch", f"differs {gap(embedded)}: its stride is its kernel"),
        charts=(
            Table(
                "Patches in another order",
                ("network", "largest difference"),
                (("transformer encoder, no position embedding", f"{moved:.1e}"), ("3x3 convolution", f"{local:.1e}")),
            ),
        ),
    )


# fmt: off
CLAIMS = (
    Claim(
        "X23", "Channels are computed apart",
        "In a normal network every channel of a map is computed independently of the others.",
        "each channel of a feature map is computed independently of each other", "E", senet.PAPER,
        "SE-ResNet-50: about 10 % more parameters, 3.87 for 3.86 GFLOPs (section 4)", "arithmetic",
        "exact", "no gradient between different channels of a convolution",
        channels_apart,
        errs="That is a depthwise convolution. The channels' means go through two layers and a sigmoid; they are not "
             "multiplied as they are.",
    ),
    Claim(
        "T34", "4.47 % won in 2017",
        "SENet won the contest of 2017 with a top-5 error of 4.47 %.",
        "top-5 error rate of 4.47%", "E", senet.PAPER,
        "SENet-154: 18.68 and 4.47 % on validation, one crop of 224 (table 8); the contest: 2.251 %", "memory",
        "exact", "the figure is printed, and of the contest's images",
        error_of_senet,
        errs="4.47 % is of one network and one crop on validation; the entry that won had 2.251 %.",
    ),
    Claim(
        "X28", "No localization, no sliding kernels",
        "A vision transformer has no notion of locality and no sliding kernels.",
        "No localization, no sliding kernels", "E", vit.PAPER,
        "The MLP layers alone are local and translationally equivariant (section 3.1).", "memory",
        "exact", "its encoder without positions does not see an order of patches, and nothing in it is a convolution",
        no_locality,
        errs="Its first layer, the patch embedding, is a convolution whose stride is its kernel.",
    ),
)
