"""Training: one straight loop for every network, task and recipe, on one process or many.

Randomness is counted, not stateful: the order of an epoch and every draw on the images are functions of the seed, the
epoch and the sample, and PyTorch's generator is seeded anew before each step, so that there is no random state to
save: a run that goes on from a checkpoint ends with the same bits as one that was never broken.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from opsin.data.counted import key
from opsin.data.sampler import visits
from opsin.device import place, precision, reseed
from opsin.engine.average import Averaged
from opsin.engine.checkpoint import Checkpoints
from opsin.engine.curvature import estimate
from opsin.engine.evaluate import predict_together
from opsin.engine.feed import Data as Data
from opsin.engine.feed import Feed
from opsin.engine.optim import learning_rate, make_optimizer
from opsin.engine.recipe import Recipe
from opsin.engine.stop import Asked, Stopped
from opsin.engine.world import World, averaging
from opsin.errors import OpsinError
from opsin.models.network import Network


class Diverged(OpsinError):
    """A loss, a gradient or a metric is no longer a finite number."""

    code = 3


class Task(Protocol):
    """What the engine asks of a task."""

    def loss(self, output: Any, labels: Tensor) -> Tensor: ...

    def sample(self, net: nn.Module, images: Tensor, u: Tensor) -> Tensor: ...

    def metrics(self, logits: Tensor, labels: Tensor) -> dict[str, float]: ...


def step_seed(seed: int, step: int, rank: int = 0) -> int:
    """The seed of PyTorch's generator (dropout, drop-path) for one step: a function of its arguments alone."""
    return key(seed, step, rank)


@dataclass
class State:
    """A run as it stands: all that a checkpoint holds, and how its steps run.

    Attributes:
        average: follows the network, where the recipe has one.
        step: steps that are done.
        loss: of the images of this epoch so far, summed.
        seconds: of this epoch so far.
        history: the metrics of each epoch that has ended.
        compiled: whether the network's steps run through torch.compile.
    """

    net: nn.Module
    optimizer: torch.optim.Optimizer
    average: Averaged | None = None
    step: int = 0
    loss: float = 0.0
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)
    compiled: bool = False

    @property
    def nets(self) -> tuple[nn.Module, ...]:
        return (self.net, self.average.net) if self.average else (self.net,)


class Keeper:
    """Saves a run when that is due, and stops it when it is asked to; all processes of a world at the same step."""

    def __init__(
        self,
        state: State,
        world: World,
        checkpoints: Checkpoints | None,
        asked: Asked | None,
        on_step: Callable[[int], None] | None = None,
    ):
        self.state, self.world, self.checkpoints, self.asked, self.on_step = state, world, checkpoints, asked, on_step

    def __call__(self) -> None:
        """To be called after each step and each epoch."""
        if self.on_step:
            self.on_step(self.state.step)
        first = self.world.rank == 0  # which alone saves, and so alone knows when that was
        due, signum = bool(first and self.checkpoints and self.checkpoints.due()), self.signum()
        if self.world.size > 1:
            due, signum = map(int, self.world.most(due, signum))
        if first and self.checkpoints and (due or signum):
            self.checkpoints.save(self.state)
        if signum:
            raise Stopped(signum)

    def signum(self) -> int:
        return self.asked.signum if self.asked else 0

    def look(self, done: int = 0) -> None:
        """Inside a validation: a process alone stops at once, several at the next step, since they wait for another."""
        if self.world.size == 1 and self.signum():
            raise Stopped(self.signum())


def train(
    net: nn.Module,
    data: Data,
    recipe: Recipe,
    task: Task,
    *,
    seed: int,
    device: torch.device | None = None,
    world: World | None = None,
    checkpoints: Checkpoints | None = None,
    on_epoch: Callable[[dict[str, Any]], None] | None = None,
    on_step: Callable[[int], None] | None = None,
    asked: Asked | None = None,
    compiled: bool = False,
) -> list[dict[str, Any]]:
    """Trains `net` in place, by the last epoch's weights or the recipe's average; validation picks no epoch.

    Args:
        device: where to compute; or `world`, the processes that train together, this one's device among it.
        checkpoints: to be written when they are due, and to go on from if there are any. The first process does both.
        on_epoch: called after each epoch with its metrics.
        on_step: called after each step and each epoch with the steps that are done; what it raises ends the training.
        asked: whether a signal asks the run to stop; it is looked at after each step.
        compiled: runs the network's steps through torch.compile: quicker on a GPU, with bits of their own.

    Returns:
        The metrics of each epoch: epoch (from 1), train_loss, val_loss, val_top1, learning_rate and seconds.

    Raises:
        Diverged: a loss, a gradient or a metric became infinite or not a number; nothing of it is saved.
        Stopped: it was asked to; its state is saved, if there are checkpoints.
    """
    world = world or World(device=device or torch.device("cpu"))
    place(net, world.device)
    average = Averaged(net, recipe.average) if recipe.average else None
    state = State(net, make_optimizer(net, recipe), average, compiled=compiled)
    if checkpoints:
        checkpoints.resume(state, world)
    feed = Feed(data, recipe, seed, world)
    world.check_batch(feed.smallest)
    keep = Keeper(state, world, checkpoints, asked, on_step)
    for epoch in range(len(state.history), recipe.epochs):
        metrics = train_epoch(state, feed, recipe, task, seed, epoch, keep)
        began = time.monotonic()
        metrics |= validate(state, feed, recipe, task, keep)
        for name, value in metrics.items():
            if not math.isfinite(value):
                raise Diverged(f"{name} became {value} in epoch {epoch + 1}")
        seconds = state.seconds + time.monotonic() - began
        state.history.append({"epoch": epoch + 1} | metrics | {"seconds": seconds})
        state.loss = state.seconds = 0.0
        if on_epoch:
            on_epoch(state.history[-1])
        keep()
    if state.average:
        net.load_state_dict(state.average.net.state_dict())
    return state.history


