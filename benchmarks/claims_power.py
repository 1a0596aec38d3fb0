"""What the rules of the claims' verdicts are worth, by simulation: prints the tables of docs/claims.md.

    python benchmarks/claims_power.py [--table TABLE] [--repeats 2000] [--json FILE]

TABLE is coverage, verdicts, faults, rates, failures, power, ratio or, where it is not given, all of them.

Two arms are tried on digits as the protocol has it: each seed draws 500 test images of 1,797, both arms meet the same.
An image has a difficulty that both arms share; an arm adds its own view of it, and a run its own noise; a run errs
where the sum exceeds a threshold, set by the arm's true error and the run's luck (the seed's own deviation on
infinitely many images). Every repeat draws fresh images too, and goes through the package's own code.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from opsin.claims.claim import Verdict
from opsin.claims.intervals import Mean, independent, nadeau_bengio, planned, resplit
from opsin.claims.medians import Median, ratio
from opsin.claims.trials.rates import Tried
from opsin.claims.verdict import SEEN, Better, Rule, faster, judge, power, seeds_to_decide, shares
from opsin.compare.statistics import bounds

IMAGES, TEST = 1797, 500
ERROR = 0.02  # of the better arm
DELTA = 1.0
SEEDS = (5, 6, 10, 20)
EFFECTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
FAR = 6  # standard deviations, of view and noise together: an image that is easier by so much nobody gets wrong
SPREAD = 0.6  # points, between seeds' differences on 500 images, as a pilot on digits showed
TRUE = (1.0, 1.2, 1.5, 3.0, 4.8, 6.0, 9.0)
FACTOR, STEPS, NOISE = 6.0, 100, 0.25  # claimed; median steps of the fast arm; sd of each arm's log steps
BUDGETS = (100_000, 1000, 500)

Row = dict[str, Any]


@dataclass(frozen=True)
class Regime:
    """What the noise is made of: variances of the arm's view and the run's noise (of a difficulty's 1), and luck.

    `luck` is a standard deviation in points; a share of `common` of its variance is the same for all seeds, as if it
    came with the training images. Seeds differ by 0.6 points in every regime, where arms are equally good.
    """

    name: str
    view: float
    run: float
    luck: float
    common: float = 0.0

    def draw(self, rng: np.random.Generator, effect: float, seeds: int) -> tuple[NDArray, NDArray]:
        """How much more often the second arm is wrong [n, N], in -1, 0, 1, and what each seed tested [n, N]."""
        wrong, tested = self.arms(rng, (ERROR, ERROR + effect / 100), seeds)
        return wrong[1] - wrong[0], tested

    def arms(self, rng: np.random.Generator, errors: Sequence[float], seeds: int) -> tuple[list[NDArray], NDArray]:
        """Where arms of these true errors are wrong, each [n, N] of 0 and 1, and what each seed tested [n, N]."""
        hard = np.float32(np.sqrt(1 - self.view - self.run)) * rng.standard_normal(IMAGES, dtype=np.float32)
        wrong = []
        for error in errors:
            luck = np.sqrt(self.common) * rng.standard_normal() + np.sqrt(1 - self.common) * rng.standard_normal(seeds)
            above = -ndtri(np.clip(error + self.luck / 100 * luck, 1e-4, 0.999)).astype(np.float32)
            some = np.flatnonzero(hard > above.min() - FAR * np.sqrt(self.view + self.run))  # nobody errs on the others
            seen = hard[some] + np.float32(np.sqrt(self.view)) * rng.standard_normal(len(some), dtype=np.float32)
            noise = np.float32(np.sqrt(self.run)) * rng.standard_normal((seeds, len(some)), dtype=np.float32)
            answers = np.zeros((seeds, IMAGES), np.int8)
            answers[:, some] = seen + noise > above[:, None]
            wrong.append(answers)
        order = rng.random((seeds, IMAGES), dtype=np.float32)
        return wrong, order < np.partition(order, TEST, axis=1)[:, TEST, None]


PAIRED = 0.57  # points: the standard deviation of T41's differences
MEASURED = Regime("as measured", view=0.0075, run=0.02, luck=0.27)
"""Of T41's arms and of their rates alike: PAIRED, 2 % of the variance the images' (benchmarks/claims_noise.py)."""
REGIMES = (
    MEASURED,
    Regime("images", view=0.1157, run=0.0, luck=0.0),
    Regime("half", view=0.0564, run=0.0068, luck=0.2121),
    Regime("seeds", view=0.0, run=0.0275, luck=0.3),
)
TRAINING = Regime("training images", view=0.0, run=0.0275, luck=0.3, common=0.3)
METHODS = ("resplit", "plain", "corrected")
CURVES = {"all alike": (0.0, 0.0, 0.0, 0.0), "0.2 worse": (0.6, 0.0, 0.2, 1.5), "0.3 worse": (0.6, 0.0, 0.3, 1.5)}
"""What four rates add to an arm's error, in points; the second best is named."""
FAILS, FAILED = (0.0, 0.01, 0.02, 0.05, 0.1), 10.0  # how often a run of one arm fails, and what that costs, in points
FEW = 3  # seeds, on which to choose a rate was tried first


@dataclass(frozen=True)
class Repeats:
    """What `repeats` simulated comparisons of n seeds gave, by method."""

    effect: float
    found: dict[str, Mean]

    def covers(self, method: str) -> float:
        low, high = self.found[method].bounds()
        return float(((low <= self.effect) & (self.effect <= high)).mean())

    def width(self, method: str) -> float:
        low, high = self.found[method].bounds()
        return float((high - low).mean())

    def verdicts(self, method: str = "resplit") -> dict[Verdict, float]:
        return shares(self.found[method], Better(DELTA))


@cache
def simulate(regime: Regime, effect: float, repeats: int) -> dict[int, Repeats]:
    """By number of seeds, all of them of the same draws."""
    each: dict[int, list[Mean]] = {n: [] for n in SEEDS}
    for repeat in range(repeats):
        rng = np.random.default_rng([repeat, round(100 * effect), *regime.name.encode()])
        wrong, tested = regime.draw(rng, effect, max(SEEDS))
        for n in SEEDS:
            each[n].append(resplit(wrong[:n], tested[:n]))
    rows = {}
    for n, means in each.items():
        values = np.stack([mean.values for mean in means])
        shared, df, tilt = np.array([(mean.shared, mean.shared_df, mean.tilt) for mean in means]).T
        rows[n] = Repeats(
            effect,
            {
                "resplit": Mean(values, shared=shared, shared_df=df, tilt=tilt, least=means[0].least),
                "plain": independent(values),
                "corrected": nadeau_bengio(values, IMAGES - TEST, TEST),
            },
        )
    return rows


def bootstrap_covers(values: NDArray, effect: float) -> float:
    """How often the bias-corrected and accelerated bootstrap of the seeds covers, for values [R, n]."""
    rng = np.random.default_rng(0)
    hits = 0
    for row in values:
        draws = row[rng.integers(len(row), size=(1000, len(row)))].mean(axis=1)
        low, high = bounds(draws, float(row.mean()), (0.025, 0.975))
        hits += int(low <= effect <= high)
    return hits / len(values)


def coverage_table(repeats: int) -> Iterator[Row]:
    for regime in (*REGIMES, TRAINING):
        for n in SEEDS:
            for effect in (0.0, 1.0, 2.0) if regime is not TRAINING else (0.0,):
                came = simulate(regime, effect, repeats)[n]
                row: Row = {"noise": regime.name, "seeds": n, "effect": effect}
                row |= {
                    f"{method}_{key}": getattr(came, key)(method) for method in METHODS for key in ("covers", "width")
                }
                yield row | {"bca_covers": bootstrap_covers(came.found["plain"].values[:1000], effect)}


def verdicts_table(repeats: int) -> Iterator[Row]:
    for regime in REGIMES:
        for n in SEEDS:
            for effect in EFFECTS:
                came = simulate(regime, effect, repeats)[n]
                row: Row = {"noise": regime.name, "seeds": n, "effect": effect}
                row |= {verdict.value: share for verdict, share in came.verdicts().items()}
                yield row | {
                    "foretold": power(truth(came.found["resplit"], effect), Better(DELTA), n)[Verdict.UNDECIDED]
                }


def truth(found: Mean, effect: float) -> Mean:
    """The noise that simulated estimates show on the average, to be redrawn."""
    spread, shared = np.sqrt((found.spread**2).mean()), float(np.mean(found.shared))
    df, tilt = float(np.median(found.shared_df)), float(np.median(found.tilt))
    return replace(planned(effect, float(spread), shared), shared_df=df, tilt=tilt, least=found.least)


def faults_table(repeats: int) -> Iterator[Row]:
    for regime in REGIMES:
        for n in SEEDS:
            null, real = simulate(regime, 0.0, repeats)[n], simulate(regime, DELTA, repeats)[n]
            row: Row = {"noise": regime.name, "seeds": n, "flips": (null.found["plain"].p < 0.05).mean()}
            for method in METHODS:
                held = null.verdicts(method)
                row[f"{method}_false"] = held[Verdict.HOLDS] + held[Verdict.PARTLY]
                row[f"{method}_missed"] = real.verdicts(method)[Verdict.NOT_HERE]
            for name, found in (
                ("symmetric", replace(real.found["resplit"], tilt=0.0)),
                ("nominal", real.found["resplit"]),
            ):
                low, high = found.bounds(0.90)
                row[name] = ((low > -DELTA) & (high < DELTA)).mean()
            yield row


def as_reported(wrong: NDArray, tested: NDArray, n: int) -> NDArray:
    """The rate of each reported seed [n] as claims have it: by n seeds, and by n more where rates are near.

    `wrong` [rates, seeds, N] is where an arm is wrong at every rate, the reported seeds last.
    """
    errors = (wrong * tested).sum(axis=2)
    near = Tried(tuple(range(len(wrong))), errors[:, :n], np.zeros((len(wrong), n))).near
    return np.full(n, Tried(near, errors[list(near), : 2 * n], np.zeros((len(near), 1))).best)


def at_once(wrong: NDArray, tested: NDArray, n: int, seeds: int) -> NDArray:
    """The rate of each reported seed [n]: that which is best on the first `seeds` others."""
    return np.full(n, (wrong * tested)[:, :seeds].sum(axis=(1, 2)).argmin())


def by_others(wrong: NDArray, tested: NDArray, n: int) -> NDArray:
    """The rate of each reported seed [n]: that which is best on the other reported ones."""
    errors = (wrong[:, -n:] * tested[-n:]).sum(axis=2)  # rates, n
    return (errors.sum(axis=1, keepdims=True) - errors).argmin(axis=0)


CHOICES: dict[str, Callable[[NDArray, NDArray, int], NDArray]] = {
    "again": as_reported,
    "once": lambda wrong, tested, n: at_once(wrong, tested, n, n),
    "few": lambda wrong, tested, n: at_once(wrong, tested, n, FEW),
    "others": by_others,
}


def rates_table(repeats: int) -> Iterator[Row]:
    """Each arm has four rates, one of them chosen, in each of the ways of CHOICES.

    `covers` is of the effect at the best rates, `there` of that at the rates that were chosen.
    """
    for regime in REGIMES:
        for name, curve in CURVES.items():
            more = np.array(curve)
            for n in SEEDS:
                row: Row = {"noise": regime.name, "rates": name, "seeds": n}
                for effect, verdicts in ((0.0, SEEN), (DELTA, (Verdict.NOT_HERE,))):
                    counts = {choice: np.zeros(3) for choice in CHOICES}
                    errors = [ERROR + (arm + own) / 100 for arm in (0.0, effect) for own in curve]
                    for repeat in range(repeats):
                        rng = np.random.default_rng([repeat, n, round(100 * effect), *f"{regime.name} {name}".encode()])
                        drawn, tested = regime.arms(rng, errors, 3 * n)
                        arms = np.stack(drawn[len(curve) :]), np.stack(drawn[: len(curve)])
                        for choice, choose in CHOICES.items():
                            worse, better = rates = [choose(wrong, tested, n) for wrong in arms]
                            answers = [
                                wrong[rate, np.arange(2 * n, 3 * n)] for wrong, rate in zip(arms, rates, strict=True)
                            ]
                            there = effect + (more[worse] - more[better]).mean()
                            mean = resplit(answers[0] - answers[1], tested[-n:])
                            low, high = mean.bounds()
                            right = judge(mean, Better(DELTA)) in verdicts
                            counts[choice] += np.array([low <= effect <= high, low <= there <= high, right])
                    for choice, (covers, at_them, false) in counts.items():
                        row |= {f"{choice}_covers_{effect:g}": covers / repeats}
                        row |= {f"{choice}_there_{effect:g}": at_them / repeats}
                        row |= {f"{choice}_false_{effect:g}": false / repeats}
                yield row


def failures_table(repeats: int) -> Iterator[Row]:
    """Arms that are alike, but that a run of one now and then fails; the noise else is the seeds', as measured."""
    for fails in FAILS:
        for n in SEEDS:
            rng = np.random.default_rng([n, round(1000 * fails)])
            noise = PAIRED * rng.standard_normal((repeats, n))
            found = independent(noise + FAILED * (rng.random((repeats, n)) < fails))
            low, high = found.bounds()
            row: Row = {"fails": fails, "seeds": n, "mean": FAILED * fails}
            row |= {"covers": ((low <= row["mean"]) & (row["mean"] <= high)).mean()}
            row |= {"covers_none": ((low <= 0) & (high >= 0)).mean(), "width": (high - low).mean()}
            yield row | {verdict.value: share for verdict, share in shares(found, Better(DELTA)).items()}


def power_table(repeats: int) -> Iterator[Row]:
    """By the formula alone: `repeats` takes no part."""
    del repeats
    for share in (0.0, 0.5, 1.0):
        shared = share * SPREAD**2 * TEST / IMAGES
        for effect in EFFECTS:
            true = planned(effect, np.sqrt(SPREAD**2 - shared), shared)
            row: Row = {"images_share": share, "effect": effect}
            for n in SEEDS:
                came = power(true, Better(DELTA), n)
                row |= {f"decided_{n}": 1 - came[Verdict.UNDECIDED], f"holds_{n}": came[Verdict.HOLDS]}
            yield row | {"decides": seeds_to_decide(true, Better(DELTA))}


def ratio_table(repeats: int) -> Iterator[Row]:
    rule = faster(FACTOR)
    for budget in BUDGETS:
        for n in SEEDS:
            for true in TRUE:
                rng = np.random.default_rng([n, round(10 * true), budget])
                fast, slow = (m * np.exp(NOISE * rng.standard_normal((repeats, n))) for m in (STEPS, STEPS * true))
                fast, slow = (np.where(steps > budget, np.nan, steps) for steps in (fast, slow))
                yield {"budget": budget, "seeds": n, "true": true} | ratio_row(slow, fast, budget, true, rule)


def ratio_row(slow: NDArray, fast: NDArray, budget: int, true: float, rule: Rule[Median]) -> Row:
    """Shares of verdicts and of intervals that cover, as the rule has it and where censored runs are mistaken."""
    found, failed = ratio(slow, fast, budget), np.isnan(slow)
    taken = ratio(np.where(failed, budget, slow), np.where(np.isnan(fast), budget, fast), budget)
    row: Row = {"censored": failed.mean()} | {verdict.value: share for verdict, share in shares(found, rule).items()}
    for name, median in (("covers", found), ("budget_covers", taken)):
        low, high = median.bounds()
        row[name] = ((low <= np.log(true)) & (np.log(true) <= high)).mean()
    return row


TABLES: dict[str, Callable[[int], Iterator[Row]]] = {
    "coverage": coverage_table,
    "verdicts": verdicts_table,
    "faults": faults_table,
    "rates": rates_table,
    "failures": failures_table,
    "power": power_table,
    "ratio": ratio_table,
}
VERDICTS = {
    verdict.value: verdict.value for verdict in (Verdict.HOLDS, Verdict.PARTLY, Verdict.NOT_HERE, Verdict.UNDECIDED)
}
COLUMNS = {  # figure -> heading, by table; --json has every figure
    "coverage": {
        "noise": "noise",
        "seeds": "seeds",
        "effect": "effect, points",
        "resplit_covers": "covers",
        "plain_covers": "plain t",
        "corrected_covers": "Nadeau-Bengio",
        "bca_covers": "BCa",
        "resplit_width": "width, points",
        "plain_width": "plain t",
        "corrected_width": "Nadeau-Bengio",
    },
    "verdicts": {"noise": "noise", "seeds": "seeds", "effect": "effect, points"} | VERDICTS | {"foretold": "foretold"},
    "faults": {
        "noise": "noise",
        "seeds": "seeds",
        "resplit_false": "false holds or partly",
        "plain_false": "plain t",
        "corrected_false": "Nadeau-Bengio",
        "flips": "sign-flip alone rejects",
        "resplit_missed": "false does not hold, at delta",
        "plain_missed": "plain t",
        "corrected_missed": "Nadeau-Bengio",
        "symmetric": "TOST at 5 %, symmetric",
        "nominal": "TOST at 5 %, tilted",
    },
    "rates": {
        "noise": "noise",
        "rates": "rates",
        "seeds": "seeds",
        "again_covers_0": "covers 0",
        "again_covers_1": "covers delta",
        "again_there_0": "at the chosen rates: covers 0",
        "again_there_1": "covers delta",
        "again_false_0": "false holds or partly",
        "again_false_1": "false does not hold, at delta",
        "once_covers_0": "no second look: covers 0",
        "once_covers_1": "covers delta",
        "once_false_0": "false holds or partly",
        "few_covers_0": "on three: covers 0",
        "few_covers_1": "covers delta",
        "few_false_0": "false holds or partly",
        "others_covers_0": "by the others: covers 0",
        "others_covers_1": "covers delta",
        "others_false_0": "false holds or partly",
    },
    "failures": {
        "fails": "a run fails",
        "seeds": "seeds",
        "mean": "effect, points",
        "covers": "covers it",
        "covers_none": "covers 0",
        "width": "width, points",
    }
    | VERDICTS,
    "power": {"images_share": "images' share", "effect": "effect, points"}
    | {f"decided_{n}": f"{n} seeds" for n in SEEDS}
    | {f"holds_{n}": f"holds, {n}" for n in SEEDS}
    | {"decides": "seeds that would decide"},
    "ratio": {
        "budget": "budget, steps",
        "seeds": "seeds",
        "true": "true ratio",
        "censored": "slow runs censored",
        "covers": "covers",
        "budget_covers": "censored taken as the budget",
    }
    | VERDICTS,
}
GIVEN = ("noise", "rates", "seeds", "effect", "mean", "images_share", "budget", "true", "decides")


def markdown(table: list[Row], headings: dict[str, str]) -> str:
    lines = [list(headings.values()), ["--:"] * len(headings)]
    lines += [[_figure(key, row[key]) for key in headings] for row in table]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _figure(key: str, value: Any) -> str:
    if key in GIVEN:
        return value if isinstance(value, str) else "none" if value is None else f"{value:,g}"
    return f"{value:.2f}" if key.endswith(("width", "spread")) else f"{100 * value:.1f} %"


def main() -> None:
    parser = argparse.ArgumentParser(description="The rules of the claims' verdicts, by simulation")
    parser.add_argument("--table", choices=[*TABLES, "all"], default="all")
    parser.add_argument("--repeats", type=int, default=2000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found, began = {}, time.perf_counter()
    for name in TABLES if arguments.table == "all" else [arguments.table]:
        found[name] = list(TABLES[name](arguments.repeats))
        title = f"### {name} ({arguments.repeats:,} repeats a row, {time.perf_counter() - began:.0f} s so far)"
        print(f"\n{title}\n\n{markdown(found[name], COLUMNS[name])}", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1, default=float) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
