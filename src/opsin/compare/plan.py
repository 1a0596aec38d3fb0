"""The plan of a comparison: what was asked, and what follows from it. Written first, and reused on resume."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from opsin import zoo
from opsin.compare.several import Fitted
from opsin.engine.recipe import Recipe
from opsin.errors import OpsinError
from opsin.files import write_json
from opsin.launch.node import MARK
from opsin.recipes import FINETUNE
from opsin.training.entry import STARTED, STARTS, Entry

SCHEMA = 1
FILE = "plan.json"
LOCK = ".lock"


@dataclass(frozen=True)
class Plan:
    """What is run. All entries have the same images and split, and those that start alike the same recipe and epochs.

    `input_size` is what was aimed at; a network that does not take it gets the nearest larger size that it takes (see
    `size_of`). `finetune` is the recipe of those that go on from public weights. `own` are the recipes of entries that
    have one of their own, by name. With `undecided`, some of the probed networks are to be fine-tuned, and which is
    decided when the probes have ended. `folds` are those of a probe. `left_out` lists networks that a time budget had
    no room for, and why; `notes` what else gave way.
    """

    entries: tuple[Entry, ...]
    input_size: int
    seeds: tuple[int, ...]
    recipe: Recipe
    tune: bool
    finetune: Recipe = FINETUNE
    folds: int | None = None
    undecided: bool = False
    minutes: float | None = None
    left_out: tuple[dict[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    own: dict[str, Fitted] = field(default_factory=dict)

    def __str__(self) -> str:
        told = []
        for start in STARTS:
            entries = [entry for entry in self.entries if entry.start == start]
            if not entries:
                continue
            words = [_counted(len({entry.model for entry in entries}), "network")]
            if labels := list(dict.fromkeys(entry.recipe for entry in entries if entry.recipe)):
                words.append(f"{len(labels)} recipes ({', '.join(labels)})")
            if start != "probe":
                epochs = sorted({self.recipe_of(entry).epochs for entry in entries})
                told_epochs = (
                    _counted(epochs[0], "epoch") if len(epochs) == 1 else f"{epochs[0]} to {epochs[-1]} epochs"
                )
                words += [_counted(len(self.seeds), "seed"), told_epochs]
            sizes = sorted({self.size_of(entry) for entry in entries}) if start != "scratch" else [self.input_size]
            told.append(f"{', '.join(words)} at {' to '.join(map(str, dict.fromkeys((sizes[0], sizes[-1]))))} px")
            told[-1] += "" if start == "scratch" else f" ({STARTED[start]})"
        return "; ".join(told)

    @property
    def recipes(self) -> dict[str, Recipe]:
        """The recipe of each start that trains; none where the entries have their own."""
        if self.own:
            return {}
        return {entry.start: self.recipe_of(entry) for entry in self.entries if entry.start != "probe"}

    @property
    def main_recipe(self) -> Recipe:
        """The recipe from scratch, or that of fine-tuning where nothing starts from scratch."""
        found = self.recipes
        return self.finetune if list(found) == ["finetune"] else self.recipe

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(entry.name for entry in self.entries)

    def entry(self, name: str) -> Entry:
        return next(entry for entry in self.entries if entry.name == name)

    def size_of(self, entry: Entry) -> int:
        """The side of an entry's images, in pixels."""
        return entry.size or zoo.card(entry.model).inputs.fit(self.input_size)

    def recipe_of(self, entry: Entry) -> Recipe:
        """What trains an entry; what is probed is not trained."""
        if own := self.own.get(entry.name):
            return own.recipe
        return self.finetune if entry.start == "finetune" else self.recipe

    def tuned(self, entry: Entry) -> bool:
        """Whether short probes choose the entry's learning rate; they do not where its recipe leaves no choice."""
        return self.tune and entry.start != "probe" and len(self.rates(entry)) > 1

    def speed_key(self, entry: Entry) -> tuple[str, int]:
        """What an entry's speed is measured once for: its network, and its recipe where there are several; its size."""
        return entry.name if entry.recipe else entry.model, self.size_of(entry)

    def probe_epochs(self, recipe: Recipe) -> int:
        """Epochs of one probe of a learning rate."""
        return max(1, round(recipe.probe * recipe.epochs))

    def probe_recipe(self, recipe: Recipe, rate: float) -> Recipe:
        """The recipe of one short probe: a whole schedule in few epochs."""
        head = min(recipe.head_epochs, 1)
        return replace(recipe, epochs=self.probe_epochs(recipe), head_epochs=head, learning_rate=rate)

    def rates(self, entry: Entry) -> tuple[float, ...]:
        """The learning rates that an entry's probes try; a single one without tuning."""
        recipe = self.recipe_of(entry)
        if not self.tune or recipe.rates == (1.0,):
            return (recipe.learning_rate,)
        factors = recipe.rates
        rounded = (float(f"{recipe.learning_rate * factor:.3g}") for factor in factors)
        return tuple(dict.fromkeys(rounded))

    def epochs_of(self, entry: Entry) -> int:
        """Epochs trained for an entry in all, the probes of its rate included; 0 for one that is not trained."""
        if entry.start == "probe":
            return 0
        recipe = self.recipe_of(entry)
        probes = self.probe_epochs(recipe) * len(self.rates(entry)) if self.tuned(entry) else 0
        return probes + recipe.epochs * len(self.seeds)

    def to_dict(self) -> dict[str, Any]:
        return {
            "entries": [entry.to_dict() for entry in self.entries],
            "input_size": self.input_size,
            "seeds": list(self.seeds),
            "recipe": self.recipe.to_dict(),
            "tune": self.tune,
            "finetune": self.finetune.to_dict(),
            "folds": self.folds,
            "undecided": self.undecided,
            "minutes": self.minutes,
            "left_out": list(self.left_out),
            "notes": list(self.notes),
            **({"own": {name: each.to_dict() for name, each in self.own.items()}} if self.own else {}),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Plan":
        fields: dict[str, Any] = dict(values)
        for key in ("seeds", "left_out", "notes"):
            fields[key] = tuple(fields[key])
        fields["entries"] = tuple(Entry.from_dict(entry) for entry in fields["entries"])
        for key in ("recipe", "finetune"):
            fields[key] = Recipe.from_dict(fields[key])
        fields["own"] = {name: Fitted.from_dict(each) for name, each in fields.get("own", {}).items()}
        return cls(**fields)


def _counted(n: int, word: str) -> str:
    return f"{n} {word}" if n == 1 else f"{n} {word}s"


def read_plan(folder: Path, request: dict[str, Any]) -> Plan | None:
    """The plan that a folder holds, None for a new or empty folder.

    Raises OpsinError where the folder belongs to another comparison, or holds other things.
    """
    if not folder.exists():
        return None
    if not folder.is_dir():
        raise OpsinError(f"{folder} is a file: choose another --out")
    if not (folder / FILE).exists():
        if any(entry.name not in (LOCK, MARK) and not entry.name.startswith(f".{FILE}.") for entry in folder.iterdir()):
            raise OpsinError(f"{folder} is not empty and holds no comparison: choose another --out")
        return None
    try:
        content = json.loads((folder / FILE).read_text(encoding="utf-8"))
        asked = content["request"]
        differs = [key for key in request if asked.get(key) != request[key]]
        plan = None if differs else Plan.from_dict(content["plan"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OpsinError) as error:
        raise OpsinError(f"cannot read {folder / FILE} ({error}): choose another --out") from None
    if differs or content.get("schema") != SCHEMA:
        names = ", ".join(key.replace("_", " ") for key in differs) or "version"
        raise OpsinError(f"{folder} belongs to another comparison (other {names}): choose another --out")
    return plan


def write_plan(folder: Path, request: dict[str, Any], plan: Plan) -> None:
    write_json(folder / FILE, {"schema": SCHEMA, "request": request, "plan": plan.to_dict()})
