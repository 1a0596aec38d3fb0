"""Classification as a task: its loss, and what is logged of it on validation."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Classify:
    """One label an image; logits [N, K] against labels [N] of int64.

    In training a network with auxiliary heads gives a tuple: its logits, and those of each head.
    """

    label_smoothing: float = 0.0
    aux_weight: float = 0.3

    def loss(self, output: Tensor | tuple[Tensor, ...], labels: Tensor) -> Tensor:
        """Cross-entropy in nats, mean over the batch, with the recipe's label smoothing and weight of each head."""
        logits, *aux = output if isinstance(output, tuple) else (output,)
        loss = F.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)
        for head in aux:
            loss = loss + self.aux_weight * F.cross_entropy(head, labels, label_smoothing=self.label_smoothing)
        return loss

    def metrics(self, logits: Tensor, labels: Tensor) -> dict[str, float]:
        """Plain cross-entropy in nats and top-1 accuracy in 0..1."""
        return {
            "loss": F.cross_entropy(logits, labels).item(),
            "top1": (logits.argmax(1) == labels).double().mean().item(),
        }
