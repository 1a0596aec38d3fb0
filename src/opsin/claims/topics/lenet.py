"""Claims about the networks of LeCun's group, 1989 and 1998."""

import numpy as np
import torch
from torch import Tensor, nn

from opsin import zoo
from opsin.claims import clock
from opsin.claims.chart import Bars, Grid, Table
from opsin.claims.claim import Claim, Finding, Part, every, gap, weigh
from opsin.claims.clock import Figure, through
from opsin.claims.experiments import pooling
from opsin.costs.count import count_model
from opsin.costs.sheet import cost
from opsin.models import lenet5, lenet1989
from opsin.models.layers import TableConv2d

UNITS_1989 = (12 * 8 * 8, 12 * 4 * 4, 30, 10)
"""Units of H1, H2, H3 and the output."""


def parameters_1989() -> Finding:
    """Counts LeNet-1989 as it is, with one bias a map, and with H2 seeing all of H1."""
    net = zoo.meta_model("lenet1989")
    assert isinstance(net, lenet1989.LeNet1989)
    layers = {
        "H1": net.h1.weight.numel() + net.h1_bias.numel(),
        "H2": net.h2.weight.numel() + net.h2_bias.numel(),
        "H3": sum(p.numel() for p in net.h3.parameters()),
        "output": sum(p.numel() for p in net.output.parameters()),
    }
    biases = net.h1_bias.numel() + net.h2_bias.numel()
    shared = layers | {"H1": net.h1.weight.numel() + 12, "H2": net.h2.weight.numel() + 12}
    dense = layers | {"H2": 12 * 12 * 25 + net.h2_bias.numel()}
    ways = {"as printed": layers, "one bias a map": shared, "H2 sees all maps": dense}
    total = {way: sum(own.values()) for way, own in ways.items()}
    connections = count_model("lenet1989").macs + sum(UNITS_1989)
    return weigh(
        Part("it has 9,760 parameters", f"{total['as printed']:,}", total["as printed"] == 9760),
        Part("the same with one bias a map", f"{total['one bias a map']:,} ({biases - 24:,} biases fewer)"),
        Part("the same where each map of H2 sees all twelve of H1, not eight", f"{total['H2 sees all maps']:,}"),
        Part("the paper: 64,660 connections, the biases with them", f"{connections:,}"),
        Part("the paper: 1,256 units, the 256 of the image with them", f"{256 + sum(UNITS_1989):,}"),
        charts=(
            Bars(
                "Only biases of their own and eight of twelve maps make 9,760 parameters",
                "parameters",
                tuple((way, name, float(number)) for way, own in ways.items() for name, number in own.items()),
                said=(("9,760", 9760.0),),
                stacked=True,
            ),
        ),
    )


