"""What an augmentation draws for the images of a batch."""

from dataclasses import dataclass

import numpy as np

from opsin.data import counted


@dataclass(frozen=True)
class Draws:
    """Numbers for each of `samples`, int64 [N] (indices in the data): functions of (seed, epoch, sample, place) alone.

    `place` is that of the augmentation in its recipe, so that no two share their numbers.
    """

    seed: int
    epoch: int
    samples: np.ndarray
    place: int = 0

    def uniforms(self, n: int) -> np.ndarray:
        """float64 [N, n] in [0, 1)."""
        seed = counted.key(self.seed, self.place) if self.place else self.seed
        return counted.uniforms(seed, self.epoch, self.samples, n)

    def normals(self, n: int) -> np.ndarray:
        """float64 [N, n] of mean 0 and deviation 1."""
        from scipy.special import ndtri

        return ndtri(self.uniforms(n).clip(2**-53, 1 - 2**-53))

    def between(self, low: float, high: float, n: int = 1) -> np.ndarray:
        """float64 [N, n] from low to high."""
        return low + (high - low) * self.uniforms(n)
