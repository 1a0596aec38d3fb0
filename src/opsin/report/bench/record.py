"""What the page of a bench tells of each network: its card's figures, and what was measured at each batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from opsin import zoo
from opsin.bench.cell import FIRST, Bench, Row
from opsin.protocols import imagenet_error
from opsin.report.history.record import titles
from opsin.report.scales import year_steps


@dataclass(frozen=True)
class Point:
    """A network at one batch. `top1` in percent, as printed, None where nothing is; times in ms for one image."""

    row: Row
    name: str
    family: str
    year: int
    top1: float | None
    one_crop: bool

    @property
    def model(self) -> str:
        return self.row.cell.model

    @property
    def batch(self) -> int:
        return self.row.cell.batch

    @property
    def ms(self) -> float:
        """Of one image, in a batch."""
        return (self.row.p50 or 0.0) / self.batch

    @property
    def rate(self) -> float:
        return self.row.images_per_second or 0.0

    @property
    def memory(self) -> float | None:
        """At the peak, in bytes: measured, or predicted where it cannot be measured."""
        return self.row.memory or self.row.predicted

    @property
    def density(self) -> float | None:
        """Points of accuracy for a million parameters."""
        return self.top1 / (self.row.params / 1e6) if self.top1 is not None else None

    @property
    def steady(self) -> bool:
        return self.row.status == "ok"


@dataclass(frozen=True)
class Found:
    """The measured networks of a bench on its first backend, without training steps and what failed."""

    bench: Bench

    @cached_property
    def points(self) -> tuple[Point, ...]:
        rows = [row for row in self.bench.rows if not row.cell.train and row.p50]
        rows = [row for row in rows if row.cell.backend == rows[0].cell.backend]
        cards = {row.cell.model: zoo.card(row.cell.model) for row in rows}
        names = titles(list(cards.values()))
        return tuple(
            Point(row, names[row.cell.model], card.family, card.year, *accuracy(row.cell.model))
            for row in rows
            for card in [cards[row.cell.model]]
        )

    @cached_property
    def batches(self) -> list[int]:
        """Those at which at least half of the networks were measured; all where there are none."""
        models = {point.model for point in self.points}
        counted = {batch: sum(p.batch == batch for p in self.points) for batch in {p.batch for p in self.points}}
        return sorted(batch for batch, n in counted.items() if 2 * n >= len(models)) or sorted(counted)

    def at(self, batch: int) -> list[Point]:
        return [point for point in self.points if point.batch == batch]

    def steady(self, batch: int) -> list[Point]:
        """Those at a batch whose time stands: what verdicts are given on."""
        return [point for point in self.at(batch) if point.steady]

    @cached_property
    def steps(self) -> dict[int, int]:
        """A colour for each year."""
        return year_steps(point.year for point in self.points)

    @cached_property
    def series(self) -> dict[str, list[Point]]:
        """Networks that were measured at three batches or more, by batch; the paper's alone, where they are there."""
        groups: dict[str, list[Point]] = {}
        for point in self.points:
            groups.setdefault(point.model, []).append(point)
        long = {m: sorted(own, key=lambda p: p.batch) for m, own in groups.items() if len(own) >= 3}
        papers = {model: own for model, own in long.items() if model in FIRST}
        return papers or dict(list(long.items())[:12])

    @cached_property
    def printed(self) -> list[Point]:
        """A point for each network with a printed top-1 error, best first, at the smallest batch."""
        return sorted(with_accuracy(self.at(self.batches[0])), key=lambda p: -(p.top1 or 0))


def accuracy(model: str) -> tuple[float | None, bool]:
    """The printed top-1 accuracy on ImageNet, and whether it is one network's on one crop."""
    found = imagenet_error(zoo.card(model))
    return (round(100 - (found[0].top1_err or 0.0), 3), found[1]) if found else (None, False)


def with_accuracy(points: Sequence[Point]) -> list[Point]:
    return [point for point in points if point.top1 is not None]
