"""Recipes by name: each era's own, as its papers print it, and ours for small images, photos and fine-tuning.

    recipe("resnet")             by name, or from a .toml or .json file
    ERAS["resnet"]               the same with its source: what is printed, what was chosen, what departs
    era("resnet50")              the recipe of a network's own paper
    fitted(recipe, 2_000, 30)    a recipe on so many images and epochs, and each change in words

Lengths inside a run are shares of it, so that fewer epochs have the same shape; the epochs here are the papers'.
"""

from pathlib import Path

from opsin.engine.recipe import Recipe
from opsin.errors import unknown
from opsin.recipes import early, inception, recent, residual
from opsin.recipes.entry import Era as Era
from opsin.recipes.fit import fitted as fitted
from opsin.recipes.recent import FINETUNE as FINETUNE
from opsin.recipes.recent import MODERN as MODERN
from opsin.recipes.recent import PHOTOS as PHOTOS

MODULES = (early, residual, inception, recent)
ERAS = {
    entry.recipe.name: entry
    for entry in sorted((entry for module in MODULES for entry in module.ERAS), key=lambda entry: entry.year)
}
"""Every recipe with its source, oldest first."""
RECIPES = {name: entry.recipe for name, entry in ERAS.items()}


def recipe(name: str) -> Recipe:
    """A recipe by its name, or from a .toml or .json file. Raises OpsinError where there is none."""
    if name in RECIPES:
        return RECIPES[name]
    if Path(name).suffix in (".toml", ".json"):
        return Recipe.read(Path(name))
    raise unknown("recipe", name, RECIPES)


def era(model: str) -> Recipe:
    """The recipe of a network's own paper (see `opsin.recipes.networks`). Raises OpsinError for an unknown network."""
    from opsin.recipes.networks import changed, named  # knows the zoo, and so imports every network

    return changed(model, RECIPES[named(model)])
