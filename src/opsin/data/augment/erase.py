"""Random erasing of whole batches after normalisation."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from opsin.data.augment.draws import Draws
from opsin.data.counted import key
from opsin.parts import Part


@dataclass(frozen=True)
class Erase(Part):
    """Fills a rectangle of normalised images with noise of mean 0 and deviation 1 (Zhong et al., arXiv:1708.04896).

    With `probability`; of 1/50 to 1/3 of the area, with sides in a ratio from 0.3 to 1/0.3. The noise of an image is
    one field of the run, moved round by an offset of its own.
    """

    probability: float = 0.25

    def __post_init__(self) -> None:
        self.require({"probability must be from 0 to 1": 0 <= self.probability <= 1})

    def __call__(self, batch: Tensor, draws: Draws) -> Tensor:
        """A new batch, like `batch` (float32 [N, C, S, S])."""
        channels, side = batch.shape[1], batch.shape[-1]
        u = draws.uniforms(7)
        area = (0.02 + (1 / 3 - 0.02) * u[:, 1]) * side**2
        ratio = np.exp(math.log(0.3) * (1 - 2 * u[:, 2]))
        height = np.sqrt(area * ratio).round().clip(1, side).astype(np.int64)
        width = np.sqrt(area / ratio).round().clip(1, side).astype(np.int64)
        top = np.floor(u[:, 3] * (side - height + 1)).astype(np.int64)
        left = np.floor(u[:, 4] * (side - width + 1)).astype(np.int64)
        generator = torch.Generator().manual_seed(key(draws.seed, draws.place))
        field = torch.randn(channels, side, side, generator=generator).to(batch)
        found = batch.clone()
        for i in np.flatnonzero(u[:, 0] < self.probability):
            down, across = np.floor(u[i, 5:] * side).astype(np.int64).tolist()
            noise = field.roll((down, across), (1, 2))[:, : height[i], : width[i]]
            found[i, :, top[i] : top[i] + height[i], left[i] : left[i] + width[i]] = noise
        return found
