"""Light augmentation of whole batches: small shifts and mirror images, with counted randomness."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from opsin.data.counted import uniforms


@dataclass(frozen=True)
class Augment:
    """Moves each image by whole pixels, at most `shift` each way, and mirrors it (left to right) every second time.

    This is the random crop of a padded image. What moves in from outside repeats the border (`pad` "edge") or is 0
    ("zero").
    """

    shift: int
    flip: bool
    pad: Literal["edge", "zero"] = "edge"

    def __call__(self, batch: Tensor, seed: int, epoch: int, samples: np.ndarray) -> Tensor:
        """A new batch, like `batch` (any type [N, C, S, S], on any device).

        `samples` int64 [N] are the images' indices in the data: what is drawn for one depends on (seed, epoch, index).
        """
        if self.shift == 0 and not self.flip:
            return batch
        n, channels, side, _ = batch.shape
        draws = uniforms(seed, epoch, samples, 3)
        moves = np.floor(draws[:, :2] * (2 * self.shift + 1)).astype(np.int64) - self.shift
        mirrored = (draws[:, 2] < 0.5) & self.flip
        places = np.arange(side)
        columns = np.where(mirrored[:, None], places[::-1], places) + moves[:, 1:]
        rows = places + moves[:, :1]
        if self.pad == "zero":
            batch = F.pad(batch, (self.shift,) * 4)
            rows, columns = rows + self.shift, columns + self.shift
        full = batch.shape[-1]
        first = np.arange(n * channels).reshape(n, channels, 1) * full  # row 0 of each channel, of all rows of a batch
        rows = first + rows.clip(0, full - 1)[:, None]
        row_index = torch.from_numpy(rows.reshape(-1)).to(batch.device)
        column_index = torch.from_numpy(columns.clip(0, full - 1)[:, None]).to(batch.device)
        picked = batch.reshape(-1, full).index_select(0, row_index).view(n, channels * side, full)
        moved = picked.gather(2, column_index.expand(n, channels * side, side))
        return moved.view(n, channels, side, side)


def suited_to(channels: int, size: int) -> Augment:
    """What harms no label: grey images (digits, documents, x-rays) move a little; colour ones move more and mirror."""
    if channels == 1:
        return Augment(shift=max(1, size // 16), flip=False)
    return Augment(shift=size // 8, flip=True)
