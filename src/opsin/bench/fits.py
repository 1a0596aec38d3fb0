"""Which batch fits: the predicted memory of a batch against what is free."""

from collections.abc import Callable
from functools import cache

import torch

from opsin import zoo
from opsin.bench.cell import Cell
from opsin.costs import memory
from opsin.errors import OpsinError

GIB = 2**30
ROOM = 1.1
"""What a prediction may be short of, as a factor: work space inside operators."""


def predicted(cell: Cell) -> int:
    """Bytes that the cell takes at its peak, by the cost sheet's model. Raises OpsinError where it cannot be run."""
    return peak_of(cell.model, cell.size, cell.batch, cell.train)


@cache
def peak_of(model: str, size: int, batch: int, train: bool) -> int:
    net = zoo.meta_model(model, input_size=size)
    of = memory.training if train else memory.inference
    return of(net, zoo.card(model).inputs.channels, (size, size), batch)


def largest(cell: Cell, free: int) -> int:
    """The largest batch of which `ROOM` times the prediction fits into `free` bytes; 0 where none does."""
    return _largest(cell.model, cell.size, cell.train, free * narrower(cell))


@cache
def _largest(model: str, size: int, train: bool, free: int) -> int:
    least = 2 if train else 1  # batch normalisation trains on two values at least
    return memory.largest_batch(lambda batch: peak_of(model, size, batch, train), int(free / ROOM), least)


def narrower(cell: Cell) -> int:
    """How many times less memory than is predicted, for float32, a cell may take: GPUs compute in bfloat16."""
    return 2 if cell.device == "cuda" else 1


def check(cell: Cell, free: int | None) -> None:
    """Raises OpsinError for a batch that does not fit, before it takes the machine down."""
    need = ROOM * predicted(cell) / narrower(cell)
    if free is None or need <= free:
        return
    most = largest(cell, free)
    mend = f"take --batch {most} or less" if most else "it does not fit at any batch: take fewer px, or another network"
    raise OpsinError(f"{cell} needs about {need / GIB:.1f} GiB and {free / GIB:.1f} are free: {mend}")


def tried(batch: int, run: Callable[[int], object]) -> int:
    """The largest batch, from `batch` down by tenths, that a GPU takes; 0 where it takes none."""
    while batch > 0:
        try:
            run(batch)
            return batch
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
            batch = batch * 9 // 10
    return 0
