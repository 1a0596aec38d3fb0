"""Claims about depth and shortcuts, on networks that are trained: what fails, what shortcuts mend, what can be cut."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.stats import spearmanr

from opsin.claims.chart import Bars, Lines, Ranges
from opsin.claims.claim import Claim, Finding, Part, Verdict
from opsin.claims.experiment import Arm, Experiment, Results, recipe
from opsin.claims.intervals import Mean, independent
from opsin.claims.verdict import Better, Beyond, advice, effect, judge
from opsin.models import resnet

RATES = tuple(2.0**k for k in range(-6, -1))
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


def trained_by_depth(results: Results) -> Finding:
    """Training error of plain and residual networks by depth, each at its best rate."""
    errors = {(kind, depth): results.points(arm(kind, depth), "train_error") for kind in KINDS for depth in DEPTHS}
    rule = Better(1.0)
    worse = {kind: independent(errors[kind, 50] - errors[kind, 8]) for kind in KINDS}
    verdicts = {kind: judge(found, rule) for kind, found in worse.items()}
    shows = verdicts["residual"] in (Verdict.HOLDS, Verdict.PARTLY)
    verdict = verdicts["plain"]
    if verdict is Verdict.HOLDS and shows:
        verdict = Verdict.PARTLY
    lines, bands = {}, {}
    for kind in KINDS:
        middle = {depth: independent(errors[kind, depth]) for depth in DEPTHS}
        lines[kind] = tuple((float(depth), float(found.mean)) for depth, found in middle.items())
        bands[kind] = tuple((float(d), max(0.0, float(f.bounds()[0])), float(f.bounds()[1])) for d, f in middle.items())
    return Finding(
        verdict,
        (
            Part("a plain network of 50 layers has a higher training error than one of 8", told(worse["plain"]),
                 verdicts["plain"] in (Verdict.HOLDS, Verdict.PARTLY)),
            Part("with shortcuts it has not", told(worse["residual"]), not shows),
            *(Part(f"training error by depth, {kind}",
                   ", ".join(f"{depth}: {errors[kind, depth].mean():.1f} %" for depth in DEPTHS)) for kind in KINDS),
            *(Part(f"test error by depth, {kind}",
                   ", ".join(f"{d}: {results.points(arm(kind, d)).mean():.1f} %" for d in DEPTHS)) for kind in KINDS),
            Part("best rates", "; ".join(f"{kind} {', '.join(f'{results.rate(arm(kind, d)):g}' for d in DEPTHS)}"
                                         for kind in KINDS)),
        ),
        (Lines("Training error by depth", "layers", "%", lines, bands),),
        tuple(filter(None, [advice(worse["plain"], rule), f"{DEPTHS[-1]} layers: {DEEPEST} seeds."])),
        effect(worse["plain"], rule, "training error of 50 plain layers less that of 8"),
    )  # fmt: skip


def told(found: Mean) -> str:
    """A mean with its interval, in words."""
    low, high = (float(end) for end in found.bounds())
    return f"{float(found.mean):+.2f} points ({low:+.2f} to {high:+.2f})"


BY_DEPTH = Experiment(
    tuple(
        Arm(
            arm(kind, depth),
            "deep",
            {"depth": depth, "shortcut": shortcut},
            seeds=DEEPEST if depth > 50 else None,
            probes=(
                *(("lesions",) if depth == LESIONED else ()),
                *(("paths",) if depth in PATHS and kind == "residual" else ()),
            ),
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
    """Another question to some of the same arms."""
    return replace(BY_DEPTH, arms=tuple(own for own in BY_DEPTH.arms if own.name in names), judge=judge)


EVERY = (0, 1, 2, 3, 4)


def around(every: int) -> str:
    return f"around {every}" if every else "none"


def bypassed(results: Results) -> Finding:
    """Shortcuts around one, two, three and four convolutions of the same network."""
    rule = Better(max(0.5, results.delta / 2))
    two = results.contrast({around(1): 1.0, around(2): -1.0})
    some = results.contrast({around(0): 1.0, around(1): -1.0})
    most = results.contrast({around(0): 1.0, around(2): -1.0})
    verdict = judge(two, rule)
    little = float(some.mean) < 0.5 * float(most.mean)
    if verdict is Verdict.HOLDS and not little:
        verdict = Verdict.PARTLY
    rows = []
    for every in EVERY:
        found = results.contrast({around(every): 1.0})
        low, high = (float(end) for end in found.bounds())
        rows.append((around(every), float(found.mean), low, high))
    return Finding(
        verdict,
        (
            Part("a shortcut around two convolutions does better than one around each", told(two),
                 judge(two, rule) in (Verdict.HOLDS, Verdict.PARTLY)),
            Part("around each it brings less than half of what it brings around two",
                 f"{told(some)} of {told(most)}", little),
        ),
        (Ranges("Test error by how many convolutions a shortcut bypasses", "%", tuple(rows)),),
        tuple(filter(None, [advice(two, rule)])),
        effect(two, rule, "test error with shortcuts around one convolution less that around two"),
    )  # fmt: skip


BYPASS = Experiment(tuple(Arm(around(every), "skip", {"every": every}) for every in EVERY), recipe(15), RATES, bypassed)


def lesioned(results: Results) -> Finding:
    """Test error with each block left out, and with several, in trained networks of 26 layers."""
    found = {kind: [run["probes"]["lesions"] for run in results.runs(arm(kind, LESIONED))] for kind in KINDS}
    losses = {
        kind: [[None if e is None else 100 * (e - run["whole"]) for e in run["single"]] for run in runs]
        for kind, runs in found.items()
    }
    middle = {
        kind: [float(np.median([e for e in run if e is not None])) for run in runs] for kind, runs in losses.items()
    }
    mild = independent(2 - np.array(middle["residual"]))
    hard = independent(np.array(middle["plain"]) - 20)
    grows = [spearmanr(*zip(*((int(k), e) for k, e in run["several"].items()), strict=True)).statistic
             for run in found["residual"]]  # fmt: skip
    smooth = float(np.mean(grows)) > 0.9
    passed = [float(f.bounds()[0]) > 0 for f in (mild, hard)]
    failed = [float(f.bounds()[1]) < 0 for f in (mild, hard)]
    rule = Beyond(0.0, fails=0.0)
    if all(passed) and smooth:
        verdict = Verdict.HOLDS
    elif any(failed) or not smooth:
        verdict = Verdict.NOT_HERE if all(failed) else Verdict.PARTLY
    else:
        verdict = Verdict.UNDECIDED
    names = [str(i + 1) for i in range(len(losses["residual"][0]))]
    bars = [
        (f"block {name}", kind, float(np.mean([run[i] for run in losses[kind]])))
        for i, name in enumerate(names)
        for kind in KINDS
        if losses[kind][0][i] is not None
    ]
    several = {
        kind: tuple((float(k), 100 * float(np.mean([run["several"][k] for run in runs]))) for k in runs[0]["several"])
        for kind, runs in found.items()
    }
    return Finding(
        verdict,
        (
            Part("a residual network loses under 2 points when one block is left out (median of its blocks)",
                 f"{np.mean(middle['residual']):+.1f} points", passed[0]),
            Part("a plain one over 20", f"{np.mean(middle['plain']):+.1f} points", passed[1]),
            Part("and the residual one's error grows smoothly with the number left out (rank correlation over 0.9)",
                 f"{np.mean(grows):.3f}", smooth),
            Part("its first block alone", f"{np.mean([run[0] for run in losses['residual']]):+.1f} points"),
        ),
        (
            Bars("Points of test error that one block is worth", "points", tuple(bars)),
            Lines("Test error with several blocks left out", "blocks left out", "%", several),
        ),
        ("Only blocks that keep the shape can be left out of a plain network.",),
        effect(mild, rule, "2 points less the median loss of a residual network by one block"),
    )  # fmt: skip


def short_paths(results: Results) -> Finding:
    """From paths of which length the gradient comes, in trained residual networks of 26 and 50 layers."""
    shares, lines, told_by = {}, {}, {}
    for depth in PATHS:
        found = [run["probes"]["paths"] for run in results.runs(arm("residual", depth))]
        blocks = found[0]["blocks"]
        mass = np.array([run["mass"] for run in found])  # seeds, blocks + 1
        shares[depth] = independent(mass[:, : (blocks + 1) // 2 + 1 if blocks % 2 else blocks // 2].sum(axis=1))
        lines[f"{depth} layers"] = tuple((k / blocks, float(share)) for k, share in enumerate(mass.mean(axis=0)))
        total = np.cumsum(mass.mean(axis=0))
        low, high = (int(np.searchsorted(total, q)) for q in (0.025, 0.975))
        told_by[depth] = f"{low} to {high} of {blocks} blocks, {2 * low} to {2 * high} layers"
    rule = Beyond(0.9, fails=0.9)
    verdict = judge(shares[50], rule)
    return Finding(
        verdict,
        (
            Part("nine tenths of the gradient come through paths shorter than half the blocks",
                 ", ".join(f"{depth} layers: {float(found.mean):.0%}" for depth, found in shares.items()),
                 verdict is Verdict.HOLDS),
            *(Part(f"paths with 95 % of the gradient, {depth} layers", text) for depth, text in told_by.items()),
            Part("all paths of a network", "are binomial: half of the blocks, on average"),
        ),
        (Lines("Where the gradient comes from", "length of the path, as a share of the blocks", "share of the gradient", lines),),
        tuple(filter(None, [advice(shares[50], rule)])),
        effect(shares[50], rule, "share of the gradient from paths shorter than half the blocks", "of 1"),
    )  # fmt: skip


# fmt: off
CLAIMS = (
    Claim(
        "T24", "More plain layers, worse training",
        "Where many layers are added to a plain network its training accuracy goes down.",
        "the training accuracy of the model could go down", "E", resnet.PAPER,
        "plain-18 27.94 %, plain-34 28.54 % (table 2); on CIFAR-10 plain-56 trains worse than plain-20 (figure 6)",
        "memory",
        "training", "training error of 50 plain layers above that of 8 by a point or more, interval above 0, and no such "
                    "difference with shortcuts",
        experiment=BY_DEPTH,
        full="CIFAR-10, plain-20, 32, 44 and 56, five seeds on a GPU",
    ),
    Claim(
        "T26", "A shortcut around one layer brings little",
        "Bypassing a single layer does not bring much.",
        "bypassing a single layer did not give much improvements", "ACD", resnet.PAPER,
        "one sentence without a table; Wide ResNets, table 4: WRN-40-2 with l = 1, 2, 3, 4: 6.69, 5.43, 5.65, 5.93 %",
        "paper",
        "training", "error with shortcuts around one convolution above that around two by half a point or more, "
                    "interval above 0, and less than half of the gain over no shortcut",
        experiment=BYPASS,
        full="CIFAR-10, WRN-40-2, five seeds on a GPU",
    ),
    Claim(
        "T28", "A ResNet is an ensemble",
        "A residual network behaves like an ensemble: any one block can be left out.",
        "ResNet can also be thought as multiple ensembles", "ACD", resnet.PAPER,
        "Veit and others, 2016: ResNet-110 hardly loses by any one of 54 blocks, VGG falls to chance by any layer; the "
        "error grows smoothly with the number left out", "memory",
        "training", "median loss by one block under 2 points with shortcuts and over 20 without, and a rank correlation "
                    "of the error with the number left out over 0.9",
        experiment=only([arm(kind, LESIONED) for kind in KINDS], lesioned),
        full="ResNet-110 and VGG on CIFAR-10",
    ),
    Claim(
        "T29", "ResNet works in blocks of 20 to 30 layers",
        "A residual network works on blocks of relatively low depth, 20 to 30 layers.",
        "usually operates on blocks of relatively low depth ~20-30 layers", "ACD", resnet.PAPER,
        "Veit and others, 2016: paths are binomial (95 % in 19 to 35 of 54 blocks); the gradient comes from paths of 5 to "
        "17 blocks, 10 to 34 layers", "paper",
        "training", "nine tenths of the gradient come from paths shorter than half of the blocks",
        experiment=only([arm("residual", depth) for depth in PATHS], short_paths),
        errs="The article mixes blocks and layers, and they are paths, not blocks.",
        full="ResNet-110 on CIFAR-10",
    ),
)
