"""Layers that several papers share by name. What a single family uses stays in its own file."""

from torch import Tensor, nn


class DropPath(nn.Module):
    """Stochastic depth (Huang and others, 2016): leaves a block's branch out, image by image, while training.

    With probability `rate` an image's branch is zero; those that stay are divided by 1 - `rate`, so that the mean is
    kept. Any shape N ... -> the same.
    """

    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return x
        keep = x.new_empty(len(x), *[1] * (x.ndim - 1)).bernoulli_(1 - self.rate)
        return x * keep / (1 - self.rate)

    def extra_repr(self) -> str:
        return f"rate={self.rate}"
