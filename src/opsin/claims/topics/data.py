"""Claims about images and networks: what a convolution takes for granted, how many images it needs, how clean."""

import numpy as np

from opsin.claims.chart import Lines, Ranges
from opsin.claims.claim import Claim, Finding, Part, Verdict
from opsin.claims.experiment import Arm, Experiment, Results, recipe
from opsin.claims.images import Part as Taken
from opsin.claims.intervals import Mean, ratio
from opsin.claims.papers import MISHKIN
from opsin.claims.verdict import Better, Same, advice, effect, faster, judge
from opsin.models import lenet5

RATES = tuple(2.0**k for k in range(-7, -1))


def told(found: Mean) -> str:
    """A mean with its interval, in words."""
    low, high = (float(end) for end in found.bounds())
    return f"{float(found.mean):+.2f} points ({low:+.2f} to {high:+.2f})"


def row(results: Results, name: str) -> tuple[str, float, float, float]:
    """An arm's test error with its interval."""
    found = results.contrast({name: 1.0})
    low, high = (float(end) for end in found.bounds())
    return name, float(found.mean), low, high


SHUFFLED = ", pixels shuffled"


def neighbours(results: Results) -> Finding:
    """What a convolutional network gains over a perceptron of as many parameters, with pixels in place and shuffled."""
    interaction = results.contrast({"MLP": 1.0, "CNN": -1.0, f"MLP{SHUFFLED}": -1.0, f"CNN{SHUFFLED}": 1.0})
    moved = results.contrast({f"MLP{SHUFFLED}": 1.0, "MLP": -1.0})
    rule, margin = Better(1.0), Same(1.0)
    verdict, same = judge(interaction, rule), judge(moved, margin)
    if verdict is Verdict.HOLDS and same is not Verdict.HOLDS:
        verdict = Verdict.PARTLY
    params = {name: results.runs(name)[0]["params"] for name in ("CNN", "MLP")}
    return Finding(
        verdict,
        (
            Part("the gain of a CNN over an MLP is a point larger where neighbours are neighbours", told(interaction),
                 judge(interaction, rule) is Verdict.HOLDS),
            Part("an MLP does not see the difference (within a point)", told(moved), same is Verdict.HOLDS),
            Part("a CNN's gain with pixels in place", told(results.contrast({"MLP": 1.0, "CNN": -1.0}))),
            Part("and shuffled", told(results.contrast({f"MLP{SHUFFLED}": 1.0, f"CNN{SHUFFLED}": -1.0}))),
            Part("parameters", ", ".join(f"{name} {n:,}" for name, n in params.items())),
        ),
        (Ranges("Test error", "%", tuple(row(results, arm.name) for arm in results.experiment.arms)),),
        tuple(filter(None, [advice(interaction, rule)])),
        effect(interaction, rule, "gain of the CNN over the MLP with pixels in place, less that with pixels shuffled"),
    )  # fmt: skip


NEIGHBOURS = Experiment(
    tuple(
        Arm(name + where, network, {}, Taken(shuffled=bool(where)))
        for where in ("", SHUFFLED)
        for name, network in (("CNN", "conv"), ("MLP", "mlp"))
    ),
    recipe(15),
    RATES,
    neighbours,
)

SIZES = (50, 100, 200, 400, 800, None)
"""Images that are trained on; None for all."""
KINDS = {"CNN": "conv", "locally connected": "local", "MLP": "mlp"}
ENOUGH = 10.0
"""The test error, in points, to which images are counted."""


def sized(kind: str, size: int | None) -> str:
    return f"{kind}, {size or 'all'} images"


def needed(results: Results, kind: str) -> list[float]:
    """By seed: the images with which the test error comes down to `ENOUGH`, between the sizes; NaN where none does."""
    table = [(results.runs(sized(kind, n))[0]["train_images"], results.points(sized(kind, n))) for n in SIZES]
    found = []
    for seed in range(len(table[0][1])):
        at = np.nan
        for (before, high), (after, low) in zip(table, table[1:], strict=False):
            if high[seed] <= ENOUGH:
                at = float(before)
            elif low[seed] <= ENOUGH:
                share = (high[seed] - ENOUGH) / (high[seed] - low[seed])
                at = float(np.exp(np.log(before) + share * np.log(after / before)))
            if not np.isnan(at):
                break
        found.append(at)
    return found


def fewer_images(results: Results) -> Finding:
    """Learning curves of three kinds of networks by the number of images, and how many they need."""
    counts = {kind: needed(results, kind) for kind in KINDS}
    most = results.runs(sized("CNN", None))[0]["train_images"]
    rule = faster(1.5)
    found = {kind: ratio(counts[kind], counts["CNN"], most) for kind in KINDS if kind != "CNN"}
    verdict = judge(found["MLP"], rule)
    lines, bands = {}, {}
    for kind in KINDS:
        own = [
            (results.runs(sized(kind, n))[0]["train_images"], results.contrast({sized(kind, n): 1.0})) for n in SIZES
        ]
        lines[kind] = tuple((float(n), float(mean.mean)) for n, mean in own)
        bands[kind] = tuple((float(n), max(0.1, float(mean.bounds()[0])), float(mean.bounds()[1])) for n, mean in own)
    seen = {kind: effect(own, rule, "") for kind, own in found.items()}
    return Finding(
        verdict,
        (
            Part("an MLP needs half as many images more than a CNN to get nine of ten right",
                 ratio_told(seen["MLP"]), verdict is Verdict.HOLDS),
            Part("a network whose windows share no weights", ratio_told(seen["locally connected"])),
            Part("images that are needed (median)",
                 ", ".join(f"{kind} {np.nanmedian(own):,.0f}" for kind, own in counts.items())),
        ),
        (Lines("Test error by the number of images", "images", "%", lines, bands, log="xy", said=(("nine of ten", ENOUGH),)),),
        tuple(filter(None, [advice(found["MLP"], rule)])),
        effect(found["MLP"], rule, "images that an MLP needs over those that a CNN needs", "times"),
    )  # fmt: skip


