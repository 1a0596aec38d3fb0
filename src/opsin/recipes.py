"""Recipes by name."""

from pathlib import Path

from opsin.engine.recipe import Recipe
from opsin.errors import unknown

MODERN = Recipe(name="modern")
"""What a practitioner would try first today, for every network alike: AdamW with a warm-up and a cosine, label
smoothing 0.1, weight decay 0.05, clipped gradients, shifts and (for colour images) flips. Source: the parts that the
recipes of DeiT (2020) and ConvNeXt (2022) share, without what needs hundreds of epochs (mixup, erasing, averaging).
Cost: 30 epochs, and a probe of three learning rates, 6 epochs each. Result on the built-in digits: docs/log.md."""

RECIPES = {recipe.name: recipe for recipe in (MODERN,)}


def recipe(name: str) -> Recipe:
    """A recipe by its name, or from a .toml or .json file. Raises OpsinError where there is none."""
    if name in RECIPES:
        return RECIPES[name]
    if Path(name).suffix in (".toml", ".json"):
        return Recipe.read(Path(name))
    raise unknown("recipe", name, RECIPES)
