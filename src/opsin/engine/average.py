"""Averages of a network's weights over its steps, which the papers evaluate in the place of the last ones."""
# pyright: reportPrivateImportUsage=false

from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import nn

from opsin.parts import Part


@dataclass(frozen=True)
class EMA(Part):
    """An average in which older weights fade: after a share `horizon` of the run a step counts 1/e.

    The horizon is a share, so that a short run averages over as much of itself as a long one: ConvNeXt's decay of
    0.9999 a step, in 300 epochs of 312 steps, is a horizon of 0.107. In its first steps it follows more closely.
    """

    horizon: float = 0.1

    def __post_init__(self) -> None:
        self.require({"horizon must be a share above 0, at most 1": 0 < self.horizon <= 1})

    def weight(self, step: int, steps: int) -> float:
        """What the weights after step `step` (from 0) count against the average so far."""
        return max(1 / max(1.0, self.horizon * steps), 9 / (10 + step))


@dataclass(frozen=True)
class Polyak(Part):
    """The plain mean over the last share `tail` of the run (Polyak and Juditsky 1992)."""

    tail: float = 0.1

    def __post_init__(self) -> None:
        self.require({"tail must be a share above 0, at most 1": 0 < self.tail <= 1})

    def weight(self, step: int, steps: int) -> float:
        first = steps - max(1, round(self.tail * steps))
        return 1.0 if step <= first else 1 / (step - first + 1)


AVERAGES = (EMA, Polyak)


class Averaged:
    """A copy of a network that follows it: weights and buffers averaged, whole numbers as they are."""

    def __init__(self, net: nn.Module, how: EMA | Polyak):
        self.how = how
        self.net = deepcopy(net).eval().requires_grad_(False)

    @torch.no_grad()
    def follow(self, net: nn.Module, step: int, steps: int) -> None:
        """Takes in the weights after step `step` (from 0) of `steps`."""
        ours, theirs = self.net.state_dict(), net.state_dict()
        real = [name for name, value in ours.items() if value.is_floating_point()]
        torch._foreach_lerp_(
            [ours[name] for name in real], [theirs[name] for name in real], self.how.weight(step, steps)
        )
        for name in ours.keys() - set(real):
            ours[name].copy_(theirs[name])
