"""What the pick rule and the intervals are worth, by simulation: prints the tables of docs/pick.md.

    python benchmarks/pick_simulation.py [--table pick|sizes|coverage|all] [--repeats 1000] [--json FILE]

Every simulated comparison goes through the package's own code. An image has a difficulty that all networks share; a
network adds its own view of the image, and a run its own noise. A run errs where the sum exceeds its threshold, which
is set by the network's true error and by the run's luck (the seed's own deviation, on infinitely many images).
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from opsin.compare.pick import candidates, cheapest, deficits, lower_bound, pick, upper_bound
from opsin.compare.statistics import SAME, resample

SHARES = (0.60, 0.15, 0.25)  # of the variance of a difficulty: the image, network x image, run x image
BEST = 0.97
MARGIN = 0.01
OTHERS = (0.04, 0.03, 0.025, 0.02, 0.015, 0.005, 0.003, 0.002, 0.0)  # true deficits of nine dearer networks
LUCKS = (0.002, 0.006)

Row = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A comparison to simulate: true deficits by network, cheapest first; images, seeds and the seeds' deviation."""

    true: tuple[float, ...]
    images: int = 400
    seeds: int = 2
    luck: float = 0.006
    best: float = BEST

    def draw(self, rng: np.random.Generator) -> dict[str, dict[int, NDArray[np.int64]]]:
        """Predictions by network and seed; 0 is right, 1 is wrong."""
        shape = (len(self.true), self.seeds, self.images)
        parts = [(1, 1, self.images), (shape[0], 1, self.images), shape]
        hard = sum(np.sqrt(share) * rng.standard_normal(part) for share, part in zip(SHARES, parts, strict=True))
        errors = 1 - self.best + np.array(self.true)[:, None] + self.luck * rng.standard_normal(shape[:2])
        wrong = hard > -ndtri(np.clip(errors, 1e-4, 0.999))[..., None]
        return {f"{at:02d}": dict(enumerate(runs.astype(np.int64))) for at, runs in enumerate(wrong)}


def simulate_pick(case: Case, repeat: int) -> Row:
    """One comparison: which network each reading of the rule picks, and whether the bounds cover."""
    rng = np.random.default_rng([repeat, case.images, case.seeds, len(case.true)])
    scores = resample(case.draw(rng), np.zeros(case.images, np.int64), 2, seed=repeat)
    cost = {model: 1.2**at for at, model in enumerate(scores.models)}
    picked = pick(scores, cost, dict.fromkeys(cost, 1), MARGIN)
    times, same = np.array(list(cost.values())), np.ones(len(cost))
    best, true = int(scores.observed.argmax()), np.array(case.true)
    lower = np.array([lower_bound(scores, best, at) for at in range(len(true))])
    upper = np.array([upper_bound(scores, best, at) if at != best else 0.0 for at in range(len(true))])
    near = deficits(scores.observed) <= MARGIN + SAME
    chosen = {
        "rule": scores.models.index(picked.model),
        "strict": int(cheapest(upper <= MARGIN + SAME, scores.observed, times, same)),
        "lenient": int(cheapest(lower <= MARGIN + SAME, scores.observed, times, same)),
    }
    target = int(np.argmax(true <= MARGIN + SAME))
    row: Row = {f"{name}_right": at == target for name, at in chosen.items()}
    row |= {f"{name}_within": bool(true[at] <= MARGIN + SAME) for name, at in chosen.items()}
    bound = picked.deficit_ci[1]
    return row | {
        "binds": bool((near != candidates(scores, MARGIN)).any()),
        "covers": bound >= true[chosen["rule"]] - SAME,
        "covers_planted": upper_bound(scores, len(true) - 1, 0) >= true[0] - SAME,
        "called_worse": lower_bound(scores, len(true) - 1, 0) > SAME,
        "bound": 100 * bound,
        "visible": 100 * (picked.smallest_visible_deficit or 0.0),
        "stable": picked.picked_in_resamples.get(picked.model, 0) / len(scores.draws),
    }


def simulate_coverage(case: Case, repeat: int) -> Row:
    """One network: whether its interval, and the plain percentile one, hold the true accuracy."""
    rng = np.random.default_rng([repeat, case.images, case.seeds])
    scores = resample(case.draw(rng), np.zeros(case.images, np.int64), 2, seed=repeat)
    interval = scores.interval(scores.models[0])
    low, high = np.quantile(scores.draws[:, 0], (0.025, 0.975))
    return {
        "covers": interval.low - SAME <= case.best <= interval.high + SAME,
        "below": case.best > interval.high + SAME,
        "above": case.best < interval.low - SAME,
        "width": 100 * (interval.high - interval.low),
        "percentile_covers": low - SAME <= case.best <= high + SAME,
    }


