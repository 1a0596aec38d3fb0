"""Claims about how fast networks learn: rectified units, batch norm, and the rates and weights it stands."""

from collections.abc import Sequence

import numpy as np

from opsin.claims.chart import Grid, Lines, Ranges
from opsin.claims.claim import Finding, Part, Verdict
from opsin.claims.experiments import told
from opsin.claims.intervals import independent
from opsin.claims.medians import Median, ratio
from opsin.claims.trials.experiment import RATES, Arm, Experiment, recipe
from opsin.claims.trials.results import Results, mean_curve
from opsin.claims.verdict import Better, Beyond, advice, effect, faster, judge
from opsin.engine.schedules import Constant

TARGET = 0.25
"""The training error of AlexNet's figure 1."""
SETTINGS = {
    "": {"init": "matched"},
    ", PyTorch's initial weights": {"init": "default"},
    ", seven layers": {"init": "matched", "widths": (16, 32, 32, 32, 32, 64)},
}
"""Of the networks: four layers with weights where nothing is said, with He's or LeCun's initial ones."""
UNITS = {"ReLU": "relu", "tanh": "tanh", "1.7159 tanh(2x/3)": "scaled_tanh", "sigmoid": "sigmoid"}

BOUNDS = "Ratios of which no more than a bound is known are told, and not drawn."


def times_faster(results: Results, slow: str, fast: str, target: float | Sequence[float], which: int = 1) -> Median:
    """How many times more steps one arm takes to an error, the same or one for each seed, than another."""
    budget = results.budget
    steps = [[np.nan if step is None else step for step in results.steps(name, target, which)] for name in (slow, fast)]
    return ratio(steps[0], steps[1], budget)


def rectified_units(results: Results) -> Finding:
    """Steps to 25 % training error with ReLU and with tanh, each at its best rate."""
    rule = faster(6)
    primary = times_faster(results, "tanh", "ReLU", TARGET)
    rows, parts = [], []
    for unit in list(UNITS)[1:]:
        for setting in SETTINGS:
            found = times_faster(results, unit + setting, "ReLU" + setting, TARGET)
            seen = effect(found, rule, "")
            if seen.low is not None and seen.high is not None:
                rows.append((f"{unit}{setting}", seen.mean, seen.low, seen.high))
            if (unit, setting) != ("tanh", ""):
                parts.append(Part(f"steps with {unit} over steps with ReLU{setting}", told.times(found)))
    verdict = judge(primary, rule)
    best = {name: (results.rate(name), results.steps(name, TARGET)) for name in ("ReLU", "tanh")}
    curves = {unit: mean_curve(results.runs(unit), 1)[:60] for unit in UNITS}
    return Finding(
        verdict,
        (
            Part(
                "with ReLU 25 % training error is reached six times sooner than with tanh",
                told.times(primary),
                told.mark(verdict, (Verdict.HOLDS,)),
            ),
            *parts,
            Part("best rates", ", ".join(f"{name} {rate:g}" for name, (rate, _) in best.items())),
            Part("steps to 25 % (median)", ", ".join(f"{name} {middle(steps)}" for name, (_, steps) in best.items())),
        ),
        (
            Lines("Training error, each unit at its best rate", "step", "%", curves, said=(("25 %", 25.0),)),
            Ranges("Steps to 25 % training error over those with ReLU", "times", tuple(rows), none=1.0, log=True),
            Lines(
                "Steps to 25 % by rate, median of the seeds by which rates are chosen",
                "rate",
                "steps",
                {unit: tuple(at for at in results.by_rate(unit) if at[1] <= results.budget) for unit in UNITS},
                log="xy",
            ),
        ),
        tuple(filter(None, [advice(primary, rule), BOUNDS if len(rows) < len(parts) + 1 else ""])),
        effect(primary, rule, "steps with tanh over steps with ReLU", "times"),
    )


def middle(steps: Sequence[float | None]) -> str:
    """The median step, where those that came are at least half."""
    found = np.median([np.inf if step is None else step for step in steps])
    return f"{found:.0f}" if np.isfinite(found) else "never"


