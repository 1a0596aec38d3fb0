"""A page that follows its run, and can neither stop nor slow it."""

import time
from collections.abc import Callable
from pathlib import Path

from opsin.report.run.page import write_run
from opsin.training.run import State

SHARE = 0.01
"""Of the time of a training, at most, for its page: after an epoch that is too short for it none is written."""


class Live:
    """Writes the page of a run when something has happened in its folder; `page` is where it lies, None before.

    What goes wrong is said once, and the training goes on.
    """

    def __init__(self, say: Callable[[str], None]):
        self.say, self.page, self.silent = say, None, False
        self.next = 0.0

    def __call__(self, folder: Path, state: State) -> None:
        began = time.monotonic()
        if state == "training" and began < self.next:
            return
        try:
            self.page = write_run(folder, state)
        except Exception as error:
            if not self.silent:
                self.say(f"the page of this run could not be written ({error}); it trains on")
            self.silent = True
        now = time.monotonic()
        self.next = now + (now - began) / SHARE
