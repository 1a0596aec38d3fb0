"""Crops out of the original image: where the square or rectangle lies that is then resized to a network's input."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from opsin.parts import Part

Box = tuple[float, float, float, float]
"""Left, top, right and bottom in pixels of the image, as Pillow's `resize` takes them; borders need not be whole."""

TRIES = 10


def placed(width: int, height: int, across: float, down: float, u: np.ndarray) -> Box:
    """A box of `across` × `down` px at a place that is uniform over all where it fits; `u` are two uniforms."""
    across, down = min(across, width), min(down, height)
    left, top = float(u[0]) * (width - across), float(u[1]) * (height - down)
    return left, top, min(left + across, width), min(top + down, height)


@dataclass(frozen=True)
class RandomCrop(Part):
    """A square at a random place, after the short side was scaled to `low` .. `high` times the input's, uniformly.

    AlexNet and VGG take 224 px out of 256, which are both `low` and `high`, 256/224; ResNet scales to 256 .. 480 px.
    With `central` it stays inside the central square of the image, as AlexNet's do. Places are continuous, the
    papers' are whole pixels.
    """

    draws: ClassVar[int] = 3
    low: float = 256 / 224
    high: float = 256 / 224
    central: bool = False

    def __post_init__(self) -> None:
        self.require({"low must be at least 1, and high at least low, finite": 1 <= self.low <= self.high < math.inf})

    def box(self, width: int, height: int, u: np.ndarray) -> Box:
        """The crop of an image of `width` × `height` px, from the uniforms `u`, float64 [draws]."""
        short = min(width, height)
        side = short / (self.low + (self.high - self.low) * float(u[0]))
        if not self.central:
            return placed(width, height, side, side, u[1:])
        left, top, right, bottom = placed(short, short, side, side, u[1:])
        x, y = (width - short) / 2, (height - short) / 2
        return left + x, top + y, min(right + x, width), min(bottom + y, height)


@dataclass(frozen=True)
class AreaCrop(Part):
    """A rectangle of a share `least` .. `most` of the image's area with sides in a ratio from 1/`ratio` to `ratio`.

    GoogLeNet's (section 6), which most recipes since have. The share is uniform. The paper does not say how the ratio
    is drawn: here its logarithm is uniform, so that wide and high crops are equally likely. What does not fit is drawn
    again, ten times at most; then it is the largest central crop that the ratios admit.
    """

    draws: ClassVar[int] = 2 + 2 * TRIES
    least: float = 0.08
    most: float = 1.0
    ratio: float = 4 / 3

    def __post_init__(self) -> None:
        self.require(
            {
                "least and most must be shares above 0, rising, at most 1": 0 < self.least <= self.most <= 1,
                "ratio must be at least 1, and finite": 1 <= self.ratio < math.inf,
            }
        )

    def box(self, width: int, height: int, u: np.ndarray) -> Box:
        """The crop of an image of `width` × `height` px, from the uniforms `u`, float64 [draws]."""
        area = width * height * (self.least + (self.most - self.least) * u[2::2])
        ratio = self.ratio ** (2 * u[3::2] - 1)
        across, down = np.sqrt(area * ratio), np.sqrt(area / ratio)
        fits = np.flatnonzero((across <= width) & (down <= height))
        if len(fits):
            return placed(width, height, float(across[fits[0]]), float(down[fits[0]]), u[:2])
        across, down = min(width, height * self.ratio), min(height, width * self.ratio)
        return placed(width, height, across, down, np.array([0.5, 0.5]))
