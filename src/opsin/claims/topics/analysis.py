"""Claims about networks as wholes, measured on this machine: which are costly, and whether operations tell the time."""

import torch
from torch import Tensor

from opsin import zoo
from opsin.claims.chart import Bars, Chart, Dots, Lines
from opsin.claims.claim import Claim, Finding, Part, Verdict, weigh
from opsin.claims.clock import CPU, Law, law
from opsin.claims.topics.papers import CANZIANI
from opsin.costs.measure import block, warm_up
from opsin.costs.sheet import CostSheet, cost
from opsin.models import alexnet, vgg
from opsin.models.network import Network
from opsin.tasks.classify import Classify


def of_photos(year: int) -> list[str]:
    """The classifiers of the zoo for photos, up to a year."""
    cards = [zoo.card(name) for name in zoo.list_models()]
    return [c.name for c in cards if c.year <= year and c.inputs.size >= 200 and c.task == "classify"]


def timed(name: str, sheet: CostSheet, seconds: float = 0.4) -> float:
    """Milliseconds of one image through a network of the zoo, on all threads."""
    net, (channels, height, width) = zoo.build_model(name).eval(), sheet.input_shape
    x = torch.randn(1, channels, height, width)
    with torch.inference_mode():
        warm_up(lambda: net(x), CPU, seconds / 4)
        return min(block(lambda: net(x), CPU, seconds / 4, least=1).median for _ in range(3))


def costly_vgg() -> Finding:
    """All networks for photos up to 2016: parameters, products, milliseconds."""
    sheets = {name: cost(name) for name in of_photos(2016)}
    ms = {name: timed(name, sheet) for name, sheet in sheets.items()}
    by_macs = sorted(sheets, key=lambda name: -sheets[name].macs)
    by_time = sorted(ms, key=lambda name: -ms[name])
    large = {name for name in sheets if name.startswith(("vgg16", "vgg19"))}
    count = len(large)
    vgg16 = sheets["vgg16"]
    head = sum(layer.params for layer in vgg16.layers if layer.name.startswith("classifier"))
    return weigh(
        Part(
            "a massive number of parameters: VGG-16 and VGG-19 have the most",
            f"VGG-16 has {vgg16.params:,}, {head / vgg16.params:.0%} of them fully connected",
            set(sorted(sheets, key=lambda name: -sheets[name].params)[:count]) == large,
        ),
        Part(
            "they take the most products",
            f"first in order: {', '.join(by_macs[:count])}",
            set(by_macs[:count]) == large,
        ),
        Part("and the most time", f"first in order: {', '.join(by_time[:count])}", set(by_time[:count]) == large),
        charts=(
            Dots(
                "Networks for photos up to 2016",
                "MACs",
                "ms",
                tuple((name, float(sheets[name].macs), ms[name], float(sheets[name].params)) for name in sheets),
                log="xy",
            ),
        ),
        notes=("Each at the size of its paper, one image at a time.",),
    )


def by_products(sheets: dict[str, CostSheet], ms: dict[str, float]) -> Law:
    """How milliseconds grow with MACs."""
    return law([sheets[name].macs for name in ms], list(ms.values()))