RELU = Experiment(
    tuple(
        Arm(unit + setting, "conv", arguments | {"activation": activation})
        for setting, arguments in SETTINGS.items()
        for unit, activation in UNITS.items()
    ),
    recipe(20, Constant()),
    RATES,
    rectified_units,
    by="steps",
    every=2,
    target=TARGET,
)


def norm_speeds_up(results: Results) -> Finding:
    """Steps to within a point of the best test error without batch norm: with it, at the same and at its own rate."""
    target = [
        min((look[2] for look in run["curve"]), default=1.0) + results.delta / 100 for run in results.runs("none")
    ]
    same = times_faster(results, "none", "batch norm, the same rate", target, 2)
    own = times_faster(results, "none", "batch norm", target, 2)
    rule = faster(14)
    verdict = judge(own, rule)
    rates, reached = {name: results.rate(name) for name in ("none", "batch norm")}, 100 * float(np.mean(target))
    curves = {arm.name: mean_curve(results.runs(arm.name), 2)[:150] for arm in results.experiment.arms}
    return Finding(
        verdict,
        (
            Part(
                "with batch norm and its own rate the same error is reached 14 times sooner",
                told.times(own),
                told.mark(verdict, (Verdict.HOLDS,)),
            ),
            Part(
                "batch norm alone, at the same rate (the paper: 2.3 times)",
                f"{told.times(same)}: {judge(same, faster(2.3))}",
            ),
            Part("the error that is reached", f"{reached:.1f} % on average: a point above each seed's best without it"),
            Part("best rates", ", ".join(f"{name} {rate:g}" for name, rate in rates.items())),
        ),
        (Lines("Test error", "step", "%", curves, log="y", said=(("what is to be reached", reached),)),),
        tuple(filter(None, [advice(own, rule)])),
        effect(own, rule, "steps without batch norm over steps with it, each at its best rate", "times"),
    )


NORM = Experiment(
    (
        Arm("none", "conv", {}),
        Arm("batch norm, the same rate", "conv", {"norm": "before"}, rate="none"),
        Arm("batch norm", "conv", {"norm": "before"}),
    ),
    recipe(30, Constant()),
    RATES,
    norm_speeds_up,
    by="curve",
    every=2,
)

POWERS = range(-10, 5)
"""Learning rates of the sweep, as powers of two."""
NORMS = {"none": "none", "batch norm": "before"}


def largest_rates(results: Results, name: str) -> tuple[list[float], list[int], list[list[float]]]:
    """By seed: the largest power of a rate with an error within a point of the best, and how many have; all errors."""
    table = [results.points(f"{name}, 2^{power}") for power in POWERS]  # power, seed
    errors = np.array(table)
    good = errors <= errors.min(axis=0) + 1
    largest = [float(max(power for power, ok in zip(POWERS, own, strict=True) if ok)) for own in good.T]
    return largest, good.sum(axis=0).tolist(), errors.mean(axis=1)[:, None].tolist()


def higher_rates(results: Results) -> Finding:
    """The largest learning rate that trains to within a point of the best error, with and without batch norm."""
    found = {name: largest_rates(results, name) for name in NORMS}
    more = independent(np.subtract(found["batch norm"][0], found["none"][0]), step=1.0)
    rule = Better(2.0)
    verdict = judge(more, rule)
    middle, low, high = (float(power) for power in (more.mean, *more.bounds()))
    widths = {name: float(np.mean(count)) for name, (_, count, _) in found.items()}
    rates = [2.0**power for power in POWERS]
    return Finding(
        verdict,
        (
            Part(
                "batch norm stands rates four times as high, at least",
                f"{2**middle:.1f} times ({2**low:.1f} to {2**high:.1f}); rates are tried in doublings",
                told.mark(verdict, (Verdict.HOLDS,)),
            ),
            Part(
                "how many of the rates are good, each twice the one before",
                ", ".join(f"{name} {width:.1f} of {len(POWERS)}" for name, width in widths.items()),
            ),
        ),
        (
            Lines(
                "Test error by learning rate",
                "rate",
                "%",
                {
                    name: tuple((rate, row[0]) for rate, row in zip(rates, errors, strict=True))
                    for name, (_, _, errors) in found.items()
                },
                log="xy",
            ),
        ),
        tuple(filter(None, [advice(more, rule)])),
        effect(more, rule, "largest good rate with batch norm over that without, as a power of two", "doublings"),
    )


