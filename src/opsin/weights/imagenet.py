"""The classes of ImageNet (ILSVRC 2012), in the order in which the networks of torchvision and timm put them out."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path


@cache
def synsets() -> tuple[str, ...]:
    """The 1000 WordNet identifiers, "n01440764" first, in sorted order: the names of the folders of the challenge."""
    return tuple(Path(__file__).with_suffix(".txt").read_text(encoding="ascii").split())


def names() -> tuple[str, ...]:
    """The 1000 names in words, "tench" first, as torchvision has them. Its import takes seconds."""
    from torchvision.models import AlexNet_Weights

    return tuple(AlexNet_Weights.IMAGENET1K_V1.meta["categories"])


def names_like(classes: Iterable[str]) -> tuple[str, ...]:
    """The identifiers where any of `classes` is one, else the names in words."""
    return synsets() if set(classes) & set(synsets()) else names()
