"""Networks of other libraries, filled so that nothing hides behind a 0 or 1."""

from collections.abc import Callable

import torch
from torch import nn


@torch.no_grad()
def empty(build: Callable[[], nn.Module]) -> nn.Module:
    """Built without drawing initial weights, which takes long in large networks and is not wanted here."""
    with torch.device("meta"):
        net = build()
    return net.to_empty(device="cpu").eval()


@torch.no_grad()
def randomise(net: nn.Module) -> None:
    """Fills everything that is learned or tracked, so that nothing hides behind a 0 or 1."""
    for name, parameter in net.named_parameters():
        if parameter.ndim in (2, 4):
            parameter.normal_(std=parameter[0].numel() ** -0.5)
        else:
            parameter.normal_(0.0 if name.endswith("bias") else 1.0, 0.2)
    for name, buffer in net.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(std=0.2)
        elif name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)
