"""Recipes of a comparison that are fitted to it: a paper's for all networks, each network's own era's, or several."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from opsin import recipes
from opsin.engine.recipe import Recipe
from opsin.errors import OpsinError, unknown
from opsin.recipes.networks import suited
from opsin.training.entry import Entry

ERA = "era"
"""The name under which each network has the recipe of its own paper."""
FITTED = {ERA, *recipes.RECIPES} - {recipes.MODERN.name, recipes.FINETUNE.name}
"""The recipes that are fitted where they are named alone, too; the other two are made for any images."""


@dataclass(frozen=True)
class Fitted:
    """What a recipe became for one network and these images; `asked` is its name there, `changes` say what changed."""

    asked: str
    recipe: Recipe
    changes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {"asked": self.asked, "recipe": self.recipe.to_dict(), "changes": list(self.changes)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Fitted":
        return cls(values["asked"], Recipe.from_dict(values["recipe"]), tuple(values["changes"]))


def named(text: str | None) -> tuple[str, ...]:
    """ "modern, era" -> ("era", "modern"): the era first, since the others are held against it; else as they stand.

    Raises OpsinError for an unknown name, and for two recipes that are called alike.
    """
    names = list(dict.fromkeys(name.strip() for name in (text or "").split(",") if name.strip()))
    if text is not None and not names:
        raise unknown("recipe", text, (ERA, *recipes.RECIPES))
    names.sort(key=lambda name: name != ERA)
    labels = [label(name) for name in names]
    if twice := next((each for each in labels if labels.count(each) > 1), None):
        raise OpsinError(f"--recipe {text}: two recipes are called {twice}: give one of them another name")
    return tuple(names)


def label(name: str) -> str:
    """How a recipe is called in the names of entries, and so of folders."""
    if name == ERA:
        return ERA
    if name not in recipes.RECIPES and not name.endswith((".toml", ".json")):
        raise unknown("recipe", name, (ERA, *recipes.RECIPES))
    return re.sub(r"[^A-Za-z0-9._-]+", "-", recipes.recipe(name).name).strip("-.") or "recipe"


def entries(found: Sequence[Entry], names: Sequence[str]) -> tuple[Entry, ...]:
    """Each entry under each of the recipes `names`; where there is one, the entries need not say it."""
    if len(names) == 1:
        return tuple(found)
    return tuple(replace(entry, recipe=label(name)) for entry in found for name in names)


def fit(name: str, model: str, images: int, channels: int, epochs: int | None) -> Fitted:
    """The recipe `name` of a network for so many training images, and each change in words.

    A recipe of ours or of a paper runs `epochs`, by default as many as "modern", so that all run equally many; one from
    a file runs its own where none are given, and keeps its batch. Arguments of a constructor that the network does not
    take are left out.
    """
    recipe = recipes.era(model) if name == ERA else recipes.recipe(name)
    recipe, changes = scaled(recipe, images, channels, epochs, file=name != ERA and name not in recipes.RECIPES)
    recipe, spare = suited(model, recipe)
    return Fitted(label(name), recipe, (*changes, *spare))


def scaled(
    recipe: Recipe, images: int, channels: int, epochs: int | None, file: bool = False
) -> tuple[Recipe, tuple[str, ...]]:
    """A recipe for so many training images whatever the network, and each change in words; as of `fit`."""
    changes = ()
    if not file:
        recipe, changes = recipes.fitted(recipe, images, epochs or recipes.MODERN.epochs, channels=channels)
    elif epochs is not None:
        recipe = replace(recipe, epochs=epochs)
    return replace(recipe, batch_size=recipe.batch(images)), changes


def said(own: Sequence[Fitted]) -> str:
    """How long the recipes run, in a sentence."""
    names = list(dict.fromkeys(each.asked for each in own))
    epochs = to({each.recipe.epochs for each in own})
    length = f"{epochs} epoch" if epochs == "1" else f"{epochs} epochs"
    if names != [ERA] and len(names) == 1:
        asked = f"{recipes.RECIPES[names[0]].epochs:,}"
        before = "" if asked == epochs else f" from {asked}"
        return f"each network is trained by {names[0]}, its schedule scaled to {length}{before}"
    how = "its own era's recipe" if names == [ERA] else f"each recipe ({', '.join(names)})"
    papers = {recipes.RECIPES[each.recipe.name].epochs for each in own if each.asked == ERA}
    beside = f"; in the papers they are {to(papers)}" if papers else ""
    return f"each network is trained by {how}, schedules scaled to {length}{beside}"


def to(numbers: set[int]) -> str:
    """{20, 164} -> "20 to 164"."""
    return " to ".join(f"{number:,}" for number in dict.fromkeys((min(numbers), max(numbers))))
