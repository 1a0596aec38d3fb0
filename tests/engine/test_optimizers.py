"""Optimizers and averages against other libraries, and arithmetic by hand."""

import itertools

import numpy as np
import pytest
import timm.optim
import torch
from torch import nn

from opsin.engine.average import EMA, Averaged, Polyak
from opsin.engine.optim import make_optimizer
from opsin.engine.optimizers import SGD, Adam, AdamW, DiagonalLM, RMSProp
from opsin.engine.recipe import Recipe
from opsin.engine.steppers import DiagonalLevenbergMarquardt
from opsin.engine.train import train_step
from opsin.tasks.classify import Classify


def layer():
    torch.manual_seed(0)
    return nn.Linear(5, 3)


def steps(net, optimizer, n=12):
    for k in range(n):
        torch.manual_seed(k)
        optimizer.zero_grad()
        (net(torch.randn(4, 5)) ** 2).sum().backward()
        optimizer.step()
    return [p.detach().clone() for p in net.parameters()]


def ours(which, decay=0.0, **arguments):
    net = layer()
    recipe = Recipe("x", optimizer=which, learning_rate=0.01, weight_decay=decay, decay_all=True, **arguments)
    return steps(net, make_optimizer(net, recipe))


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_rmsprop_is_tensorflows(decay, momentum):
    net = layer()
    theirs = timm.optim.RMSpropTF(
        net.parameters(), lr=0.01, alpha=0.9, eps=1.0, momentum=momentum, weight_decay=decay, lr_in_momentum=True
    )
    for a, b in zip(ours(RMSProp(0.9, momentum, 1.0), decay), steps(net, theirs), strict=True):
        torch.testing.assert_close(a, b)


def test_the_others_are_pytorchs():
    for which, theirs in (
        (SGD(0.8, nesterov=True), lambda p: torch.optim.SGD(p, 0.01, 0.8, weight_decay=0.1, nesterov=True)),
        (Adam(0.8, 0.99, 1e-6), lambda p: torch.optim.Adam(p, 0.01, (0.8, 0.99), 1e-6, weight_decay=0.1)),
        (AdamW(0.8, 0.99, 1e-6), lambda p: torch.optim.AdamW(p, 0.01, (0.8, 0.99), 1e-6, weight_decay=0.1)),
    ):
        net = layer()
        for a, b in zip(ours(which, 0.1), steps(net, theirs(net.parameters())), strict=True):
            torch.testing.assert_close(a, b)


def test_curvatures_are_the_diagonal_of_gauss_newton():
    """Over all signs of the outputs the mean of the squared gradients is the sum over outputs of squared Jacobians."""
    net = nn.Sequential(layer(), nn.Tanh(), nn.Linear(3, 2))
    optimizer = DiagonalLevenbergMarquardt([{"params": list(net.parameters())}], lr=0.1, mu=0.02)
    image = torch.randn(1, 5)
    signs = [torch.tensor(s) for s in itertools.product((-1.0, 1.0), repeat=2)]
    optimizer.estimate([lambda s=s: (net(image)[0] * s).sum() for s in signs])
    for p in net.parameters():
        exact = sum(torch.autograd.grad(net(image)[0, k], p)[0] ** 2 for k in range(2))
        torch.testing.assert_close(optimizer.state[p]["curvature"], exact)
    before, p = net[2].bias.detach().clone(), net[2].bias
    net(image).sum().backward()
    optimizer.step()
    torch.testing.assert_close(p.detach(), before - 0.1 * 1.0 / (0.02 + 1.0))  # the outputs are linear in their bias
    assert make_optimizer(layer(), Recipe("x", optimizer=DiagonalLM())).defaults["mu"] == 0.02


def follow(how, values, steps):
    net = nn.BatchNorm1d(1)
    averaged = Averaged(net, how)
    for step, value in enumerate(values):
        nn.init.constant_(net.weight, value)
        net.running_mean.fill_(value)
        net.num_batches_tracked += 1
        averaged.follow(net, step, steps)
    assert averaged.net.weight.item() == averaged.net.running_mean.item()
    assert averaged.net.num_batches_tracked == len(values)
    assert not averaged.net.weight.requires_grad
    return averaged.net.weight.item()


def test_polyaks_average_is_the_mean_of_the_tail():
    assert follow(Polyak(0.3), range(10), 10) == pytest.approx((7 + 8 + 9) / 3)
    assert follow(Polyak(1.0), range(10), 10) == pytest.approx(4.5)
    assert follow(Polyak(0.01), range(10), 10) == pytest.approx(9.0)


def test_an_ema_by_hand():
    """Long runs fade by 1 - 1 / (horizon x steps); the first steps follow more closely."""
    value = 1.0  # batch norm's weight at its start
    for step, new in enumerate(range(50)):
        weight = max(1 / (0.02 * 1000), 9 / (10 + step))
        value += (new - value) * weight
    assert follow(EMA(0.02), range(50), 1000) == pytest.approx(value)
    assert EMA(0.107).weight(90_000, 93_600) == pytest.approx(1 - 0.9999, rel=0.01)


@pytest.mark.parametrize("kind", ["cross_entropy", "squared", "map"])
def test_sampled_curvature_is_that_of_the_loss(kind):
    """Against the diagonal of Gauss-Newton by hand: J^T H J, with H the loss's Hessian in what it is taken of."""
    torch.manual_seed(0)
    layer = nn.Linear(3, 4).double()
    image = torch.randn(1, 3, dtype=torch.float64)

    class Net(nn.Module):
        def forward(self, x):
            return layer(x)

        def embed(self, x):  # what stands before distances
            return layer(x)

    task, label = Classify(loss_kind=kind), torch.tensor([1])
    logits = layer(image).detach()
    if kind == "map":
        hessian = 2 / 84 * torch.eye(4, dtype=torch.float64)
    elif kind == "squared":
        slope = 1.7159 * 2 / 3 * (1 - torch.tanh(2 / 3 * logits[0]).square())
        hessian = torch.diag(slope.square())
    else:
        hessian = torch.autograd.functional.hessian(lambda z: task.of_logits(z[None], label), logits[0])
    expected = hessian.diag()[:, None] * image.square()
    rng, total, n = np.random.default_rng(0), torch.zeros(4, 3, dtype=torch.float64), 4000
    for u in torch.from_numpy(rng.random((n, 5))):
        total += torch.autograd.grad(task.sample(Net(), image, u), layer.weight)[0].square()
    assert torch.allclose(total / n, expected, rtol=0.1, atol=1e-3)


@pytest.mark.parametrize("accumulate", [2, 3, 8])
def test_parts_add_up_to_the_whole_step_and_are_clipped_together(accumulate):
    """Eight images in parts of unequal size, against PyTorch's own lines on all of them at once."""
    images, labels = torch.randn(8, 5, dtype=torch.float64), torch.arange(8) % 3
    recipe = Recipe(
        "x", optimizer=SGD(0.0), weight_decay=0.0, accumulate=accumulate, clip_norm=0.05, precision="float32"
    )
    ours, theirs = layer().double(), layer().double()
    task = Classify(label_smoothing=0.1)
    value = train_step(ours, images, labels, task, make_optimizer(ours, recipe), 0.7, recipe)
    loss = torch.nn.functional.cross_entropy(theirs(images), labels, label_smoothing=0.1)
    loss.backward()
    assert nn.utils.clip_grad_norm_(theirs.parameters(), 0.05) > 0.05
    torch.optim.SGD(theirs.parameters(), lr=0.7).step()
    assert value == pytest.approx(loss.item())
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b)
