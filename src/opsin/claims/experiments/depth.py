"""What depth and shortcuts do to small networks that are trained: what fails, what mends it, what can be left out."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from opsin.claims.chart import Bars, Lines, Ranges
from opsin.claims.claim import Finding, Part, Verdict
from opsin.claims.experiments import told
from opsin.claims.intervals import Mean, independent
from opsin.claims.trials.experiment import Arm, Experiment, recipe
from opsin.claims.trials.results import Results
from opsin.claims.verdict import Better, Beyond, NoWorse, advice, effect, judge
from opsin.words import many

RATES = tuple(2.0**k for k in range(-5, -1))
DEPTHS = (8, 26, 50, 110)
KINDS = {"plain": "none", "residual": "A"}
DEEPEST = 5
"""Seeds of the deepest networks."""
LESIONED = 26
"""Layers of the networks whose blocks are left out."""
PATHS = (26, 50)
"""Layers of the residual networks whose gradient is looked at."""


def arm(kind: str, depth: int) -> str:
    return f"{kind}, {depth} layers"


def by_depth(found: dict[int, Mean]) -> tuple[tuple[tuple[float, float], ...], tuple[tuple[float, float, float], ...]]:
    """Means by depth, and their intervals, of which none is below zero."""
    ends = {depth: [float(end) for end in own.bounds()] for depth, own in found.items()}
    line = tuple((float(depth), float(own.mean)) for depth, own in found.items())
    return line, tuple((float(depth), max(0.0, low), high) for depth, (low, high) in ends.items())


def trained_by_depth(results: Results) -> Finding:
    """Training error of plain and residual networks by depth, each at its best rate."""
    errors = {(kind, depth): results.points(arm(kind, depth), "train_error") for kind in KINDS for depth in DEPTHS}
    rule = Better(1.0)
    worse = {kind: independent(errors[kind, 50] - errors[kind, 8]) for kind in KINDS}
    plain = judge(worse["plain"], rule)
    spared = judge(-worse["residual"], NoWorse(1.0))
    verdict = Verdict.PARTLY if plain is Verdict.HOLDS and spared is not Verdict.HOLDS else plain
    drawn = {kind: by_depth({depth: independent(errors[kind, depth]) for depth in DEPTHS}) for kind in KINDS}
    lines, bands = {kind: own[0] for kind, own in drawn.items()}, {kind: own[1] for kind, own in drawn.items()}
    parts = [
        Part(
            "a plain network of 50 layers has a higher training error than one of 8",
            told.points(worse["plain"]),
            told.mark(plain),
        ),
        Part("with shortcuts it is not higher by a point", told.points(worse["residual"]), told.mark(spared)),
    ]
    for kind in KINDS:
        own = ", ".join(f"{depth}: {errors[kind, depth].mean():.1f} %" for depth in DEPTHS)
        test = ", ".join(f"{depth}: {results.points(arm(kind, depth)).mean():.1f} %" for depth in DEPTHS)
        rates = ", ".join(f"{results.rate(arm(kind, depth)):g}" for depth in DEPTHS)
        parts.append(Part(f"{kind}, by layers", f"training error {own}; test error {test}; best rates {rates}"))
    deepest = len(results.runs(arm("plain", DEPTHS[-1])))
    return Finding(
        verdict,
        tuple(parts),
        (Lines("Training error by depth", "layers", "%", lines, bands),),
        tuple(filter(None, [advice(worse["plain"], rule), f"{DEPTHS[-1]} layers: {many(deepest, 'seed')}."])),
        effect(worse["plain"], rule, "training error of 50 plain layers less that of 8"),
    )


def probes(kind: str, depth: int) -> tuple[str, ...]:
    """What is measured of a network once it is trained."""
    lesions = ("lesions",) if depth == LESIONED else ()
    return (*lesions, "paths") if kind == "residual" and depth in PATHS else lesions


DEPTH = Experiment(
    tuple(
        Arm(
            arm(kind, depth),
            "deep",
            {"depth": depth, "shortcut": shortcut},
            seeds=DEEPEST if depth > 50 else None,
            probes=probes(kind, depth),
        )
        for kind, shortcut in KINDS.items()
        for depth in DEPTHS
    ),
    recipe(20),
    RATES,
    trained_by_depth,
    by="train_error",
)


def only(names: list[str], judge: Callable[[Results], Finding]) -> Experiment:
    """Another question to some of the arms of `DEPTH`."""
    return replace(DEPTH, arms=tuple(own for own in DEPTH.arms if own.name in names), judge=judge)


EVERY = (0, 1, 2, 3, 4)


def around(every: int) -> str:
    return f"around {every}" if every else "none"


def bypassed(results: Results) -> Finding:
    """Shortcuts around one, two, three and four convolutions of the same network."""
    rule = Better(0.5)
    two = results.contrast({around(1): 1.0, around(2): -1.0})
    some = results.contrast({around(0): 1.0, around(1): -1.0})
    most = results.contrast({around(0): 1.0, around(2): -1.0})
    half = results.contrast({around(0): -0.5, around(1): 1.0, around(2): -0.5})
    verdict_of_two, little = judge(two, rule), judge(half, Beyond(0.0, fails=0.0))
    verdict = Verdict.PARTLY if verdict_of_two is Verdict.HOLDS and little is not Verdict.HOLDS else verdict_of_two
    return Finding(
        verdict,
        (
            Part(
                "a shortcut around two convolutions does better than one around each",
                told.points(two),
                told.mark(verdict_of_two),
            ),
            Part(
                "around each it brings less than half of what it brings around two",
                f"{told.points(some)} of {told.points(most)}",
                told.mark(little),
            ),
        ),
        (
            Ranges(
                "Test error by how many convolutions a shortcut bypasses",
                "%",
                tuple(told.error(results, around(every)) for every in EVERY),
            ),
        ),
        tuple(filter(None, [advice(two, rule)])),
        effect(two, rule, "test error with shortcuts around one convolution less that around two"),
    )


BYPASS = Experiment(tuple(Arm(around(every), "skip", {"every": every}) for every in EVERY), recipe(15), RATES, bypassed)


def rank(several: dict[str, float]) -> float:
    """The rank correlation of the error with the number of blocks that are left out."""
    found: Any = spearmanr([int(count) for count in several], list(several.values()))
    return float(found.statistic)


def losses(run: dict[str, Any]) -> dict[int, float]:
    """Points of test error by the block that is left out, of those that can be."""
    return {i: 100 * (error - run["whole"]) for i, error in enumerate(run["single"]) if error is not None}


def lesioned(results: Results) -> Finding:
    """Test error with each block left out, and with several, in trained networks of 26 layers."""
    found = {kind: results.probed(arm(kind, LESIONED), "lesions") for kind in KINDS}
    lost = {kind: [losses(run) for run in runs] for kind, runs in found.items()}
    middle = {kind: np.array([np.median(list(run.values())) for run in runs]) for kind, runs in lost.items()}
    conditions = independent(2 - middle["residual"]), independent(middle["plain"] - 20)
    limit = Beyond(0.0, fails=0.0)
    each = [judge(own, limit) for own in conditions]
    passed, failed = ([own is kind for own in each] for kind in (Verdict.HOLDS, Verdict.NOT_HERE))
    correlation = float(np.mean([rank(run["several"]) for run in found["residual"]]))
    smooth = correlation > 0.9
    if all(passed):
        verdict = Verdict.HOLDS if smooth else Verdict.PARTLY
    elif all(failed):
        verdict = Verdict.NOT_HERE
    else:
        verdict = Verdict.PARTLY if any(passed) and any(failed) else Verdict.UNDECIDED
    bars = [
        (f"block {i + 1}", kind, float(np.mean([run[i] for run in lost[kind]])))
        for i in lost["residual"][0]
        for kind in KINDS
        if i in lost[kind][0]
    ]
    several = {
        kind: tuple((float(k), 100 * float(np.mean([run["several"][k] for run in runs]))) for k in runs[0]["several"])
        for kind, runs in found.items()
    }
    return Finding(
        verdict,
        (
            Part(
                "a residual network loses under 2 points when one block is left out (median of its blocks)",
                told.points(independent(middle["residual"])),
                told.mark(each[0]),
            ),
            Part("a plain one over 20", told.points(independent(middle["plain"])), told.mark(each[1])),
            Part(
                "and the residual one's error grows smoothly with the number left out (rank correlation over 0.9)",
                f"{correlation:.3f}",
                smooth,
            ),
            Part("the residual one's first block", f"{np.mean([run[0] for run in lost['residual']]):+.1f} points"),
        ),
        (
            Bars("Points of test error that one block is worth", "points", tuple(bars)),
            Lines("Test error with several blocks left out", "blocks left out", "%", several),
        ),
        (
            *filter(None, dict.fromkeys(advice(own, limit) for own in conditions)),
            "Only blocks that keep the shape can be left out of a plain one.",
        ),
        effect(conditions[0], limit, "2 points less the median loss of a residual network by a block"),
    )


def short_paths(results: Results) -> Finding:
    """From paths of which length the gradient comes, in trained residual networks of 26 and 50 layers."""
    shares, lines, ranges = {}, {}, {}
    for depth in PATHS:
        found = results.probed(arm("residual", depth), "paths")
        blocks = found[0]["blocks"]
        mass = np.array([run["mass"] for run in found])  # seeds, blocks + 1
        shares[depth] = independent(mass[:, : -(-blocks // 2)].sum(axis=1))
        lines[f"{depth} layers"] = tuple((k / blocks, float(share)) for k, share in enumerate(mass.mean(axis=0)))
        low, high = np.searchsorted(np.cumsum(mass.mean(axis=0)), [0.025, 0.975]).tolist()
        ranges[depth] = f"{low} to {high} of {blocks} blocks, {2 * low} to {2 * high} layers"
    rule = Beyond(0.9, fails=0.9)
    each = {depth: judge(share, rule) for depth, share in shares.items()}
    held = [own is Verdict.HOLDS for own in each.values()]
    verdict = Verdict.PARTLY if any(held) and not all(held) else each[50]
    return Finding(
        verdict,
        (
            *(
                Part(
                    f"of {depth} layers, nine tenths of the gradient come through paths shorter than half the blocks",
                    f"{float(share.mean):.1%} ({told.ends(share, '.1%')})",
                    told.mark(each[depth]),
                )
                for depth, share in shares.items()
            ),
            *(Part(f"paths with 95 % of the gradient, {depth} layers", text) for depth, text in ranges.items()),
            Part("all paths of a network", "half of the blocks, on average"),
        ),
        (Lines("Where the gradient comes from", "length of the path over the blocks", "share of the gradient", lines),),
        tuple(filter(None, [advice(shares[50], rule)])),
        effect(shares[50], rule, "share of the gradient, of 50 layers, from paths shorter than half the blocks", ""),
    )


def hundred_layers(results: Results) -> Finding:
    """Whether a residual network of 110 layers trains to a training error below 1 %, and how its loss falls."""
    error, rule = independent(results.points(arm("residual", DEPTHS[-1]), "train_error")), Beyond(-1.0, fails=-1.0)
    trains = judge(-error, rule)
    lost = {kind: [run["losses"] for run in results.runs(arm(kind, DEPTHS[-1])) if run["losses"]] for kind in KINDS}
    curves = {
        kind: tuple((float(epoch), float(loss)) for epoch, loss in enumerate(np.mean(own, axis=0), 1))
        for kind, own in lost.items()
        if own
    }
    return Finding(
        Verdict.PARTLY if trains is Verdict.HOLDS else trains,
        (
            Part(
                f"{DEPTHS[-1]} layers train to a training error below 1 %",
                f"{float(error.mean):.2f} % ({told.ends(error, '.2f')}), {many(error.n, 'seed')}",
                told.mark(trains),
            ),
            Part("and nobody had trained as many", "Highway networks had, half a year earlier", False),
        ),
        (Lines(f"Training loss of {DEPTHS[-1]} layers", "epoch", "nats", curves, log="y"),),
        tuple(filter(None, [advice(-error, rule)])),
    )


LESIONS = only([arm(kind, LESIONED) for kind in KINDS], lesioned)
SHORT = only([arm("residual", depth) for depth in PATHS], short_paths)
HUNDRED = only([arm(kind, DEPTHS[-1]) for kind in KINDS], hundred_layers)
