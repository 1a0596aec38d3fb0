"""How long work tells of its progress. This watcher is silent; the command line has one that draws."""

from collections.abc import Callable
from typing import Any


class Watch:
    """What happens, as it happens. Every method may be left as it is."""

    def say(self, line: str) -> None:
        """A fact worth a line."""

    def stage(self, title: str, total: float | None = None) -> None:
        """A stage begins, of `total` steps where that is known."""

    def advance(self, done: float) -> None:
        """So many more steps of the stage are done."""

    def counter(self) -> Callable[[int, int], None]:
        """What advances the stage, called with how many steps are done by now and how many there are."""
        before = 0

        def tell(done: int, total: int) -> None:
            nonlocal before
            self.advance(done - before)
            before = done

        return tell

    def started(self, run: str, epochs: float) -> None:
        """A run begins in a worker."""

    def epoch(self, run: str, metrics: dict[str, Any]) -> None:
        """A run has ended an epoch, with these metrics (see opsin.engine.train)."""

    def ended(self, run: str, status: str) -> None:
        """A run has ended: "ok", or why not."""
