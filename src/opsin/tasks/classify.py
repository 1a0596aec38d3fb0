"""Classification as a task: its loss, and what is logged of it on validation."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Classify:
    """One label an image; logits [N, K] against labels [N] of int64."""

    label_smoothing: float = 0.0

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy in nats, mean over the batch, with the recipe's label smoothing."""
        return F.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)

    def metrics(self, logits: Tensor, labels: Tensor) -> dict[str, float]:
        """Plain cross-entropy in nats and top-1 accuracy in 0..1."""
        return {
            "loss": F.cross_entropy(logits, labels).item(),
            "top1": (logits.argmax(1) == labels).double().mean().item(),
        }
