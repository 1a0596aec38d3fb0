"""Parity with other libraries: their weights, randomised, copied in order into ours must give the same logits."""

import pytest
import torch
from torch import Tensor, nn


@torch.no_grad()
def randomise(net: nn.Module) -> None:
    """Moves what constructors leave at 0 or 1 (biases, norms, tokens, batch statistics), so that nothing hides."""
    for parameter in net.parameters():
        if parameter.ndim != 2 and parameter.ndim != 4:
            parameter.add_(0.2 * torch.randn_like(parameter))
    for name, buffer in net.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(std=0.2)
        elif name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)


def tensors(net: nn.Module) -> list[Tensor]:
    return [*net.parameters(), *(b for name, b in net.named_buffers() if not name.endswith("num_batches_tracked"))]


@torch.no_grad()
def copy_in_order(source: list[Tensor], target: list[Tensor]) -> None:
    for theirs, ours in zip(source, target, strict=True):
        assert theirs.squeeze().shape == ours.squeeze().shape
        ours.copy_(theirs.view_as(ours))


@pytest.fixture
def assert_same_logits():
    """A check (theirs, ours, size, reorder=None): `reorder` sorts their list of tensors as ours is sorted."""

    @torch.no_grad()
    def check(theirs: nn.Module, ours: nn.Module, size: int, reorder=lambda tensors: tensors) -> None:
        torch.manual_seed(0)
        randomise(theirs)
        copy_in_order(reorder(tensors(theirs)), tensors(ours))
        x = torch.randn(1, 3, size, size)
        expected, logits = theirs.eval()(x), ours.eval()(x)
        assert expected.std() > 1e-3  # the random network must say something
        assert (logits - expected).abs().max() <= 1e-5 * expected.abs().max()

    return check
