"""Do the claims about time repeat? Several runs of them on a quiet machine, each in processes of its own.

    python benchmarks/claims_repeat.py [--runs 3] [--out DIR]

Prints each claim's verdicts and the marks of its parts, run by run; by what standard deviation the logarithms of times
differ between runs, which `REPEATS` of opsin.claims.clock is to be (of the networks and of attention, whose charts have
milliseconds); and how often the interval that one run gives a figure holds that of another run: an interval of 95 % for
what many runs come to would in 83 %, since the other figure moves as much. A run takes about 14 minutes, and one whose
records are in DIR is not run again. Other work on the machine makes them worthless; the records say so.
"""

import argparse
import re
import subprocess
import sys
from itertools import permutations
from pathlib import Path

import numpy as np

from opsin.claims import record
from opsin.claims.clock import REPEATS
from opsin.claims.plan import Record

FIGURE = re.compile(r"([\d.]+)(?:%|) \(([\d.]+)(?:%|) to ([\d.]+)(?:%|)\)")
MARKS = {True: "yes", False: "no", None: "-"}


def times(found: Record) -> dict[tuple[str, float | str], float]:
    """The milliseconds that a record's charts show, by what they are of."""
    ms: dict[tuple[str, float | str], float] = {}
    for chart in found["charts"]:
        if chart["kind"] == "lines" and chart["y"] == "ms":
            ms |= {(name, x): y for name, points in chart["lines"].items() for x, y in points}
        if chart["kind"] == "dots" and chart["y"] == "ms":
            ms |= {(name, ""): y for name, _, y, _ in chart["dots"]}
    return ms


def scatter(runs: list[Record]) -> list[float]:
    """The variance of each time's logarithm between runs, without what all times of a run have in common."""
    found = [times(own) for own in runs]
    logs = np.log([[own[name] for name in found[0]] for own in found])
    logs -= np.median(logs, axis=1, keepdims=True)
    return logs.var(axis=0, ddof=1).tolist()


def figures(found: Record) -> list[tuple[float, float, float]]:
    """All figures of a record that have an interval: (value, low, high)."""
    return [
        (float(value), float(low), float(high))
        for part in found["parts"]
        for value, low, high in FIGURE.findall(part["found"])
    ]


def report(runs: list[dict[str, Record]]) -> None:
    """Prints what repeats."""
    held = whole = 0
    apart: list[float] = []
    for id in runs[0]:
        each = [own[id] for own in runs]
        print(f"{id}: {', '.join(own['verdict'] for own in each)}")
        for parts in zip(*(own["parts"] for own in each), strict=True):
            if parts[0]["holds"] is not None:
                print(f"  {parts[0]['says']}")
                for part in parts:
                    print(f"    {MARKS.get(part['holds'], part['holds']):<5}{part['found']}")
        if times(each[0]):
            apart += (own := scatter(each))
            print(f"  its {len(own)} times differ by {np.sqrt(np.mean(own)):.1%} from run to run")
        for same in zip(*map(figures, each), strict=True):
            pairs = list(permutations(same, 2))
            held += sum(low <= value <= high for (_, low, high), (value, _, _) in pairs)
            whole += len(pairs)
    changed = [id for id in runs[0] if len({own[id]["verdict"] for own in runs}) > 1]
    print(f"\nIntervals that hold another run's figure: {held} of {whole}")
    print(f"Times differ by {np.sqrt(np.mean(apart)):.1%} from run to run; REPEATS is {REPEATS:.0%}")
    print(f"Verdicts that changed: {', '.join(changed) or 'none'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("claims-repeat"))
    asked = parser.parse_args()
    folders = [asked.out / str(k + 1) for k in range(asked.runs)]
    for folder in folders:
        for kind in (["--kind", "cost"], ["X02"]):
            command = [sys.executable, "-m", "opsin", "claims", "run", *kind, "--out", str(folder)]
            subprocess.run(command, check=True)
    ids = [path.stem for path in sorted(folders[0].glob("X*.json"))]
    runs = [{id: record.read(folder / f"{id}.json") for id in ids} for folder in folders]
    report([{id: own for id, own in run.items() if own["verdict"] != "not run"} for run in runs])


if __name__ == "__main__":
    main()
