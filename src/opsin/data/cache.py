"""Every image decoded once, at a network's size, in one file that all runs map into memory."""

import base64
import errno
import io
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from opsin.data.images import quiet
from opsin.data.preprocess import Preprocess
from opsin.data.sources import Source
from opsin.data.threads import Progress, in_blocks
from opsin.errors import OpsinError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def materialise(source: Source, preprocess: Preprocess, path: Path, progress: Progress | None = None) -> np.ndarray:
    """All images of a source as `preprocess.pixels` gives them: uint8 [n, C, S, S], mapped read-only from `path`.

    A file of this shape that lies there is taken as it is, so `path` must belong to this source and preprocessing.
    Else it is written under another name and renamed when it is whole (one process at a time). Raises OpsinError where
    the disk is full or nothing may be written, and BadImage; nothing is left behind then.
    """
    shape = (len(source), preprocess.channels, preprocess.size, preprocess.size)
    if not _holds(path, shape):
        _write(source, preprocess, path, shape, progress)
    return np.load(path, mmap_mode="r")


def thumbnail(source: Source, i: int, side: int) -> str:
    """Image i for looking at, at most `side` px, as the data URI of a PNG. Tiny images are enlarged in whole pixels."""
    image = source.image(i)
    times = side // max(image.size)
    if times >= 2:
        image = image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)
    else:
        image.thumbnail((side, side))
    stream = io.BytesIO()
    image.save(stream, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


def _holds(path: Path, shape: tuple[int, ...]) -> bool:
    try:
        images = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError):  # missing, cut short, or something else
        return False
    return images.shape == shape and images.dtype == np.uint8


def _write(
    source: Source, preprocess: Preprocess, path: Path, shape: tuple[int, ...], progress: Progress | None
) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    needed = int(np.prod(shape))

    def some(rows: range) -> Iterable[np.ndarray]:
        images = source.stack(np.arange(rows.start, rows.stop))
        ready = None if images is None else preprocess.stack(images)
        return [preprocess.pixels(source.image(i)) for i in rows] if ready is None else ready

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(path.parent).free
        if free < needed:
            raise _disk_full(path, needed, free)
        # written in order, not through a memory map: on a full disk a map ends the process with SIGBUS
        with temporary.open("wb") as stream, quiet():
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(stream, header)
            for pixels in in_blocks(some, len(source), source.block, progress):
                stream.write(pixels.data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        if error.errno in _FULL:
            raise _disk_full(path, needed, shutil.disk_usage(path.parent).free) from None
        raise OpsinError(f"cannot write {path}: {error.strerror}; choose another folder") from None
    finally:
        temporary.unlink(missing_ok=True)


def _disk_full(path: Path, needed: int, free: int) -> OpsinError:
    return OpsinError(
        f"disk full: the decoded images need {needed / 1e6:,.1f} MB in {path.parent}, where {free / 1e6:,.1f} MB are "
        "free; make room, or choose another folder or a smaller input size"
    )
