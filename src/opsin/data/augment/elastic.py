"""Elastic deformations of whole batches (Simard, Steinkraus and Platt 2003)."""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from opsin.data.augment.draws import Draws
from opsin.parts import Part


@dataclass(frozen=True)
class Elastic(Part):
    """Moves every pixel by a smooth field, turns and scales, as for the perceptrons of Ciresan et al. (2010).

    A field of numbers from -1 to 1 for each direction is blurred by a Gaussian of `sigma` px and multiplied by `alpha`;
    the image is turned by at most `rotation` degrees and scaled by at most `scaling` of its size, each side for itself.
    What comes in from outside repeats the border.
    """

    sigma: float = 5.5
    alpha: float = 37.0
    rotation: float = 15.0
    scaling: float = 0.15

    def __post_init__(self) -> None:
        self.require(
            {
                "sigma must be above 0": self.sigma > 0,
                "alpha must not be negative": self.alpha >= 0,
                "rotation must be from 0 to 180 degrees": 0 <= self.rotation <= 180,
                "scaling must be from 0 to below 1": 0 <= self.scaling < 1,
            }
        )

    def __call__(self, batch: Tensor, draws: Draws) -> Tensor:
        """A new batch, like `batch` (uint8 [N, C, S, S])."""
        n, side = len(batch), batch.shape[-1]
        drawn = torch.from_numpy((2 * draws.uniforms(3 + 2 * side**2) - 1).astype(np.float32)).to(batch.device)
        angle = drawn[:, 0] * math.radians(self.rotation)
        scale = 1 / (1 + self.scaling * drawn[:, 1:3])
        turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).view(n, 2, 2) * scale[:, None]
        affine = torch.cat([turn, torch.zeros(n, 2, 1, device=batch.device)], 2)
        grid = F.affine_grid(affine, [n, 1, side, side], align_corners=False)  # N S S 2, from -1 to 1
        field = self.alpha * blurred(drawn[:, 3:].view(n, 2, side, side), self.sigma) * 2 / side
        moved = F.grid_sample(
            batch.float(), grid + field.permute(0, 2, 3, 1), "bilinear", "border", align_corners=False
        )
        return moved.round_().clamp_(0, 255).to(batch.dtype)


def blurred(field: Tensor, sigma: float) -> Tensor:
    """A Gaussian of `sigma` px over maps [N, C, S, S], zeros around them."""
    reach = math.ceil(3 * sigma)
    x = torch.arange(-reach, reach + 1, dtype=field.dtype, device=field.device)
    kernel = (-(x**2) / (2 * sigma**2)).exp()
    kernel = (kernel / kernel.sum()).expand(field.shape[1], 1, -1)
    across = F.conv2d(field, kernel[:, :, None], padding=(0, reach), groups=field.shape[1])
    return F.conv2d(across, kernel[:, :, :, None], padding=(reach, 0), groups=field.shape[1])
