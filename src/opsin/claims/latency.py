"""Claims about time, measured on this machine: do operations saved become time saved?"""

from collections.abc import Callable
from functools import partial
from itertools import product

import numpy as np
import torch
from torch import Tensor, nn

from opsin import zoo
from opsin.claims.chart import Bars, Chart, Dots, Grid, Lines
from opsin.claims.claim import Claim, Finding, Part, Verdict, weigh
from opsin.claims.clock import CPU, milliseconds
from opsin.costs.measure import block, warm_up
from opsin.costs.sheet import CostSheet, cost
from opsin.models import alexnet, convnext, googlenet, vgg, vit
from opsin.models.network import Network
from opsin.tasks.classify import Classify

MAC_RATIO = 589_824 / 69_632
"""Products of a 3x3 on 256 maps, and of the bottleneck of 64 in its place."""


def with_threads(threads: int, run: Callable[[], dict[str, float]]) -> dict[str, float]:
    """What is measured on so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return run()
    finally:
        torch.set_num_threads(before)


def bottleneck_in_time() -> Finding:
    """A 3x3 on 256 maps beside 1x1, 3x3, 1x1 through 64: maps, batches and threads."""
    full = nn.Conv2d(256, 256, 3, padding=1, bias=False)
    narrow = nn.Sequential(
        nn.Conv2d(256, 64, 1, bias=False),
        nn.Conv2d(64, 64, 3, padding=1, bias=False),
        nn.Conv2d(64, 256, 1, bias=False),
    )
    threads = sorted({1, torch.get_num_threads()})
    cells: dict[tuple[str, str], float] = {}
    spread: dict[tuple[str, str], float] = {}
    for side, batch, used in product((7, 14, 28, 56), (1, 16, 64), threads):
        x = torch.randn(batch, 256, side, side)
        rounds = []
        for _ in range(3):
            ms = with_threads(
                used, lambda x=x: milliseconds({"full": lambda: full(x), "narrow": lambda: narrow(x)}, rounds=3)
            )
            rounds.append(ms["full"] / ms["narrow"])
        at = (f"batch {batch}, {used} thread{'s' * (used > 1)}", f"{side} px")
        cells[at], spread[at] = float(np.median(rounds)), min(rounds)
    good = sum(value >= MAC_RATIO / 2 for value in cells.values()) / len(cells)
    always = all(value > 1 for value in spread.values())
    verdict = Verdict.HOLDS if good >= 0.75 else Verdict.PARTLY if always else Verdict.NOT_HERE
    rows, columns = tuple(dict.fromkeys(r for r, _ in cells)), tuple(dict.fromkeys(c for _, c in cells))
    return Finding(
        verdict,
        (
            Part(f"at least half of {MAC_RATIO:.2f}, the ratio of products, becomes time in three of four cells",
                 f"in {good:.0%} of {len(cells)}", good >= 0.75),
            Part("the bottleneck is quicker in every cell", f"{min(spread.values()):.1f} to {max(cells.values()):.1f} times",
                 always),
        ),
        (Grid("Times quicker through the bottleneck", "times", rows, columns,
              tuple(tuple(cells[r, c] for c in columns) for r in rows)),),
    )  # fmt: skip


def slope(sizes: list[int], times: list[float]) -> tuple[float, float, float]:
    """The exponent with which times grow, by least squares on logarithms, and its 95 % interval."""
    from scipy import stats

    fit = stats.linregress(np.log(sizes), np.log(times))
    reach = float(fit.stderr) * float(stats.t.ppf(0.975, max(1, len(sizes) - 2)))
    return float(fit.slope), float(fit.slope) - reach, float(fit.slope) + reach


def naive(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention as it is written, with its table of n x n."""
    return (q @ k.transpose(2, 3) * q.shape[3] ** -0.5).softmax(3) @ v


def in_windows(q: Tensor, k: Tensor, v: Tensor, window: int = 49) -> Tensor:
    """Attention among so many neighbours."""
    parts = [x.unflatten(2, (-1, window)) for x in (q, k, v)]
    return nn.functional.scaled_dot_product_attention(*parts)


