"""Claims about images and networks: what a convolution takes for granted, how many images it needs, how clean."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from opsin.claims.chart import Lines, Ranges
from opsin.claims.claim import Finding, Part, Verdict
from opsin.claims.experiments import told
from opsin.claims.medians import Median
from opsin.claims.trials.experiment import RATES, Arm, Experiment, recipe
from opsin.claims.trials.images import Part as Taken
from opsin.claims.trials.results import Results
from opsin.claims.verdict import SEEN, Better, Same, advice, effect, faster, judge

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
            Part(
                "the gain of a CNN over an MLP is a point larger where neighbours are neighbours",
                told.points(interaction),
                told.mark(judge(interaction, rule), (Verdict.HOLDS,)),
            ),
            Part("an MLP does not see the difference (within a point)", told.points(moved), told.mark(same)),
            Part("a CNN's gain with pixels in place", told.points(results.contrast({"MLP": 1.0, "CNN": -1.0}))),
            Part("and shuffled", told.points(results.contrast({f"MLP{SHUFFLED}": 1.0, f"CNN{SHUFFLED}": -1.0}))),
            Part("parameters", ", ".join(f"{name} {n:,}" for name, n in params.items())),
        ),
        (Ranges("Test error", "%", tuple(told.error(results, arm.name) for arm in results.experiment.arms)),),
        tuple(filter(None, [advice(interaction, rule)])),
        effect(interaction, rule, "gain of the CNN over the MLP with pixels in place, less that with pixels shuffled"),
    )


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
"""The test error, in points, to which images are counted, where convolutional networks come as far."""


def sized(kind: str, size: int | None) -> str:
    return f"{kind}, {size or 'all'} images"


def goal(results: Results) -> float:
    """The test error, in points, to which images are counted: nine of ten right, or what the CNN has with 400."""
    whole = float(results.points(sized("CNN", None)).mean())
    return ENOUGH if whole < ENOUGH else float(results.points(sized("CNN", 400)).mean())


def needed(results: Results, kind: str, goal: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The images with which the test error comes down to a goal, between the sizes, as bounds for each seed.

    They are equal where it is met on the way; with the smallest size it is met by so many images or fewer, and where
    it is never met it takes more than all.
    """
    table = [(results.runs(sized(kind, n))[0]["train_images"], results.points(sized(kind, n))) for n in SIZES]
    lows, highs = np.full((2, len(table[0][1])), [[table[-1][0]], [np.inf]])
    for seed in range(len(lows)):
        errors = [(images, own[seed]) for images, own in table]
        if errors[0][1] <= goal:
            lows[seed], highs[seed] = 0.0, errors[0][0]
            continue
        for (before, high), (after, low) in pairwise(errors):
            if low <= goal:
                lows[seed] = highs[seed] = before * (after / before) ** ((high - goal) / (high - low))
                break
    return lows, highs


def times_more(more: tuple[NDArray, NDArray], fewer: tuple[NDArray, NDArray]) -> Median:
    """The logarithm of how many times more images are needed, by seed."""
    with np.errstate(divide="ignore"):
        (low, high), (least, most) = np.log(more), np.log(fewer)
    return Median(low - most, high - least, "seeds")


def images(lows: NDArray, highs: NDArray) -> str:
    """The median of images that are needed, in words."""
    low, high = float(np.median(lows)), float(np.median(highs))
    return f"{low:,.0f}" if low == high else f"over {low:,.0f}" if low else f"{high:,.0f} or fewer"


def fewer_images(results: Results) -> Finding:
    """Learning curves of three kinds of networks by the number of images, and how many they need."""
    target, rule = goal(results), faster(1.5)
    counts = {kind: needed(results, kind, target) for kind in KINDS}
    found = {kind: times_more(counts[kind], counts["CNN"]) for kind in KINDS if kind != "CNN"}
    verdict = judge(found["MLP"], rule)
    lines, bands = {}, {}
    for kind in KINDS:
        own = [
            (results.runs(sized(kind, n))[0]["train_images"], results.contrast({sized(kind, n): 1.0})) for n in SIZES
        ]
        lines[kind] = tuple((float(n), float(mean.mean)) for n, mean in own)
        bands[kind] = tuple((float(n), max(0.1, float(mean.bounds()[0])), float(mean.bounds()[1])) for n, mean in own)
    return Finding(
        verdict,
        (
            Part(
                f"an MLP needs half as many images more than a CNN for a test error of {target:.3g} %",
                told.times(found["MLP"]),
                told.mark(verdict, (Verdict.HOLDS,)),
            ),
            Part("a network whose windows share no weights", told.times(found["locally connected"])),
            Part(
                "images that are needed (median)",
                ", ".join(f"{kind} {images(*own)}" for kind, own in counts.items()),
            ),
        ),
        (
            Lines(
                "Test error by the number of images", "images", "%", lines, bands, "xy", ((f"{target:.3g} %", target),)
            ),
        ),
        tuple(filter(None, [advice(found["MLP"], rule)])),
        effect(found["MLP"], rule, "images that an MLP needs over those that a CNN needs", "times"),
    )


STEPS = 300
"""At least so many steps for a small set."""


def longer(n: int | None) -> dict[str, int]:
    """So many epochs that a small set has as many steps."""
    return {} if n is None else {"epochs": max(15, -(-STEPS * 64 // n))}


HUNGER = Experiment(
    tuple(
        Arm(sized(kind, n), network, {}, Taken(images=n), recipe=longer(n))
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
    each = [judge(found, rule) for found in pairs.values()]
    verdict = judge(together, rule)
    if verdict is Verdict.HOLDS and not all(own in SEEN for own in each):
        verdict = Verdict.PARTLY
    clean = told.error(results, "all right")[1]
    harm = {
        "labels wrong": ((0.0, clean), *((p, told.error(results, wrong(p))[1]) for p in WRONG)),
        "images left out": ((0.0, clean), *((p, told.error(results, dropped(p))[1]) for p in WRONG)),
    }
    return Finding(
        verdict,
        (
            *(
                Part(
                    f"{p:.0%} wrong labels do more harm than those images' absence", told.points(found), told.mark(own)
                )
                for (p, found), own in zip(pairs.items(), each, strict=True)
            ),
            Part("all labels right", f"{clean:.2f} % test error"),
        ),
        (Lines("Test error by the share of images that are wrong, or left out", "share", "%", harm),),
        tuple(filter(None, [advice(together, rule)])),
        effect(together, rule, "test error with wrong labels less that without their images, mean of 10, 20 and 40 %"),
    )


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
