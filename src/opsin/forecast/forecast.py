"""What training costs here, network by network: seconds of an epoch, memory, batch; from short probes of some of them.

One to three networks of each family are measured, the others estimated from what they compute (`opsin.forecast.rates`).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opsin import zoo
from opsin.engine.evaluate import at_once
from opsin.engine.recipe import Recipe
from opsin.forecast.pool import gather
from opsin.forecast.rates import Measured, features, fit_rates
from opsin.forecast.remembered import Remembered
from opsin.forecast.speed import MARGIN, MEASURE, Speed, SpeedProbe
from opsin.forecast.workload import Network, Room, Workload
from opsin.launch.local import Pool
from opsin.watch import Watch

STEP = 5e9
"""MACs of the forward pass of a step that is timed, at most, where two images do not have more."""


@dataclass(frozen=True)
class Training:
    """What is to be trained, and on what.

    Attributes:
        networks: names, each with the arguments that it is built with: num_classes, in_chans, input_size.
        images: of the training, validation and test part.
        recipe: with its batch_size.
        device: "cpu", "cuda" or "mps".
        available: bytes that one run may take; None where that is not known.
    """

    networks: Mapping[str, dict[str, Any]]
    images: tuple[int, int, int]
    recipe: Recipe
    device: str
    available: int | None

    @property
    def batch(self) -> int:
        return self.recipe.batch(self.images[0])

    def network(self, name: str) -> Network:
        return Network(name, self.networks[name], self.batch, self.recipe.optimizer.moments)

    def probe(self, name: str, workload: Workload, fits: int) -> SpeedProbe:
        """What measures a network: the whole batch, or what `fits` of it, where that is quickly done, on a CPU."""
        quick = max(2, int(STEP / max(1, workload.executed))) if self.device == "cpu" else self.batch
        most = min(quick, fits) if fits else quick
        size = self.networks[name]["input_size"]
        return SpeedProbe(name, self.networks[name], self.recipe, self.batch, size, self.device, most=most)


@dataclass(frozen=True)
class Row:
    """One network: counts as on its card, seconds of an epoch, the largest batch up to the recipe's that fits.

    `memory` are the bytes of a training step with `batch` images; with a `batch` of 0, which says that it does not fit,
    with two. `measured` is False where the speed was estimated from that of others.
    """

    model: str
    family: str
    size: int
    params: int
    macs: int
    memory: int
    batch: int
    speed: Speed
    epoch: float
    measured: bool

    def minutes(self, epochs: int) -> float:
        """Minutes of so many epochs of one run."""
        return self.epoch * epochs / 60

    def epochs(self, minutes: float) -> int:
        """Whole epochs of one run within so many minutes, planned with the margin of a comparison's budget."""
        return int(60 * minutes * MARGIN / self.epoch) if self.batch else 0


@dataclass(frozen=True)
class Forecast:
    """The rows, the quickest first; what cannot be trained here, and why; whether others were at work meanwhile."""

    rows: tuple[Row, ...]
    left_out: tuple[dict[str, str], ...]
    busy: bool


def forecast(
    training: Training,
    pool: Pool,
    remembered: Remembered,
    watch: Watch,
    known: Mapping[str, Speed] | None = None,
    thorough: bool = False,
) -> Forecast:
    """What each network of `training` costs; `known` are speeds that have been measured already.

    Args:
        pool: works with as many processes as will train later.
        thorough: measures every network; else one to three of a family.
    """
    workloads, failed = count_all(training, pool, remembered, watch)
    rooms = fit_all(training, workloads, pool, watch)
    wanted = [name for name in workloads if rooms[name][0]]  # what does not fit is not tried
    probes = wanted if thorough else choose_probes({name: workloads[name] for name in wanted})
    batches = {name: batch for name, (batch, _) in rooms.items()}
    measured, broken = measure_all(training, workloads, batches, probes, known or {}, pool, remembered, watch)
    speeds = measured | estimate_all(training, workloads, measured)
    left_out = [{"model": name, "why": why} for name, why in (failed | broken).items()]
    rows = []
    for name, workload in workloads.items():
        if name not in speeds or name in broken:
            continue
        batch, memory = rooms[name]
        rows.append(
            Row(
                model=name,
                family=zoo.card(name).family,
                size=training.networks[name]["input_size"],
                params=workload.params,
                macs=workload.macs,
                memory=memory,
                batch=batch,
                speed=speeds[name],
                epoch=speeds[name].epoch(training.images),
                measured=name in measured,
            )
        )
    busy = any(speed.busy for speed in measured.values())
    return Forecast(tuple(sorted(rows, key=lambda row: row.epoch)), tuple(left_out), busy)


