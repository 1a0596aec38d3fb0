"""One function over many images at once: PIL lets other threads run while it decodes."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")
Progress = Callable[[int, int], None]  # (done, total), called from the thread that asks for the results

FEW = 8
"""Images that a thread takes at once where each has to be decoded."""


def in_threads(
    function: Callable[[int], Result], n: int, progress: Progress | None = None, workers: int | None = None
) -> Iterator[Result]:
    """function(0), …, function(n - 1), in order, as `in_blocks` computes them."""
    return in_blocks(lambda rows: [function(i) for i in rows], n, FEW, progress, workers)


def in_blocks(
    function: Callable[[range], Iterable[Result]],
    n: int,
    block: int,
    progress: Progress | None = None,
    workers: int | None = None,
) -> Iterator[Result]:
    """What `function` makes of 0 … n - 1, of `block` numbers at once, one after another.

    Computed by `workers` threads, or as many as there are cores. Few results are ever waiting to be taken. When the
    caller stops (an error, Ctrl-C), what has not begun is dropped.
    """
    workers = workers or cores()
    waiting: deque[Future[Iterable[Result]]] = deque()
    done = 0
    with ThreadPoolExecutor(workers, thread_name_prefix="opsin-data") as pool:
        try:
            for start in range(0, n + 4 * workers * block, block):
                if start < n:
                    waiting.append(pool.submit(function, range(start, min(start + block, n))))
                if waiting and (start >= n or len(waiting) > 4 * workers):
                    yield from waiting.popleft().result()
                    done = min(done + block, n)
                    if progress is not None:
                        progress(done, n)
        finally:
            for future in waiting:
                future.cancel()


def cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)  # what this process may use; Linux only
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1
