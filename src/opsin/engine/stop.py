"""Signals that ask a run to stop: the first one ends it after the step and a save, a second one at once."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ASK = (signal.SIGTERM, signal.SIGINT)


class Stopped(BaseException):
    """A run has stopped because it was asked to, and can go on: `code` is the exit code, 143 or 130."""

    def __init__(self, signum: int):
        super().__init__(signum)
        self.code = 128 + signum


class Asked:
    """Whether a signal has come: `signum` is the first one, 0 before it."""

    def __init__(self) -> None:
        self.signum = 0

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        if self.signum:
            os._exit(128 + signum)
        self.signum = signum


@contextmanager
def asked() -> Iterator[Asked]:
    """Catches SIGTERM and SIGINT until it is left. For the main thread."""
    flag = Asked()
    before = {which: signal.signal(which, flag) for which in ASK}
    try:
        yield flag
    finally:
        for which, handler in before.items():
            signal.signal(which, handler)
