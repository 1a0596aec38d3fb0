"""The images that claims are tried on, as arrays in a file that every worker reads; and how each seed divides them."""

import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from opsin.data.counted import epoch_order, hashes, key
from opsin.data.preprocess import Preprocess
from opsin.data.scan import scan
from opsin.data.sources import Source, load
from opsin.data.stratify import assign
from opsin.errors import OpsinError
from opsin.files import whole

TEST_SHARE = 500 / 1797
"""Of the images of a set without a test part."""
MOST = 10_000
"""Images that are trained on, at most, where no other number is given."""
MOST_PX = 32
"""Images are no larger than this on a side, where no size is given."""
_SPLIT, _SUBSET, _WRONG, _PIXELS = 11, 12, 13, 14  # streams of counted numbers


@dataclass(frozen=True)
class Part:
    """How a trial takes its training images from a set.

    Attributes:
        images: so many of the training part; a smaller number lies inside a larger one. None for all.
        wrong: share of their labels that are set to another class.
        dropped: whether those images are left out instead.
        shuffled: whether all images have their pixels in one other order, the same for all.
    """

    images: int | None = None
    wrong: float = 0.0
    dropped: bool = False
    shuffled: bool = False


@dataclass(frozen=True)
class Images:
    """A set in a file: `pixels` uint8 [n, C, S, S], `labels` int64 [n], `test` bool [n] (none where it has no part).

    `most` is how many images a seed trains on, at most; None for all.
    """

    file: Path
    fingerprint: str
    classes: int
    most: int | None = MOST

    @property
    def shape(self) -> tuple[int, ...]:
        return arrays(self.file)[0].shape

    @property
    def test(self) -> np.ndarray:
        """The places of the test part, where the set has one; else each seed has its own."""
        return np.flatnonzero(arrays(self.file)[2])


@lru_cache(maxsize=2)
def arrays(file: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels, labels and the test part of a set. Raises OpsinError for a file that is damaged."""
    try:
        with np.load(file) as found:
            return found["pixels"], found["labels"], found["test"]
    except (OSError, EOFError, ValueError, KeyError, BadZipFile, zlib.error) as error:
        raise OpsinError(f"cannot read the images in {file} ({error}): remove it, and start again") from None


def size_of(data: str, root: Path | None = None, most: int | None = MOST) -> tuple[int, int]:
    """About how many images of a set are trained on, and the pixels that each has. No file is written.

    Raises OpsinError where the set cannot be read.
    """
    source = load(data, root=root)
    parts = source.parts or ()
    images = sum(part != "test" for part in parts) if "test" in parts else round((1 - TEST_SHARE) * len(source))
    return min(most or images, images), side_of(source) ** 2


def write_images(
    data: str, folder: Path, root: Path | None = None, size: int | None = None, most: int | None = MOST
) -> Images:
    """Writes a set into `folder`, once. `size` px a side; see `side_of`.

    Raises OpsinError where the set cannot be read.
    """
    source = load(data, root=root)
    scanned = scan(source)
    side = size or side_of(scanned.source)
    file = folder / f"{scanned.fingerprint}-{side}.npz"
    if not file.exists():
        preprocess = Preprocess(size=side, channels=scanned.channels)
        own = scanned.source
        pixels = np.stack([preprocess.pixels(own.image(i)) for i in range(len(own))])
        parts = np.array(own.parts) if own.parts is not None else np.full(len(own), "train")
        with whole(file) as part:
            np.savez(part, pixels=pixels, labels=own.labels, test=parts == "test")
    return Images(file, scanned.fingerprint, len(scanned.source.classes), most)


def side_of(source: Source) -> int:
    """The side of a set's images as networks take them: that of the first, as a multiple of 4, 32 at most."""
    return min(MOST_PX, -(-max(source.image(0).size) // 4) * 4)


@dataclass(frozen=True)
class Division:
    """Which images of a set a seed trains on, chooses its rate by (none: by other seeds' test images) and is tested on.

    Each is int64 indices, ascending.
    """

    train: np.ndarray
    choose: np.ndarray
    test: np.ndarray


def divide(labels: np.ndarray, test: np.ndarray, seed: int, most: int | None = MOST) -> Division:
    """How a seed divides a set.

    One with a test part keeps it, and of the rest a seed draws `most` to train on, where there are more, and a tenth
    as many others to choose rates by. One without is divided anew for every seed, with equal shares of each class.
    """
    if test.any():
        rest = np.flatnonzero(~test)
        order = rest[epoch_order(key(_SPLIT, seed), 0, len(rest))]
        n = min(most or len(rest), len(rest) - len(rest) // 11)
        return Division(np.sort(order[:n]), np.sort(order[n : n + n // 10]), np.flatnonzero(test))
    fractions = (1 - TEST_SHARE, TEST_SHARE)
    names = [str(label) for label in range(int(labels.max()) + 1)]
    part = assign(labels, names, np.arange(len(labels)), fractions, ("train", "test"), key(_SPLIT, seed) % 2**31)
    return Division(drawn(np.flatnonzero(part == 0), seed, most), np.empty(0, np.int64), np.flatnonzero(part == 1))


def drawn(rows: np.ndarray, seed: int, most: int | None) -> np.ndarray:
    """At most so many of the images at these rows, ascending."""
    return np.sort(rows[epoch_order(key(_SPLIT, seed), 0, len(rows))[:most]])


def taken(labels: np.ndarray, rows: np.ndarray, part: Part, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The training images that a part takes, ascending, and all labels as it has them."""
    order = rows[epoch_order(key(_SUBSET, seed), 0, len(rows))]
    rows = np.sort(order[: part.images])
    wrong = rows[np.argsort(hashes(key(_WRONG, seed), rows), kind="stable")[: round(part.wrong * len(rows))]]
    if part.dropped:
        return np.setdiff1d(rows, wrong), labels
    changed = labels.copy()
    shift = 1 + (hashes(key(_WRONG, seed, 1), wrong) % np.uint64(classes - 1)).astype(np.int64)
    changed[wrong] = (labels[wrong] + shift) % classes
    return rows, changed


def shuffled(pixels: np.ndarray) -> np.ndarray:
    """The images [n, C, S, S] with their pixels in one other order, the same for all images and channels."""
    n, channels, height, width = pixels.shape
    order = epoch_order(key(_PIXELS), 0, height * width)
    return pixels.reshape(n, channels, -1)[:, :, order].reshape(pixels.shape)
