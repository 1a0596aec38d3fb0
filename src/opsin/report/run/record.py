"""One training as its folder has it: what was asked and planned, every epoch that has ended, and how it ended."""

import json
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from opsin import recipes
from opsin.engine.record import Record
from opsin.errors import OpsinError
from opsin.report import words
from opsin.tasks.metrics import wilson
from opsin.training.run import State, read_plan


@dataclass(frozen=True)
class Trained:
    """A run.

    Attributes:
        folder: as commands name it.
        state: "training" while it is at work; "stopped" where it can go on; "ended", well or not.
        plan: plan.json.
        history: the metrics of each epoch.
        end: run.json of a run that has ended; empty before.
    """

    folder: Path
    state: State
    plan: dict[str, Any]
    history: list[dict[str, Any]]
    end: dict[str, Any]

    @property
    def asked(self) -> dict[str, Any]:
        return self.plan["asked"]

    @property
    def epochs(self) -> int:
        """How many there are to be."""
        return self.plan["recipe"]["epochs"]

    @property
    def failure(self) -> str | None:
        """Why it failed; None where it did not."""
        status = self.end.get("status", "ok")
        return None if status == "ok" else status.removeprefix("failed: ")

    @property
    def figures(self) -> dict[str, Any]:
        return self.end.get("figures", {})

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson's 95 % interval of the test's accuracy; None where images come in groups, and are not independent."""
        images = self.figures.get("test_images")
        if not images or self.asked["groups"]:
            return None
        return wilson(round(self.figures["test_top1"] * images), images)

    @property
    def seconds(self) -> float | None:
        """Of an epoch, in the median."""
        seen = [epoch["seconds"] for epoch in self.history if words.known(epoch.get("seconds"))]
        return median(seen) if seen else None

    @property
    def source(self) -> recipes.Era | None:
        """Where the recipe comes from; None for one from a file."""
        named = Path(self.asked["recipe"] or "").suffix not in (".toml", ".json")
        return recipes.ERAS.get(self.plan["recipe"]["name"]) if named else None

    def of(self, metric: str) -> list[float | None]:
        """A metric, epoch by epoch; None where it is missing or no number."""
        values = [epoch.get(metric) for epoch in self.history]
        return [value if words.known(value) else None for value in values]


def read_run(folder: Path, state: State) -> Trained:
    """The run in a folder. Raises OpsinError where its records cannot be read."""
    end = {}
    if state == "ended":
        try:
            end = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise OpsinError(f"cannot read {folder / 'run.json'} ({error})") from None
    return Trained(folder, state, read_plan(folder), Record(folder).read_metrics(), end)
