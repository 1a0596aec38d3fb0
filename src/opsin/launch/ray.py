"""A pool of workers on the nodes of a Ray cluster, with the face of the pool on one machine.

A worker is an actor that keeps one process of `threads` threads (`opsin.launch.node`), the same as a local pool's, so
that a run has the same bits wherever it runs on processors of one kind. Ray decides where workers go: one for each
`threads` CPUs, or for each GPU; as nodes come and go there are more or fewer.

All nodes must have the same Opsin and PyTorch: Opsin is not sent to them, since results of versions that differ must
not be mixed; each worker is asked before it is given a task.

Files: a node that sees the folder of the work (asked by a file with a secret in it) reads and writes there, and a run
that was lost goes on from its last checkpoint. To any other node images travel once, through Ray's object store onto
a disk of its own, where all its workers map them; runs come back as bytes, and are written here, whole or not at all;
one that was lost begins anew. What has ended on this disk is not run again. A task is lost with its worker, however
that ends, and is run again up to `TRIES` times in all; it counts once, when what it wrote is here.

Where this process ends, Ray ends the workers, and a minute after the head was lost. What nodes keep is removed as the
pool closes; after kill -9 it stays until the same work is done with, and what a lost node has stays there.
"""

import contextlib
import hashlib
import pickle
import queue
import re
import secrets
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from opsin.errors import OpsinError
from opsin.files import sha256
from opsin.launch.cluster import Cluster, answers
from opsin.launch.local import Event, Pool, Task, died
from opsin.launch.node import MARK, Mark, Message, Ready, Runner, Travels, facts, tidy, unpack

TRIES = 3
"""How often a task is begun before it is given up."""
PIECE = 2**24
"""Bytes of a file in one object: far below what any object store holds."""
PATIENCE = 300.0
"""Seconds without any worker after which nobody waits for nodes, or for others on the cluster, any more."""
SILENCE = 10.0
"""Seconds without an answer after which the head counts as lost."""
KEPT = "what has ended is kept, and the same command goes on from there"


class RemoteWorker:
    """An actor, and a thread for each call of it that reads what it tells into the pool's inbox.

    `task` is what it is at; `ready` is None until it can be given one.
    """

    def __init__(self, ray: Any, actor: Any, inbox: "queue.Queue[tuple[Any, Message]]"):
        self.ray, self.actor, self.inbox = ray, actor, inbox
        self.task: Task | None = None
        self.ready: Ready | None = None
        self._call(actor.hello)

    def send(self, task: Task, *arguments: Any) -> None:
        self.task = task
        self._call(self.actor.run, *arguments)

    def _call(self, method: Any, *arguments: Any) -> None:
        def read() -> None:
            try:
                for message in method.options(num_returns="streaming").remote(*arguments):
                    self.inbox.put((self, self.ray.get(message)))
            except Exception as error:  # of many kinds: the actor, its node or the object is gone
                self.inbox.put((self, verdict(error)))

        threading.Thread(target=read, daemon=True).start()

    def kill(self) -> None:
        with contextlib.suppress(Exception):
            self.ray.kill(self.actor)


def verdict(error: Exception) -> Message:
    """What an error of Ray's says of a worker: "broken" where none can ever start on its node, else "lost"."""
    text = str(error)
    if "creation task" in text or "No module named" in text:
        where = re.search(r"ip=([^,)]+)", text)
        return "broken", f"{where[1] if where else 'a node'}: {text.strip().splitlines()[-1].strip()}"
    return "lost", f"its worker is gone ({type(error).__name__})"


