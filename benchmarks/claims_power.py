"""What the rules of the claims' verdicts are worth, by simulation: prints the tables of docs/claims.md.

    python benchmarks/claims_power.py [--table coverage|verdicts|faults|power|ratio|all] [--repeats 4000] [--json FILE]

Two arms are tried on digits as the protocol has it: each seed draws 500 test images of 1,797, both arms meet the same.
An image has a difficulty that both arms share; an arm adds its own view of it, and a run its own noise; a run errs
where the sum exceeds a threshold, set by the arm's true error and the run's luck (the seed's own deviation on
infinitely many images). Every repeat draws fresh images too, and goes through the package's own code.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from opsin.claims.claim import Verdict
from opsin.claims.intervals import Mean, Median, independent, nadeau_bengio, planned, ratio, resplit
from opsin.claims.verdict import Better, Rule, faster, judge, power, seeds_to_decide
from opsin.compare.statistics import bounds

IMAGES, TEST = 1797, 500
ERROR = 0.02  # of the better arm
DELTA = 1.0
SEEDS = (5, 6, 10, 20)
EFFECTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
SPREAD = 0.6  # points, between seeds' differences on 500 images, as a pilot on digits showed
TRUE = (1.0, 1.1, 1.2, 1.5, 3.0, 4.8, 6.0, 9.0)
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
        hard = np.sqrt(1 - self.view - self.run) * rng.standard_normal(IMAGES, dtype=np.float32)
        wrong = []
        for error in (ERROR, ERROR + effect / 100):
            luck = np.sqrt(self.common) * rng.standard_normal() + np.sqrt(1 - self.common) * rng.standard_normal(seeds)
            above = -ndtri(np.clip(error + self.luck / 100 * luck, 1e-4, 0.999)).astype(np.float32)
            seen = hard + np.sqrt(self.view) * rng.standard_normal(IMAGES, dtype=np.float32)
            noise = np.float32(np.sqrt(self.run)) * rng.standard_normal((seeds, IMAGES), dtype=np.float32)
            wrong.append((seen.astype(np.float32) + noise > above[:, None]).astype(np.int8))
        order = rng.random((seeds, IMAGES), dtype=np.float32)
        return wrong[1] - wrong[0], order < np.partition(order, TEST, axis=1)[:, TEST, None]


REGIMES = (
    Regime("images", view=0.1157, run=0.0, luck=0.0),
    Regime("half", view=0.0564, run=0.0068, luck=0.2121),
    Regime("seeds", view=0.0, run=0.0275, luck=0.3),
)
TRAINING = Regime("training images", view=0.0, run=0.0275, luck=0.3, common=0.3)
METHODS = ("resplit", "plain", "corrected", "bca")


@cache
def simulate(regime: Regime, effect: float, repeats: int) -> dict[int, Row]:
    """By number of seeds: shares of verdicts, of intervals that cover and of tests that reject, and mean noise."""
    rule = Better(DELTA)
    rows: dict[int, list[Row]] = {n: [] for n in SEEDS}
    for repeat in range(repeats):
        rng = np.random.default_rng([repeat, round(100 * effect)])
        wrong, tested = regime.draw(rng, effect, max(SEEDS))
        for n in SEEDS:
            found = resplit(wrong[:n], tested[:n])
            others = {"plain": independent(found.values), "corrected": nadeau_bengio(found.values, IMAGES - TEST, TEST)}
            each = {"resplit": found} | others
            row: Row = {"p": found.p < 0.05, "spread": found.spread**2, "shared": found.shared, "error": found.error}
            row["df"] = found.shared_df if np.isfinite(found.shared_df) else 1e6
            for method, mean in each.items():
                low, high = mean.bounds()
                row[f"{method}_covers"], row[f"{method}_width"] = low <= effect <= high, high - low
                verdict = judge(mean, rule)
                row |= {f"{method}_{one.value}": verdict is one for one in Verdict}
            row["bca_covers"], row["bca_width"] = bca(found, effect, rng)
            rows[n].append(row)
    return {n: {key: np.array([row[key] for row in rows[n]], float) for key in rows[n][0]} for n in SEEDS}


def bca(found: Mean, effect: float, rng: np.random.Generator) -> tuple[bool, float]:
    """Whether the bias-corrected bootstrap of the seeds covers, and its width."""
    draws = found.values[rng.integers(found.n, size=(1000, found.n))].mean(axis=1)
    low, high = bounds(draws, float(found.mean), (0.025, 0.975))
    return bool(low <= effect <= high), float(high - low)


def coverage_table(repeats: int) -> Iterator[Row]:
    for regime in (*REGIMES, TRAINING):
        for n in SEEDS:
            for effect in (0.0, 1.0, 2.0) if regime is not TRAINING else (0.0,):
                row = simulate(regime, effect, repeats)[n]
                title = {"noise": regime.name, "seeds": n, "effect": effect}
                shown = {
                    f"{method}_{key}": row[f"{method}_{key}"].mean()
                    for method in METHODS
                    for key in ("covers", "width")
                }
                yield title | {"spread": np.sqrt((row["spread"] + row["shared"]).mean())} | shown


def verdicts_table(repeats: int) -> Iterator[Row]:
    for regime in REGIMES:
        for n in SEEDS:
            for effect in EFFECTS:
                row = simulate(regime, effect, repeats)[n]
                df = float(np.median(row["df"]))
                truth = planned(effect, np.sqrt(row["spread"].mean()), row["shared"].mean(), df)
                came = {verdict.value: row[f"resplit_{verdict.value}"].mean() for verdict in Verdict}
                foretold = {"foretold": power(truth, Better(DELTA), n)[Verdict.UNDECIDED]}
                yield {"noise": regime.name, "seeds": n, "effect": effect} | came | foretold


def faults_table(repeats: int) -> Iterator[Row]:
    for regime in REGIMES:
        for n in SEEDS:
            null, real = simulate(regime, 0.0, repeats)[n], simulate(regime, DELTA, repeats)[n]
            row: Row = {"noise": regime.name, "seeds": n, "flips": null["p"].mean()}
            for method in METHODS[:-1]:
                held = null[f"{method}_{Verdict.HOLDS.value}"] + null[f"{method}_{Verdict.PARTLY.value}"]
                row[f"{method}_false"] = held.mean()
                row[f"{method}_missed"] = real[f"{method}_{Verdict.NOT_HERE.value}"].mean()
            yield row


def power_table(repeats: int) -> Iterator[Row]:
    """By the formula alone: `repeats` takes no part."""
    del repeats
    for share in (0.0, 0.5, 1.0):
        shared = share * SPREAD**2 * TEST / IMAGES
        for effect in EFFECTS:
            truth = planned(effect, np.sqrt(SPREAD**2 - shared), shared)
            row: Row = {"images_share": share, "effect": effect}
            for n in SEEDS:
                came = power(truth, Better(DELTA), n)
                row |= {f"decided_{n}": 1 - came[Verdict.UNDECIDED], f"holds_{n}": came[Verdict.HOLDS]}
            yield row | {"decides": seeds_to_decide(truth, Better(DELTA))}


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
    found = ratio(slow, fast, budget)
    low, high = found.bounds()
    row: Row = {"censored": np.isnan(slow).mean(), "covers": ((low <= np.log(true)) & (np.log(true) <= high)).mean()}
    conditions, left = rule(found), np.ones(len(slow), bool)
    for verdict, met in conditions.items():
        row[verdict.value] = (left & met).mean()
        left = left & ~met
    row[Verdict.UNDECIDED.value] = left.mean()
    at = np.log(np.where(np.isnan(slow), budget, slow)) - np.log(np.where(np.isnan(fast), budget, fast))
    low, high = Median(at, at).bounds()
    row["budget_covers"] = ((low <= np.log(true)) & (np.log(true) <= high)).mean()
    row["median_known"] = (found.median[0] == found.median[1]).mean()
    return row


TABLES: dict[str, Callable[[int], Iterator[Row]]] = {
    "coverage": coverage_table,
    "verdicts": verdicts_table,
    "faults": faults_table,
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
        "spread": "sd, points",
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
    },
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
GIVEN = ("noise", "seeds", "effect", "images_share", "budget", "true", "decides")


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
    parser.add_argument("--repeats", type=int, default=4000)
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