SWEEP = Experiment(
    tuple(
        Arm(f"{name}, 2^{power}", "conv", {"norm": norm}, rate=2.0**power)
        for name, norm in NORMS.items()
        for power in POWERS
    ),
    recipe(10, Constant()),
    RATES,
    higher_rates,
)

GAINS = range(-6, 7)
"""What the initial weights are multiplied by, as powers of two."""


def any_weights(results: Results) -> Finding:
    """The share of initial scales from which a network comes within a point of its best error."""
    errors = {name: np.array([results.points(gained(name, power)) for power in GAINS]) for name in NORMS}
    good = {name: (own <= own.min(axis=0) + 1).mean(axis=0) for name, own in errors.items()}
    more = independent(good["batch norm"] - good["none"])
    rule = Better(0.5 * float(good["none"].mean()))
    verdict = judge(more, rule)
    return Finding(
        verdict,
        (
            Part(
                "with batch norm half as many scales more, at least, train to within a point of the best",
                f"{good['batch norm'].mean():.0%} of {len(GAINS)} scales, without it {good['none'].mean():.0%}, the "
                f"difference {told.ends(more, '.0%')}",
                told.mark(verdict, (Verdict.HOLDS,)),
            ),
        ),
        (
            Lines(
                "Test error by the scale of the initial weights",
                "factor",
                "%",
                {
                    name: tuple((2.0**power, float(mean)) for power, mean in zip(GAINS, own.mean(axis=1), strict=True))
                    for name, own in errors.items()
                },
                log="xy",
            ),
        ),
        tuple(filter(None, [advice(more, rule)])),
        effect(more, rule, "share of scales that train with batch norm, less that without", "of all scales"),
    )


def gained(name: str, power: int) -> str:
    """The arm whose weights start so many times larger."""
    return name if power == 0 else f"{name}, weights times 2^{power}"


SCALES = Experiment(
    tuple(
        Arm(gained(name, power), "conv", {"norm": norm, "gain": 2.0**power}, rate=name if power else None)
        for name, norm in NORMS.items()
        for power in sorted(GAINS, key=abs)
    ),
    recipe(15),
    RATES,
    any_weights,
)


def whitened(results: Results) -> Finding:
    """Means, deviations and correlations of the channels behind a trained network's last batch norm."""
    found = results.probed("batch norm", "correlations")
    after = independent([each["after"] for each in found])
    standard = max(max(each["mean"], each["deviation"]) for each in found)
    apart = judge(-after, Beyond(-0.05, fails=-0.05))
    verdict = Verdict.NOT_HERE
    if standard < 1e-2:
        verdict = Verdict.PARTLY if apart is Verdict.NOT_HERE else apart
    before = float(np.mean([each["before"] for each in found]))
    table = found[0]["table"]
    names = tuple(str(i) for i in range(len(table)))
    return Finding(
        verdict,
        (
            Part("every channel has mean 0 and deviation 1", f"off by at most {standard:.0e}", standard < 1e-2),
            Part(
                "and no channel tells of another: mean correlation under 0.05",
                f"{float(after.mean):.3f} ({told.ends(after, '.3f')})",
                told.mark(apart),
            ),
            Part("in front of batch norm", f"{before:.3f}: a scale and a shift for each channel change no correlation"),
        ),
        (Grid("Correlations of the channels behind batch norm", "", names, names, tuple(map(tuple, table))),),
    )


WHITENING = Experiment(
    (Arm("batch norm", "conv", {"norm": "before"}, probes=("correlations",)),), recipe(15), RATES, whitened
)
