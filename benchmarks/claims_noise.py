"""What the noise of claims about training is made of, by the trials that `opsin claims run` left in a folder.

    python benchmarks/claims_noise.py FOLDER [ID ...] [--data digits]

For each experiment on errors, two kinds of differences are looked at on the seeds by which rates are chosen: between
two arms, each at its best rate, and between an arm's best rate and its others, as long as their errors lie within a
point. Printed are how many there are, the standard deviation of the difference between seeds, and how much of its
variance is the images' (which arms differ on, whatever the seed): the covariance of two seeds' differences, by the
products of their differences on images that both tested. benchmarks/claims_power.py has what it gave ("as measured").

A second table has what it costs to try rates again that are near the best (src/opsin/claims/trials/rates.py), how
often another one was chosen for it, and how many of the reported runs failed: had 5 points more errors than the median
of their arm.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from opsin.claims.catalogue import CLAIMS, claim
from opsin.claims.trials.experiment import Arm, Experiment
from opsin.claims.trials.images import write_images
from opsin.claims.trials.rates import grid, tuned, wanted
from opsin.claims.trials.results import Results
from opsin.claims.trials.work import Store
from opsin.errors import OpsinError

ALIKE = 1.0  # points, within which two errors are compared
FEW = 10.0  # percent: an arm with more errors is not looked at
FAILED = 5.0  # points above the median of an arm's runs

Parts = tuple[float, float]  # variance between seeds, and covariance of two seeds, in points squared


def parts(difference: NDArray, tested: NDArray) -> Parts:
    """Of differences [n, N] in -1, 0, 1 on the images that each seed tested [n, N]; the covariance may be below 0."""
    points = 100.0 * difference * tested
    values = points.sum(axis=1) / tested.sum(axis=1)
    tests, both = tested.astype(float), ~np.eye(len(tested), dtype=bool)
    shared = tests @ tests.T
    product = (points @ points.T)[both].sum() / shared[both].sum()
    apart = np.outer(values, values)[both].mean()
    overlap = (shared / np.outer(shared.diagonal(), shared.diagonal()))[both].mean()
    return float(values.var(ddof=1)), float((product - apart) * overlap / (1 - overlap))


def answers(experiment: Experiment, arm: Arm, known: Store) -> tuple[NDArray, NDArray, int] | None:
    """Where an arm is wrong [rates, n, N], what each seed tested [n, N], and its best rate's row; None if not known."""
    found = grid(experiment, arm, known, tuned(arm, experiment.seeds)) if arm.rate is None else []
    if isinstance(found, list):
        return None
    whole = found.whole
    runs = [[known(experiment.trial(arm, rate, seed)) or {} for seed in range(whole.seeds)] for rate in whole.rates]
    wrong = np.zeros((len(whole.rates), whole.seeds, known.images.shape[0]), np.int8)
    tested = np.zeros(wrong.shape[1:], bool)
    for row, of in enumerate(runs):
        for seed, run in enumerate(of):
            wrong[row, seed, run["wrong"]], tested[seed, run["test"] or known.images.test] = 1, True
    return wrong, tested, whole.rates.index(whole.best)


def differences(experiment: Experiment, known: Store) -> dict[str, list[Parts]]:
    """Of an experiment's arms, and of each arm's rates."""
    arms = [own for arm in experiment.arms if (own := answers(experiment, arm, known))]
    errors = [100 * wrong.sum(axis=(1, 2)) / tested.sum() for wrong, tested, _ in arms]
    kept = [(arm, error) for arm, error in zip(arms, errors, strict=True) if error[arm[2]] <= FEW]
    return {
        "arms": [
            parts(wrong[at] - others[best], tested)
            for ((wrong, tested, at), own), ((others, _, best), theirs) in combinations(kept, 2)
            if abs(own[at] - theirs[best]) <= ALIKE and wrong[at].shape == others[best].shape
        ],
        "rates": [
            parts(wrong[other] - wrong[at], tested)
            for (wrong, tested, at), own in kept
            for other in np.flatnonzero(own - own[at] <= ALIKE)
            if other != at
        ],
    }


@dataclass(frozen=True)
class Looks:
    """Of an experiment: arms whose rates are tuned, those with rates near the best, those for which that changed the
    choice; trials, and those of the second look; reported runs, and those that failed."""

    arms: int
    near: int
    changed: int
    trials: int
    again: int
    runs: int
    failed: int


def looks(results: Results) -> Looks:
    """What the choice of an experiment's rates took, and what was reported by it."""
    names = [arm.name for arm in results.experiment.arms]
    grids = [found for name in names if (found := results.grid(name))]
    again = sum((found.again.seeds - found.whole.seeds) * len(found.again.rates) for found in grids)
    points = [results.points(name) for name in names]
    return Looks(
        len(grids),
        sum(found.again is not found.whole for found in grids),
        sum(found.again.best != found.whole.best for found in grids),
        len(results.all_runs),
        again,
        sum(map(len, points)),
        sum(int((own > np.median(own) + FAILED).sum()) for own in points),
    )


def looked(ids: list[str], known: Store, data: str) -> Iterator[tuple[str, Looks]]:
    """Of each experiment that has ended."""
    for id in ids:
        experiment = claim(id).experiment
        if experiment is not None and not wanted(experiment, known, experiment.seeds):
            yield id, looks(Results(experiment, known, experiment.seeds, data, known.images))


def rows(ids: list[str], known: Store) -> Iterator[tuple[str, str, list[Parts]]]:
    """By experiment, and of all of them."""
    together: dict[str, list[Parts]] = {"arms": [], "rates": []}
    for id in ids:
        experiment = claim(id).experiment
        if experiment is None or experiment.by != "test_error":
            continue
        for kind, found in differences(experiment, known).items():
            together[kind] += found
            if found:
                yield id, kind, found
    for kind, found in together.items():
        if found:
            yield "all", kind, found


def main() -> None:
    parser = argparse.ArgumentParser(description="What the noise of claims about training is made of")
    parser.add_argument("folder", type=Path)
    parser.add_argument("ids", nargs="*", default=[*CLAIMS, "modules"])
    parser.add_argument("--data", default="digits")
    asked = parser.parse_args()
    if not (asked.folder / "trials").is_dir():
        parser.error(f"{asked.folder} has no trials; opsin claims run --data {asked.data} --out {asked.folder} T41")
    try:
        known = Store(asked.folder / "trials", write_images(asked.data, asked.folder / "images"))
        show(list(rows(asked.ids, known)))
        show_looks(list(looked(asked.ids, known, asked.data)))
    except OpsinError as error:
        parser.error(str(error))


def show(found: list[tuple[str, str, list[Parts]]]) -> None:
    """Prints a line for each."""
    print("| claim | between | differences | standard deviation, points | images' part of the variance |")
    print("| --- | --- | --: | --: | --: |")
    for id, kind, own in found:
        variance, shared = np.mean(own, axis=0)
        print(f"| {id} | {kind} | {len(own)} | {np.sqrt(variance):.2f} | {100 * shared / variance:.0f} % |")


def show_looks(found: list[tuple[str, Looks]]) -> None:
    """Prints a line for each."""
    print("\n| claim | arms | rates near the best | another chosen | trials | second look | runs | failed |")
    print("| --- | --: | --: | --: | --: | --: | --: | --: |")
    for id, own in found:
        more = f"{own.again} (+{100 * own.again / (own.trials - own.again):.0f} %)"
        print(f"| {id} | {own.arms} | {own.near} | {own.changed} | {own.trials} | {more} | {own.runs} | {own.failed} |")


if __name__ == "__main__":
    main()
