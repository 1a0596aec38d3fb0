"""The plan of a comparison: what was asked, and what follows from it. Written first, and reused on resume."""

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from opsin import zoo
from opsin.engine.checkpoint import write_json
from opsin.engine.recipe import Recipe
from opsin.errors import OpsinError

SCHEMA = 1
FILE = "plan.json"
LOCK = ".lock"


@dataclass(frozen=True)
class Plan:
    """What is run. All networks have the same images, split, recipe and epochs.

    `input_size` is what was aimed at; a network that does not take it gets the nearest larger size that it takes (see
    `size_of`). `left_out` lists networks that a time budget had no room for, and why; `notes` what else gave way.
    """

    models: tuple[str, ...]
    input_size: int
    seeds: tuple[int, ...]
    recipe: Recipe
    tune: bool
    minutes: float | None = None
    left_out: tuple[dict[str, str], ...] = ()
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        counted = ((len(self.models), "network"), (len(self.seeds), "seed"), (self.recipe.epochs, "epoch"))
        words = ", ".join(f"{n} {word}" if n == 1 else f"{n} {word}s" for n, word in counted)
        return f"{words} at {self.input_size} px"

    def size_of(self, model: str) -> int:
        return zoo.card(model).inputs.fit(self.input_size)

    @property
    def probe_epochs(self) -> int:
        """Epochs of one probe of a learning rate."""
        return max(1, round(self.recipe.probe * self.recipe.epochs))

    def recipe_at(self, rate: float) -> Recipe:
        """The recipe with a network's own learning rate."""
        return replace(self.recipe, learning_rate=rate)

    def probe_recipe(self, rate: float) -> Recipe:
        """The recipe of one short probe: a whole schedule in few epochs."""
        return replace(self.recipe, epochs=self.probe_epochs, learning_rate=rate)

    @property
    def rates(self) -> tuple[float, ...]:
        """The learning rates that every network's probe tries; a single one without tuning."""
        factors = self.recipe.rates if self.tune else (1.0,)
        rounded = (float(f"{self.recipe.learning_rate * factor:.3g}") for factor in factors)
        return tuple(dict.fromkeys(rounded))

    def epochs_of_a_model(self) -> int:
        """Epochs trained for one network in all, its probes included."""
        probes = self.probe_epochs * len(self.rates) if self.tune else 0
        return probes + self.recipe.epochs * len(self.seeds)

    def to_dict(self) -> dict[str, Any]:
        return {
            "models": list(self.models),
            "input_size": self.input_size,
            "seeds": list(self.seeds),
            "recipe": self.recipe.to_dict(),
            "tune": self.tune,
            "minutes": self.minutes,
            "left_out": list(self.left_out),
            "notes": list(self.notes),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Plan":
        fields: dict[str, Any] = dict(values)
        for key in ("models", "seeds", "left_out", "notes"):
            fields[key] = tuple(fields[key])
        fields["recipe"] = Recipe.from_dict(fields["recipe"])
        return cls(**fields)


def digest(request: dict[str, Any]) -> str:
    """Eight hexadecimal digits that stand for what was asked: the data and every option that changes a run."""
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:8]


def read_plan(folder: Path, request: dict[str, Any]) -> Plan | None:
    """The plan that a folder holds, None for a new or empty folder.

    Raises OpsinError where the folder belongs to another comparison, or holds other things.
    """
    if not folder.exists():
        return None
    if not folder.is_dir():
        raise OpsinError(f"{folder} is a file: choose another --out")
    if not (folder / FILE).exists():
        if any(entry.name != LOCK and not entry.name.startswith(f".{FILE}.") for entry in folder.iterdir()):
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
