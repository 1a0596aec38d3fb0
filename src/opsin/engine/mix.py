"""Training images that are mixed with others, and their labels with them."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from opsin.data.augment import Draws
from opsin.parts import Part

PLACE = 1_000
"""Behind all augmentations of a recipe."""


@dataclass(frozen=True)
class Mix(Part):
    """Mixup (arXiv:1710.09412) or CutMix (arXiv:1905.04899), each every second time where both are asked for.

    An image is mixed with its neighbour in the step, by a share of its own from a Beta distribution with both
    parameters `mixup` or `cutmix` (0 for without). The papers draw one share for a whole batch.
    """

    mixup: float = 0.8
    cutmix: float = 1.0
    probability: float = 1.0

    def __post_init__(self) -> None:
        self.require(
            {
                "mixup and cutmix must not be negative": min(self.mixup, self.cutmix) >= 0,
                "mixup or cutmix must be above 0": max(self.mixup, self.cutmix) > 0,
                "probability must be from 0 to 1": 0 <= self.probability <= 1,
            }
        )

    def __call__(self, images: Tensor, labels: Tensor, n_classes: int, draws: Draws) -> tuple[Tensor, Tensor]:
        """Images float32 [N, C, S, S] and labels [N] -> mixed images, and targets float32 [N, n_classes]."""
        from scipy.special import betaincinv

        n, side = len(labels), images.shape[-1]
        partner = np.arange(n) ^ 1
        partner[partner == n] = n - 1  # the last of an odd number is mixed with itself
        u = draws.uniforms(5)
        cut = u[:, 0] < (0.5 if self.mixup and self.cutmix else float(self.cutmix > 0))
        alpha = np.where(cut, self.cutmix or 1.0, self.mixup or 1.0)
        own = betaincinv(alpha, alpha, u[:, 1])
        own[u[:, 2] >= self.probability] = 1.0
        half = np.sqrt(1 - own) * side / 2  # a square of the other's share of the area, cut off at the border
        middle = np.floor(u[:, 3:] * side)
        low = (middle - half[:, None]).round().clip(0, side)
        high = (middle + half[:, None]).round().clip(0, side)
        own = np.where(cut, 1 - (high - low).prod(1) / side**2, own)
        at = torch.arange(side)
        inside = [
            (at >= torch.from_numpy(low[:, k : k + 1])) & (at < torch.from_numpy(high[:, k : k + 1])) for k in (0, 1)
        ]
        square = (inside[0][:, :, None] & inside[1][:, None, :]).float()  # N S S
        share = torch.from_numpy(own).float()
        taken = torch.where(torch.from_numpy(cut)[:, None, None], 1 - square, share[:, None, None])[:, None]
        taken, share = taken.to(images.device), share[:, None].to(images.device)
        others = images[torch.from_numpy(partner).to(images.device)]
        targets = F.one_hot(labels, n_classes).float()
        mixed = targets[torch.from_numpy(partner).to(images.device)]
        return images * taken + others * (1 - taken), targets * share + mixed * (1 - share)


MIXES = (Mix,)
