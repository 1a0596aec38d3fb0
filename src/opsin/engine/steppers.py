"""Optimizers of the papers that PyTorch does not have."""
# pyright: reportPrivateImportUsage=false

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor


class TensorFlowRMSProp(torch.optim.Optimizer):
    """RMSProp as TensorFlow computes it (see `opsin.engine.optimizers.RMSProp`).

    mean square <- decay * mean square + (1 - decay) * g^2, from 1 on
    buffer      <- momentum * buffer + rate * g / sqrt(mean square + epsilon)
    weight      <- weight - buffer
    """

    def __init__(self, groups: Iterable[Any], lr: float, decay: float, momentum: float, epsilon: float):
        super().__init__(
            groups, {"lr": lr, "decay": decay, "momentum": momentum, "epsilon": epsilon, "weight_decay": 0.0}
        )

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        for group in self.param_groups:
            weights = [p for p in group["params"] if p.grad is not None]
            if not weights:
                continue
            for p in weights:
                if not self.state[p]:
                    self.state[p] = {"mean_square": torch.ones_like(p), "buffer": torch.zeros_like(p)}
            gradients: list[Tensor] = [p.grad for p in weights]
            squares = [self.state[p]["mean_square"] for p in weights]
            buffers = [self.state[p]["buffer"] for p in weights]
            if group["weight_decay"]:
                gradients = list(torch._foreach_add(gradients, weights, alpha=group["weight_decay"]))
            torch._foreach_mul_(squares, group["decay"])
            torch._foreach_addcmul_(squares, gradients, gradients, 1 - group["decay"])
            roots = torch._foreach_add(squares, group["epsilon"])
            torch._foreach_sqrt_(roots)
            torch._foreach_mul_(buffers, group["momentum"])
            torch._foreach_addcdiv_(buffers, gradients, roots, group["lr"])
            torch._foreach_sub_(weights, buffers)


class DiagonalLevenbergMarquardt(torch.optim.Optimizer):
    """weight <- weight - rate * g / (mu + curvature), with a curvature for each weight, which `estimate` finds."""

    def __init__(self, groups: Iterable[Any], lr: float, mu: float):
        super().__init__(groups, {"lr": lr, "mu": mu, "weight_decay": 0.0})
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p] = {"curvature": torch.zeros_like(p)}

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        for group in self.param_groups:
            weights = [p for p in group["params"] if p.grad is not None]
            if not weights:
                continue
            rates = torch._foreach_add([self.state[p]["curvature"] for p in weights], group["mu"])
            torch._foreach_addcdiv_(weights, [p.grad for p in weights], rates, -group["lr"])

    def estimate(self, samples: Iterable[Callable[[], Tensor]]) -> None:
        """Sets the curvatures: the mean over `samples` of the squared gradients of what each of them gives.

        Each gives a number for one image, the expectation of whose squared gradients is the diagonal of the
        Gauss-Newton matrix there.
        """
        weights = [p for group in self.param_groups for p in group["params"]]
        totals = [torch.zeros_like(p) for p in weights]
        n = 0
        for sample in samples:
            n += 1
            gradients = torch.autograd.grad(sample(), weights, materialize_grads=True)
            torch._foreach_addcmul_(totals, gradients, gradients)
        for p, total in zip(weights, totals, strict=True):
            self.state[p]["curvature"] = total / n