def count_all(
    training: Training, pool: Pool, remembered: Remembered, watch: Watch
) -> tuple[dict[str, Workload], dict[str, str]]:
    """The workload of each network, and why there is none of the others."""
    networks = {name: training.network(name) for name in training.networks}
    found = {name: remembered.get(network, Workload) for name, network in networks.items()}
    new = {name: network for name, network in networks.items() if found[name] is None}
    failed = {}
    watch.stage("counting", len(new))
    try:
        for name, value, why in gather(pool, "opsin.forecast.workload:count_workload", new, watch):
            if why:
                failed[name] = why
                continue
            found[name] = value
            remembered.put(networks[name], value)
    finally:  # Ctrl-C leaves what was counted
        if new:
            remembered.write()
    return {name: workload for name, workload in found.items() if workload is not None}, failed


def fit_all(
    training: Training, workloads: Mapping[str, Workload], pool: Pool, watch: Watch
) -> dict[str, tuple[int, int]]:
    """(batch, bytes) of each network: the recipe's batch where it fits, else the largest that does, else 0."""
    rooms = {name: (training.batch, workload.memory) for name, workload in workloads.items()}
    most = training.available
    if most is None:
        return rooms
    tight = {name: Room(training.network(name), most) for name, (_, needs) in rooms.items() if needs > most}
    watch.stage("fitting batches", len(tight))
    for name, value, why in gather(pool, "opsin.forecast.workload:fit_batch", tight, watch):
        rooms[name] = (0, rooms[name][1]) if why else value
    return rooms


def measure_all(
    training: Training,
    workloads: Mapping[str, Workload],
    batches: Mapping[str, int],
    wanted: Sequence[str],
    known: Mapping[str, Speed],
    pool: Pool,
    remembered: Remembered,
    watch: Watch,
) -> tuple[dict[str, Speed], dict[str, str]]:
    """Speeds that are known or remembered, and of those `wanted` new ones; and why there are none of some.

    `batches` are the largest that fit. What is measured while others are at work is not remembered.
    """
    probes = {name: training.probe(name, workload, batches[name]) for name, workload in workloads.items()}
    found = {name: known.get(name) or remembered.get(probe, Speed) for name, probe in probes.items()}
    speeds = {name: speed for name, speed in found.items() if speed is not None}
    new = {name: probes[name] for name in wanted if name not in speeds}
    failed = {}
    watch.stage("measuring speed", len(new))
    try:
        for name, value, why in gather(pool, MEASURE, new, watch):
            if why:
                failed[name] = why
                continue
            speeds[name] = value
            if not value.busy:
                remembered.put(new[name], value)
    finally:
        if new:
            remembered.write()
    return speeds, failed


def estimate_all(
    training: Training, workloads: Mapping[str, Workload], measured: Mapping[str, Speed]
) -> dict[str, Speed]:
    """The speeds of the networks that are not measured; none where nothing is."""
    if not measured:
        return {}

    def told(name: str, batch: int, seconds: float) -> Measured:
        return Measured(zoo.card(name).family, features(workloads[name], batch), seconds)

    def evaluated(name: str) -> int:
        size = training.networks[name]["input_size"]
        return at_once(size, size)

    training_rates = fit_rates([told(name, training.batch, speed.train) for name, speed in measured.items()])
    predict_rates = fit_rates([told(name, evaluated(name), speed.predict) for name, speed in measured.items()])
    return {
        name: Speed(
            training_rates.estimate(zoo.card(name).family, features(workload, training.batch)),
            predict_rates.estimate(zoo.card(name).family, features(workload, evaluated(name))),
        )
        for name, workload in workloads.items()
        if name not in measured
    }


def choose_probes(workloads: Mapping[str, Workload]) -> list[str]:
    """The networks to measure: of each family the one with the least MACs, and one or two in its middle."""
    families: dict[str, list[str]] = defaultdict(list)
    for name in sorted(workloads, key=lambda name: workloads[name].executed):
        families[zoo.card(name).family].append(name)
    chosen = []
    for names in families.values():
        n = 1 + (len(names) > 1) + (len(names) > 8)
        chosen += [names[k * len(names) // n] for k in range(n)]
    return chosen
