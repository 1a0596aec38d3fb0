"""Recipes by name."""

from pathlib import Path

from opsin.engine.recipe import Recipe
from opsin.errors import unknown

MODERN = Recipe(name="modern")
"""What a practitioner would try first today, for every network alike: AdamW with a warm-up and a cosine, label
smoothing 0.1, weight decay 0.05, clipped gradients, shifts and (for colour images) flips. Source: the parts that the
recipes of DeiT (2020) and ConvNeXt (2022) share, without what needs hundreds of epochs (mixup, erasing, averaging).
Cost: 30 epochs, and a probe of three learning rates, 6 epochs each. Result on the built-in digits: docs/log.md."""

FINETUNE = Recipe(
    name="finetune", epochs=10, learning_rate=1e-3, warmup=0.1, head_epochs=1, stem_rate=0.1, rates=(0.3, 1.0, 3.0)
)
"""For weights that others trained: a third of the epochs; the first one for the new last layer alone, then the whole
network, its first layer at a tenth of the last one's rate. Source: the falling rates of ConvNeXt's fine-tuning (2022),
and common practice (the last layer first). Cost: 10 epochs, and three probes of 2. Result: docs/log.md."""

RECIPES = {recipe.name: recipe for recipe in (MODERN, FINETUNE)}


def recipe(name: str) -> Recipe:
    """A recipe by its name, or from a .toml or .json file. Raises OpsinError where there is none."""
    if name in RECIPES:
        return RECIPES[name]
    if Path(name).suffix in (".toml", ".json"):
        return Recipe.read(Path(name))
    raise unknown("recipe", name, RECIPES)
