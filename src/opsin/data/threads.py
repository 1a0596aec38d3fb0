"""One function over many images at once: PIL lets other threads run while it decodes."""

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")
Progress = Callable[[int, int], None]  # (done, total), called from the thread that asks for the results

_CHUNK = 8


def in_threads(
    function: Callable[[int], Result], n: int, progress: Progress | None = None, workers: int | None = None
) -> Iterator[Result]:
    """function(0), …, function(n - 1), in order, computed by `workers` threads, or as many as there are cores.

    Few results are ever waiting to be taken. When the caller stops (an error, Ctrl-C), what has not begun is dropped.
    """
    workers = workers or cores()

    def run(start: int) -> list[Result]:
        return [function(i) for i in range(start, min(start + _CHUNK, n))]

    waiting: deque[Future[list[Result]]] = deque()
    done = 0
    with ThreadPoolExecutor(workers, thread_name_prefix="opsin-data") as pool:
        try:
            for start in range(0, n + 4 * workers * _CHUNK, _CHUNK):
                if start < n:
                    waiting.append(pool.submit(run, start))
                if waiting and (start >= n or len(waiting) > 4 * workers):
                    results = waiting.popleft().result()
                    yield from results
                    done += len(results)
                    if progress is not None:
                        progress(done, n)
        finally:
            for future in waiting:
                future.cancel()


def cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)  # what this process may use; Linux only
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1
