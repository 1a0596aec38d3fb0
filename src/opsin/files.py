"""Files and folders that are either whole or not there.

A folder of tensors (a checkpoint, a bundle) is written as a temporary one, its files flushed to the disk,
`manifest.json` last with the size and SHA-256 of each and of itself, and then renamed. Neither safetensors nor
torch.load notices a flipped bit, only the hash does.
"""

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

from opsin.errors import OpsinError

if TYPE_CHECKING:
    from torch import Tensor

SCHEMA = 2
MANIFEST = "manifest.json"


def cache_folder() -> Path:
    """$XDG_CACHE_HOME/opsin, or ~/.cache/opsin: beside the folder in which torch.hub keeps its weights."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "opsin"


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def flush(path: Path) -> None:
    """Asks the disk to have the bytes of a file."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def flush_folder(folder: Path) -> None:
    """Asks the disk to have the names in a folder, where the system lets a folder be opened (not on Windows)."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, for a file or folder: it takes its name when all is well, else it is removed.

    A file is flushed to the disk before.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield part
        if part.is_file():
            flush(part)
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


def slug(name: str) -> str:
    """A name for a folder, made of what people call their images."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "images"


def locked(file: Path, work: str) -> AbstractContextManager:
    """Held for as long as `work` (a comparison, a training) is done in the folder of `file`.

    The system frees it when the process ends, however. Raises OpsinError where another one is at work there.
    """
    from filelock import FileLock, Timeout

    try:
        return FileLock(file).acquire(timeout=0)
    except Timeout:
        raise OpsinError(f"another {work} is at work in {file.parent}: wait for it, or choose another --out") from None
    except OSError as error:
        raise OpsinError(f"no permission to write {file.parent} ({error.strerror}): choose another --out") from None


def write_json(path: Path, values: Any) -> None:
    """Writes a JSON file that is whole or not there: under a temporary name, flushed, renamed."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_text(as_text(values), encoding="utf-8")
        flush(part)
        part.replace(path)
        flush_folder(path.parent)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def as_text(values: Any) -> str:
    return json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def digest(asked: dict[str, Any]) -> str:
    """Eight hexadecimal digits that stand for what was asked: the data and every option that changes a run."""
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:8]


def seal(values: dict[str, Any]) -> dict[str, Any]:
    """The values with the SHA-256 over them all, so that a manifest vouches for itself, too."""
    text = json.dumps(values, sort_keys=True, allow_nan=False)
    return values | {"sha256": hashlib.sha256(text.encode()).hexdigest()}


def write_folder(folder: Path, tensors: "dict[str, dict[str, Tensor]]", manifest: dict[str, Any]) -> None:
    """Writes `folder` whole: a .safetensors file for each entry of `tensors`, and a manifest with their hashes.

    Raises OSError, such as for a full disk; nothing of it is left then.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

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
        write_json(part / MANIFEST, seal({"schema": SCHEMA} | manifest | {"files": files}))
        for name in files:  # safetensors lets the owner alone read what it writes
            shutil.copymode(part / MANIFEST, part / name)
        if folder.exists():
            shutil.rmtree(folder)
        part.rename(folder)
        flush_folder(folder.parent)
    except BaseException as error:
        shutil.rmtree(part, ignore_errors=True)
        if isinstance(error, SafetensorError) and (told := re.search(r"os error (\d+)", str(error))):
            raise OSError(int(told[1]), os.strerror(int(told[1])), str(folder)) from None
        raise


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a folder, all its files verified. Raises ValueError, in one line, where anything is wrong."""
    path = folder / MANIFEST
    try:
        text = path.read_text(encoding="utf-8")
        manifest = json.loads(text)
        files = [(name, facts["bytes"], facts["sha256"]) for name, facts in manifest["files"].items()]
        schema, own = manifest["schema"], seal({key: manifest[key] for key in manifest if key != "sha256"})
    except (OSError, KeyError, TypeError, AttributeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"{folder} has no readable {MANIFEST}: {reason}") from None
    except ValueError as error:  # no UTF-8, no JSON
        raise ValueError(f"{path} is damaged: {error}") from None
    if schema != SCHEMA:
        age = "a newer" if isinstance(schema, int) and schema > SCHEMA else "another"
        raise ValueError(f"{folder} was written by {age} version of Opsin (schema {schema}, here {SCHEMA})")
    if text != as_text(own):
        raise ValueError(f"{path} is damaged, or was changed by hand: its SHA-256 is another")
    for name, size, digest in files:
        path = folder / name
        if not path.is_file() or path.stat().st_size != size or sha256(path) != digest:
            raise ValueError(f"{path} is missing or damaged: its SHA-256 is not the manifest's")
    return manifest
