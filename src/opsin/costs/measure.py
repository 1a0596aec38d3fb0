"""Timing: blocks of runs after a warm-up, and what a machine says that does not stand still.

Noise only ever adds time: a neighbour on the same processor, a slower clock, a bad place in memory. So a network's time
is that of its calmest blocks, those that agree: the median of the medians of the three fastest blocks in which no
other work was seen. It repeats where the median of all runs drifts with the machine.
"""

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import nn

from opsin.costs.others import Others
from opsin.costs.power import Meter
from opsin.device import place, place_images, precision

AGREE = 3
"""So many of the fastest blocks must agree."""
LONG = 1.0
"""A run of so many seconds is a block by itself."""
Run = Callable[[], Any]


@dataclass(frozen=True)
class TimedBlock:
    """Runs one after another: milliseconds of each; cores that others took meanwhile; joules where they were read.

    `seconds` lie between the two readings of joules.
    """

    ms: tuple[float, ...]
    others: float | None = None
    disturbed: bool = False
    joules: float | None = None
    seconds: float = 0.0

    @property
    def median(self) -> float:
        return median(self.ms)


@dataclass(frozen=True)
class Timing:
    """Milliseconds of one run. `spread` is how far the fastest blocks lie apart, as a share (None for fewer blocks).

    `unstable` says why no figure of the stated precision could be had; None where it could.
    """

    p50: float
    p95: float
    runs: int
    spread: float | None
    others: float | None
    unstable: str | None


@dataclass(frozen=True)
class Latency:
    """Milliseconds of one forward pass of one image; `busy` where others took the processor meanwhile."""

    p50: float
    p95: float
    runs: int
    busy: bool


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def timed(run: Run, device: torch.device) -> float:
    """Seconds of one run, until the device has done its work."""
    at = time.perf_counter()
    run()
    synchronise(device)
    return time.perf_counter() - at


def warm_up(run: Run, device: torch.device, seconds: float = 1.0) -> float:
    """Runs until a run is no longer clearly faster than those before, for about `seconds`; returns the last one's."""
    synchronise(device)
    times = [timed(run, device)]
    while sum(times[1:]) < seconds:
        times.append(timed(run, device))
        if times[-1] >= LONG or (len(times) >= 4 and min(times[-2:]) > 0.97 * min(times[:-2])):
            break
    return times[-1]


def block(
    run: Run,
    device: torch.device,
    seconds: float = 0.3,
    *,
    least: int = 3,
    most: int = 10_000,
    threads: int = 0,
    meter: Meter | None = None,
) -> TimedBlock:
    """Runs for about `seconds`: at least `least` times (once, where a run is long), at most `most` times."""
    gc.collect()
    before, began = meter() if meter else 0.0, time.perf_counter()
    others = Others(threads if device.type == "cpu" else 0)
    times: list[float] = []
    spent = 0.0
    while len(times) < most and (spent < seconds or (len(times) < least and max(times, default=0.0) < LONG)):
        times.append(timed(run, device))
        spent += times[-1]
    taken = others.cores()
    disturbed = device.type == "cpu" and others.disturb(taken)
    joules = meter() - before if meter else None
    ms = tuple(1e3 * t for t in times)
    return TimedBlock(ms, taken, disturbed, joules, time.perf_counter() - began)


def summary(visits: Sequence[Sequence[TimedBlock]], precision: float) -> Timing:
    """The figure of blocks that were taken in one or more visits; several visits must bear it out.

    It is unstable where others disturbed all but a few blocks, or where the fastest blocks do not agree to within
    `precision` (a share) or lie in a single visit.
    """
    every = [(own, k) for k, visit in enumerate(visits) for own in visit]
    quiet = [(own, k) for own, k in every if not own.disturbed]
    told = [own.others for own, _ in every if own.others is not None]
    others = sum(told) / len(told) if told else None
    used = sorted(quiet if len(quiet) >= AGREE else every, key=lambda item: item[0].median)
    fastest = used[:AGREE]
    spread = fastest[-1][0].median / fastest[0][0].median - 1 if len(fastest) == AGREE else None
    times = np.array([ms for own, _ in used for ms in own.ms])
    if len(quiet) < AGREE and len(every) > len(quiet):
        why = f"other work took {others:.1f} cores meanwhile"
    elif spread is None:
        why = "too few runs"
    elif spread > precision:
        why = f"its fastest runs are {spread:.1%} apart"
    else:
        why = None if len({k for _, k in fastest}) >= min(2, len(visits)) else "only one visit was so fast"
    p50 = median(own.median for own, _ in fastest)
    return Timing(p50, float(max(p50, np.percentile(times, 95))), len(times), spread, others, why)


@torch.inference_mode()
def latency(
    net: nn.Module, channels: int, size: int, device: torch.device, *, threads: int = 1, seconds: float = 1.0
) -> Latency:
    """The time of one image through a network, 10 to 200 runs in about `seconds`, on `threads` threads of a CPU."""
    net = place(net.eval(), device)
    image = place_images(torch.zeros(1, channels, size, size, device=device))
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with precision(device):
            warm_up(lambda: net(image), device, seconds / 5)
            blocks = [
                block(lambda: net(image), device, seconds / 5, least=2, most=40, threads=threads) for _ in range(5)
            ]
    finally:
        torch.set_num_threads(before)
    found = summary([blocks], 1.0)
    return Latency(found.p50, found.p95, found.runs, sum(own.disturbed for own in blocks) > len(blocks) - AGREE)
