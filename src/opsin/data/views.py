"""What of an image a network is asked about: one crop, ten, or all of it at several scales."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from opsin.cards import Inputs
from opsin.data.preprocess import Preprocess
from opsin.errors import OpsinError, unknown
from opsin.words import listed

CROPS = ("single", "ten")


@dataclass(frozen=True)
class Views:
    """How inputs are taken from an image.

    Attributes:
        of: an image -> its inputs before normalisation, uint8 [C, H, W] each.
        inputs: how many these are.
        mirrored: whether each is shown mirrored too.
        one_size: whether all inputs of all images have the network's size.
        words: what is done.
    """

    of: Callable[[Image.Image], list[np.ndarray]]
    inputs: int
    mirrored: bool
    one_size: bool
    words: str

    @property
    def count(self) -> int:
        """Inputs that the network sees of each image."""
        return self.inputs * (2 if self.mirrored else 1)


def views(
    preprocess: Preprocess, inputs: Inputs, name: str, crops: str = "single", scales: tuple[int, ...] = ()
) -> Views:
    """One crop, as the network is used; ten, as AlexNet was tested (section 4.1); or scales, as VGG was (section 3.2).

    Scales are short sides in px. The whole image at each of them is shown, and its mirror image, to a network that
    takes any size; to one whose size is fixed, their centre squares of that size.

    Args:
        inputs: what the network takes.
        name: of the network, for errors.

    Raises:
        OpsinError: `crops` is unknown, or given together with scales; a scale is too small, or named twice.
    """
    if crops not in CROPS:
        raise unknown("--crops", crops, CROPS)
    if not scales:
        return ten(preprocess) if crops == "ten" else single(preprocess)
    if crops != "single":
        raise OpsinError(f"--crops {crops} and --scales exclude each other: give one of them")
    if len(set(scales)) < len(scales):
        raise OpsinError(f"--scales names a scale twice: {', '.join(map(str, scales))}")
    least = preprocess.size if inputs.fixed else inputs.fit(0)
    if min(scales) < least:
        raise OpsinError(f"--scales {min(scales)}: {name} takes no images below {least} px; name larger ones")
    return centres(preprocess, scales) if inputs.fixed else dense(preprocess, scales, inputs.multiple)


def single(preprocess: Preprocess) -> Views:
    return Views(lambda image: [preprocess.pixels(image)], 1, False, True, f"one crop: {preprocess}")


def ten(preprocess: Preprocess) -> Views:
    """Four corners and the centre, and these mirrored."""
    short = preprocess.margin
    words = f"ten crops of {preprocess.size} px from {short} px: corners and centre, each mirrored"
    return Views(lambda image: list(preprocess.crops(image)), 5, True, True, words)


def centres(preprocess: Preprocess, scales: tuple[int, ...]) -> Views:
    """The centre square of the network's size, from each scale."""
    at = [replace(preprocess, fit="crop", resize=scale) for scale in scales]
    words = f"centre squares of {preprocess.size} px from {px(scales)}, each mirrored"
    return Views(lambda image: [each.pixels(image) for each in at], len(scales), True, True, words)


def dense(preprocess: Preprocess, scales: tuple[int, ...], multiple: int) -> Views:
    """All of the image, at each scale."""

    def of(image: Image.Image) -> list[np.ndarray]:
        return [preprocess.whole(image, scale, multiple) for scale in scales]

    words = f"the whole image with a short side of {px(scales)}, each mirrored"
    return Views(of, len(scales), True, False, words)


def px(scales: tuple[int, ...]) -> str:
    told = [str(scale) for scale in scales]
    return (listed(told) if len(told) > 1 else told[0]) + " px"
