"""A pool of worker processes on this machine.

Many small trainings run faster as many processes of one thread each than as one process of many threads. Workers are
fresh interpreters (never forks), start once, and are kept for all tasks, since importing PyTorch takes seconds. They
are started by command line, so that a pool also works from a notebook or an unguarded script.
"""

import os
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from opsin import waiting


@dataclass(frozen=True)
class Event:
    """What is known of a task: kind "started", "news" (its own report), "done" (its value) or "failed" (the facts).

    On a cluster it may be "lost" (why), too, and is started again.
    """

    key: str
    kind: str
    value: Any = None


@dataclass(frozen=True)
class Task:
    """A function of an importable module, "package.module:function", and the payload that it is called with."""

    key: str
    function: str
    payload: Any
    cost: float = 0.0


class Worker:
    """One process, and the thread that reads its news into the pool's inbox."""

    def __init__(self, threads: int, inbox: "queue.Queue[tuple[Worker, Any]]"):
        environment = os.environ | waiting.settings() | {"OMP_NUM_THREADS": str(threads)}
        # -P: what lies in the user's folder must not be imported in place of the packages
        command = [sys.executable, "-P", "-m", "opsin.launch.worker", str(threads)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        self.key: str | None = None
        threading.Thread(target=self._read, args=(inbox,), daemon=True).start()

    def _read(self, inbox: "queue.Queue[tuple[Worker, Any]]") -> None:
        assert self.process.stdout is not None
        try:
            while True:
                inbox.put((self, pickle.load(self.process.stdout)))
        except (EOFError, OSError, ValueError, pickle.UnpicklingError):
            inbox.put((self, None))

    def send(self, task: Task) -> None:
        self.key = task.key
        self.write(pickle.dumps((task.key, task.function, task.payload)))

    def write(self, task: bytes) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(task)
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it has died: its reader says so

    def kill(self) -> int:
        self.process.kill()
        return self.process.wait()


class Pool:
    """Runs tasks in `workers` processes of `threads` threads each. Use it as a context manager: leaving it kills them.

    Tasks of the greatest cost go first. A worker that dies fails its task alone; the next task gets a new one.
    """

    def __init__(self, workers: int, threads: int = 1):
        self.size, self.threads = workers, threads
        self.pending: list[Task] = []
        self.workers: list[Worker] = []
        self.inbox: queue.Queue[tuple[Worker, Any]] = queue.Queue()

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends all workers at once, whatever they are at."""
        for worker in self.workers:
            worker.kill()
        self.workers.clear()

    def submit(self, task: Task) -> None:
        self.pending.append(task)
        self.pending.sort(key=lambda task: -task.cost)

    def events(self) -> Iterator[Event]:
        """Events as they come, until no task is left; tasks may be submitted meanwhile."""
        while self.pending or any(worker.key for worker in self.workers):
            yield from self._dispatch()
            worker, message = self._next()
            if message is None:
                yield from self._bury(worker)
                continue
            key, kind, value = message
            if kind in ("done", "failed"):
                worker.key = None
            yield Event(key, kind, value)

    def _next(self) -> tuple[Worker, Any]:
        while True:
            try:
                return self.inbox.get(timeout=1.0)  # a bare get() would not see Ctrl-C on Windows
            except queue.Empty:
                continue

    def _dispatch(self) -> Iterator[Event]:
        while self.pending:
            idle = next((worker for worker in self.workers if worker.key is None), None)
            if idle is None and len(self.workers) == self.size:
                return
            if idle is None:
                idle = Worker(self.threads, self.inbox)
                self.workers.append(idle)
            task = self.pending.pop(0)
            idle.send(task)
            yield Event(task.key, "started")

    def _bury(self, worker: Worker) -> Iterator[Event]:
        if worker not in self.workers:
            return
        code = worker.kill() if worker.process.poll() is None else worker.process.returncode
        self.workers.remove(worker)
        if worker.key is not None:
            yield Event(worker.key, "failed", died(f"its process {ended_with(code)}"))


def ended_with(code: int) -> str:
    return f"ended with exit code {code}" + (" (out of memory?)" if code == -9 else "")


def died(reason: str) -> dict[str, Any]:
    """The facts of a task that failed with its worker."""
    return {"type": "Died", "message": reason, "errno": None, "traceback": ""}