def quadratic_attention(sides: tuple[int, ...] = (7, 14, 21, 28, 42, 56, 70)) -> Finding:
    """Time of attention and of convolutions for 49 to 4,900 tokens of 384 channels."""
    dim, heads = 384, 6
    depthwise = nn.Conv2d(dim, dim, 7, padding=3, groups=dim)
    dense = nn.Conv2d(dim, dim, 3, padding=1)
    times: dict[str, list[float]] = {}
    for side in sides:
        n = side * side
        q, k, v = torch.randn(3, 1, heads, n, dim // heads)
        x = torch.randn(1, dim, side, side)
        runs = {
            "attention as written": partial(naive, q, k, v),
            "attention, fused": partial(nn.functional.scaled_dot_product_attention, q, k, v),
            "attention in windows of 49": partial(in_windows, q, k, v),
            "depthwise 7x7": partial(depthwise, x),
            "3x3": partial(dense, x),
        }
        for name, ms in milliseconds(runs).items():
            times.setdefault(name, []).append(ms)
    tokens = [side * side for side in sides]
    upper = len(sides) // 2
    slopes = {name: slope(tokens[upper:], ms[upper:]) for name, ms in times.items()}
    products = {n: 2 * n * n * dim / (49 * n * dim) for n in (14**2, 28**2, 56**2)}
    told = {name: f"{middle:.2f} ({low:.2f} to {high:.2f})" for name, (middle, low, high) in slopes.items()}
    steep = slopes["attention as written"][0] > 1.8 and slopes["attention, fused"][0] > 1.8
    flat = all(0.9 <= slopes[name][0] <= 1.15 for name in ("depthwise 7x7", "3x3"))
    return weigh(
        Part("attention's time grows with the square of the tokens (exponent over 1.8)",
             f"as written {told['attention as written']}, fused {told['attention, fused']}", steep),
        Part("a convolution's with their number (0.9 to 1.15)",
             f"depthwise 7x7 {told['depthwise 7x7']}, 3x3 {told['3x3']}", flat),
        Part("attention in windows, as Swin has it", told["attention in windows of 49"]),
        Part("products of attention for one of a depthwise 7x7",
             ", ".join(f"{ratio:.0f} times at {n:,} tokens" for n, ratio in products.items())),
        Part("where attention's own products pass those of its projections", f"from {2 * dim} tokens, twice the channels"),
        charts=(
            Lines("Time by tokens, 384 channels", "tokens", "ms",
                  {name: tuple(zip(map(float, tokens), ms, strict=True)) for name, ms in times.items()}, log="xy"),
        ),
        notes=("Exponents are fitted to the upper half of the sizes.",),
    )  # fmt: skip


def patches_and_depthwise() -> Finding:
    """The stems of ResNet and ConvNeXt on one image; separable and full convolutions."""
    image = torch.randn(1, 3, 224, 224)
    stem = nn.Sequential(nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.MaxPool2d(3, 2, 1))
    patches = nn.Conv2d(3, 64, 4, 4)
    ms = milliseconds({"stem": lambda: stem(image), "patches": lambda: patches(image)}, seconds=0.2)
    cheaper = ms["patches"] / ms["stem"]
    rows, kept = [], {}
    for channels, side in ((96, 56), (192, 28), (384, 14), (768, 7)):
        x = torch.randn(8, channels, side, side)
        full = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        apart = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
            nn.Conv2d(channels, channels, 1, bias=False),
        )
        own = milliseconds({"full": lambda f=full, x=x: f(x), "apart": lambda a=apart, x=x: a(x)}, seconds=0.1)
        products, measured = 9 * channels / (9 + channels), own["full"] / own["apart"]
        kept[channels] = measured / products
        name = f"{channels} maps, {side} px"
        rows += [(name, "products", products), (name, "time", measured)]
    return weigh(
        Part("patches of 4x4 take a third of the time of a 7x7 and a pooling, at most",
             f"{cheaper:.2f} of it ({ms['patches']:.2f} for {ms['stem']:.2f} ms)", cheaper <= 1 / 3),
        Part("of what depthwise separable convolutions save in products, half or more is saved in time",
             ", ".join(f"{share:.0%} at {channels} maps" for channels, share in kept.items()), min(kept.values()) >= 0.5),
        charts=(Bars("Depthwise separable for full 3x3: times fewer products, times less time", "times", tuple(rows)),),
        notes=("Both stems with 64 maps, batch 1; the convolutions with batch 8.",),
    )  # fmt: skip


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
        Part("a massive number of parameters: VGG-16 and VGG-19 have the most",
             f"VGG-16 has {vgg16.params:,}, {head / vgg16.params:.0%} of them fully connected",
             set(sorted(sheets, key=lambda name: -sheets[name].params)[:count]) == large),
        Part("they take the most products", f"first in order: {', '.join(by_macs[:count])}", set(by_macs[:count]) == large),
        Part("and the most time", f"first in order: {', '.join(by_time[:count])}", set(by_time[:count]) == large),
        charts=(
            Dots("Networks for photos up to 2016", "MACs", "ms",
                 tuple((name, float(sheets[name].macs), ms[name], float(sheets[name].params)) for name in sheets), log="xy"),
        ),
        notes=("Each at the size of its paper, one image at a time.",),
    )  # fmt: skip


def fit(sheets: dict[str, CostSheet], ms: dict[str, float]) -> tuple[float, float, float]:
    """log ms by log MACs: slope, level and the share of the variance that is explained."""
    from scipy import stats

    found = stats.linregress([np.log(sheets[n].macs) for n in ms], [np.log(ms[n]) for n in ms])
    return float(found.slope), float(found.intercept), float(found.rvalue) ** 2