class Gathered(nn.Module):
    """C3 without its zeros: the maps that each group of rows sees are gathered, and convolved group by group."""

    def __init__(self, table: tuple[tuple[int, ...], ...], kernel_size: int):
        super().__init__()
        lengths = sorted({len(row) for row in table})
        self.index = [torch.tensor([i for row in table if len(row) == n for i in row]) for n in lengths]
        rows = [sum(len(row) == n for row in table) for n in lengths]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(n * count, count, kernel_size, groups=count) for n, count in zip(lengths, rows, strict=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        of = zip(self.convolutions, self.index, strict=True)
        return torch.cat([convolution(x[:, index]) for convolution, index in of], dim=1)


def connections_of_lenet5() -> int:
    """Connections as the paper counts them: of each unit its weights and its bias, or of 2x2 units a sum and a bias."""
    net = zoo.meta_model("lenet5")
    assert isinstance(net, lenet5.LeNet5)
    c3 = (sum(map(len, lenet5.C3_TABLE)) * 25 + 16) * 10 * 10
    pooled = 5 * (6 * 14 * 14 + 16 * 5 * 5)
    linear = sum(p.numel() for layer in (net.c5, net.f6) for p in layer.parameters())
    return (25 + 1) * 6 * 28 * 28 + pooled + c3 + linear + net.output.codes.numel()


def sparse_c3(batches: tuple[int, ...] = (1, 64)) -> Finding:
    """C3 by its table and fully connected: weights and products, then time."""
    used, all_maps = sum(map(len, lenet5.C3_TABLE)), 6 * 16
    pixels, taps = 10 * 10, 25
    saved = (all_maps - used) * taps * pixels
    whole = count_model("lenet5").macs + saved
    layer, net = all_maps / used, saved / whole
    zeros, gathered, dense = "table, dense kernel with zeros", "table, maps gathered", "fully connected"
    makes = {
        zeros: lambda: TableConv2d(6, lenet5.C3_TABLE, 5),
        gathered: lambda: Gathered(lenet5.C3_TABLE, 5),
        dense: lambda: nn.Conv2d(6, 16, 5),
    }
    times = clock.times(
        {(name, batch): through(make, batch, 6, 14, 14) for batch in batches for name, make in makes.items()},
        minutes=0.5,
    )

    def share(batch: int) -> Figure:
        return times.figure(lambda ms: np.minimum(ms[zeros, batch], ms[gathered, batch]) / ms[dense, batch])

    shares = {batch: share(batch) for batch in batches}
    rows = [
        (f"batch {batch}", name, times.ms[name, batch] / times.ms[dense, batch])
        for batch in batches
        for name in (zeros, gathered)
    ]
    return weigh(
        Part("C3 takes at least 1.5 times fewer products by its table", f"{layer:.2f} times", layer >= 1.5),
        Part("that is a tenth of the whole network's or more", f"{net:.0%}", net >= 0.1),
        Part(
            "and it takes less time",
            "; ".join(
                f"at batch {batch} its quicker form takes {own:.2f} of the fully connected layer's"
                for batch, own in shares.items()
            ),
            every(own.at_most(1) for own in shares.values()),
        ),
        Part("the paper: C3 has 1,516 parameters", f"{used * taps + 16:,}; fully connected {all_maps * taps + 16:,}"),
        Part("the paper: C3 has 151,600 connections", f"{(used * taps + 16) * pixels:,}, with its biases"),
        Part(
            "the paper: the network has 60,000 parameters and 340,908 connections",
            f"{count_model('lenet5').params:,} and {connections_of_lenet5():,}, 840 of them of fixed weights",
        ),
        charts=(
            Bars(
                "What the table of C3 leaves of the products and of the time",
                "share of the fully connected layer",
                (("products", "table", used / all_maps), *rows),
                said=(("fully connected", 1.0),),
            ),
        ),
        notes=(
            "The paper's other reason for the table, that maps with different inputs must differ, is not tested.",
            clock.NOTE,
        ),
    )


def pooling_of_lenet5() -> Finding:
    """What kind of sub-sampling S2 and S4 are."""
    net = zoo.build_model("lenet5")
    assert isinstance(net, lenet5.LeNet5)
    layer = net.s2
    x = torch.randn(1, 6, 28, 28)
    with torch.no_grad():
        means = nn.functional.avg_pool2d(x, 2)
        from_means = (layer(x) - (4 * means * layer.coefficient + layer.bias)).abs().max().item()
        raised = x.clone()
        raised[0, 0, 0, 0] += 1  # the sum of its window rises, whatever its neighbours are
        moved = (layer(raised) - layer(x))[0, 0, 0, 0].item() / layer.coefficient[0].item()
    numbers = {name: sum(p.numel() for p in net.get_submodule(name).parameters()) for name in ("s2", "s4")}
    pools = [name for name, module in net.named_modules() if isinstance(module, nn.MaxPool2d)]
    found = f"the sum of four units times a coefficient, plus a bias; {len(pools)} layers of max pooling"
    return weigh(
        Part("LeNet-5 uses max pooling", found, bool(pools)),
        Part("a layer is the mean of its windows, scaled", f"differs {gap(from_means)}"),
        Part("every unit of a window counts", f"raising one unit by 1 raises the sum by {moved:.2f}"),
        Part("the paper: S2 has 12 trained numbers, S4 32", f"{numbers['s2']} and {numbers['s4']}"),
        charts=(
            Table(
                "Sub-sampling in LeNet-5",
                ("layer", "rule", "trained numbers"),
                tuple((name.upper(), "coefficient x sum of 2x2 + bias", str(n)) for name, n in numbers.items()),
            ),
        ),
    )


def order_of_pooling() -> Finding:
    """Whether pooling and the non-linearity can change places."""
    x = torch.randn(4, 8, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    pools = {"max": nn.MaxPool2d(2), "mean": nn.AvgPool2d(2)}
    squashes = {"tanh": torch.tanh, "ReLU": torch.relu, "sigmoid": torch.sigmoid}
    gaps = {
        (p, s): (squash(pool(x)) - pool(squash(x))).abs().max().item()
        for p, pool in pools.items()
        for s, squash in squashes.items()
    }
    pooled, squashed = (nn.MaxPool2d(2), nn.Tanh()), (nn.Tanh(), nn.MaxPool2d(2))
    ms = clock.times(
        {order: through(lambda order=order: nn.Sequential(*order), 64, 8, 32, 32) for order in (pooled, squashed)},
        minutes=0.1,
    ).ms
    same = {p: max(gaps[p, s] for s in squashes) for p in pools}
    return weigh(
        Part("behind max pooling the order makes no difference", f"changes it {gap(same['max'])}", same["max"] == 0),
        Part("nor behind a mean, which LeNet-5 has", f"changes it by up to {same['mean']:.2f}", same["mean"] < 1e-6),
        Part("what pooling first saves", f"{ms[squashed] / ms[pooled]:.1f} times quicker with tanh"),
        Part(
            "LeNet-5's own order",
            "a squashing function behind every layer of maps, C1, S2, C3 and S4: convolution, squashing, sub-sampling, "
            "squashing",
        ),
        charts=(
            Grid(
                "Pooling and non-linearity changed places: largest difference",
                "",
                tuple(pools),
                tuple(squashes),
                tuple(tuple(gaps[p, s] for s in squashes) for p in pools),
            ),
        ),
    )


def year_of_lenet5() -> Finding:
    """The year on the card of the network that has 60,000 parameters."""
    card = zoo.card("lenet5")
    net = cost("lenet5")
    return weigh(
        Part("LeNet-5 is of 1994", f"its paper is of {card.year} ({card.paper.venue})", card.year == 1994),
        Part("the network of that paper has 60,000 parameters", f"{net.params:,}"),
        charts=(
            Table(
                "LeNet-5",
                ("what", "where"),
                ((card.paper.title, f"{card.paper.venue}, {card.year}"),),
            ),
        ),
    )


# fmt: off
CLAIMS = (
    Claim(
        "X01", "9,760 parameters in 1989",
        "The network of 1989 has only 9,760 parameters.",
        "With just 9760 parameters", "E", lenet1989.PAPER,
        "9,760 independent parameters, 64,660 connections, 1,256 units; 5.0 % test error after 23 passes", "paper",
        "exact", "the counted number equals the claimed one",
        parameters_1989,
        errs="The article has a softmax and cross-entropy; the paper has squashed outputs, targets of ±1 and a squared "
             "error. It leaves out that H2 sees eight of twelve maps and that each unit has its own bias, without "
             "which the number is another.",
        full="`opsin train usps --model lenet1989 --recipe lenet1989` (docs/reproduced.md)",
    ),
    Claim(
        "X35", "LeNet-5 in 1994",
        "LeNet-5 is a network of the year 1994.",
        "It is the year 1994", "ABCD", lenet5.PAPER,
        "The network called LeNet-5, with 60,000 parameters, is in the paper of 1998.", "arithmetic",
        "exact", "the year of the paper is the claimed one",
        year_of_lenet5,
        errs="LeNet-1 and the networks of its time are older; LeNet-5 is of 1998, as article E has it.",
    ),
    Claim(
        "X02", "The table of C3 saves cost",
        "A sparse table of connections between two layers avoids a large computational cost.",
        "sparse connection matrix between layers to avoid large computational cost", "ACD", lenet5.PAPER,
        "C3 has 1,516 parameters and 151,600 connections; the network 60,000 and 340,908", "arithmetic",
        "exact", "products of C3 at least 1.5 times fewer, a tenth of the network's, and less time; partly if only "
                 "arithmetic bears it out",
        sparse_c3,
        clocked=True,
        errs="The paper's second reason, that maps which see different inputs learn different features, is left out.",
        minutes=0.3,
    ),
    Claim(
        "X03", "LeNet-5 pools by maxima",
        "LeNet-5 brings its maps down by max pooling.",
        "They also use Max Pooling which downsamples the image", "E", lenet5.PAPER,
        "S2 and S4: the sum of 2x2 units times a trained coefficient, plus a bias, squashed; 12 and 32 numbers",
        "arithmetic",
        "exact", "the kind of layer in our network, which is built by the paper",
        pooling_of_lenet5,
        experiment=pooling.POOLING,
        trains=1.1,
        errs="The other articles have it right: a spatial average.",
    ),
    Claim(
        "X32", "Convolution, pooling, non-linearity",
        "A convolutional network is a sequence of three layers, convolution, pooling and non-linearity, in this order.",
        "sequence of 3 layers: convolution, pooling, non-linearity", "ACD", lenet5.PAPER,
        "Convolutions and sub-sampling in turns, each with its squashing function.", "arithmetic",
        "exact", "the order makes no difference, for max pooling and for means",
        order_of_pooling,
        experiment=pooling.ORDER,
        trains=0.9,
    ),
)
