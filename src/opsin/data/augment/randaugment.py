"""RandAugment (arXiv:1909.13719): a few operations drawn at random, all of one strength."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from opsin.parts import Part

FULL = 10
"""The greatest magnitude."""


def moved(image: Image.Image, fill: int, a: float, b: float, c: float, d: float, e: float, f: float) -> Image.Image:
    """Pixel (x, y) is taken from (ax + by + c, dx + ey + f), bicubic; `fill` where that lies outside."""
    colour = (fill,) * len(image.getbands())
    how = Image.Transform.AFFINE
    return image.transform(image.size, how, (a, b, c, d, e, f), Image.Resampling.BICUBIC, fillcolor=colour)


def rotate(image: Image.Image, x: float, fill: int) -> Image.Image:
    return image.rotate(30 * x, Image.Resampling.BICUBIC, fillcolor=(fill,) * len(image.getbands()))


def posterize(image: Image.Image, x: float, fill: int) -> Image.Image:
    return ImageOps.posterize(image, max(1, 4 - int(4 * x)))


def solarize(image: Image.Image, x: float, fill: int) -> Image.Image:
    return ImageOps.solarize(image, 256 - min(256, int(256 * x)))


def solarize_add(image: Image.Image, x: float, fill: int) -> Image.Image:
    added = int(110 * x)
    levels = [min(255, level + added) if level < 128 else level for level in range(256)]
    return image.point(levels * len(image.getbands()))


def enhance(how: Callable[[Image.Image], Any]) -> Callable[[Image.Image, float, int], Image.Image]:
    return lambda image, x, fill: how(image).enhance(max(0.1, 1 + 0.9 * x))


@dataclass(frozen=True)
class Operation:
    """An operation of the table: `apply` takes an image, a share of the full strength and the fill.

    The share is magnitude / 10; where it `is_signed`, half of the times it is negative.
    """

    apply: Callable[[Image.Image, float, int], Image.Image]
    is_signed: bool = False


OPERATIONS = {
    "auto_contrast": Operation(lambda image, x, fill: ImageOps.autocontrast(image)),
    "equalize": Operation(lambda image, x, fill: ImageOps.equalize(image)),
    "invert": Operation(lambda image, x, fill: ImageOps.invert(image)),
    "rotate": Operation(rotate, True),
    "posterize": Operation(posterize),
    "solarize": Operation(solarize),
    "solarize_add": Operation(solarize_add),
    "color": Operation(enhance(ImageEnhance.Color), True),
    "contrast": Operation(enhance(ImageEnhance.Contrast), True),
    "brightness": Operation(enhance(ImageEnhance.Brightness), True),
    "sharpness": Operation(enhance(ImageEnhance.Sharpness), True),
    "shear_x": Operation(lambda image, x, fill: moved(image, fill, 1, 0.3 * x, 0, 0, 1, 0), True),
    "shear_y": Operation(lambda image, x, fill: moved(image, fill, 1, 0, 0, 0.3 * x, 1, 0), True),
    "translate_x": Operation(lambda image, x, fill: moved(image, fill, 1, 0, 0.45 * x * image.width, 0, 1, 0), True),
    "translate_y": Operation(lambda image, x, fill: moved(image, fill, 1, 0, 0, 0, 1, 0.45 * x * image.height), True),
}
"""What the share x does, and at magnitude 9:

auto_contrast, equalize, invert: always the same
rotate: 30 x degrees; ±27
posterize: 4 - int(4 x) bits are kept, at least 1; 1
solarize: levels from 256 - int(256 x) on are inverted; 26
solarize_add: int(110 x) is added to levels below 128; 99
color, contrast, brightness, sharpness: times 1 + 0.9 x, at least 0.1; 0.19 or 1.81
shear_x, shear_y: by 0.3 x px a px; ±0.27
translate_x, translate_y: by 0.45 x of the side; ±0.405
"""


@dataclass(frozen=True)
class RandAugment(Part):
    """`ops` operations of the table above, one after another, each with `probability`, else not at all.

    The magnitude is normal with `deviation` around `magnitude`, from 0 to 10. The defaults are what DeiT, Swin and
    ConvNeXt print as "(9, 0.5)": two operations, and the strengths all grow with the magnitude. Moved images are
    filled with the grey level `fill` and interpolated bicubically, as theirs.
    """

    ops: int = 2
    magnitude: float = 9.0
    deviation: float = 0.5
    probability: float = 0.5
    fill: int = 128

    def __post_init__(self) -> None:
        self.require(
            {
                "ops must be at least 1": self.ops >= 1,
                "magnitude must be from 0 to 10": 0 <= self.magnitude <= FULL,
                "deviation must not be negative, and finite": 0 <= self.deviation < math.inf,
                "probability must be from 0 to 1": 0 <= self.probability <= 1,
                "fill must be a level from 0 to 255": 0 <= self.fill <= 255,
            }
        )

    @property
    def draws(self) -> int:
        """Uniforms that an image takes: which operation, whether, how strong, and its sign."""
        return 4 * self.ops

    def each(self, image: Image.Image, u: np.ndarray) -> Image.Image:
        """A new image of the same size, for a grey or RGB one, from the uniforms `u`, float64 [draws]."""
        from scipy.special import ndtri

        table = tuple(OPERATIONS.values())
        for which, whether, strength, sign in u.reshape(self.ops, 4).tolist():
            if whether >= self.probability:
                continue
            noise = float(ndtri(min(max(strength, 2**-53), 1 - 2**-53)))
            x = min(max(self.magnitude + self.deviation * noise, 0.0), FULL) / FULL
            operation = table[int(which * len(table))]
            image = operation.apply(image, -x if operation.is_signed and sign < 0.5 else x, self.fill)
        return image
