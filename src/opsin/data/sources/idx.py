"""Yann LeCun's IDX files, in which MNIST and its kin come: big-endian sizes, then bytes; plain or gzipped."""

import gzip
import zlib
from pathlib import Path

import numpy as np

from opsin.errors import OpsinError

_BYTES = 0x08  # the only type of value that these sets have


def read_idx(path: Path) -> np.ndarray:
    """The uint8 array of a file. A gzipped one is checked by its CRC-32. Raises OpsinError where it is not whole."""
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise OpsinError(f"{path} cannot be read, or is cut short or damaged ({error})") from None
    if len(content) < 4 or content[:3] != bytes((0, 0, _BYTES)):
        raise OpsinError(f"{path} is no IDX file of bytes: copy it anew")
    start = 4 + 4 * content[3]
    shape = np.frombuffer(content[4 : min(start, len(content) // 4 * 4)], ">u4").tolist()
    if len(shape) != content[3] or len(content) - start != np.prod(shape, dtype=object):
        raise OpsinError(f"{path} is cut short or damaged: it holds {len(content):,} bytes for the shape {shape}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
