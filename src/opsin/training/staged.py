"""A deep network that starts with layers of a shallower one, trained before it (Simonyan and Zisserman 2014, 3.1)."""

from typing import Any

import torch
from torch import nn

CONVOLUTIONS = 4
"""So many of the first convolutions are taken, and all fully connected layers."""


@torch.no_grad()
def take_layers(deep: nn.Module, shallow: nn.Module) -> list[str]:
    """Copies weights and biases into `deep`; returns the names of the layers that took them.

    Layers meet in their order, each with the next one of its shape: VGG-11's conv3-1 with VGG-16's, though more lie
    before it there.
    """
    taken: list[str] = []
    for kind, most in ((nn.Conv2d, CONVOLUTIONS), (nn.Linear, None)):
        waiting = [(name, layer) for name, layer in deep.named_modules() if isinstance(layer, kind)]
        for source in [layer for layer in shallow.modules() if isinstance(layer, kind)][:most]:
            at = next((i for i, (_, layer) in enumerate(waiting) if shapes(layer) == shapes(source)), None)
            if at is None:
                continue
            name, layer = waiting[at]
            layer.load_state_dict(source.state_dict())
            taken.append(name)
            del waiting[: at + 1]
    return taken


def shapes(layer: nn.Module) -> dict[str, Any]:
    return {name: value.shape for name, value in layer.state_dict().items()}
