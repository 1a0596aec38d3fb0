"""A worker on a node of a cluster: an actor that keeps one process, the same as that of a pool on one machine."""

import hashlib
import pickle
import queue
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable

import opsin
from opsin.launch.local import Worker, ended_with

Message = tuple[str, Any]
"""A kind, as of `opsin.launch.local.Event`, and its value; "ready" and "broken" tell of the worker itself."""
MARK = ".cluster"
"""The name of a `Mark`."""


@runtime_checkable
class Travels(Protocol):
    """A payload that reads and writes files, and can do so elsewhere."""

    def reads(self) -> tuple[Path, ...]:
        """Files. Raises OpsinError where they cannot be had elsewhere."""
        ...

    @property
    def writes(self) -> Path:
        """A file or a folder."""
        ...

    def elsewhere(self, reads: Mapping[Path, Path], writes: Path) -> Self:
        """The same with other files in the places of its own."""
        ...

    def ended(self) -> Any | None:
        """What an earlier call has left; None where it is still to be done."""
        ...


@dataclass(frozen=True)
class Mark:
    """A file with a secret in it, in the folder of the whole work: a node that reads it there shares the folder."""

    path: Path
    secret: str

    def seen(self) -> bool:
        try:
            return self.path.read_text(encoding="ascii") == self.secret
        except (OSError, ValueError):
            return False


@dataclass(frozen=True)
class Ready:
    """A worker that can be given tasks: its host, Ray's id of the node, `facts`, the node's `home`, and whether it
    shares the folder of the work."""

    host: str
    node: str
    facts: dict[str, str]
    home: Path
    shared: bool


def facts(payload: None, report: Any) -> dict[str, str]:
    """What has to be equal on all nodes: versions, and the SHA-256 over the source of Opsin."""
    from opsin.engine.record import versions

    digest, root = hashlib.sha256(), Path(opsin.__file__).parent
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return versions() | {"source": digest.hexdigest()[:12]}


def home(secret: str) -> Path:
    """Where a node keeps the files of a pool and its runs at work, on a disk of its own, until `tidy`."""
    return Path(tempfile.gettempdir()) / f"opsin-{secret}"


def tidy(secret: str) -> None:
    shutil.rmtree(home(secret), ignore_errors=True)


class Runner:
    """The actor. It never unpickles a task, so PyTorch is imported in its process alone, which ends with it."""

    def __init__(self, threads: int, mark: Mark):
        self.mark, self.host = mark, socket.gethostname()
        self.inbox: queue.Queue[tuple[Worker, Any]] = queue.Queue()
        self.worker = Worker(threads, self.inbox)

    def hello(self) -> Iterator[Message]:
        """ "ready", with what the driver has to know of this worker, once its process has told its `facts`."""
        import ray

        for kind, value in self._ask(pickle.dumps(("", "opsin.launch.node:facts", None))):
            if kind == "done":
                node = ray.get_runtime_context().get_node_id()
                yield "ready", Ready(self.host, node, value, home(self.mark.secret), self.mark.seen())
            elif kind == "lost" and (self.worker.process.returncode or 0) < 0:
                yield kind, value  # killed, which may happen to any process
            else:
                yield "broken", f"{self.host}: {value if kind == 'lost' else value['message']}"

    def run(self, task: bytes, files: dict[Path, dict[str, list[Any]]], writes: Path | None) -> Iterator[Message]:
        """Runs a pickled task, and tells of it.

        First `files` are fetched: folders of this node, with the pieces of each file in the object store. "done" comes
        with what the task has written, as bytes by relative path, where it `writes` to a path of this node.
        """
        if writes is None:
            for kind, value in self._ask(task):
                yield kind, (value, None) if kind == "done" else value
            return
        try:
            writes.parent.parent.mkdir(mode=0o700, exist_ok=True)
            writes.parent.mkdir()
            for folder, pieces in files.items():
                fetch(folder, pieces)
            for kind, value in self._ask(task):
                if kind == "failed" and (value["errno"] or "No space left" in value["message"]):
                    raise OSError(value["errno"], value["message"])
                yield kind, (value, packed(writes)) if kind == "done" else value
        except OSError as error:
            yield "lost", f"the disk of {self.host}: {error.strerror}"
        finally:
            shutil.rmtree(writes.parent, ignore_errors=True)

    def _ask(self, task: bytes) -> Iterator[Message]:
        self.worker.write(task)
        while True:
            _, message = self.inbox.get()
            if message is None:
                yield "lost", f"its process {ended_with(self.worker.kill())}"
                return
            yield message[1:]
            if message[1] in ("done", "failed"):
                return


def fetch(folder: Path, files: dict[str, list[Any]]) -> None:
    """Writes files from the object store, unless another worker of this node has done so."""
    import ray
    from filelock import FileLock

    with FileLock(folder.with_suffix(".lock")):
        if folder.exists():
            return
        part = folder.with_suffix(".part")
        for name, pieces in files.items():
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            with (part / name).open("wb") as file:
                for piece in pieces:
                    file.write(memoryview(ray.get(piece)))  # pyright: ignore[reportArgumentType]
        part.replace(folder)


def packed(path: Path) -> dict[str, bytes]:
    """A file, as "", or the files of a folder by their path in it."""
    if path.is_file():
        return {"": path.read_bytes()}
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}


def unpack(files: dict[str, bytes], path: Path) -> None:
    """Writes what `packed` read, whole or not at all, in the place of what is there."""
    from opsin.files import flush, whole

    with whole(path) as part:
        for name, content in files.items():
            file = part / name if name else part
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
            flush(file)
        if path.is_dir():
            shutil.rmtree(path)
