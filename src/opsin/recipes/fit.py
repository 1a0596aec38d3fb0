"""A recipe of a million images on a few thousand."""

import math
from dataclasses import replace

from opsin.data.augment import without_colour
from opsin.engine.optimizers import Adam
from opsin.engine.recipe import Recipe

STEPS = 50
"""An epoch has at least so many steps, where a paper's batch would leave it fewer."""
LEAST = 16
"""No batch becomes smaller: batch norm needs some images."""


def fitted(
    recipe: Recipe, images: int, epochs: int | None = None, *, channels: int = 3, batch: int | None = None
) -> tuple[Recipe, tuple[str, ...]]:
    """The recipe on so many training images and epochs, and each change in words.

    A batch leaves about 50 steps an epoch, as a power of two, at least 16 and never more than the paper's, unless
    `batch` is given; online recipes keep their single image. The learning rate follows it. For SGD and RMSProp, whose
    step grows with the gradient, it is proportional (Goyal et al., arXiv:1706.02677): so many images move the weights
    as far as before. Adam divides by the gradient's size, which is mostly noise and falls with the root of the batch:
    so does the rate (Malladi et al., arXiv:2205.10287). All lengths inside the run are shares and stay. On grey images
    (`channels` 1) nothing of the augmentation is left that would change a digit's label (see
    `opsin.data.augment.without_colour`).

    Nothing else changes: an era's few passes over a million images stay as few over a thousand.
    """
    changes, told = {}, []
    if epochs is not None and epochs != recipe.epochs:
        changes["epochs"] = epochs
        told.append(f"epochs {recipe.epochs:,} -> {epochs:,}, the schedule with them")
    old = recipe.batch(images)
    new = batch or min(old, max(LEAST, 2 ** int(math.log2(max(1, images / STEPS)))))
    if new != old and (batch or recipe.batch_size):
        adam = isinstance(recipe.optimizer, Adam)
        rate = recipe.learning_rate * (math.sqrt(new / old) if adam else new / old)
        changes |= {"batch_size": new, "learning_rate": rate, "accumulate": math.ceil(recipe.accumulate * new / old)}
        how = "with its square root" if adam else "in proportion"
        told.append(f"batch {old:,} -> {new:,}, learning rate {recipe.learning_rate:.2g} -> {rate:.2g} {how}")
    if channels == 1 and not isinstance(recipe.augment, str):
        kept = without_colour(recipe.augment)
        if kept != recipe.augment:
            changes["augment"] = kept
            left = ", ".join(part.kind for part in kept) or "none"
            told.append(f"augmentation of grey images: {left}, without mirror images and colours")
    return replace(recipe, **changes), tuple(told)
