"""One look at an image: what is known of it once it has been decoded; and a perceptual hash of it."""

import hashlib
import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image

from opsin.data.images import BadImage, is_grey, quiet
from opsin.data.remembered import Remembered
from opsin.data.sources import Source
from opsin.data.threads import Progress, in_blocks

PHOTO = 64
"""Images with a shorter side below this, in pixels, get no outline: digits and letters are all alike."""
SIDE, WAVES, FLAT = 32, 64, 3.0
"""Of an outline: the picture's side, its bits, and the standard deviation in grey levels that it needs."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a decoded image shows.

    Attributes:
        height, width: upright, in pixels.
        grey: whether it shows only greys, however it is stored.
        pixels: SHA-256 of its pixels: the same for a copy that was saved anew without loss.
        outline: see `outline`; 0 for small images.
    """

    height: int
    width: int
    grey: bool
    pixels: str
    outline: int


def look(image: Image.Image) -> Look:
    """The look at an image as `opsin.data.images.read` gives it."""
    grey = is_grey(image)
    pixels = _digest(np.asarray(image.getchannel(0) if grey else image))
    large = min(image.size) >= PHOTO
    return Look(image.height, image.width, grey, pixels, outline(image) if large else 0)


def looks(images: np.ndarray) -> list[Look]:
    """The same at small images of one size, which need no decoding: uint8 [N, H, W] or [N, H, W, 3]."""
    height, width = images.shape[1:3]
    if images.ndim == 3:
        return [Look(height, width, True, _digest(values), 0) for values in images]
    greys = (images == images[..., :1]).all(axis=(1, 2, 3)).tolist()
    return [
        Look(height, width, grey, _digest(values[..., 0] if grey else values), 0)
        for values, grey in zip(images, greys, strict=True)
    ]


def look_at(source: Source, progress: Progress | None = None, workers: int | None = None) -> list[Look | BadImage]:
    """A look at each image, or why it cannot be read: the one place where that is decided.

    Each is decoded once, in threads, unless it is remembered from another time; `progress(done, total)` is called.
    """
    remembered = Remembered(source, Look)

    def one(i: int) -> Look | BadImage:
        stamp = remembered.stamp(i)
        if (known := remembered.get(i, stamp)) is not None:
            return known
        try:
            found = look(source.image(i))
        except BadImage as error:
            return error
        remembered.put(i, stamp, found)
        return found

    def some(rows: range) -> list[Look | BadImage]:
        images = source.stack(np.arange(rows.start, rows.stop))
        if images is None or min(images.shape[1:3]) >= PHOTO:
            return [one(i) for i in rows]
        return [*looks(images)]

    with quiet():
        found = list(in_blocks(some, len(source), source.block, progress, workers))
    remembered.write()
    return found


def _digest(values: np.ndarray) -> str:
    digest = hashlib.sha256(repr(values.shape).encode())
    digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()


def outline(image: Image.Image) -> int:
    """64 bits that tell a picture's coarse shapes: the signs of its 64 longest waves, the mean apart.

    The waves are those of the cosine transform of the picture as 32 x 32 greys. A copy that was resized or saved anew
    with loss differs in a few bits, another photo in about half of them. 0 for a picture that is nearly flat.
    """
    small = image.resize((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=2.0).convert("L")
    values = np.asarray(small, dtype=np.float64)
    if values.std() < FLAT:
        return 0
    basis, down, across = _waves()
    signs = (basis @ values @ basis.T)[down, across] > 0
    return int.from_bytes(np.packbits(signs).tobytes(), "big")


@lru_cache(maxsize=1)
def _waves() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The cosines [10, 32], and down and across, how often each of the 64 waves swings."""
    pairs = sorted(((i, j) for i in range(10) for j in range(10) if i + j), key=lambda p: (p[0] ** 2 + p[1] ** 2, p))
    down, across = np.array(pairs[:WAVES]).T
    at = (np.arange(SIDE) + 0.5) * math.pi / SIDE
    return np.cos(np.arange(10)[:, None] * at), down, across
