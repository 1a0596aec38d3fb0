"""Milliseconds for the claims that measure, how far they repeat, and how times grow.

A time is measured in rounds, in each of which weights and images are made anew and may lie elsewhere in memory. There
are as many as it takes until the fastest agree: few on a quiet machine, more on one whose neighbours come and go. What
is read off times is told with an interval, and decides only where all of that lies on one side of its limit.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from statistics import median
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from opsin.claims.claim import Mark, every
from opsin.costs.measure import AGREE, block, warm_up

CPU = torch.device("cpu")
ROUNDS = 4
"""At the least."""
SETTLED = 0.03
"""Rounds go on until the logarithms of a time's three fastest lie so near to each other."""
REPEATS = 0.04
"""How far times differ from run to run, as the standard deviation of their logarithms: benchmarks/claims_repeat.py."""
THREADS = 1
"""Where no other number is asked for. Of two each waits for the other, which a neighbour may have slowed."""
FACTS = {"rounds": ROUNDS, "settled": SETTLED, "repeats": REPEATS, "threads": THREADS}
"""How times are taken: a record of them stands for this, too."""
NOTE = (
    "Times are taken on one thread where nothing else is said. "
    f"Intervals hold 95 % of what figures come to where each time moves by a standard deviation of {REPEATS:.0%}, as "
    "from run to run, and by as much as its three fastest rounds lie apart. A figure decides where all of that lies on "
    "one side of its limit."
)
_DRAWS = 1000

Build = Callable[[], "partial[Any]"]
"""What makes a run, with weights and images of its own."""
Floats = NDArray[np.float64]
Name = TypeVar("Name")


@dataclass(frozen=True)
class Figure:
    """A number read off times, with the interval that it would repeat in; as a string "0.93 (0.88 to 0.96)"."""

    value: float
    low: float
    high: float

    def at_least(self, limit: float) -> Mark:
        """Whether it is so much or more; "open" where the interval has both."""
        return True if self.low >= limit else False if self.high < limit else "open"

    def at_most(self, limit: float) -> Mark:
        """Whether it is so much or less; "open" where the interval has both."""
        return True if self.high <= limit else False if self.low > limit else "open"

    def within(self, least: float, most: float) -> Mark:
        """Whether it lies between two limits."""
        return every((self.at_least(least), self.at_most(most)))

    def __format__(self, form: str) -> str:
        return f"{self.value:{form}} ({self.low:{form}} to {self.high:{form}})"


@dataclass(frozen=True)
class Times(Generic[Name]):
    """Milliseconds of each run, by its name, in each round."""

    rounds: Mapping[Name, Sequence[float]]

    @cached_property
    def ms(self) -> dict[Name, float]:
        """The time of each run: the median of its three fastest rounds, since other work only ever adds time."""
        return {name: median(fastest(own)) for name, own in self.rounds.items()}

    @cached_property
    def repeated(self) -> dict[Name, Floats]:
        """What these times might be in other runs, a thousand of each; always the same ones."""
        rng = np.random.default_rng(0)
        return {
            name: self.ms[name] * np.exp(np.hypot(REPEATS, apart(own)) * rng.standard_normal(_DRAWS))
            for name, own in self.rounds.items()
        }

    def figure(self, of: Callable[[Mapping[Name, Any]], Any]) -> Figure:
        """What `of` makes of the milliseconds, for numbers and for arrays of them alike."""
        value = float(of(self.ms))
        low, high = np.quantile(of(self.repeated), (0.025, 0.975))
        return Figure(value, min(float(low), value), max(float(high), value))


def decisive(figures: Mapping[Name, Figure], limit: float) -> Name:
    """Which decides whether all are so much or more: one that is surely less, else that with the lowest interval."""
    return min(figures, key=lambda name: (figures[name].high >= limit, figures[name].low))


def fastest(rounds: Sequence[float]) -> list[float]:
    """The three fastest rounds, the least first; all of them, where there are fewer."""
    return sorted(rounds)[:AGREE]


def apart(rounds: Sequence[float]) -> float:
    """How far the logarithms of the three fastest rounds lie apart."""
    near = fastest(rounds)
    return math.log(near[-1] / near[0])


def times(
    builds: Mapping[Name, Build],
    *,
    rounds: int = ROUNDS,
    minutes: float = 1.0,
    seconds: float = 0.05,
    threads: int = THREADS,
    device: torch.device = CPU,
    training: bool = False,
) -> Times[Name]:
    """Times runs in turns, so that what disturbs the machine a while meets them all, in rounds until each agrees.

    Args:
        builds: of each run, by its name.
        rounds: of each at the least.
        minutes: after which what does not agree yet is left so.
        seconds: about the time that a run takes of a round, and for its warm-up.
        training: whether runs need gradients.
    """
    found: dict[Name, list[float]] = {name: [] for name in builds}
    before = torch.get_num_threads()
    end = time.perf_counter() + 60 * minutes

    def wanted(own: Sequence[float]) -> bool:
        return len(own) < rounds or (time.perf_counter() < end and apart(own) > SETTLED)

    torch.set_num_threads(threads)
    try:
        while any(map(wanted, found.values())):
            for name, build in builds.items():
                if not wanted(found[name]):
                    continue
                run = build()
                with torch.inference_mode(not training):
                    warm_up(run, device, seconds)
                    found[name].append(block(run, device, seconds, least=2).median)
                del run  # before the next one is built
    finally:
        torch.set_num_threads(before)
    return Times(found)


def through(make: Callable[[], nn.Module], *shape: int) -> Build:
    """What builds a network and images of this shape, for a run of one through the other."""

    return lambda: partial(make().eval(), torch.randn(shape))


@dataclass(frozen=True)
class Law:
    """times = factor * sizes ** exponent, by least squares on logarithms; numbers, or arrays where times are.

    Attributes:
        r2: the share of the variance of log times that it explains.
    """

    factor: Any
    exponent: Any
    r2: Any

    def __call__(self, size: float) -> Any:
        return self.factor * size**self.exponent


def law(sizes: Sequence[float], times: Sequence[Any]) -> Law:
    """The power law through times by sizes, two or more of each; each time a number, or an array of as many cases."""
    x, y = np.log(np.asarray(sizes, dtype=float)), np.log(np.stack([np.asarray(t, float) for t in times], axis=-1))
    dx, middle = x - x.mean(), y.mean(axis=-1)
    dy = y - middle[..., None]
    exponent = dy @ dx / (dx @ dx)
    left = dy - exponent[..., None] * dx
    r2 = 1 - (left**2).sum(axis=-1) / (dy**2).sum(axis=-1)
    return Law(np.exp(middle - exponent * x.mean()), exponent, r2)
