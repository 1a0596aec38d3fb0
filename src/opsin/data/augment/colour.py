"""Colours of whole batches, uint8 [N, C, S, S]."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from opsin.data.augment.draws import Draws
from opsin.parts import Part

GREY = (0.299, 0.587, 0.114)
"""What red, green and blue weigh in a grey value (ITU-R BT.601)."""


def as_bytes(values: Tensor) -> Tensor:
    return values.round_().clamp_(0, 255).to(torch.uint8)


def factors(values: np.ndarray, like: Tensor) -> Tensor:
    """float32 [N, 1, 1, 1] on the device of a batch."""
    return torch.from_numpy(values.astype(np.float32)).view(-1, 1, 1, 1).to(like.device)


def grey(batch: Tensor) -> Tensor:
    """float32 [N, 1, S, S] of float32 [N, C, S, S]."""
    if batch.shape[1] == 1:
        return batch
    return (batch * torch.tensor(GREY, device=batch.device).view(1, 3, 1, 1)).sum(1, keepdim=True)


@dataclass(frozen=True)
class Jitter(Part):
    """Brightness, then contrast, then saturation, each times a factor from 1 - x to 1 + x.

    The photometric distortions of Howard (arXiv:1312.5402), which GoogLeNet's authors name; here in a fixed order.
    """

    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4

    def __post_init__(self) -> None:
        three = (self.brightness, self.contrast, self.saturation)
        self.require({"brightness, contrast and saturation must be from 0 to 1": all(0 <= x <= 1 for x in three)})

    def __call__(self, batch: Tensor, draws: Draws) -> Tensor:
        drawn = 2 * draws.uniforms(3) - 1
        values = batch.float() * factors(1 + self.brightness * drawn[:, 0], batch)
        mean = grey(values).mean((2, 3), keepdim=True)
        values = mean + (values - mean) * factors(1 + self.contrast * drawn[:, 1], batch)
        if batch.shape[1] == 3:
            own = grey(values)
            values = own + (values - own) * factors(1 + self.saturation * drawn[:, 2], batch)
        return as_bytes(values)


@dataclass(frozen=True)
class Lighting(Part):
    """Adds multiples of the principal components of red, green and blue to every pixel (AlexNet, section 4.1).

    `sigma` times a normal number times the deviation along a component. The components are those of the training
    images, `fit` finds them; AlexNet's were of ImageNet's.
    """

    sigma: float = 0.1

    def __post_init__(self) -> None:
        self.require({"sigma must not be negative": self.sigma >= 0})

    def fit(self, images: np.ndarray) -> "FittedLighting":
        """For training images uint8 [n, 3, S, S]; a few hundred say enough."""
        some = images.astype(np.float64)
        covariance = np.cov(some.transpose(1, 0, 2, 3).reshape(some.shape[1], -1))
        variances, components = np.linalg.eigh(np.atleast_2d(covariance))
        return FittedLighting(self.sigma * components * np.sqrt(variances.clip(0)))


@dataclass(frozen=True, eq=False)
class FittedLighting:
    """`directions` [C, C]: a column for each component, as long as one deviation moves a pixel."""

    directions: np.ndarray

    def __call__(self, batch: Tensor, draws: Draws) -> Tensor:
        moved = draws.normals(len(self.directions)) @ self.directions.T  # N C
        shift = torch.from_numpy(moved.astype(np.float32)).to(batch.device)
        return as_bytes(batch.float() + shift[:, :, None, None])
