"""From an image of any size to a network's input: the one object that training, evaluation and prediction share."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from PIL import Image

from opsin.data.images import plain
from opsin.errors import OpsinError, unknown

if TYPE_CHECKING:
    from torch import Tensor

Fit = Literal["crop", "pad"]
Interpolation = Literal["bicubic", "bilinear", "nearest"]

_LEVELS = 256
_BATCH = 256  # images counted at once


@dataclass(frozen=True)
class Preprocess:
    """How an image becomes an input of `channels` × `size` × `size`.

    The image is turned upright by its EXIF mark and made grey (1 channel) or RGB (3). `fit` makes it square: "crop"
    takes the largest square at its centre (the short side becomes `size`), "pad" keeps all of it and fills up with
    black. Then it is resized with `interpolation`, anti-aliased where it shrinks; a smaller image is enlarged. With
    `resize` a crop is smaller: the short side becomes `resize` px, and the central `size` px of that are taken, as
    public weights were evaluated (256 and 224, say). Last, each channel (0 .. 1) has `mean` taken off and is divided by
    `std`. No other code resizes an input.
    """

    size: int
    channels: int
    fit: Fit = "crop"
    interpolation: Interpolation = "bicubic"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    resize: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", tuple(self.mean) or (0.0,) * self.channels)
        object.__setattr__(self, "std", tuple(self.std) or (1.0,) * self.channels)
        if self.size < 1 or self.channels not in (1, 3):
            raise OpsinError(
                f"preprocessing to {self.channels} x {self.size} px: channels are 1 or 3, a size at least 1"
            )
        if not len(self.mean) == len(self.std) == self.channels or min(self.std) <= 0:
            raise OpsinError(f"preprocessing needs {self.channels} mean(s) and std(s), and no std of 0")
        if self.resize is not None and (self.resize < self.size or self.fit != "crop"):
            raise OpsinError(f"preprocessing cannot crop {self.size} px from {self.resize} (fit {self.fit!r})")
        for kind, name, known in (("fit", self.fit, Fit), ("interpolation", self.interpolation, Interpolation)):
            if name not in get_args(known):
                raise unknown(kind, name, get_args(known))

    def pixels(self, image: Image.Image, box: tuple[float, float, float, float] | None = None) -> np.ndarray:
        """The input before normalisation: uint8 [channels, size, size]. Takes a PIL image of any mode.

        With a `box` (left, top, right, bottom; in pixels of the upright image) that part of it, whatever `fit` says.
        """
        image = self._coloured(image)
        if box is not None:
            image = image.resize((self.size, self.size), self._resample, box=box)
        elif image.size != (self.size, self.size) or self.resize:
            image = self._square(image)
        return self._array(image)

    def stack(self, images: np.ndarray) -> np.ndarray | None:
        """The same of images that need no resizing, uint8 [N, H, W] or [N, H, W, 3]: uint8 [N, channels, size, size].

        None where some pixel would have to be computed.
        """
        if images.shape[1:3] != (self.size, self.size) or self.resize or (images.ndim == 4 and self.channels == 1):
            return None
        if images.ndim == 3:
            return np.repeat(images[:, None], self.channels, axis=1)
        return np.ascontiguousarray(images.transpose(0, 3, 1, 2))

    def crops(self, image: Image.Image) -> np.ndarray:
        """Four corners and the centre, uint8 [5, channels, size, size]: top left and right, bottom left and right.

        They are cut from the image with a short side of `margin` px, whatever `fit` is. Where `resize` is set, the
        last is `pixels`.
        """
        image = self._coloured(image)
        across, down = _scaled(image, self.margin)
        right, bottom = across - self.size, down - self.size
        corners = [(0, 0), (right, 0), (0, bottom), (right, bottom), (round(right / 2), round(bottom / 2))]
        side = (self.size, self.size)
        return np.stack([self._array(self._window(image, (across, down), corner, side)) for corner in corners])

    @property
    def margin(self) -> int:
        """The short side that crops are taken from: `resize`, or 256 px for crops of 224, as in AlexNet's paper."""
        return self.resize or round(self.size * 256 / 224)

    def whole(self, image: Image.Image, short: int, multiple: int = 1) -> np.ndarray:
        """The image with a short side of `short` px, uncropped: uint8 [channels, H, W].

        H and W are multiples of `multiple`; what is over is cut off on both sides.
        """
        image = self._coloured(image)
        across, down = _scaled(image, short)
        left, top = across % multiple // 2, down % multiple // 2
        size = (across - across % multiple, down - down % multiple)
        return self._array(self._window(image, (across, down), (left, top), size))

    def normalize(self, batch: "Tensor") -> "Tensor":
        """uint8 [N, C, S, S] -> float32 [N, C, S, S], (value / 255 - mean) / std, on the device of the batch."""
        import torch

        mean = torch.tensor(self.mean, dtype=torch.float64).view(-1, 1, 1)
        std = torch.tensor(self.std, dtype=torch.float64).view(-1, 1, 1)
        scale, offset = (1 / (255 * std)).float(), (-mean / std).float()
        return batch.float().mul_(scale.to(batch.device)).add_(offset.to(batch.device))

    def with_statistics(self, images: np.ndarray, rows: np.ndarray | None = None) -> "Preprocess":
        """The same with mean and std measured on `images`, uint8 [n, C, S, S]: on `rows` (the training part) or all.

        They are exact, whatever the order. A channel without any contrast gets a std of one grey level.
        """
        rows = np.arange(len(images)) if rows is None else rows
        counts = np.zeros((self.channels, _LEVELS), dtype=np.int64)
        for start in range(0, len(rows), _BATCH):
            batch = np.asarray(images[rows[start : start + _BATCH]])
            for c in range(self.channels):
                counts[c] += np.bincount(batch[:, c].reshape(-1), minlength=_LEVELS)
        levels, n = np.arange(_LEVELS), counts.sum(axis=1)
        total, squares = (counts * levels).sum(axis=1), (counts * levels**2).sum(axis=1)
        mean = [t / k / 255 for t, k in zip(total.tolist(), n.tolist(), strict=True)]
        std = [
            max(((s * k - t * t) / (k * k)) ** 0.5, 1.0) / 255
            for s, t, k in zip(squares.tolist(), total.tolist(), n.tolist(), strict=True)
        ]
        return replace(self, mean=tuple(mean), std=tuple(std))

    def at(self, size: int) -> "Preprocess":
        """The same for inputs of another size, with as much of the image in the crop."""
        resize = None if self.resize is None else max(size, round(self.resize * size / self.size))
        return replace(self, size=size, resize=resize)

    def enlargement(self, sizes: Sequence[tuple[int, int, int]]) -> str | None:
        """In words, which images this enlarges, for (height, width, how many) of each native size; None for none."""
        least = self.resize or self.size
        small = [(self._side(h, w), count) for h, w, count in sizes if self._side(h, w) < least]
        if not small:
            return None
        low, high = min(side for side, _ in small), max(side for side, _ in small)
        px = f"{low} px" if low == high else f"{low} to {high} px"
        n_small, n = sum(count for _, count in small), sum(count for *_, count in sizes)
        which = "images are" if n_small == n else f"{n_small:,} of {n:,} images are"
        return f"{which} {px} and were enlarged to {least} px"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `from_dict` gives an equal object back."""
        return {**asdict(self), "mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Preprocess":
        """Raises OpsinError for a key that is not known and for one that is missing."""
        known = [field.name for field in fields(cls)]
        for name in values:
            if name not in known:
                raise unknown("key of a preprocessing", name, known)
        missing = [name for name in known if name not in values and name != "resize"]
        if missing:
            raise OpsinError(f"a preprocessing lacks {', '.join(missing)}")
        return cls(**{**values, "mean": tuple(values["mean"]), "std": tuple(values["std"])})

    def __str__(self) -> str:
        colour = "grey" if self.channels == 1 else "RGB"
        square = "centre square" if self.fit == "crop" else "padded to a square"
        if self.resize:
            square = f"centre square of {self.resize} px"
        return f"{colour}, {square}, {self.size} x {self.size} px, {self.interpolation}"

    def _side(self, height: int, width: int) -> int:
        return min(height, width) if self.fit == "crop" else max(height, width)

    @property
    def _resample(self) -> Image.Resampling:
        return Image.Resampling[self.interpolation.upper()]

    def _coloured(self, image: Image.Image) -> Image.Image:
        image, mode = plain(image), "L" if self.channels == 1 else "RGB"
        return image if image.mode == mode else image.convert(mode)

    def _array(self, image: Image.Image) -> np.ndarray:
        values = np.asarray(image).reshape(image.height, image.width, self.channels)
        return np.ascontiguousarray(values.transpose(2, 0, 1))

    def _window(
        self, image: Image.Image, scaled: tuple[int, int], corner: tuple[int, int], size: tuple[int, int]
    ) -> Image.Image:
        """The window at `corner` (left, top) of `size` of the image that would be `scaled`; all in px, width first."""
        x, y = image.width / scaled[0], image.height / scaled[1]  # px of the image for one after resizing
        left, top = corner
        right, bottom = min((left + size[0]) * x, image.width), min((top + size[1]) * y, image.height)
        box = (left * x, top * y, right, bottom)
        return image.resize(size, self._resample, box=box)

    def _square(self, image: Image.Image) -> Image.Image:
        resample = self._resample
        width, height = image.size
        if self.resize:
            across, down = _scaled(image, self.resize)
            corner = round((across - self.size) / 2), round((down - self.size) / 2)
            return self._window(image, (across, down), corner, (self.size, self.size))
        if self.fit == "crop":
            side = min(width, height)
            left, top = (width - side) / 2, (height - side) / 2
            return image.resize((self.size, self.size), resample, box=(left, top, left + side, top + side))
        scale = self.size / max(width, height)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        square = Image.new(image.mode, (self.size, self.size))
        square.paste(image.resize(size, resample), ((self.size - size[0]) // 2, (self.size - size[1]) // 2))
        return square


def _scaled(image: Image.Image, short: int) -> tuple[int, int]:
    """Width and height of an image whose short side becomes `short`."""
    least = min(image.size)
    return int(short * image.width / least), int(short * image.height / least)
