"""What the tests of families share: parity with other libraries, learning by heart, export and the like."""

import copy
from collections.abc import Callable

import pytest
import torch
from oracles import empty, randomise
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from opsin import zoo
from opsin.tasks.classify import Classify


def tensors(net: nn.Module) -> list[Tensor]:
    return [*net.parameters(), *(b for name, b in net.named_buffers() if not name.endswith("num_batches_tracked"))]


@torch.no_grad()
def copy_in_order(source: list[Tensor], target: list[Tensor]) -> None:
    for theirs, ours in zip(source, target, strict=True):
        assert theirs.squeeze().shape == ours.squeeze().shape
        ours.copy_(theirs.view_as(ours))


@pytest.fixture
def assert_same_logits():
    """A check (their constructor, our name, reorder, size, our arguments), without auxiliary heads.

    `reorder` sorts their list of tensors as ours is sorted; the image has `size` px.
    """

    @torch.no_grad()
    def check(
        build: Callable[[], nn.Module], name: str, reorder=lambda tensors: tensors, size: int = 224, **arguments
    ) -> None:
        torch.manual_seed(0)
        theirs, ours = empty(build), empty(lambda: zoo.build_model(name, **arguments))
        randomise(theirs)
        copy_in_order(reorder(tensors(theirs)), tensors(ours))
        x = torch.randn(1, 3, size, size)
        expected, logits = theirs(x), ours(x)
        assert expected.std() > 1e-3  # the random network must say something
        assert (logits - expected).abs().max() <= 1e-5 * expected.abs().max()

    return check


@pytest.fixture
def assert_learns():
    """A check (net, channels, size): steps of AdamW, at most `steps`, learn 16 random images of 4 classes by heart."""

    def check(net: nn.Module, channels: int, size: int, lr: float = 2e-3, images: int = 16, steps: int = 60) -> None:
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(images, channels, size, size, generator=generator)
        labels = torch.arange(images) % 4
        optimizer = torch.optim.AdamW(net.parameters(), lr=lr)
        right = 0
        for step in range(1, steps + 1):
            loss = Classify().loss(net(x), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if step % 5 == 0:
                with torch.no_grad():
                    right = int((net.eval()(x).argmax(1) == labels).sum())
                net.train()
            if right == images:
                return
        pytest.fail(f"{right} of {images} images learned in {steps} steps, loss {loss.item():.3f}")

    return check


@pytest.fixture
def assert_travels():
    """A check (net, x, bf16): copies, exports, compiles whole, runs in bf16, and says the same each time.

    `bf16` is how far off its logits may be there, as a share of their norm; None where nothing is asked but numbers,
    since roundings grow through many layers that have learned nothing. It compiles whole for training, too, gradients
    included. Batch norm has the statistics of x, as if it had been trained.
    """

    @torch.no_grad()
    def check(net: nn.Module, x: Tensor, bf16: float | None = 0.1) -> None:
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 1.0
        net.train()(x)
        expected = net.eval()(x)
        half = copy.deepcopy(net)
        assert torch.equal(half(x), expected)
        torch.compiler.reset()  # what other tests have compiled counts towards a limit
        torch.testing.assert_close(torch.export.export(net, (x,)).module()(x), expected)
        torch.testing.assert_close(torch.compile(net, fullgraph=True, backend="eager")(x), expected)
        half = half.bfloat16()(x.bfloat16())
        assert half.dtype == torch.bfloat16
        assert half.isfinite().all()
        assert bf16 is None or (half - expected).norm() <= bf16 * expected.norm()
        with torch.enable_grad():
            outputs = torch.compile(net.train(), fullgraph=True, backend="eager")(x)
            torch.autograd.backward([logits.sum() for logits in tree_leaves(outputs)])
        assert all(parameter.grad is not None for parameter in net.parameters())

    return check
