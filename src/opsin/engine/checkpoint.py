"""Checkpoints: folders that are either whole or not there.

A checkpoint is written as a temporary folder, its files flushed to the disk, `manifest.json` last with the size and
SHA-256 of each, and then renamed. Reading takes the newest whose manifest verifies: neither safetensors nor torch.load
notices a flipped bit, only the hash does. The last good one is never deleted before the next one is whole.
"""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from opsin.errors import OpsinError

SCHEMA = 1
MANIFEST = "manifest.json"


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def flush(path: Path) -> None:
    """Asks the disk to have the bytes of a file."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, for a file or folder: it takes its name when all is well, else it is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield part
        try:
            part.replace(path)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
            raise FileExistsError(errno.EEXIST, "is there already", str(path)) from None
    finally:
        if part.is_dir():
            shutil.rmtree(part)
        part.unlink(missing_ok=True)


def check_writable(path: Path, option: str = "--out") -> None:
    """Makes the folders above a path; raises OpsinError, before the work, where nothing can be written there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        why = error.strerror
        if isinstance(error, FileExistsError | NotADirectoryError):
            why = f"{error.filename} is no folder"
        raise OpsinError(f"cannot write {path}: {why}; name another with {option}") from None


def write_json(path: Path, values: Any) -> None:
    """Writes a JSON file that is whole or not there: under a temporary name, flushed, renamed."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        text = json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False)
        part.write_text(text + "\n", encoding="utf-8")
        flush(part)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_folder(folder: Path, tensors: dict[str, dict[str, Tensor]], manifest: dict[str, Any]) -> None:
    """Writes `folder` whole: a .safetensors file for each entry of `tensors`, and a manifest with their hashes."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir()
        files = {}
        for name, entries in tensors.items():
            path = part / f"{name}.safetensors"
            save_file({key: value.detach().cpu().contiguous() for key, value in entries.items()}, path)
            flush(path)
            files[path.name] = {"bytes": path.stat().st_size, "sha256": sha256(path)}
        write_json(part / MANIFEST, {"schema": SCHEMA} | manifest | {"files": files})
        for name in files:  # safetensors lets the owner alone read what it writes
            shutil.copymode(part / MANIFEST, part / name)
        if folder.exists():
            shutil.rmtree(folder)
        part.rename(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a folder, all its files verified. Raises ValueError, in one line, where anything is wrong."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        files = [(name, facts["bytes"], facts["sha256"]) for name, facts in manifest["files"].items()]
        if manifest["schema"] > SCHEMA:
            raise ValueError(f"{folder} was written by a newer Opsin (schema {manifest['schema']}): update Opsin")
    except (OSError, KeyError, TypeError, AttributeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"{folder} has no readable {MANIFEST}: {reason}") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{folder / MANIFEST} is damaged: {error}") from None
    for name, size, digest in files:
        path = folder / name
        if not path.is_file() or path.stat().st_size != size or sha256(path) != digest:
            raise ValueError(f"{path} is missing or damaged: its SHA-256 is not the manifest's")
    return manifest


class Checkpoints:
    """The checkpoints of one run, under `folder`; the newest two are kept.

    `skipped` says which ones `resume` passed over, and why.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.skipped: list[str] = []

    def save(self, epoch: int, net: nn.Module, optimizer: torch.optim.Optimizer, history: list[dict]) -> None:
        """Saves the state after `epoch` epochs."""
        state = {
            f"{index}.{key}": torch.as_tensor(value)
            for index, entry in optimizer.state_dict()["state"].items()
            for key, value in entry.items()
            if value is not None
        }
        tensors = {"model": net.state_dict(), "optimizer": state}
        write_folder(self.folder / f"epoch-{epoch:05d}", tensors, {"epoch": epoch, "history": history})
        for old in sorted(self.folder.glob("epoch-*"))[:-2]:
            shutil.rmtree(old, ignore_errors=True)

    def resume(self, net: nn.Module, optimizer: torch.optim.Optimizer) -> list[dict]:
        """Loads the newest checkpoint that verifies, if there is one; returns the history of its epochs."""
        for folder in sorted(self.folder.glob("epoch-*"), reverse=True):
            try:
                manifest = read_manifest(folder)
            except ValueError as error:
                self.skipped.append(str(error))
                continue
            net.load_state_dict(load_file(folder / "model.safetensors"))
            parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
            state: dict[int, dict[str, Tensor]] = {}
            for key, value in load_file(folder / "optimizer.safetensors").items():
                index, _, name = key.partition(".")
                like = parameters[int(index)]
                if value.shape == like.shape:  # a moment, which must lie in memory as its parameter does
                    value = torch.empty_like(like).copy_(value)
                state.setdefault(int(index), {})[name] = value.clone()
            optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
            return manifest["history"]
        return []