def operations_and_time() -> Finding:
    """All networks for photos: do their products tell their time?"""
    sheets = {name: cost(name) for name in of_photos(2100)}
    ms = {name: timed(name, sheet, 0.3) for name, sheet in sheets.items()}
    steep, level, explained = fit(sheets, ms)
    families: dict[str, dict[str, float]] = {}
    for name in ms:
        families.setdefault(zoo.card(name).family, {})[name] = ms[name]
    within = {family: fit(sheets, own)[2] for family, own in families.items() if len(own) >= 4}
    off = {name: ms[name] / float(np.exp(level + steep * np.log(sheets[name].macs))) for name in ms}
    slow, quick = max(off, key=lambda name: off[name]), min(off, key=lambda name: off[name])
    worst = min(within, key=lambda family: within[family])
    charts: tuple[Chart, ...] = (
        Dots("Products and time", "MACs", "ms",
             tuple((n, float(sheets[n].macs), ms[n], float(sheets[n].params)) for n in ms), log="xy"),
        Dots("Memory and parameters", "parameters", "MiB",
             tuple((n, float(sheets[n].params), sheets[n].memory / 2**20, float(sheets[n].macs)) for n in ms), log="xy"),
        Bars("How much of the time products explain, by family", "r2", tuple(("", f, v) for f, v in within.items()),
             said=(("0.9", 0.9),)),
    )  # fmt: skip
    return weigh(
        Part("products tell the time over all networks (r2 of the logarithms at least 0.8)",
             f"{explained:.3f}, over {len(ms)} networks", explained >= 0.8),
        Part("and inside each family (at least 0.9)", f"least for {worst}, {within[worst]:.3f}", within[worst] >= 0.9),
        Part("furthest off", f"{slow} takes {off[slow]:.1f} times what its products tell, {quick} {off[quick]:.2f} times"),
        charts=charts,
        notes=(
            "One image at a time, each at the size of its paper; the memory is the predicted peak.",
            "The analysis has charts of batches and of power, too: `opsin bench --all --page` draws them.",
        ),
    )  # fmt: skip


def steps_a_second(net: Network, images: Tensor, labels: Tensor, device: torch.device) -> float:
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
            speeds = [steps_a_second(zoo.build_model(name, num_classes=10), images, labels, d) for d in (gpu, CPU)]
            ratios[name, batch] = speeds[0] / speeds[1]
        lines[name] = tuple((float(b), ratios[name, b]) for b in batches)
    large = {at: ratio for at, ratio in ratios.items() if at[1] >= 64}
    machine = f"{torch.cuda.get_device_name()} against {torch.get_num_threads()} threads"
    return weigh(
        *(Part(f"{name} in batches of {batch} trains ten times faster", f"{ratio:.0f} times ({machine})", ratio >= 10)
          for (name, batch), ratio in large.items()),
        charts=(Lines("Images a second, GPU over CPU", "batch", "times", lines, log="xy", said=(("ten times", 10.0),)),),
    )  # fmt: skip


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
    ),
    Claim(
        "X14", "VGG is massive and costly",
        "VGG has a massive number of parameters, and to run it is costly.",
        "massive number of parameters ... inference was quite costly", "ACD", vgg.PAPER,
        "138 M (table 2)", "arithmetic",
        "cost", "VGG-16 and VGG-19 come first in parameters, products and time among the networks for photos up to "
                "2016",
        costly_vgg,
    ),
    Claim(
        "X06", "A bottleneck keeps inference quick",
        "Reducing the maps before the large kernel keeps the time of inference low.",
        "thereby keeping the inference time low", "ABCD", googlenet.PAPER,
        "operations are a reliable estimate of the inference time (Canziani and others, 2016)", "memory",
        "cost", "half of the ratio of products, 8.47, or more in three of four cells; partly where it is quicker in all",
        bottleneck_in_time,
        full="the same grid on a GPU",
    ),
    Claim(
        "X31", "Operations tell the time",
        "The number of operations is a reliable estimate of the time of inference.",
        "top-1 one-crop accuracy versus amount of operations", "BC", googlenet.PAPER,
        "Canziani and others (2016): time and operations lie on lines, by family", "paper",
        "cost", "r2 of log time by log MACs at least 0.8 over all networks and 0.9 in each family of four or more",
        operations_and_time,
        full="the same on a GPU, with top-1 from public weights",
    ),
    Claim(
        "X24", "Attention is quadratic, convolution is not",
        "The cost of self-attention grows with the square of the sequence, that of a convolution does not.",
        "Self-Attention scales quadratically with sequence length and Convolution doesn't", "E", vit.PAPER,
        "2 n^2 d products for 49 n d of a depthwise 7x7: 8, 32 and 128 times at 14^2, 28^2 and 56^2 tokens",
        "arithmetic",
        "cost", "exponent of time by tokens over 1.8 for attention, 0.9 to 1.15 for convolutions, in the upper half of "
                "the sizes",
        quadratic_attention,
        errs="That is global attention: in windows, as Swin has it, it grows with the number of tokens.",
        full="on a GPU with fused attention: time quadratic, memory linear",
    ),
    Claim(
        "X25", "Patches and depthwise convolutions are efficient",
        "A 4x4 stem of stride 4 and depthwise separable convolutions make ConvNeXt efficient.",
        "more computationally efficient way with the depthwise separable convolutions", "E", convnext.PAPER,
        "patches for the stem: 79.4 to 79.5 % (section 2.2)", "memory",
        "cost", "patches take a third of the stem's time, and half of the saving in products becomes time",
        patches_and_depthwise,
    ),
)
