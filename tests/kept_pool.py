"""A pool whose workers outlive it: a new one imports PyTorch and scikit-learn for seconds before its first task."""

import os
import queue
from pathlib import Path

from opsin.launch.local import Pool

KEPT = []
INBOX = queue.Queue()


def surroundings():
    """What a process has from its parent."""
    return Path.cwd(), {key: value for key, value in os.environ.items() if key != "PYTEST_CURRENT_TEST"}


class KeptPool(Pool):
    """Its idle workers, when it closes, are those of the next pool of as many threads in the same surroundings."""

    def __init__(self, workers, threads=1):
        super().__init__(workers, threads)
        self.inbox, self.origin = INBOX, (threads, surroundings())
        self.workers = [worker for origin, worker in KEPT if origin == self.origin][:workers]
        KEPT[:] = [(origin, worker) for origin, worker in KEPT if worker not in self.workers]

    def close(self):
        idle = [worker for worker in self.workers if worker.key is None]
        self.workers = [worker for worker in self.workers if worker not in idle]
        KEPT.extend((self.origin, worker) for worker in idle)
        super().close()

    def _next(self):
        worker, message = super()._next()
        while worker not in self.workers:  # the last words of one that was killed
            worker, message = super()._next()
        return worker, message
