"""Claims about small networks: SqueezeNet, ENet, Xception and the MobileNets, 2016 to 2018."""

from pathlib import Path
from tempfile import TemporaryDirectory

from safetensors.torch import save_file
from torch import nn

from opsin import zoo
from opsin.claims.chart import Bars, Lines, Table
from opsin.claims.claim import Claim, Finding, Part, weigh
from opsin.costs.sheet import cost
from opsin.models import enet, mobilenet_v2, squeezenet, xception


def bytes_on_disk(net: nn.Module) -> int:
    """The size of a file with a network's parameters and statistics, each number in its own type."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "weights.safetensors"
        save_file({name: value.contiguous() for name, value in net.state_dict().items()}, path)
        return path.stat().st_size


def size_of_enet() -> Finding:
    """ENet in 16 bits on the disk, and its operations at the paper's size."""
    sheet = cost("enet", (360, 640))
    size = bytes_on_disk(zoo.build_model("enet").half())
    numbers = 2 * sheet.params
    return weigh(
        Part(
            "encoder and decoder take 0.7 MB in 16 bits (0.65 to 0.75)",
            f"{numbers / 1e6:.3f} MB ({numbers / 2**20:.3f} MiB) of {sheet.params:,} parameters",
            0.65e6 <= numbers <= 0.75e6,
        ),
        Part("a file with the statistics of batch norm, too", f"{size / 1e6:.3f} MB ({size / 2**20:.3f} MiB)"),
        Part("the paper: 0.37 M parameters", f"{sheet.params / 1e6:.2f} M"),
        Part("the paper: 3.83 GFLOPs at 640 x 360", f"{2 * sheet.macs / 1e9:.2f} G operations, two for a product"),
        charts=(
            Bars(
                "Parameters on the disk",
                "MB",
                tuple(
                    (way, "ENet", n * sheet.params / 1e6) for way, n in (("32 bits", 4), ("16 bits", 2), ("8 bits", 1))
                ),
                said=(("0.7 MB", 0.7),),
            ),
        ),
    )


def size_of_squeezenet() -> Finding:
    """Parameters of SqueezeNet and AlexNet, and the bits a parameter that the title's 0.5 MB leave."""
    small, alex = cost("squeezenet1_0").params, cost("alexnet").params
    ratio = alex / small
    bits = 0.5e6 * 8 / small
    return weigh(
        Part(
            "a small network without compression: 50 times fewer parameters than AlexNet (48 at least)",
            f"{small:,} for {alex:,}, {ratio:.1f} times",
            ratio >= 48,
        ),
        Part(
            "its size in 32 bits", f"{4 * small / 1e6:.2f} MB ({4 * small / 2**20:.2f} MiB) for {4 * alex / 1e6:.0f} MB"
        ),
        Part("what the title's 0.5 MB leave for a parameter", f"{bits:.1f} bits: these need compression"),
        Part("in 8 bits", f"{small / 1e6:.2f} MB"),
        charts=(
            Bars(
                "Parameters on the disk",
                "MB",
                (
                    ("AlexNet", "32 bits", 4 * alex / 1e6),
                    ("SqueezeNet", "32 bits", 4 * small / 1e6),
                    ("SqueezeNet", "8 bits", small / 1e6),
                ),
                said=(("0.5 MB", 0.5),),
                log=True,
            ),
        ),
    )


def stages_of_xception() -> Finding:
    """Convolutional layers of Xception, and its parameters and products beside ResNet-34's."""
    net = zoo.meta_model("xception")
    separable = [m for m in net.modules() if isinstance(m, xception.SeparableConv)]
    plain = [name for name, m in net.named_children() if isinstance(m, nn.Conv2d)]
    layers = len(separable) + len(plain)
    own, res = cost("xception"), cost("resnet34")
    params, macs = own.params / res.params, own.macs / res.macs
    same_size = cost("xception", 224).macs / res.macs
    return weigh(
        Part(
            "it has 36 convolutional stages",
            f"{len(plain)} convolutions and {len(separable)} separable ones",
            layers == 36,
        ),
        Part(
            "which makes it close to a ResNet-34: in parameters (within a tenth)",
            f"{params:.2f} times",
            abs(params - 1) <= 0.1,
        ),
        Part("and in products (within a tenth)", f"{macs:.2f} times, at 299 and 224 px", abs(macs - 1) <= 0.1),
        Part("products, both at 224 px", f"{same_size:.2f} times"),
        charts=(
            Table(
                "Xception and ResNet-34",
                ("network", "layers", "parameters", "MACs"),
                (
                    ("Xception, 299 px", str(layers), f"{own.params:,}", f"{own.macs:,}"),
                    ("ResNet-34, 224 px", "33", f"{res.params:,}", f"{res.macs:,}"),
                ),
            ),
        ),
    )


