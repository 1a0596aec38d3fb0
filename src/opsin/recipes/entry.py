"""A recipe by name, and where its numbers come from."""

import math
from dataclasses import dataclass

from opsin.engine.recipe import Recipe

IMAGENET = 1_281_167
"""Training images of ILSVRC 2012, and so of most papers since."""


@dataclass(frozen=True)
class Era:
    """A recipe with its source.

    Attributes:
        recipe: its epochs are the paper's.
        year: of the paper.
        paper: authors, address, and the sections or tables that print the recipe; "ours" where there is none.
        printed: what it says, in our words.
        chosen: what it does not print, and what was taken; "" where it prints all.
        departs: where ours does otherwise, and why.
        images: training images of the paper's set; 0 for recipes of no paper.
    """

    recipe: Recipe
    year: int
    paper: str
    printed: str
    chosen: str = ""
    departs: str = ""
    images: int = IMAGENET

    @property
    def steps(self) -> int:
        """Steps of the optimizer in the whole run on the paper's images; 0 where there are none."""
        return self.recipe.epochs * math.ceil(self.images / self.recipe.batch(self.images))


def early(name: str, **values) -> Recipe:
    """A recipe without what the papers before 2015 did not have: warm-up, smoothing, clipping, a probe of rates."""
    return Recipe(name, **({"warmup": 0.0, "label_smoothing": 0.0, "clip_norm": None, "rates": (1.0,)} | values))
