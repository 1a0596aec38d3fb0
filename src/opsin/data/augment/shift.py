"""Moves by whole pixels and mirror images, of whole batches."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from opsin.data.augment.draws import Draws
from opsin.parts import Part


@dataclass(frozen=True)
class Shift(Part):
    """Moves each image by whole pixels, at most `shift` each way, and with `flip` mirrors every second one.

    This is the random crop of a padded image. What moves in from outside repeats the border (`pad` "edge") or is 0
    ("zero").
    """

    shift: int
    flip: bool = False
    pad: Literal["edge", "zero"] = "zero"

    def __post_init__(self) -> None:
        self.require({"shift must not be negative": self.shift >= 0})

    def __call__(self, batch: Tensor, draws: Draws) -> Tensor:
        """A new batch, like `batch` (any type [N, C, S, S], on any device)."""
        if self.shift == 0 and not self.flip:
            return batch
        n, channels, side, _ = batch.shape
        drawn = draws.uniforms(3)
        moves = np.floor(drawn[:, :2] * (2 * self.shift + 1)).astype(np.int64) - self.shift
        mirrored = (drawn[:, 2] < 0.5) & self.flip
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


@dataclass(frozen=True)
class Flip(Part):
    """Mirrors each image, left to right, every second time."""

    def __call__(self, batch: Tensor, draws: Draws) -> Tensor:
        """A new batch, like `batch` (any type [N, C, S, S], on any device)."""
        mirrored = torch.from_numpy(draws.uniforms(1)[:, 0] < 0.5).to(batch.device)
        return torch.where(mirrored.view(-1, 1, 1, 1), batch.flip(-1), batch)
