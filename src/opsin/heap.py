"""The C library's heap: memory that tensors gave back stays with the process, ready for the next ones.

As it is, glibc maps each large tensor anew and gives it back to the system when it is freed, and the system clears
every page of it again at the first touch: a forward pass of MobileNetV2 on 8 images has 90,000 page faults, and spends
more time in them than in its layers (docs/log.md).
"""

import ctypes
import sys

TRIM_THRESHOLD, MMAP_MAX = -1, -4
"""Parameters of mallopt, as glibc's malloc.h numbers them."""


def keep() -> bool:
    """Keeps freed memory in this process, its peak until it ends; False where the C library has no such setting."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # musl has none
        return False
    return bool(mallopt(MMAP_MAX, 0)) and bool(mallopt(TRIM_THRESHOLD, -1))
