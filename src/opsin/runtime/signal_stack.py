"""The stack on which signals are handled: a library that puts its own in place may free it, and not put it back.

OpenVINO's does when it compiles, and frees it with the last of its networks: the next signal of any kind, a Ctrl-C
that is caught, then ends the process with a segmentation fault (docs/log.md).
"""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class SignalStack(ctypes.Structure):
    """stack_t of signal.h, as Linux has it."""

    _fields_ = (("address", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


@contextmanager
def kept() -> Iterator[None]:
    """Puts this thread's alternate signal stack back as it was, whatever is done meanwhile; on Linux."""
    if not sys.platform.startswith("linux"):
        yield
        return
    sigaltstack, before = ctypes.CDLL(None).sigaltstack, SignalStack()
    sigaltstack(None, ctypes.byref(before))
    try:
        yield
    finally:
        sigaltstack(ctypes.byref(before), None)
