"""How the learning rate goes: each schedule gives the share of the peak rate at a moment of the run.

A schedule knows the run's length as a share alone, so that a paper's 90 epochs and our 9 have the same shape.
"""

import math
from dataclasses import dataclass

from opsin.parts import Part


@dataclass(frozen=True)
class Moment:
    """Where a run is.

    Attributes:
        done: share of all its steps, 0 to below 1.
        since_warmup: share of the steps after the warm-up.
        epochs: of the whole run.
        losses: on validation, of each epoch that has ended.
    """

    done: float
    since_warmup: float
    epochs: int = 1
    losses: tuple[float, ...] = ()


@dataclass(frozen=True)
class Constant(Part):
    """The peak rate to the end."""

    def __call__(self, moment: Moment) -> float:
        return 1.0


@dataclass(frozen=True)
class Cosine(Part):
    """Half a cosine from 1 to `end` (Loshchilov and Hutter 2016, without restarts), after the warm-up."""

    end: float = 0.0

    def __post_init__(self) -> None:
        self.require({"end must be a share from 0 to 1": 0 <= self.end <= 1})

    def __call__(self, moment: Moment) -> float:
        return self.end + (1 - self.end) * 0.5 * (1 + math.cos(math.pi * moment.since_warmup))


@dataclass(frozen=True)
class Polynomial(Part):
    """(1 - share done) to the `power`: 1 is the straight line of SqueezeNet's solver."""

    power: float = 1.0

    def __post_init__(self) -> None:
        self.require({"power must be above 0": self.power > 0})

    def __call__(self, moment: Moment) -> float:
        return (1 - moment.since_warmup) ** self.power


@dataclass(frozen=True)
class Steps(Part):
    """Times `factor` at each of the shares `at` of the run."""

    at: tuple[float, ...]
    factor: float = 0.1

    def __post_init__(self) -> None:
        self.require(
            {
                "at must be shares from 0 to 1, rising": list(self.at) == sorted(set(self.at))
                and all(0 < share < 1 for share in self.at),
                "factor must be above 0": self.factor > 0,
            }
        )

    def __call__(self, moment: Moment) -> float:
        return self.factor ** sum(moment.done >= share for share in self.at)


@dataclass(frozen=True)
class Levels(Part):
    """A table: from share `at[i]` of the run on, `levels[i]` of the peak rate; the peak before the first.

    With 0 as the first share it also says where the rate begins: ResNet-110 has a tenth for its first 400 steps.
    """

    at: tuple[float, ...]
    levels: tuple[float, ...]

    def __post_init__(self) -> None:
        self.require(
            {
                "at must be shares from 0 to 1, rising": list(self.at) == sorted(set(self.at))
                and all(0 <= share < 1 for share in self.at),
                "levels must be as many as at, each above 0": len(self.at) == len(self.levels)
                and all(level > 0 for level in self.levels),
            }
        )

    def __call__(self, moment: Moment) -> float:
        return (1.0, *self.levels)[sum(moment.done >= share for share in self.at)]


@dataclass(frozen=True)
class Exponential(Part):
    """Times `factor`, `times` times in the run, at equal distances: 0.94 every two of 100 epochs is 50 times."""

    factor: float
    times: int

    def __post_init__(self) -> None:
        self.require({"factor must be above 0": self.factor > 0, "times must be at least 1": self.times >= 1})

    def __call__(self, moment: Moment) -> float:
        return self.factor ** math.floor(moment.done * self.times + 1e-9)  # 0.58 * 50 is 28.999...


@dataclass(frozen=True)
class Plateau(Part):
    """Times `factor` when the validation loss has not fallen for a share `patience` of the run, at most `times` times.

    For what the authors of AlexNet, NIN and ResNet did by hand. It looks only at epochs that have ended, so that a run
    which goes on from a checkpoint has the same rates.
    """

    patience: float = 0.06
    factor: float = 0.1
    times: int = 3

    def __post_init__(self) -> None:
        self.require(
            {
                "patience must be a share above 0, at most 1": 0 < self.patience <= 1,
                "factor must be above 0": self.factor > 0,
                "times must be at least 1": self.times >= 1,
            }
        )

    def __call__(self, moment: Moment) -> float:
        patience = max(1, round(self.patience * moment.epochs))
        best, since, drops = math.inf, 0, 0
        for loss in moment.losses:
            best, since = (loss, 0) if loss < best else (best, since + 1)
            if since == patience:
                drops, since = drops + 1, 0
        return self.factor ** min(drops, self.times)


SCHEDULES = (Constant, Cosine, Polynomial, Steps, Levels, Exponential, Plateau)
Schedule = Constant | Cosine | Polynomial | Steps | Levels | Exponential | Plateau