class ClusterPool(Pool):
    """Runs tasks on a cluster; see the module. Use it as a context manager: leaving it ends all workers.

    Args:
        folder: that of the whole work, here.
        most: workers at once; as many as there is room for where None.
        gpu: whether each worker has a GPU.

    Raises:
        OpsinError: no room for any worker; a node whose versions are others; the head lost.
    """

    def __init__(self, cluster: Cluster, folder: Path, most: int | None = None, gpu: bool = False, threads: int = 1):
        super().__init__(0, threads)
        self.cluster, self.most, self.gpu = cluster, most, gpu
        self.actors: list[RemoteWorker] = []
        self.news: queue.Queue[tuple[Any, Message]] = queue.Queue()
        self.settled: list[Event] = []
        self.tries: Counter[str] = Counter()
        self.sent: dict[tuple[Path, int], tuple[str, dict[str, list[Any]]]] = {}
        self.mark = leave_mark(folder)
        self.facts = facts(None, None)
        self.looked = self.heard = self.staffed = time.monotonic()
        self.lost = self.closed = False
        self.size = self._room()
        if not self.size:
            what = "GPU" if gpu else "CPU"
            raise OpsinError(f"the Ray cluster at {cluster.head} has no {what} for a worker: let a node with some join")

    def close(self) -> None:
        """Ends all workers at once, and removes what lies on the nodes."""
        if self.closed:
            return
        self.closed = True
        self.mark.path.unlink(missing_ok=True)
        if self.lost:
            return  # every call would wait for the head
        for worker in self.actors:
            worker.kill()
        if self.sent:
            self._tidy()
        self.actors.clear()
        if self.cluster.ours:
            self.cluster.ray.shutdown()

    def submit(self, task: Task) -> None:
        """Of a payload that `Travels` and has ended on this disk the result is taken from there."""
        value = task.payload.ended() if isinstance(task.payload, Travels) else None
        if value is None:
            super().submit(task)
        else:
            self.settled.append(Event(task.key, "done", value))

    def events(self) -> Iterator[Event]:
        self.heard = self.staffed = time.monotonic()
        while self.settled or self.pending or any(worker.task for worker in self.actors):
            if self.settled:
                yield self.settled.pop(0)
                continue
            self._look()
            self._hire()
            yield from self._dispatch()
            try:
                worker, (kind, value) = self.news.get(timeout=0.5)
            except queue.Empty:
                continue
            if worker in self.actors:
                yield from self._hear(worker, kind, value)

    def _hear(self, worker: RemoteWorker, kind: str, value: Any) -> Iterator[Event]:
        task = worker.task
        if kind == "broken":
            raise OpsinError(f"a node cannot run Opsin ({value[:300]}): install there what is installed here")
        if kind == "ready":
            check_facts(value, self.facts)
            worker.ready = value
        elif kind == "lost":
            worker.kill()
            self.actors.remove(worker)
            if task is not None:
                yield self._again(task, value)
        elif task is not None and kind in ("done", "failed"):
            worker.task = None
            if kind == "done":
                value, files = value
                if files is not None:
                    unpack(files, task.payload.writes)
            yield Event(task.key, kind, value)
        elif task is not None:
            yield Event(task.key, kind, value)

    def _again(self, task: Task, why: str) -> Event:
        """What becomes of a task whose worker was lost."""
        if self.tries[task.key] < TRIES:
            super().submit(task)
            return Event(task.key, "lost", why)
        return Event(task.key, "failed", died(f"{why}; it was begun {TRIES} times"))

    def _look(self) -> None:
        """Every two seconds: whether the head still answers, and how many workers there is room for now."""
        now = time.monotonic()
        if any(worker.ready for worker in self.actors):
            self.staffed = now
        if now - self.staffed > PATIENCE:
            raise OpsinError(f"no worker could start for {PATIENCE / 60:g} minutes: see `ray status`; {KEPT}")
        if now - self.looked < 2:
            return
        self.looked = now
        if answers(self.cluster.head):
            self.heard, self.size = now, self._room()
        elif now - self.heard > SILENCE:
            self.lost = True
            raise OpsinError(f"the head of the Ray cluster at {self.cluster.head} does not answer any more; {KEPT}")

    def _room(self) -> int:
        kind, each = ("GPU", 1) if self.gpu else ("CPU", self.threads)
        room = sum(int(node["Resources"].get(kind, 0) // each) for node in self.cluster.ray.nodes() if node["Alive"])
        return room if self.most is None else min(room, self.most)

    def _hire(self) -> None:
        """An actor for each task, as far as there is room; Ray starts it where a processor is free."""
        wanted = min(self.size, len(self.pending) + sum(worker.task is not None for worker in self.actors))
        for _ in range(len(self.actors), wanted):
            kind = self.cluster.ray.remote(num_cpus=self.threads, num_gpus=int(self.gpu), max_restarts=0)(Runner)
            self.actors.append(RemoteWorker(self.cluster.ray, kind.remote(self.threads, self.mark), self.news))

    def _dispatch(self) -> Iterator[Event]:
        for worker in self.actors:
            if self.pending and worker.ready and worker.task is None:
                task = self.pending.pop(0)
                self.tries[task.key] += 1
                self._send(worker, worker.ready, task)
                yield Event(task.key, "started")

    def _send(self, worker: RemoteWorker, ready: Ready, task: Task) -> None:
        payload, files, writes = task.payload, {}, None
        if isinstance(payload, Travels) and not ready.shared:
            there = {}
            for path in payload.reads():
                digest, pieces = self._put(path)
                files[ready.home / digest] = pieces
                there[path] = ready.home / digest / (path.name if path.is_file() else "")
            writes = ready.home / f"run-{secrets.token_hex(8)}" / payload.writes.name
            payload = payload.elsewhere(there, writes)
        worker.send(task, pickle.dumps((task.key, task.function, payload)), files, writes)

    def _put(self, path: Path) -> tuple[str, dict[str, list[Any]]]:
        """A file, or the files of a folder, in the object store: the SHA-256 over them all, and the pieces of each."""
        key = path, path.stat().st_mtime_ns
        if key not in self.sent:
            inside = (path, *sorted(path.rglob("*")))
            files = {(path.name if file == path else file.relative_to(path).as_posix()): file for file in inside}
            files = {name: file for name, file in files.items() if file.is_file()}
            digest = hashlib.sha256("".join(name + sha256(file) for name, file in files.items()).encode())
            put = self.cluster.ray.put
            pieces = {name: [put(piece) for piece in pieces_of(file)] for name, file in files.items()}
            self.sent[key] = digest.hexdigest(), pieces
        return self.sent[key]

    def _tidy(self) -> None:
        ray, done = self.cluster.ray, []
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        for node in ray.nodes():
            if node["Alive"]:
                where = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
                done.append(ray.remote(num_cpus=0, scheduling_strategy=where)(tidy).remote(self.mark.secret))
        ray.wait(done, num_returns=len(done), timeout=10)


def leave_mark(folder: Path) -> Mark:
    """The mark of a folder, new or that of a process which was killed."""
    path = folder.resolve() / MARK
    with contextlib.suppress(OSError, ValueError):
        return Mark(path, str(uuid.UUID(path.read_text(encoding="ascii"))))
    mark = Mark(path, str(uuid.uuid4()))
    path.write_text(mark.secret, encoding="ascii")
    return mark


def check_facts(ready: Ready, here: dict[str, str]) -> None:
    """Raises OpsinError for a node where anything that can change a number is another than here."""
    for name, value in here.items():
        if (other := ready.facts.get(name)) != value:
            what = "source of opsin" if name == "source" else name
            raise OpsinError(
                f"node {ready.host} has {what} {other}, this machine {value}: install the same on all nodes, so that "
                "no results of different versions are mixed"
            )


def pieces_of(path: Path) -> Iterator[np.ndarray]:
    with path.open("rb") as file:
        while len(piece := np.fromfile(file, np.uint8, PIECE)):
            yield piece
