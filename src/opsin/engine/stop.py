"""Signals that ask a run to stop: the first one ends it after the step and a save, a second one at once."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

ASK = (signal.SIGTERM, signal.SIGINT)


class Stopped(BaseException):
    """A run has stopped because it was asked to, and can go on: `code` is the exit code, 143 or 130.

    `folder` is the run's, where it is known.
    """

    folder: Path | None = None

    def __init__(self, signum: int):
        super().__init__(signum)
        self.code = 128 + signum


class Asked:
    """Whether a signal has come: `signum` is the first one, 0 before it.

    A second one within `grace` seconds counts as the same: torchrun hands on what the terminal has sent already.
    """

    def __init__(self, grace: float = 0.0) -> None:
        self.signum, self.grace, self.at = 0, grace, 0.0

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        if self.signum and time.monotonic() - self.at >= self.grace:
            os._exit(128 + signum)
        if not self.signum:
            self.signum, self.at = signum, time.monotonic()


@contextmanager
def asked(grace: float = 0.0) -> Iterator[Asked]:
    """Catches SIGTERM and SIGINT until it is left. For the main thread."""
    flag = Asked(grace)
    before = {which: signal.signal(which, flag) for which in ASK}
    try:
        yield flag
    finally:
        for which, handler in before.items():
            signal.signal(which, handler)
