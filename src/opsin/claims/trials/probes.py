"""What is measured of a trained network: which blocks it can do without, where its gradient comes from."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import comb
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from opsin.claims.trials.networks import DeepNet
from opsin.engine.evaluate import predict
from opsin.engine.feed import Data
from opsin.models.resnet import BasicBlock

LESIONS = 20
"""Random sets of blocks that are left out together, for each number of them."""
PATHS = 30
"""Batches by which the gradient of paths of one length is measured."""


@dataclass(frozen=True)
class Trained:
    """A network after its training, the images, the places of the test images, and a generator for what is drawn."""

    net: nn.Module
    data: Data
    test: np.ndarray
    draws: torch.Generator

    def error(self) -> float:
        """The share of test images that the network, as it now is, gets wrong."""
        logits = predict(self.net, self.data.images, self.test, self.data.preprocess, torch.device("cpu"))
        return float((logits.argmax(1).numpy() != self.data.labels[self.test]).mean())

    def batch(self, size: int) -> tuple[Tensor, Tensor]:
        """So many training images, drawn, as the network takes them, and their labels."""
        train = self.data.train
        rows = train[torch.randperm(len(train), generator=self.draws)[:size].numpy()]
        (pixels,) = self.data.images.batches([rows])
        return self.data.preprocess.normalize(pixels), torch.from_numpy(self.data.labels[rows])


class Shortcut(nn.Module):
    """A block without its branch: its shortcut and the ReLU; of a plain block that keeps the shape, what comes in."""

    def __init__(self, block: BasicBlock):
        super().__init__()
        self.shortcut = block.shortcut

    def forward(self, x: Tensor) -> Tensor:
        return x if self.shortcut is None else F.relu(self.shortcut(x))


@contextmanager
def without(net: nn.Module, names: list[str]) -> Iterator[None]:
    """The network with some of its blocks left out."""
    before = {name: net.get_submodule(name) for name in names}
    for name, block in before.items():
        assert isinstance(block, BasicBlock)
        net.set_submodule(name, Shortcut(block))
    try:
        yield
    finally:
        for name, block in before.items():
            net.set_submodule(name, block)


def lesions(at: Trained) -> dict[str, Any]:
    """The test error with each block left out, and with several, drawn at random (Veit and others 2016, section 4).

    A plain network's blocks that change the shape cannot be left out: None stands for them.
    """
    net = at.net
    assert isinstance(net, DeepNet)
    blocks = net.blocks()
    can = [name for name, block in blocks if block.shortcut is not None or block.conv1.stride == (1, 1)]
    single: list[float | None] = []
    for name, _ in blocks:
        if name not in can:
            single.append(None)
            continue
        with without(net, [name]):
            single.append(at.error())
    several = {}
    for count in range(1, len(can)):
        errors = []
        for _ in range(LESIONS):
            chosen = torch.randperm(len(can), generator=at.draws)[:count].tolist()
            with without(net, [can[i] for i in chosen]):
                errors.append(at.error())
        several[str(count)] = float(np.mean(errors))
    return {"whole": at.error(), "single": single, "several": several}


def through(net: DeepNet, x: Tensor, chosen: set[int]) -> Tensor:
    """The forward pass, whose gradient goes through the branch of the chosen blocks and through no other."""
    x = F.relu(net.bn1(net.conv1(x)))
    for i, (_, block) in enumerate(net.blocks()):
        assert block.shortcut is not None
        branch = block.bn2(block.conv2(F.relu(block.bn1(block.conv1(x)))))
        beside = block.shortcut(x)
        x = F.relu(branch + beside.detach() if i in chosen else branch.detach() + beside)
    return net.fc(x.mean(dim=(2, 3)))


def paths(at: Trained) -> dict[str, Any]:
    """The gradient that arrives at the images through one path of each length (Veit and others 2016, section 4.2).

    `norms` are the mean norms of single paths by the number of branches in them; `mass` is that times how many such
    paths there are, as shares of all.
    """
    net = at.net
    assert isinstance(net, DeepNet)
    net.eval()
    n = len(net.blocks())
    norms = []
    for length in range(n + 1):
        found = []
        for _ in range(PATHS):
            x, labels = at.batch(64)
            chosen = set(torch.randperm(n, generator=at.draws)[:length].tolist())
            x.requires_grad_()
            (gradient,) = torch.autograd.grad(F.cross_entropy(through(net, x, chosen), labels), x)
            found.append(float(gradient.norm()))
        norms.append(float(np.mean(found)))
    mass = np.array([comb(n, k) * norm for k, norm in enumerate(norms)])
    return {"norms": norms, "mass": (mass / mass.sum()).tolist(), "blocks": n}


def correlations(at: Trained) -> dict[str, Any]:
    """What batch norm leaves: means, deviations and correlations of the channels behind the last one, on test images.

    `before` are the mean absolute correlations off the diagonal of what goes in, `after` of what comes out.
    """
    layers = [m for m in at.net.modules() if isinstance(m, nn.BatchNorm2d)]
    seen: list[tuple[Tensor, Tensor]] = []

    def look(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        seen.append((inputs[0], output))

    hook = layers[-1].register_forward_hook(look)
    at.net.train()  # by the statistics of the batch, as while it is trained
    rows = at.test
    (pixels,) = at.data.images.batches([rows])
    with torch.no_grad():
        states = {name: value.clone() for name, value in at.net.state_dict().items()}
        at.net(at.data.preprocess.normalize(pixels))
        at.net.load_state_dict(states)
    hook.remove()
    at.net.eval()
    (before, after) = (x.transpose(0, 1).flatten(1).double() for x in seen[0])
    weight, bias = layers[-1].weight.detach().double(), layers[-1].bias.detach().double()
    plain = (after - bias[:, None]) / weight[:, None]
    used = before.std(1) > 1e-6  # a channel that is zero everywhere has no correlation
    table = torch.corrcoef(after[used])
    off = ~torch.eye(len(table), dtype=torch.bool)
    return {
        "channels": int(used.sum()),
        "mean": float(plain[used].mean(1).abs().max()),
        "deviation": float((plain[used].std(1) - 1).abs().max()),
        "before": float(torch.corrcoef(before[used])[off].abs().mean()),
        "after": float(table[off].abs().mean()),
        "table": [[round(float(v), 3) for v in row] for row in table],
    }


PROBES: dict[str, Callable[[Trained], dict[str, Any]]] = {
    "lesions": lesions,
    "paths": paths,
    "correlations": correlations,
}
"""By the names that trials know them by."""
