"""A bench from its cells to its rows: in groups whose cells take turns, each visited several times.

A machine drifts over minutes. So the visits to a cell are spread in time, with the others of its group between them,
and its figure stands when the fastest blocks of different visits agree (see `opsin.costs.measure`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch

from opsin import zoo
from opsin.bench import fits
from opsin.bench.cell import Cell, Options, Row
from opsin.bench.job import GROUP, Visit
from opsin.costs.free import free_memory
from opsin.costs.measure import summary, timed
from opsin.costs.sheet import cost
from opsin.launch.local import Pool, Task
from opsin.watch import Watch

VISITS = 3
"""To each cell, at least."""
MOST = 12
"""Visits to a cell, at most."""
JOB = "opsin.bench.job:visit"


@dataclass(eq=False)
class Open:
    """A cell that is being measured."""

    cell: Cell
    visits: list[Visit] = field(default_factory=list)
    failure: str = ""

    def done(self, options: Options) -> bool:
        if self.failure or len(self.visits) < VISITS:
            return bool(self.failure)
        blocks = [visit.blocks for visit in self.visits]
        clean = any(not own.disturbed for visit in blocks for own in visit)
        spent = sum(sum(own.ms) for visit in blocks for own in visit) / 1e3
        over = not clean or spent > options.seconds or len(self.visits) >= MOST
        return over or summary(blocks, options.precision).unstable is None


def groups_of(cells: Sequence[Cell], free: int | None) -> list[list[Cell]]:
    """Cells in turns: at most GROUP, which together take at most half of the free memory, as backends keep theirs."""
    groups: list[list[Cell]] = [[]]
    taken = 0
    for cell in cells:
        need = fits.predicted(cell) if free else 0
        if groups[-1] and (len(groups[-1]) == GROUP or (free and taken + need > free / 2)):
            groups.append([])
            taken = 0
        groups[-1].append(cell)
        taken += need
    return groups


def bench(cells: Sequence[Cell], options: Options, watch: Watch, estimate: "Estimate") -> Iterator[Row]:
    """Measures cells, and gives each row as soon as it stands; `watch` hears of the seconds that are expected.

    A cell that fails is a row with the reason: the others go on.
    """
    if not cells:
        return
    free = free_memory(torch.device(cells[0].device))
    watch.stage("measuring", sum(map(estimate.expected, cells)))
    with Pool(1, cells[0].threads) as pool:
        for group in groups_of(cells, free):
            unfinished = [Open(cell) for cell in group]
            while unfinished:
                for own in unfinished:
                    visit(pool, own, options)
                    if len(own.visits) <= VISITS:
                        watch.advance(estimate.expected(own.cell) / VISITS)
                ended = [own for own in unfinished if own.done(options)]
                yield from (row_of(own, options, free) for own in ended)
                unfinished = [own for own in unfinished if own not in ended]


def visit(pool: Pool, own: Open, options: Options) -> None:
    """One visit by the pool's worker; the first asks for memory, too."""
    pool.submit(Task(str(own.cell), JOB, (own.cell, not own.visits, options.power)))
    for event in pool.events():
        if event.kind == "done":
            own.visits.append(event.value)
        elif event.kind == "failed":
            own.failure = why_failed(own.cell, event.value)


def why_failed(cell: Cell, facts: dict[str, Any]) -> str:
    """The reason in one line, without the cell's name at its head."""
    if facts["type"] == "Died":
        return f"{facts['message']}: take a smaller batch"
    if facts["type"] == "OutOfMemoryError" or "not enough memory" in facts["message"]:
        return "out of memory: take a smaller batch"
    return facts["message"].removeprefix(f"{cell} ")[:300]


def row_of(own: Open, options: Options, free: int | None) -> Row:
    """The figures of a cell after its last visit; `free` are the bytes that were free before the first one."""
    cell = own.cell
    counted = counts(cell.model, cell.size)
    if own.failure or not own.visits:
        return Row(cell, "failed", *counted, why=own.failure)
    blocks = [visit.blocks for visit in own.visits]
    every = [block for visit in blocks for block in visit]
    found = summary(blocks, options.precision)
    energy = [(block.joules, block) for block in every if block.joules is not None]
    joules = sum(j for j, _ in energy) if energy else None
    loads = [visit.load for visit in own.visits if visit.load is not None]
    first = own.visits[0]
    return Row(
        cell,
        "unstable" if found.unstable else "ok",
        *counted,
        why=found.unstable or "",
        p50=found.p50,
        p95=found.p95,
        runs=found.runs,
        spread=found.spread,
        blocks=tuple(block.median for block in every),
        others=found.others,
        load=max(loads, default=None),
        memory=first.memory,
        predicted=fits.predicted(cell),
        fits=first.fits if first.fits is not None else (fits.largest(cell, free) if free else None),
        watts=joules / sum(block.seconds for _, block in energy) if joules is not None else None,
        joules=joules / (cell.batch * sum(len(block.ms) for _, block in energy)) if joules is not None else None,
    )


@cache
def counts(model: str, size: int) -> tuple[int, int, int]:
    """Parameters, and MACs and activations of one image."""
    sheet = cost(model, input_size=size)
    return sheet.params, sheet.macs, sheet.activations


class Estimate:
    """How long cells will take, from a convolution on their device: for the bar, and to be told before it starts."""

    SHARE = 0.35
    """Of a 1x1 convolution's speed, what networks reach, most of them."""

    def __init__(self, device: torch.device, side: int = 768):
        images, kernels = torch.randn(1, side, side, 1, device=device), torch.randn(side, side, 1, 1, device=device)
        timed(lambda: torch.conv2d(images, kernels), device)
        self.macs = 4 * side**3 / timed(lambda: [torch.conv2d(images, kernels) for _ in range(4)], device)

    def expected(self, cell: Cell) -> float:
        """Seconds that a cell will take, roughly."""
        card = zoo.card(cell.model)
        macs = card.macs * (cell.size / card.inputs.size) ** 2 * cell.batch * (3 if cell.train else 1)
        run = macs / (self.macs * self.SHARE)
        timing = 2 * run if run > 1 else max(0.9, 7 * run)
        built = 0.3 + 1.5e-8 * card.params + (10 if cell.backend not in ("eager", "channels_last") else 0)
        return VISITS * (built + timing) + run
