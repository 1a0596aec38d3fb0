"""The curvature of the loss along each weight, which the rates of LeNet-1989 and LeNet-5 are divided by."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from opsin.data.augment import Draws
from opsin.data.counted import key
from opsin.data.sampler import visits
from opsin.engine.feed import Feed
from opsin.engine.optimizers import DiagonalLM
from opsin.engine.recipe import Recipe
from opsin.engine.steppers import DiagonalLevenbergMarquardt

PLACE = 2_000
"""Behind all that draws on an image."""
WIDEST = 128
"""Signs that are drawn for an image, at least: LeNet-5's last layer sees 84 numbers."""


def estimate(
    optimizer: torch.optim.Optimizer, net: nn.Module, feed: Feed, recipe: Recipe, task, seed: int, epoch: int
) -> None:
    """Sets the curvatures of `optimizer` before an epoch, on as many training images as the recipe says, if it has any.

    Every process does it for itself, on the same images. Source: LeCun et al. 1998, appendix C, which propagates second
    derivatives backwards and neglects what units share; here they are exact in expectation.
    """
    if not isinstance(optimizer, DiagonalLevenbergMarquardt) or not isinstance(recipe.optimizer, DiagonalLM):
        return
    torch.manual_seed(key(seed, epoch, PLACE))  # of dropout
    samples = visits(seed, epoch, feed.data.train)[: recipe.optimizer.samples]

    def sampled() -> Iterator[Callable[[], Tensor]]:
        numbers = Draws(seed, epoch, samples, PLACE).uniforms(max(WIDEST, feed.data.n_classes + 1))
        for at, pixels in enumerate(feed.data.images.batches(np.split(samples, len(samples)))):
            images, _ = feed.prepared(pixels.to(feed.world.device), samples[at : at + 1], epoch)
            u = torch.from_numpy(numbers[at]).float().to(images.device)  # MPS has no doubles
            yield lambda images=images, u=u: task.sample(net, images, u)

    optimizer.estimate(sampled())