def ratio_told(seen) -> str:
    low, high = (("?" if end is None else f"{end:.2f}") for end in (seen.low, seen.high))
    return f"{seen.mean:.2f} times as many ({low} to {high})"


STEPS = 300
"""At least so many steps for a small set."""

HUNGER = Experiment(
    tuple(
        Arm(sized(kind, n), network, {}, Taken(images=n), epochs=None if n is None else max(15, -(-STEPS * 64 // n)))
        for kind, network in KINDS.items()
        for n in SIZES
    ),
    recipe(15),
    RATES,
    fewer_images,
)

WRONG = (0.1, 0.2, 0.4)
"""Shares of labels that are wrong."""


def cleanliness(results: Results) -> Finding:
    """Sets with wrong labels beside the same sets without the images that have them."""
    rule = Better(results.delta)
    pairs = {p: results.contrast({wrong(p): 1.0, dropped(p): -1.0}) for p in WRONG}
    together = results.contrast(
        {wrong(p): 1 / len(WRONG) for p in WRONG} | {dropped(p): -1 / len(WRONG) for p in WRONG}
    )
    sure = [judge(found, rule) in (Verdict.HOLDS, Verdict.PARTLY) for found in pairs.values()]
    verdict = judge(together, rule)
    if verdict is Verdict.HOLDS and not all(sure):
        verdict = Verdict.PARTLY
    return Finding(
        verdict,
        (
            *(Part(f"{p:.0%} wrong labels do more harm than those images' absence", told(found), ok)
              for (p, found), ok in zip(pairs.items(), sure, strict=True)),
            Part("all labels right", f"{results.points('all right').mean():.2f} % test error"),
        ),
        (
            Lines("Test error by the share of images that are wrong, or left out", "share", "%", {
                "labels wrong": ((0.0, row(results, "all right")[1]), *((p, row(results, wrong(p))[1]) for p in WRONG)),
                "images left out": ((0.0, row(results, "all right")[1]), *((p, row(results, dropped(p))[1]) for p in WRONG)),
            }),
        ),
        tuple(filter(None, [advice(together, rule)])),
        effect(together, rule, "test error with wrong labels less that without their images, mean of 10, 20 and 40 %"),
    )  # fmt: skip


def wrong(p: float) -> str:
    return f"{p:.0%} wrong"


def dropped(p: float) -> str:
    return f"{p:.0%} left out"


CLEAN = Experiment(
    (
        Arm("all right", "conv", {}),
        *(Arm(wrong(p), "conv", {}, Taken(wrong=p)) for p in WRONG),
        *(Arm(dropped(p), "conv", {}, Taken(wrong=p, dropped=True)) for p in WRONG),
    ),
    recipe(15),
    RATES,
    cleanliness,
)

# fmt: off
CLAIMS = (
    Claim(
        "T01", "Pixels are no separate features",
        "To treat each pixel as an input of its own does not make use of how neighbours correlate.",
        "individual pixel of the image as separate input features would not take advantage of these correlations", "ACD",
        lenet5.PAPER,
        "MNIST: a perceptron 28x28-300-10 4.7 %, LeNet-5 0.95 %", "memory",
        "training", "gain of a CNN over an MLP of as many parameters, less that with all pixels in one other order: a "
                    "point or more, interval above 0; and the MLP's error moves by less than a point",
        experiment=NEIGHBOURS,
        full="MNIST and Fashion-MNIST whole",
    ),
    Claim(
        "T02", "A CNN is less hungry for data",
        "What a convolution takes for granted makes it need fewer images.",
        "Inductive biases make CNNs less data-hungry", "E", lenet5.PAPER,
        "no figure", "memory",
        "training", "ratio of the images that an MLP and a CNN need for nine of ten right: begins at 1.2 or above; partly "
                    "above 1; not where it ends below 1.2",
        experiment=HUNGER,
        full="CIFAR-10 to 50,000 images",
    ),
    Claim(
        "T48", "Clean labels count more than many",
        "Cleanliness of the data is more important than its size.",
        "Cleanliness of the data is more important than the size", "AC", MISHKIN,
        "top-1 .471 with 1.2 M images; .458, .447, .437 and .347 with 5, 10, 15 and 50 % wrong labels; .438 with 800 k",
        "paper",
        "training", "error with 10, 20 and 40 % wrong labels above that without those images: by the smallest effect of "
                    "interest on average, interval above 0, and for each share",
        experiment=CLEAN,
        full="CIFAR-10N, labels wrong as people get them wrong",
    ),
)
