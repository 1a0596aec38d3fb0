"""The optimizers of a recipe, as data: what each is called, and its numbers apart from rate and weight decay.

`moments` is how many numbers each keeps for a weight.
"""

from dataclasses import dataclass
from typing import ClassVar

from opsin.parts import Part


@dataclass(frozen=True)
class SGD(Part):
    """Stochastic gradient descent with momentum; weight decay is added to the gradient."""

    moments: ClassVar[int] = 1
    momentum: float = 0.9
    nesterov: bool = False

    def __post_init__(self) -> None:
        self.require(
            {
                "momentum must be from 0 to below 1": 0 <= self.momentum < 1,
                "nesterov needs a momentum": self.momentum > 0 or not self.nesterov,
            }
        )


@dataclass(frozen=True)
class Adam(Part):
    """Adam (Kingma and Ba 2014); weight decay is added to the gradient."""

    moments: ClassVar[int] = 2
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        self.require({"betas must be from 0 to below 1": 0 <= self.beta1 < 1 and 0 <= self.beta2 < 1})


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2017): the weights shrink by rate times decay a step."""


@dataclass(frozen=True)
class RMSProp(Part):
    """RMSProp as TensorFlow has it, which Inception-v3 and the MobileNets were trained with.

    The mean square starts at 1, `epsilon` is added under the root, and the momentum gathers steps that already carry
    their rate. Weight decay is added to the gradient.
    """

    moments: ClassVar[int] = 2
    decay: float = 0.9
    momentum: float = 0.0
    epsilon: float = 1.0

    def __post_init__(self) -> None:
        self.require(
            {
                "decay must be from 0 to below 1": 0 <= self.decay < 1,
                "momentum must be from 0 to below 1": 0 <= self.momentum < 1,
                "epsilon must be above 0": self.epsilon > 0,
            }
        )


@dataclass(frozen=True)
class DiagonalLM(Part):
    """Stochastic gradient descent with a rate for each weight: rate / (`mu` + curvature), without momentum.

    The stochastic diagonal Levenberg-Marquardt method of LeNet-1989 and LeNet-5 (LeCun et al. 1998, appendix C). The
    curvature, the diagonal of the Gauss-Newton matrix, is estimated anew before each epoch on `samples` images.
    """

    moments: ClassVar[int] = 1
    mu: float = 0.02
    samples: int = 500

    def __post_init__(self) -> None:
        self.require({"mu must be above 0": self.mu > 0, "samples must be at least 1": self.samples >= 1})


OPTIMIZERS = (SGD, Adam, AdamW, RMSProp, DiagonalLM)
Optimizer = SGD | Adam | RMSProp | DiagonalLM