def rows(title: Row, case: Case, simulate: Callable[[Case, int], Row], repeats: int) -> Row:
    """The mean of every figure over `repeats` simulated comparisons."""
    began = time.perf_counter()
    each = [simulate(case, repeat) for repeat in range(repeats)]
    means = {key: float(np.mean([row[key] for row in each])) for key in each[0]}
    return title | means | {"repeats": repeats, "seconds": round(time.perf_counter() - began, 1)}


def pick_table(repeats: int) -> Iterator[Row]:
    for networks, others in ((2, (0.0,)), (10, OTHERS)):
        for luck in LUCKS:
            for planted in (0.0, 0.005, 0.01, 0.02, 0.05):
                title = {"networks": networks, "luck": 100 * luck, "planted": 100 * planted}
                yield rows(title, Case((planted, *others), luck=luck), simulate_pick, repeats)


def sizes_table(repeats: int) -> Iterator[Row]:
    for images in (100, 400, 2000):
        for seeds in (1, 2, 5):
            for planted in (0.0, 0.01, 0.05):
                title = {"images": images, "seeds": seeds, "planted": 100 * planted}
                yield rows(title, Case((planted, *OTHERS), images, seeds), simulate_pick, repeats)


def coverage_table(repeats: int) -> Iterator[Row]:
    for best in (0.97, 0.99):
        for images in (400, 2000):
            for luck in LUCKS:
                for seeds in (1, 2, 5):
                    title = {"accuracy": 100 * best, "images": images, "luck": 100 * luck, "seeds": seeds}
                    yield rows(title, Case((0.0,), images, seeds, luck, best), simulate_coverage, repeats)


TABLES: dict[str, Callable[[int], Iterator[Row]]] = {
    "pick": pick_table,
    "sizes": sizes_table,
    "coverage": coverage_table,
}
COLUMNS = {  # figure -> heading, by table; --json has every figure
    "pick": {
        "networks": "networks",
        "luck": "seed sd, points",
        "planted": "planted deficit, points",
        "rule_right": "picks rightly",
        "strict_right": "strict",
        "lenient_right": "lenient",
        "rule_within": "pick within the margin",
        "strict_within": "strict",
        "lenient_within": "lenient",
        "binds": "2nd condition binds",
        "covers": "upper bound covers",
    },
    "sizes": {
        "images": "images",
        "seeds": "seeds",
        "planted": "planted deficit, points",
        "rule_right": "picks rightly",
        "rule_within": "pick within the margin",
        "stable": "resamples that agree",
        "bound": "upper bound, points",
        "covers": "it covers",
        "covers_planted": "planted network's covers",
        "called_worse": "planted called worse",
        "visible": "smallest visible, points",
    },
    "coverage": {
        "accuracy": "true accuracy, %",
        "images": "images",
        "luck": "seed sd, points",
        "seeds": "seeds",
        "covers": "covers",
        "below": "truth above it",
        "above": "truth below it",
        "width": "width, points",
        "percentile_covers": "percentile covers",
    },
}
GIVEN = ("networks", "images", "seeds", "luck", "planted", "accuracy")
POINTS = ("bound", "visible", "width")


def markdown(table: list[Row], headings: dict[str, str]) -> str:
    lines = [list(headings.values()), ["--:"] * len(headings)]
    lines += [[_figure(key, row[key]) for key in headings] for row in table]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _figure(key: str, mean: float) -> str:
    if key in GIVEN:
        return f"{mean:g}"
    return f"{mean:.1f}" if key in POINTS else f"{100 * mean:.1f} %"


def luck_seen(luck: float) -> float:
    """The deviation between seeds that 500 test images would show, in points."""
    case = Case((0.0,), images=500, seeds=2000, luck=luck)
    means = [1 - runs.mean() for runs in case.draw(np.random.default_rng(0))["00"].values()]
    return 100 * float(np.std(means))


def main() -> None:
    parser = argparse.ArgumentParser(description="The pick rule and the intervals, by simulation")
    parser.add_argument("--table", choices=[*TABLES, "all"], default="all")
    parser.add_argument("--repeats", type=int, default=1000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found = {}
    for luck in LUCKS:
        print(f"seed sd {100 * luck:.1f} points: {luck_seen(luck):.2f} points would be seen on 500 images")
    for name in TABLES if arguments.table == "all" else [arguments.table]:
        found[name] = list(TABLES[name](arguments.repeats))
        print(
            f"\n### {name} ({arguments.repeats:,} comparisons a row)\n\n{markdown(found[name], COLUMNS[name])}",
            flush=True,
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
