"""How wrong `opsin plan` is: its estimates against measurements, and its promise against epochs that were trained.

    python benchmarks/plan_error.py [--data digits] [--input-size 32] [--models 'resnet*,vgg*'] [--max-macs 2e9]
        [--promise 6] [--repeats 2]

First every network is measured, and those that the plan would not measure are estimated from the others as the plan
does it: prints the ratios of estimated to measured epoch, median and 90 % of their distance from 1 (as a factor, by
family and in all), and the same of a second measurement to the first, which no estimate can beat. Then `--promise`
networks, from the quickest to the slowest, are trained for three epochs by `opsin compare`: prints the ratios of
planned to real epoch. Nothing is taken from what the plan remembers.
"""

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from opsin import zoo
from opsin.cli.plan import named
from opsin.compare.comparison import run_comparison
from opsin.compare.outlook import training_of
from opsin.compare.planning import default_size
from opsin.compare.request import Request
from opsin.compare.schedule import run_folder
from opsin.data.scan import scan
from opsin.data.sources import load
from opsin.data.split import divide
from opsin.engine.record import Record
from opsin.forecast.forecast import Training, choose_probes, count_all, estimate_all, measure_all
from opsin.forecast.remembered import Remembered
from opsin.forecast.speed import Speed
from opsin.forecast.workload import Workload
from opsin.launch.local import Pool
from opsin.watch import Watch


def off(ratios: Iterable[float]) -> str:
    """Median and 90 % of the factors by which ratios lie away from 1, and their middle."""
    logs = np.log(list(ratios))
    middle, most = np.exp(np.quantile(np.abs(logs), [0.5, 0.9]))
    return (
        f"{len(logs):3} networks, factor {middle:.2f} (median) {most:.2f} (90 %), ratio {np.exp(np.median(logs)):.2f}"
    )


def measured_anew(training: Training, workloads: dict[str, Workload], pool: Pool, folder: Path) -> dict[str, Speed]:
    """The speeds of all, measured now; `folder` must be new, so that none is remembered."""
    batches = dict.fromkeys(workloads, training.batch)
    speeds, failed = measure_all(
        training, workloads, batches, list(workloads), {}, pool, Remembered({}, folder), Watch()
    )
    for name, why in failed.items():
        print(f"{name}: {why}")
    return speeds


def print_estimates(training: Training, workloads: dict[str, Workload], measured: dict[str, Speed]) -> None:
    probes = [name for name in choose_probes(workloads) if name in measured]
    estimates = estimate_all(training, workloads, {name: measured[name] for name in probes})
    images, families = training.images, defaultdict(dict)
    for name in measured.keys() - set(probes):
        families[zoo.card(name).family][name] = estimates[name].epoch(images) / measured[name].epoch(images)
    for family, ratios in sorted(families.items()):
        worst = max(ratios, key=lambda name: abs(np.log(ratios[name])))
        print(f"{family:22}{off(ratios.values())}, worst {worst} {ratios[worst]:.2f}")
    every = [ratio for ratios in families.values() for ratio in ratios.values()]
    print(f"{'estimated/measured':22}{off(every)}; {len(probes)} were measured")


def epochs_trained(request: Request) -> dict[str, float]:
    """Median seconds of an epoch of each network, trained by a comparison."""
    comparison = run_comparison(request)
    found = {}
    for row in comparison.results["rows"]:
        epochs = Record(run_folder(comparison.folder, row["entry"], "seed-0")).read_metrics()
        found[row["model"]] = float(np.median([epoch["seconds"] for epoch in epochs]))
    return found


def print_promise(request: Request, planned: dict[str, float]) -> None:
    """Trains those that are planned, and compares."""
    real = epochs_trained(request)
    for name, seconds in planned.items():
        print(f"{name:30} planned {seconds:.3g} s/epoch, real {real[name]:.3g}, ratio {seconds / real[name]:.2f}")
    print(f"{'planned/real':22}{off(planned[name] / real[name] for name in planned)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--input-size", type=int)
    parser.add_argument("--models")
    parser.add_argument("--max-macs", type=float, default=np.inf, help="leave out dearer ones, by MACs at this size")
    parser.add_argument("--promise", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=2, help="measurements of every network")
    parser.add_argument("--workers", type=int)
    asked = parser.parse_args()
    names = named(asked.models) or tuple(name for name in zoo.list_models() if zoo.card(name).task == "classify")
    request = Request(asked.data, models=names, start="scratch", input_size=asked.input_size, workers=asked.workers)
    scanned = scan(load(request.data, None))
    divided = divide(scanned)
    counts = len(divided.rows("train")), len(divided.rows("val")), len(divided.rows("test"))
    size = asked.input_size or default_size(scanned, request.device_type)
    with tempfile.TemporaryDirectory() as name, Pool(request.processes) as pool:
        folder = Path(name)
        training = training_of(request, scanned, counts, names, size)
        workloads, _ = count_all(training, pool, Remembered({}, folder), Watch())
        workloads = {name: load for name, load in workloads.items() if load.executed <= asked.max_macs}
        turns = [measured_anew(training, workloads, pool, folder / f"{turn}") for turn in range(asked.repeats)]
        print_estimates(training, workloads, turns[0])
        images = training.images
        for turn in turns[1:]:
            print(
                f"{'again/measured':22}{off(turn[name].epoch(images) / turns[0][name].epoch(images) for name in turn)}"
            )
        ranked = sorted(turns[0], key=lambda name: turns[0][name].epoch(images))
        chosen = [ranked[k] for k in np.linspace(0, len(ranked) - 1, asked.promise).round().astype(int)]
        pool.close()
        if chosen:
            planned = {name: turns[0][name].epoch(images) for name in chosen}
            again = replace(request, models=tuple(planned), epochs=3, seeds=1, tune=False, out=folder / "out")
            print_promise(again, planned)


if __name__ == "__main__":
    main()