def validate(state: State, feed: Feed, recipe: Recipe, task: Task, keep: Keeper) -> dict[str, float]:
    """The metrics on the validation part, of which each process takes its share; none where it has no images."""
    world, data = keep.world, feed.data
    world.same_buffers(state.nets)
    if not len(data.val):
        return {}
    of = (state.nets[-1], data.images, data.val, data.preprocess)
    logits = predict_together(*of, world, keep.look, recipe.precision)
    return {f"val_{name}": value for name, value in task.metrics(logits, feed.labels[data.val]).items()}


def train_epoch(
    state: State, feed: Feed, recipe: Recipe, task: Task, seed: int, epoch: int, keep: Keeper
) -> dict[str, float]:
    """What is left of one pass over the training part; returns its mean loss and its last learning rate."""
    world, net = keep.world, state.net.train()
    if isinstance(net, Network):
        learn_last_layer_alone(net, epoch < min(recipe.head_epochs, recipe.epochs - 1))
    joined: Any = world.join(net)
    if state.compiled:  # for each size of a batch by itself: quicker, and a run that goes on meets the same code
        joined = torch.compile(joined, dynamic=False)
    order = visits(seed, epoch, feed.data.train, feed.balanced)
    steps = feed.steps
    total = recipe.epochs * steps
    batches = np.array_split(order, steps)[state.step - epoch * steps :]
    losses = tuple(ended["val_loss"] for ended in state.history if "val_loss" in ended)
    began = time.monotonic() - state.seconds
    if state.step == epoch * steps:
        estimate(state.optimizer, net, feed, recipe, task, seed, epoch)
    for whole, (images, targets) in zip(batches, feed.batches(batches, epoch), strict=True):
        reseed(world.device, step_seed(seed, state.step, world.rank))
        rate = learning_rate(recipe, state.step, total, losses)
        weight = world.size * len(images) / len(whole)
        try:
            loss = train_step(joined, images, targets, task, state.optimizer, rate, recipe, weight)
        except Diverged as error:
            raise Diverged(f"{error} in step {state.step + 1}, epoch {epoch + 1} (learning rate {rate:.2g})") from None
        if state.average:
            state.average.follow(net, state.step, total)
        state.step += 1
        state.loss += world.sum(loss / world.size)[0] * len(whole)
        state.seconds = time.monotonic() - began
        keep()
    rate = learning_rate(recipe, state.step - 1, total, losses)
    return {"train_loss": state.loss / len(order), "learning_rate": rate}


def learn_last_layer_alone(net: Network, alone: bool) -> None:
    """Whether only the layer that gives the logits takes gradients, or all layers do."""
    net.requires_grad_(not alone)
    net.get_classifier().requires_grad_(True)


def train_step(
    net: nn.Module,
    images: Tensor,
    labels: Tensor,
    task: Task,
    optimizer: torch.optim.Optimizer,
    rate: float,
    recipe: Recipe,
    weight: float = 1.0,
) -> float:
    """One step of the optimizer on images [N, C, S, S] and labels [N]; returns the loss times `weight`.

    Raises Diverged, before any weight has changed, where the loss or the gradient is no finite number.
    """
    for group in optimizer.param_groups:
        group["lr"] = rate * group["factor"]
    optimizer.zero_grad(set_to_none=True)
    value = 0.0
    parts = list(zip(images.chunk(recipe.accumulate), labels.chunk(recipe.accumulate), strict=True))
    for part, targets in parts:
        with averaging(net, last=part is parts[-1][0]):
            with precision(images.device, recipe.precision):
                loss = task.loss(net(part), targets) * (weight * len(part) / len(images))
            loss.backward()
        value += loss.item()
    norm = nn.utils.get_total_norm([p.grad for p in net.parameters() if p.grad is not None])
    if not math.isfinite(value):
        raise Diverged(f"the loss became {value}")
    if not math.isfinite(length := norm.item()):
        raise Diverged(f"the gradient's norm became {length}")
    if recipe.clip_norm is not None:
        nn.utils.clip_grads_with_norm_(net.parameters(), recipe.clip_norm, norm)
    optimizer.step()
    return value
