"""Claims about what units see of the image: receptive fields by arithmetic, and by the gradients that arrive."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from opsin import zoo
from opsin.claims.chart import Lines
from opsin.claims.claim import Claim, Finding, Part, weigh
from opsin.costs.sheet import cost
from opsin.models import vgg

KNOWN = {("lenet5", "s4"): 16, ("alexnet", "conv5"): 163, ("vgg16", "features.28"): 196}
"""Fields by hand: of S4, of the last convolution of AlexNet, of the thirteenth of VGG-16."""


def fields(name: str) -> list[tuple[str, int, float]]:
    """The layers of a chain that move the field, in order: name, field and stride in px."""
    rows = []
    for layer in cost(name).layers:
        seen, stride = layer.local_receptive_field, layer.stride
        if isinstance(seen, int) and isinstance(stride, int | float) and not layer.whole_image:
            rows.append((layer.name, seen, float(stride)))
    return rows


def grows(rows: list[tuple[str, int, float]]) -> bool:
    """Whether the field never shrinks from a layer to the next."""
    return all(after[1] >= before[1] for before, after in pairwise(rows))


def energy(net: nn.Module, layers: int, draws: int, side: int) -> Tensor:
    """The squared gradient of the middle unit behind so many layers, summed over channels, [side, side]."""
    total = torch.zeros(side, side)
    part = nn.Sequential(*list(net.children())[:layers])
    for _ in range(draws):
        x = torch.randn(1, 3, side, side, requires_grad=True)
        y = part(x)
        middle = y.shape[2] // 2
        y[0, :, middle, middle].mul(torch.randn(y.shape[1])).sum().backward()
        assert x.grad is not None
        total += x.grad[0].square().sum(0)
    return total


def side_of(share: float, total: Tensor) -> int:
    """The side of the square about the centre of gravity that holds so much of the energy."""
    place = torch.arange(len(total), dtype=torch.float32)
    row, column = (float((place * total.sum(d)).sum() / total.sum()) for d in (1, 0))
    for half in range(len(total)):
        top, left = max(0, round(row) - half), max(0, round(column) - half)
        if total[top : round(row) + half + 1, left : round(column) + half + 1].sum() >= share * total.sum():
            return 2 * half + 1
    return len(total)


def deeper_sees_more(draws: int = 2) -> Finding:
    """Fields of four networks by layer; what of it the gradients of VGG-16 use before training."""
    nets = {name: fields(name) for name in ("lenet5", "alexnet", "vgg16", "plain34")}
    seen = {name: {layer: field for layer, field, _ in rows} for name, rows in nets.items()}
    found = {(name, layer): seen[name][layer] for name, layer in KNOWN}
    steps = {}  # what each layer of VGG-16 adds, by the stride that it works at
    places = conv_numbers()
    convolutions = [row for row in nets["vgg16"] if int(row[0].split(".")[-1]) in places]
    for before, after in pairwise(convolutions):
        if after[2] == before[2]:
            steps[after[2]] = after[1] - before[1]
    torch.manual_seed(0)
    net = zoo.build_model("vgg16").get_submodule("features").eval()
    used = {}
    for number in places[1::3]:
        used[number] = (seen["vgg16"][f"features.{number}"], side_of(0.95, energy(net, number + 1, draws, 224)))
    deepest = max(used)
    whole, side = used[deepest]
    doubled = all(steps[2 * s] == 2 * steps[s] for s in steps if 2 * s in steps)
    return weigh(
        Part("with depth a unit sees more of the image, never less", ", ".join(nets), all(map(grows, nets.values()))),
        Part(
            "behind each halving of the maps a layer adds twice as much",
            "VGG-16: " + ", ".join(f"{px} px at stride {s:g}" for s, px in steps.items()),
            doubled,
        ),
        Part("fields by hand: 16, 163 and 196 px", ", ".join(map(str, found.values())), found == KNOWN),
        Part(
            "what 95 % of the gradient comes from, in VGG-16 before training",
            f"a square of {side} px where the field of convolution {places.index(deepest) + 1} has {whole}",
        ),
        charts=(
            Lines(
                "Receptive field by depth",
                "layer",
                "px",
                {
                    name: tuple((float(i + 1), float(row[1])) for i, row in enumerate(rows))
                    for name, rows in nets.items()
                },
            ),
            Lines(
                "VGG-16 before training: the field, and the square of 95 % of the gradient",
                "convolution",
                "px",
                {
                    "field": tuple((float(places.index(i) + 1), float(w)) for i, (w, _) in used.items()),
                    "gradient": tuple((float(places.index(i) + 1), float(s)) for i, (_, s) in used.items()),
                },
            ),
        ),
    )


def conv_numbers() -> list[int]:
    """The places of VGG-16's convolutions among its features."""
    features = zoo.meta_model("vgg16").get_submodule("features")
    return [i for i, layer in enumerate(features.children()) if isinstance(layer, nn.Conv2d)]


# fmt: off
CLAIMS = (
    Claim(
        "X29", "Deeper layers see more of the image",
        "Where maps are halved the receptive field grows too, so that deeper layers see the image more and more "
        "globally.",
        "making deeper layers access the input image more and more globally", "E", vgg.PAPER,
        "theoretical fields: S4 of LeNet-5 16, conv5 of AlexNet 163, conv13 of VGG-16 196; the effective field is "
        "smaller (Luo and others, 2016)", "arithmetic",
        "exact", "fields never shrink with depth, and grow twice as fast behind each halving",
        deeper_sees_more,
        waits="How training changes the part of the field that is used is not measured yet.",
        minutes=0.1,
    ),
)