def operations_and_time() -> Finding:
    """All networks for photos: do their products tell their time?"""
    sheets = {name: cost(name) for name in of_photos(2100)}
    ms = {name: timed(name, sheet, 0.3) for name, sheet in sheets.items()}
    whole = by_products(sheets, ms)
    families: dict[str, dict[str, float]] = {}
    for name in ms:
        families.setdefault(zoo.card(name).family, {})[name] = ms[name]
    within = {family: by_products(sheets, own).r2 for family, own in families.items() if len(own) >= 4}
    off = {name: ms[name] / whole(sheets[name].macs) for name in ms}
    slow, quick = max(off, key=lambda name: off[name]), min(off, key=lambda name: off[name])
    worst = min(within, key=lambda family: within[family])
    charts: tuple[Chart, ...] = (
        Dots(
            "Products and time",
            "MACs",
            "ms",
            tuple((n, float(sheets[n].macs), ms[n], float(sheets[n].params)) for n in ms),
            log="xy",
        ),
        Dots(
            "Memory and parameters",
            "parameters",
            "MiB",
            tuple((n, float(sheets[n].params), sheets[n].memory / 2**20, float(sheets[n].macs)) for n in ms),
            log="xy",
        ),
        Bars(
            "How much of the time products explain, by family",
            "r2",
            tuple(("", f, v) for f, v in within.items()),
            said=(("0.9", 0.9),),
        ),
    )
    return weigh(
        Part(
            "products tell the time over all networks (r2 of the logarithms at least 0.8)",
            f"{whole.r2:.3f}, over {len(ms)} networks",
            whole.r2 >= 0.8,
        ),
        Part("and inside each family (at least 0.9)", f"least for {worst}, {within[worst]:.3f}", within[worst] >= 0.9),
        Part(
            "furthest off", f"{slow} takes {off[slow]:.1f} times what its products tell, {quick} {off[quick]:.2f} times"
        ),
        charts=charts,
        notes=(
            "One image at a time, each at the size of its paper; the memory is the predicted peak.",
            "The analysis has charts of batches and of power, too: `opsin bench --all --page` draws them.",
        ),
    )


def images_a_second(net: Network, images: Tensor, labels: Tensor, device: torch.device) -> float:
    """Images a second, forwards and backwards."""
    net, images, labels = net.to(device).train(), images.to(device), labels.to(device)
    task = Classify()

    def step() -> None:
        net.zero_grad(set_to_none=True)
        task.loss(net(images), labels).backward()

    warm_up(step, device, 0.5)
    return 1e3 * len(images) / min(block(step, device, 0.3, least=2).median for _ in range(3))


def ten_times_by_gpu() -> Finding:
    """Training steps of AlexNet and LeNet-5 on this GPU and this CPU, by batch."""
    if not torch.cuda.is_available():
        return Finding(Verdict.NOT_RUN, (Part("training is ten times faster on a GPU", "there is no GPU here"),))
    gpu = torch.device("cuda")
    lines, ratios = {}, {}
    for name, batches in (("alexnet", (1, 8, 64, 256)), ("lenet5", (1, 8, 64, 512))):
        card = zoo.card(name)
        for batch in batches:
            images = torch.randn(batch, card.inputs.channels, card.inputs.size, card.inputs.size)
            labels = torch.arange(batch) % 10
            speeds = [images_a_second(zoo.build_model(name, num_classes=10), images, labels, d) for d in (gpu, CPU)]
            ratios[name, batch] = speeds[0] / speeds[1]
        lines[name] = tuple((float(b), ratios[name, b]) for b in batches)
    large = {at: ratio for at, ratio in ratios.items() if at[1] >= 64}
    machine = f"{torch.cuda.get_device_name()} against {torch.get_num_threads()} threads"
    return weigh(
        *(
            Part(f"{name} in batches of {batch} trains ten times faster", f"{ratio:.0f} times ({machine})", ratio >= 10)
            for (name, batch), ratio in large.items()
        ),
        charts=(
            Lines("Images a second, GPU over CPU", "batch", "times", lines, log="xy", said=(("ten times", 10.0),)),
        ),
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
        minutes=2.0,
    ),
    Claim(
        "X31", "Operations tell the time",
        "The number of operations is a reliable estimate of the time of inference.",
        "top-1 one-crop accuracy versus amount of operations", "BC", CANZIANI,
        "Canziani and others (2016): time and operations lie on lines, by family", "paper",
        "cost", "r2 of log time by log MACs at least 0.8 over all networks and 0.9 in each family of four or more",
        operations_and_time,
        full="the same on a GPU, with top-1 from public weights",
        minutes=4.0,
    ),
)
