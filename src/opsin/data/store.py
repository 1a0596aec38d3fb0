"""Where a run takes its images from: an array that is decoded already, or files that are decoded in their turn."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from itertools import chain, islice
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from opsin.data.preprocess import Preprocess
from opsin.data.sources import Source
from opsin.data.threads import cores

AHEAD = 2
"""Batches that are decoded before they are asked for: what bounds the memory of a set of any size."""


class Stored:
    """Images that were decoded once: uint8 [n, C, S, S], in memory or mapped from a file."""

    def __init__(self, array: np.ndarray):
        self.pixels = torch.from_numpy(array)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.pixels.shape)

    def to(self, device: torch.device) -> "Stored":
        """The same on a GPU where they take less than a quarter of its free memory; else where they are."""
        if device.type == "cuda" and self.pixels.nbytes < torch.cuda.mem_get_info(device)[0] / 4:
            moved = Stored(np.empty(0, np.uint8))
            moved.pixels = self.pixels.to(device)
            return moved
        return self

    def batches(self, rows: Iterable[np.ndarray]) -> Iterator[Tensor]:
        """Batches uint8 [N, C, S, S], of the images at each of `rows`, int64 [N]."""
        for batch in rows:
            yield self.pixels.index_select(0, torch.from_numpy(batch).to(self.pixels.device))


class Decoded:
    """Images of a source, decoded whenever they are asked for, by `workers` threads (see `decode`)."""

    def __init__(self, source: Source, preprocess: Preprocess, workers: int | None = None):
        self.source, self.preprocess = source, preprocess
        self.workers = cores() if workers is None else workers

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.source), self.preprocess.channels, self.preprocess.size, self.preprocess.size)

    def to(self, device: torch.device) -> "Decoded":
        return self

    def batches(self, rows: Iterable[np.ndarray]) -> Iterator[Tensor]:
        """Batches uint8 [N, C, S, S], of the images at each of `rows`, int64 [N]. Raises BadImage."""
        return decode(
            map(np.ndarray.tolist, rows), lambda i: self.preprocess.pixels(self.source.image(i)), self.workers
        )


Images = Stored | Decoded
Item = TypeVar("Item")


def decode(batches: Iterable[Sequence[Item]], one: Callable[[Item], np.ndarray], workers: int) -> Iterator[Tensor]:
    """A batch uint8 [N, C, S, S] of what `one` makes, uint8 [C, S, S], of each item of each of `batches`.

    By `workers` threads, which are up to AHEAD batches before the caller; with 0 by the caller's own thread. Threads
    are enough, since PIL lets the others run while it decodes, and leave no process behind.
    """
    if workers == 0:
        for batch in batches:
            yield torch.from_numpy(np.stack([one(item) for item in batch]))
        return

    def some(items: Sequence[Item]) -> list[np.ndarray]:
        return [one(item) for item in items]

    todo = iter(batches)
    waiting: deque[list[Future[list[np.ndarray]]]] = deque()
    pool = decoders(workers)
    try:
        while True:
            for batch in islice(todo, AHEAD + 1 - len(waiting)):
                size = max(1, min(16, len(batch) // workers))
                waiting.append([pool.submit(some, batch[at : at + size]) for at in range(0, len(batch), size)])
            if not waiting:
                return
            parts = waiting.popleft()
            yield torch.from_numpy(np.stack(list(chain.from_iterable(part.result() for part in parts))))
    finally:
        for future in chain.from_iterable(waiting):
            future.cancel()


@cache
def decoders(workers: int) -> ThreadPoolExecutor:
    """The threads that decode, kept from one epoch to the next: with new ones each time the heap grows."""
    return ThreadPoolExecutor(workers, thread_name_prefix="opsin-decode")
