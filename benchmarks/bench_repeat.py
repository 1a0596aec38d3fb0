"""Does `opsin bench` repeat? Twenty rows measured twice on a quiet machine, then once beside a hog.

    python benchmarks/bench_repeat.py [--hogs N] [--threads N] [--quick]

Prints for each row both medians and how far they lie apart; in how many rows they agree within 5 % (19 of 20 are
wanted); the same for other estimates from the same blocks; and how many rows are marked unstable beside N processes
that compute (all are wanted). It takes about ten minutes; other work on the machine makes it worthless, and is said.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from statistics import median, quantiles

from opsin.bench.cell import Cell, Options, Row, cells
from opsin.bench.session import measure
from opsin.costs.others import cores_here

MODELS = (
    "lenet5",
    "resnet20_cifar",
    "alexnet",
    "googlenet",
    "resnet18",
    "resnet50",
    "squeezenet1_1",
    "densenet121",
    "mobilenet_v2_100",
    "vit_tiny_patch16_224",
)
LIMIT = 0.05
ESTIMATES: dict[str, Callable[[Row], float]] = {
    "p50, as bench has it": lambda row: row.p50 or 0.0,
    "median of all blocks": lambda row: median(row.blocks),
    "lower quartile of blocks": lambda row: quantiles(row.blocks, n=4)[0],
    "fastest block": lambda row: min(row.blocks),
}


@contextmanager
def hogs(n: int):
    """`n` processes that compute for as long as the context lasts."""
    running = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(n)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def apart(a: float, b: float) -> float:
    return max(a, b) / min(a, b) - 1


def twice(asked: Sequence[Cell], options: Options) -> None:
    first, second = (measure(asked, options).rows for _ in range(2))
    print(f"{'row':28} {'first ms':>10} {'second ms':>10} {'apart':>7}  status")
    for a, b in zip(first, second, strict=True):
        status = f"{a.status}, {b.status}" + (f" ({a.why or b.why})" if a.why or b.why else "")
        print(f"{a.cell!s:28} {a.p50 or 0:10.3f} {b.p50 or 0:10.3f} {apart(a.p50 or 1, b.p50 or 1):7.1%}  {status}")
    print()
    for name, estimate in ESTIMATES.items():
        off = [apart(estimate(a), estimate(b)) for a, b in zip(first, second, strict=True) if a.p50 and b.p50]
        within = sum(x <= LIMIT for x in off)
        print(
            f"{name:28} {within} of {len(off)} rows within {LIMIT:.0%}; median {median(off):.1%}, worst {max(off):.1%}"
        )
    both = [(a, b) for a, b in zip(first, second, strict=True) if a.status == b.status == "ok"]
    within = sum(apart(a.p50 or 1, b.p50 or 1) <= LIMIT for a, b in both)
    print(f"{'of rows not marked':28} {within} of {len(both)} rows within {LIMIT:.0%}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hogs", type=int, default=1)
    parser.add_argument("--threads", type=int, default=len(cores_here()))
    parser.add_argument("--quick", action="store_true", help="four small rows")
    asked = parser.parse_args()
    rows = cells(MODELS[:2] if asked.quick else MODELS, (1, 8), threads=asked.threads)
    options = Options()
    twice(rows, options)
    for threads in dict.fromkeys((1, asked.threads)):
        with hogs(asked.hogs):
            found = measure(cells(MODELS[:2] if asked.quick else MODELS, (1, 8), threads=threads), options).rows
        marked = sum(row.status == "unstable" for row in found)
        print(f"beside {asked.hogs} hog(s), {threads} thread(s): {marked} of {len(found)} rows are marked unstable")


if __name__ == "__main__":
    main()
