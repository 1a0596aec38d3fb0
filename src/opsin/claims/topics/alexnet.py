"""Claims about AlexNet, 2012."""

from math import prod

from torch import nn

from opsin import zoo
from opsin.cards import Published
from opsin.claims.chart import Bars, Table
from opsin.claims.claim import Claim, Finding, Part, weigh
from opsin.costs.sheet import CostSheet, cost
from opsin.models import alexnet

CONVOLUTIONS = tuple(f"conv{i}" for i in range(1, 6))
LINEAR = ("fc6", "fc7", "fc8")


def share(sheet: CostSheet, layers: tuple[str, ...], what: str) -> int:
    """The parameters or MACs of these layers."""
    return sum(getattr(layer, what) for layer in sheet.layers if layer.name in layers)


def convolutions() -> dict[str, nn.Conv2d]:
    """The five convolutions of AlexNet, by their names."""
    found = {name: zoo.meta_model("alexnet").get_submodule(name) for name in CONVOLUTIONS}
    return {name: layer for name, layer in found.items() if isinstance(layer, nn.Conv2d)}


def why_sixty_million() -> Finding:
    """The parameters by layer; with small kernels; with a mean in front of the last layer."""
    sheet = cost("alexnet")
    large, linear = share(sheet, CONVOLUTIONS[:2], "params"), share(sheet, LINEAR, "params")
    small = linear + sum(c.weight[:, :, 0, 0].numel() * 9 + c.out_channels for c in convolutions().values())
    pooled = share(sheet, CONVOLUTIONS, "params") + 256 * 1000 + 1000
    products = share(sheet, CONVOLUTIONS, "macs")
    units = sum(prod(layer.output_shape) for layer in sheet.layers if layer.name in (*CONVOLUTIONS, *LINEAR))
    rows = [
        (what, name, share(sheet, (name,), of) / total)
        for what, of, total in (("parameters", "params", sheet.params), ("products", "macs", sheet.macs))
        for name in (*CONVOLUTIONS, *LINEAR)
    ]
    return weigh(
        Part("it has over 60 million parameters", f"{sheet.params:,}", sheet.params > 60e6),
        Part("the paper: 650,000 units", f"{units:,} behind the eight layers"),
        Part(
            "because of its large kernels: conv1 and conv2 hold the most of them",
            f"{large:,}, {large / sheet.params:.2%}; the three fully connected layers {linear / sheet.params:.1%}",
            large > sheet.params / 2,
        ),
        Part("all its kernels made 3x3", f"{small:,} parameters, {1 - small / sheet.params:.1%} fewer"),
        Part(
            "a mean of the maps and one layer in place of the three fully connected ones",
            f"{pooled:,} parameters, {1 - pooled / sheet.params:.1%} fewer",
        ),
        Part("where the products are", f"{products / sheet.macs:.0%} in the convolutions"),
        charts=(
            Bars(
                "The parameters are in the fully connected layers, the products in the convolutions",
                "share",
                tuple(rows),
                stacked=True,
            ),
        ),
    )


def sides_of_alexnet() -> Finding:
    """What an 11x11 window of stride 4 makes of 224 px, and which kernels there are."""
    kernels = {name: layer.kernel_size[0] for name, layer in convolutions().items()}
    printed = 55
    rows = []
    for size, padding in ((224, 0), (224, 2), (227, 0)):
        side = (size + 2 * padding - 11) / 4 + 1
        rows.append((f"{size} px, {padding} px of padding", f"{side:g}"))
    ours = next(layer.output_shape for layer in cost("alexnet").layers if layer.name == "conv1")
    plain = (224 - 11) / 4 + 1
    return weigh(
        Part("images of 224 px give the 55 x 55 maps of the paper", f"{plain:g} without padding", plain == printed),
        Part("there are filters of 9x9", f"kernels {', '.join(map(str, kernels.values()))}", 9 in kernels.values()),
        Part("there are filters of 11x11", f"conv1 has {kernels['conv1']}x{kernels['conv1']}", 11 in kernels.values()),
        Part("images of 227 px", f"maps of {ours[1]} x {ours[2]}"),
        charts=(Table("Side of conv1's maps", ("images", "side"), tuple(rows)),),
        notes=("224 stands in the paper itself; its 55 x 55 maps need 227 px, or two pixels of padding.",),
    )


def winning_error() -> Finding:
    """The printed top-5 errors, by the contest whose test images they are of."""
    printed: list[tuple[float, str, Published]] = [
        (p.top5_err, p.protocol, p)
        for p in zoo.card("alexnet").published
        if p.top5_err is not None and p.protocol is not None
    ]
    of_17 = [protocol for error, protocol, _ in printed if error == 17.0]
    of_2012 = [e for e, protocol, _ in printed if protocol.startswith(("ImageNet validation", "ImageNet test"))]
    return weigh(
        Part(
            "17 % is the top-5 error on the test images of 2012",
            f"17.0 % is printed for: {'; '.join(of_17)}",
            any("2010" not in protocol for protocol in of_17),
        ),
        Part("what is printed for 2012", f"{min(of_2012)} to {max(of_2012)} %; the entry that won had 15.3 %"),
        charts=(
            Table(
                "Top-5 errors of AlexNet as printed",
                ("error", "measured on", "place"),
                tuple((f"{error} %", protocol, p.place) for error, protocol, p in printed),
            ),
        ),
        notes=("15.3 % (and 26.2 % of the second) stand in the paper's abstract; table 2 prints 15.4 on validation.",),
    )


# fmt: off
CLAIMS = (
    Claim(
        "X10", "60 million parameters from large kernels",
        "Because its kernels are large, AlexNet has over 60 million parameters.",
        "Because of these large kernels, AlexNet had over 60 million trainable parameters", "E", alexnet.PAPER,
        "60 million parameters and 650,000 units (abstract)", "arithmetic",
        "exact", "the count is over 60 million, and conv1 and conv2 hold more than half of it",
        why_sixty_million,
        errs="The number is right, the cause is not: the fully connected layers hold the parameters.",
    ),
    Claim(
        "X11", "Images of 224 px and filters of 9x9",
        "AlexNet takes images of 224 px, and has filters of 9x9 or 11x11.",
        "9x9 or 11x11 filters of AlexNet", "AE", alexnet.PAPER,
        "kernels of 11, 5, 3, 3 and 3; 55 x 55 maps behind the first, which images of 227 px give", "arithmetic",
        "exact", "sides of the maps and kernels as claimed",
        sides_of_alexnet,
        errs="No filter of AlexNet is 9x9. 224 px is a slip of the paper's own.",
    ),
    Claim(
        "T35", "17 % won ImageNet 2012",
        "AlexNet won the contest of 2012 with a top-5 error of 17 % on the test images.",
        "winner of ILSVRC 2012 with a top-5 test set error of 17%", "E", alexnet.PAPER,
        "17.0 % on the test images of 2010 (table 1); 15.3 % on those of 2012 with seven networks (abstract)", "paper",
        "exact", "the figure is printed for the contest that is claimed",
        winning_error,
        errs="17.0 % is of the images of 2010. The first author is Krizhevsky.",
    ),
)
