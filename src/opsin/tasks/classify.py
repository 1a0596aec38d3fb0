"""Classification as a task: its losses, and what is logged of it on validation."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

RUBBISH = 0.1
"""The penalty of LeNet-5's class of rubbish (j in equation 9 of the 1998 paper)."""
UNITS = 84
"""Of the layer whose distances to the codes of the classes are LeNet-5's outputs."""

Loss = Literal["cross_entropy", "squared", "map"]


@dataclass(frozen=True)
class Classify:
    """One label an image: logits [N, K] against labels [N] of int64, or targets [N, K] that add up to 1.

    In training a network with auxiliary heads gives a tuple: its logits, and those of each head.

    Attributes:
        loss_kind: "cross_entropy"; "squared", half the squared distance of squashed outputs, 1.7159 tanh(2x/3), to +1
            for the class and -1 for the others (LeNet-1989); or "map", the cross-entropy with a class of rubbish whose
            output is always -0.1 (LeNet-5), for one of its 84 units.
        label_smoothing: share of the target spread evenly over all classes.
        aux_weight: what the loss of an auxiliary head counts.
        class_weights: [K], what an image of each class counts.
    """

    label_smoothing: float = 0.0
    aux_weight: float = 0.3
    loss_kind: Loss = "cross_entropy"
    class_weights: tuple[float, ...] | None = None

    def loss(self, output: Any, labels: Tensor) -> Tensor:
        """Mean over the batch, in nats; with that of each auxiliary head."""
        logits, *aux = output if isinstance(output, tuple) else (output,)
        loss = self.of_logits(logits, labels)
        for head in aux:
            loss = loss + self.aux_weight * self.of_logits(head, labels)
        return loss

    def of_logits(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The loss of logits [N, K]."""
        if self.loss_kind == "squared":
            classes = F.one_hot(labels, logits.shape[1]).to(logits.dtype) if labels.ndim == 1 else labels
            return 0.5 * (1.7159 * torch.tanh(2 / 3 * logits) - (2 * classes - 1)).square().sum(1).mean()
        if self.loss_kind == "map":
            return F.cross_entropy(F.pad(logits, (0, 1), value=-RUBBISH), labels) / UNITS
        if self.class_weights is None:
            return F.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)
        weights = torch.tensor(self.class_weights, device=logits.device, dtype=logits.dtype)
        # PyTorch's own mean divides by the weights of the batch, by which an image alone would always count 1
        smoothing = self.label_smoothing
        return F.cross_entropy(logits, labels, weights, reduction="sum", label_smoothing=smoothing) / len(logits)

    def sample(self, net: Any, images: Tensor, u: Tensor) -> Tensor:
        """A number whose squared gradient is, in expectation over `u`, the curvature of an image's loss.

        The diagonal of Gauss-Newton: of squared distances the outputs, each with a random sign; else the loss for a
        class drawn as the network has it. With "map" the distances of the last layer are part of the loss, whose second
        derivative is 2 for each number that this layer sees.

        Args:
            images: one image, [1, C, S, S].
            u: uniform numbers, at least one for each output, and one more; as many as that layer sees with "map".
        """
        if self.loss_kind == "map":
            seen = net.embed(images)
            return math.sqrt(2 / UNITS) * (seen * signs(u, seen)).sum()
        output = net(images)
        logits = output[0] if isinstance(output, tuple) else output
        if self.loss_kind == "squared":
            return (1.7159 * torch.tanh(2 / 3 * logits) * signs(u, logits)).sum()
        chances = logits.softmax(1).detach()[0].cumsum(0)
        drawn = int((chances < u[-1]).sum().clamp(max=len(chances) - 1))
        return F.cross_entropy(logits, torch.tensor([drawn], device=logits.device))

    def metrics(self, logits: Tensor, labels: Tensor) -> dict[str, float]:
        """Plain cross-entropy in nats and top-1 accuracy in 0..1."""
        return {
            "loss": F.cross_entropy(logits, labels).item(),
            "top1": (logits.argmax(1) == labels).double().mean().item(),
        }


def signs(u: Tensor, like: Tensor) -> Tensor:
    """-1 or 1 for each number of `like`, [1, K], by the uniform numbers `u`."""
    return torch.where(u[: like.shape[1]] < 0.5, -1.0, 1.0).to(like)
