"""The folder that remembers how a network runs quickest: a JSON file for each question, and the network's graph.

What is read there is trusted only if it is for these weights, this processor and these versions, and if the graph has
the hash that it had. Files are whole or not there; of two processes at once the later one's answer stays.
"""

import hashlib
import json
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from torch import nn

from opsin import __version__
from opsin.costs.machine import cpu_name
from opsin.files import flush, sha256, whole, write_json

SCHEMA = 1
PACKAGES = ("torch", "onnx", "onnxruntime", "openvino")
CHOICE = {"way": dict, "seconds": dict, "aside": dict, "load": float, "weights": str, "graph": str}
"""What is remembered: fields of `fast.Choice`, the network's `fingerprint`, the graph's SHA-256 ("" for no graph)."""


@dataclass(frozen=True)
class Asked:
    """What a choice depends on, beside the weights: network, images, threads, processor, versions."""

    network: str
    channels: int
    size: int
    batch: int
    threads: int
    cpu: str
    versions: dict[str, str | None]

    @classmethod
    def of(cls, net: nn.Module, channels: int, size: int, batch: int, threads: int) -> "Asked":
        found = {package: _version(package) for package in PACKAGES} | {"opsin": __version__}
        return cls(type(net).__name__, channels, size, batch, threads, cpu_name(), found)

    @property
    def stem(self) -> str:
        return f"{self.network}-{self.channels}x{self.size}x{self.size}"

    def file(self, keep: Path) -> Path:
        return keep / f"{self.stem}-batch{self.batch}-threads{self.threads}.json"

    def graph(self, keep: Path) -> Path:
        return keep / f"{self.stem}.onnx"


def fingerprint(net: nn.Module) -> str:
    """SHA-256 of a network's layers, as it prints them, and of all its numbers."""
    digest = hashlib.sha256(str(net).encode())
    for name, value in net.state_dict().items():
        digest.update(f"{name} {value.dtype} {list(value.shape)}".encode())
        digest.update(value.detach().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def read(keep: Path, asked: Asked) -> dict[str, Any] | None:
    """What was remembered for this question, whatever the weights; None where nothing was, or it is damaged."""
    try:
        record = json.loads(asked.file(keep).read_text(encoding="utf-8"))
        if record["schema"] != SCHEMA or record["asked"] != asdict(asked):
            return None
        known = {name: record["choice"][name] for name in CHOICE}
        right = [isinstance(known[name], kind) for name, kind in CHOICE.items()]
        timed = [isinstance(value, float) and value >= 0 for value in known["seconds"].values()]
        way = known["way"]
        counted = [type(way[name]) is int and way[name] > 0 for name in ("at_once", "workers")]
        if all(right + timed + counted) and isinstance(way["backend"], str) and known["seconds"]:
            return known
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        pass
    return None


def graph(keep: Path, asked: Asked, digest: str) -> Path:
    """The graph that was kept. Raises OSError or ValueError where it is not there, or not what it was."""
    path = asked.graph(keep)
    if sha256(path) != digest:
        raise ValueError(f"{path} is damaged")
    return path


def remember(keep: Path, asked: Asked, known: dict[str, Any], graph: Path | None) -> None:
    """Writes a choice, and the graph that it needs, if the folder can be written."""
    try:
        keep.mkdir(parents=True, exist_ok=True)
        if graph is not None:
            with whole(asked.graph(keep)) as part:
                shutil.copyfile(graph, part)
                flush(part)
        known = known | {"graph": sha256(graph) if graph else ""}
        write_json(asked.file(keep), {"schema": SCHEMA, "asked": asdict(asked), "choice": known})
    except OSError:  # an empty folder would tell nothing
        with suppress(OSError):
            keep.rmdir()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
