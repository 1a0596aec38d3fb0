"""Claims about networks as wholes, measured on this machine: which are costly, and whether operations tell the time."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from opsin import zoo
from opsin.claims import clock
from opsin.claims.chart import Chart, Dots, Lines, Ranges
from opsin.claims.claim import Claim, Finding, Part, Verdict, every, weigh
from opsin.claims.clock import CPU, Build, Figure, Law, Times, decisive, law, through
from opsin.claims.topics.papers import CANZIANI
from opsin.costs import memory
from opsin.costs.count import count_model
from opsin.models import alexnet, vgg
from opsin.tasks.classify import Classify

BATCHES = {"alexnet": (1, 8, 64, 256), "lenet5": (1, 8, 64, 512)}
GPU = torch.device("cuda")
ROUNDS = 3
"""Of all networks for photos: to build them takes as long as to time them."""
MINUTES = 3 / 60
"""For each of them."""
NETWORKS = "networks for photos"
"""What X14 and X31 both time."""
TIMED: dict[str, Sequence[float]] = {}
"""The rounds of those that a claim has timed in this process: another takes them as they are."""


def of_photos(year: int) -> list[str]:
    """The classifiers of the zoo for photos, up to a year."""
    cards = [zoo.card(name) for name in zoo.list_models()]
    return [c.name for c in cards if c.year <= year and c.inputs.size >= 200 and c.task == "classify"]


def times_of(names: Sequence[str]) -> Times[str]:
    """One image at a time through each network of the zoo, at the size of its paper."""
    inputs = {name: zoo.card(name).inputs for name in names if name not in TIMED}
    builds = {
        name: through(partial(zoo.build_model, name), 1, own.channels, own.size, own.size)
        for name, own in inputs.items()
    }
    TIMED.update(clock.times(builds, rounds=ROUNDS, minutes=MINUTES * len(builds), seconds=0.1).rounds)
    return Times({name: TIMED[name] for name in names})


def predicted(name: str) -> int:
    """Bytes that a network of the zoo has alive at its peak, for one image."""
    inputs = zoo.card(name).inputs
    return memory.inference(zoo.meta_model(name), inputs.channels, (inputs.size, inputs.size), 1)


def dots(title: str, x: str, y: str, rows: Mapping[str, tuple[float, float, float]]) -> Dots:
    """Networks by two figures, on logarithms, as large as a third."""
    return Dots(title, x, y, tuple((name, *own) for name, own in rows.items()), log="xy")


def costly_vgg() -> Finding:
    """All networks for photos up to 2016: parameters, products, milliseconds."""
    counts = {name: count_model(name) for name in of_photos(2016)}
    times = times_of(list(counts))
    large = {name for name in counts if name.startswith(("vgg16", "vgg19"))}

    def most(of: Mapping[str, float]) -> list[str]:
        return sorted(of, key=lambda name: -of[name])[: len(large)]

    def share(name: str, other: str) -> Figure:
        return times.figure(lambda ms: ms[name] / ms[other])

    params = {name: float(own.params) for name, own in counts.items()}
    macs = {name: float(own.macs) for name, own in counts.items()}
    head = sum(p.numel() for p in zoo.meta_model("vgg16").get_submodule("classifier").parameters())
    shares = {(name, other): share(name, other) for name in sorted(large) for other in counts.keys() - large}
    name, other = decisive(shares, 1)
    return weigh(
        Part(
            "a massive number of parameters: VGG-16 and VGG-19 have the most",
            f"VGG-16 has {counts['vgg16'].params:,}, {head / counts['vgg16'].params:.0%} of them fully connected",
            set(most(params)) == large,
        ),
        Part("they take the most products", f"first in order: {', '.join(most(macs))}", set(most(macs)) == large),
        Part(
            "and the most time",
            f"first in order: {', '.join(most(times.ms))}; {name} takes {shares[name, other]:.2f} of {other}'s",
            every(own.at_least(1) for own in shares.values()),
        ),
        charts=(
            dots(
                "Networks for photos up to 2016",
                "MACs",
                "ms",
                {name: (macs[name], times.ms[name], params[name]) for name in counts},
            ),
        ),
        notes=("Each at the size of its paper, one image at a time.", clock.NOTE),
    )


def operations_and_time() -> Finding:
    """All networks for photos: do their products tell their time?"""
    counts = {name: count_model(name) for name in of_photos(2100)}
    times = times_of(list(counts))

    def by_products(names: Sequence[str], ms: Mapping[str, Any]) -> Law:
        return law([counts[name].macs for name in names], [ms[name] for name in names])

    def explained(names: Sequence[str]) -> Figure:
        return times.figure(lambda ms: by_products(names, ms).r2)

    families: dict[str, list[str]] = {}
    for name in counts:
        families.setdefault(zoo.card(name).family, []).append(name)
    whole = explained(list(counts))
    within = {family: explained(own) for family, own in families.items() if len(own) >= 4}
    worst = decisive(within, 0.9)
    line = by_products(list(counts), times.ms)
    off = {name: times.ms[name] / line(counts[name].macs) for name in counts}
    slow, quick = max(off, key=lambda name: off[name]), min(off, key=lambda name: off[name])
    charts: tuple[Chart, ...] = (
        dots(
            "Products and time",
            "MACs",
            "ms",
            {n: (float(own.macs), times.ms[n], float(own.params)) for n, own in counts.items()},
        ),
        dots(
            "Memory and parameters",
            "parameters",
            "MiB",
            {n: (float(own.params), predicted(n) / 2**20, float(own.macs)) for n, own in counts.items()},
        ),
        Ranges(
            "How much of the time products explain, by family; 0.9 is claimed",
            "r2",
            tuple((family, own.value, own.low, own.high) for family, own in within.items()),
            none=0.9,
        ),
    )
    return weigh(
        Part(
            "products tell the time over all networks (r2 of the logarithms at least 0.8)",
            f"{whole:.3f}, over {len(counts)} networks",
            whole.at_least(0.8),
        ),
        Part(
            "and inside each family (at least 0.9)",
            f"least for {worst}, {within[worst]:.3f}",
            every(own.at_least(0.9) for own in within.values()),
        ),
        Part(
            "furthest off", f"{slow} takes {off[slow]:.1f} times what its products tell, {quick} {off[quick]:.2f} times"
        ),
        charts=charts,
        notes=(
            "One image at a time, each at the size of its paper; the memory is the predicted peak.",
            "The analysis has charts of batches and of power, too: `opsin bench --all --page` draws them.",
            clock.NOTE,
        ),
    )


def step(net: nn.Module, images: Tensor, labels: Tensor) -> None:
    """Forwards and backwards."""
    net.zero_grad(set_to_none=True)
    Classify().loss(net(images), labels).backward()


def steps_of(name: str, batch: int, device: torch.device) -> Build:
    """What builds a network of ten classes and a batch on a device, for its training steps."""

    def build() -> "partial[None]":
        inputs = zoo.card(name).inputs
        images = torch.randn(batch, inputs.channels, inputs.size, inputs.size)
        net = zoo.build_model(name, num_classes=10).to(device).train()
        return partial(step, net, images.to(device), (torch.arange(batch) % 10).to(device))

    return build


def ten_times_by_gpu(batches: Mapping[str, tuple[int, ...]] = BATCHES, device: torch.device = GPU) -> Finding:
    """Training steps of AlexNet and LeNet-5 on this GPU and this CPU, by batch."""
    if not torch.cuda.is_available():
        return Finding(Verdict.NOT_RUN, (Part("training is ten times faster on a GPU", "there is no GPU here"),))
    cells = [(name, batch) for name, own in batches.items() for batch in own]
    gpu, cpu = (
        clock.times(
            {cell: steps_of(*cell, own) for cell in cells},
            seconds=0.3,
            threads=torch.get_num_threads(),
            device=own,
            training=True,
        )
        for own in (device, CPU)
    )
    times = Times({(at, *cell): own for at, of in (("gpu", gpu), ("cpu", cpu)) for cell, own in of.rounds.items()})
    faster = {cell: times.figure(lambda ms, cell=cell: ms["cpu", *cell] / ms["gpu", *cell]) for cell in cells}
    machine = f"{torch.cuda.get_device_name()} against {torch.get_num_threads()} threads"
    return weigh(
        *(
            Part(
                f"{name} in batches of {batch} trains ten times faster",
                f"{own:.0f} times ({machine})",
                own.at_least(10),
            )
            for (name, batch), own in faster.items()
            if batch >= 64
        ),
        charts=(
            Lines(
                "Images a second, GPU over CPU",
                "batch",
                "times",
                {
                    name: tuple((float(batch), faster[name, batch].value) for batch in own)
                    for name, own in batches.items()
                },
                log="xy",
                said=(("ten times", 10.0),),
            ),
        ),
        notes=(clock.NOTE,),
    )


# fmt: off
CLAIMS = (
    Claim(
        "X30", "Ten times faster on a GPU",
        "A GPU made training ten times faster.",
        "10x faster training time", "ABCD", alexnet.PAPER,
        "Five to six days on two GTX 580 (section 1); no ratio to a CPU is printed.", "memory",
        "cost", "ten times or more in every batch from 64 on, forwards and backwards",
        ten_times_by_gpu,
        errs="The number is not in the paper. Ciresan and others (2010) report 10 to 50.",
        full="needs a GPU; without one it says so",
        minutes=2.0,
    ),
    Claim(
        "X14", "VGG is massive and costly",
        "VGG has a massive number of parameters, and to run it is costly.",
        "massive number of parameters ... inference was quite costly", "ACD", vgg.PAPER,
        "138 M (table 2)", "arithmetic",
        "cost", "VGG-16 and VGG-19 come first in parameters, products and time among the networks for photos up to "
                "2016",
        costly_vgg,
        shares=NETWORKS,
        minutes=3.7,
    ),
    Claim(
        "X31", "Operations tell the time",
        "The number of operations is a reliable estimate of the time of inference.",
        "top-1 one-crop accuracy versus amount of operations", "BC", CANZIANI,
        "Canziani and others (2016): time and operations lie on lines, by family", "paper",
        "cost", "r2 of log time by log MACs at least 0.8 over all networks and 0.9 in each family of four or more",
        operations_and_time,
        shares=NETWORKS,
        full="the same on a GPU, with top-1 from public weights",
        minutes=7.8,
    ),
)