def order_in_mobilenet_v2() -> Finding:
    """The channels inside a block of MobileNetV2, and what its shortcut holds."""
    net = zoo.meta_model("mobilenet_v2_100")
    blocks = [m for m in net.modules() if isinstance(m, mobilenet_v2.InvertedResidual)]
    block = next(b for b in blocks if b.shortcut)
    convolutions = [m for m in block.modules() if isinstance(m, nn.Conv2d)]
    widths = [convolutions[0].in_channels, *(m.out_channels for m in convolutions)]
    thin, thick = widths[0], max(widths)
    return weigh(
        Part("the first 1x1 reduces the channels", f"{widths[0]} to {widths[1]}", widths[1] < widths[0]),
        Part("the last 1x1 expands them", f"{widths[-2]} to {widths[-1]}", widths[-1] > widths[-2]),
        Part(
            "a depthwise convolution stands between",
            f"{convolutions[1].groups} groups of {convolutions[1].in_channels}",
        ),
        Part(
            "the shortcut joins the thin ends",
            f"{thick / thin:.0f} times fewer values to hold than between the thick ones",
        ),
        charts=(
            Lines(
                "Channels through a block",
                "behind convolution",
                "channels",
                {
                    "MobileNetV2": tuple((float(i), float(c)) for i, c in enumerate(widths)),
                    "a bottleneck of ResNet": ((0.0, 256.0), (1.0, 64.0), (2.0, 64.0), (3.0, 256.0)),
                },
            ),
        ),
        notes=("The paper is of 2018.",),
    )


# fmt: off
CLAIMS = (
    Claim(
        "X20", "Small without compression",
        "SqueezeNet is small without needing elaborate compression.",
        "small network sizes and parameters without needing complex compression algorithms", "ACD", squeezenet.PAPER,
        "50 times fewer parameters than AlexNet (4.8 MB for 240 MB); 0.47 MB with Deep Compression (table 2)", "paper",
        "exact", "at least 48 times fewer parameters than AlexNet",
        size_of_squeezenet,
        errs="Half of the paper is about adding compression: its title's 0.5 MB need it.",
    ),
    Claim(
        "X19", "0.7 MB for an encoder and a decoder",
        "ENet's encoder and decoder together take 0.7 MB in 16 bits.",
        "both encoder and decoder network together only occupies 0.7 MB with fp16", "ACD", enet.PAPER,
        "0.37 M parameters, 0.7 MB, 3.83 GFLOPs at 640 x 360 (table 3)", "memory",
        "exact", "0.65 to 0.75 MB",
        size_of_enet,
    ),
    Claim(
        "X21", "36 stages, close to a ResNet-34",
        "Xception has 36 convolutional stages, which makes it close to a ResNet-34.",
        "36 convolutional stages, making it close in similarity to a ResNet-34", "C", xception.PAPER,
        "36 convolutional layers; 22,855,952 parameters (table 3)", "arithmetic",
        "exact", "36 layers; parameters and products within a tenth of ResNet-34's",
        stages_of_xception,
    ),
    Claim(
        "X27", "MobileNetV2 reduces, filters and expands",
        "A block of MobileNetV2 reduces the channels by a 1x1, filters them depthwise, and expands them by another "
        "1x1.",
        "1x1 ... for dimensionality reduction, followed by depthwise ... and another 1x1 ... to expand", "E",
        mobilenet_v2.PAPER,
        "1x1 to six times the channels, depthwise 3x3, linear 1x1 back (table 1)", "arithmetic",
        "exact", "the channels through a block of our network, which is built by the paper",
        order_in_mobilenet_v2,
        errs="The order is the other way about: it expands first. The paper is of 2018, not of 2019.",
    ),
)
