"""Training: one straight loop for every network, task and recipe.

Randomness is counted, not stateful: the order of an epoch and every draw on the images are functions of the seed, the
epoch and the sample, and PyTorch's generator is seeded anew before each step, so that there is no random state to
save: a run that goes on from a checkpoint ends with the same bits as one that was never broken.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from opsin.data.augment import Augment, suited_to
from opsin.data.counted import epoch_order, key
from opsin.data.preprocess import Preprocess
from opsin.device import place, place_images, precision
from opsin.engine.checkpoint import Checkpoints
from opsin.engine.evaluate import predict
from opsin.engine.optim import learning_rate, make_optimizer
from opsin.engine.recipe import Recipe
from opsin.errors import OpsinError
from opsin.models.network import Network

CHECKPOINT_SECONDS = 30.0
"""A checkpoint is written after the first epoch that ends this long after the last one."""


class Diverged(OpsinError):
    """The loss is no longer a finite number."""


class Task(Protocol):
    """What the engine asks of a task."""

    def loss(self, output: Any, labels: Tensor) -> Tensor: ...

    def metrics(self, logits: Tensor, labels: Tensor) -> dict[str, float]: ...


@dataclass(frozen=True)
class Data:
    """Images as uint8 [n, C, S, S], perhaps a mapped file, labels [n], and the indices of the parts to train with."""

    images: np.ndarray
    labels: np.ndarray
    train: np.ndarray
    val: np.ndarray
    preprocess: Preprocess


def step_seed(seed: int, step: int, rank: int = 0) -> int:
    """The seed of PyTorch's generator (dropout, drop-path) for one step: a function of its arguments alone."""
    return key(seed, step, rank)


def train(
    net: nn.Module,
    data: Data,
    recipe: Recipe,
    task: Task,
    *,
    seed: int,
    device: torch.device,
    checkpoints: Checkpoints | None = None,
    on_epoch: Callable[[dict[str, Any]], None] | None = None,
) -> list[dict[str, Any]]:
    """Trains `net` in place, by the last epoch's weights; validation picks no epoch.

    Args:
        checkpoints: to be written, and to go on from if there are any.
        on_epoch: called after each epoch with its metrics.

    Returns:
        The metrics of each epoch: epoch (from 1), train_loss, val_loss, val_top1, learning_rate and seconds.

    Raises:
        Diverged: the loss became infinite or not a number.
    """
    place(net, device)
    optimizer = make_optimizer(net, recipe)
    history = checkpoints.resume(net, optimizer) if checkpoints else []
    channels, size = data.images.shape[1:3]
    augment = suited_to(channels, size) if recipe.augment == "auto" else None
    pixels, labels = reachable(data.images, device), torch.from_numpy(data.labels)
    saved = time.monotonic()
    for epoch in range(len(history), recipe.epochs):
        began = time.monotonic()
        metrics = train_epoch(net, data, pixels, labels, recipe, task, optimizer, augment, seed, epoch, device)
        logits = predict(net, data.images, data.val, data.preprocess, device)
        metrics |= {f"val_{name}": value for name, value in task.metrics(logits, labels[data.val]).items()}
        if not math.isfinite(metrics["val_loss"]):
            raise Diverged(f"the validation loss became {metrics['val_loss']} in epoch {epoch + 1}")
        history.append({"epoch": epoch + 1} | metrics | {"seconds": time.monotonic() - began})
        if on_epoch:
            on_epoch(history[-1])
        if checkpoints and epoch + 1 < recipe.epochs and time.monotonic() - saved > CHECKPOINT_SECONDS:
            checkpoints.save(epoch + 1, net, optimizer, history)
            saved = time.monotonic()
    return history


def reachable(images: np.ndarray, device: torch.device) -> Tensor:
    """The images as a tensor, on a GPU where they take less than a quarter of its free memory; else where they are."""
    pixels = torch.from_numpy(images)
    if device.type == "cuda" and pixels.nbytes < torch.cuda.mem_get_info(device)[0] / 4:
        return pixels.to(device)
    return pixels


def train_epoch(
    net: nn.Module,
    data: Data,
    pixels: Tensor,
    labels: Tensor,
    recipe: Recipe,
    task: Task,
    optimizer: torch.optim.Optimizer,
    augment: Augment | None,
    seed: int,
    epoch: int,
    device: torch.device,
) -> dict[str, float]:
    """One pass over the training part; returns its mean loss and its last learning rate."""
    net.train()
    if isinstance(net, Network):
        learn_last_layer_alone(net, epoch < min(recipe.head_epochs, recipe.epochs - 1))
    order = data.train[epoch_order(seed, epoch, len(data.train))]
    steps = math.ceil(len(order) / recipe.batch(len(order)))
    total = torch.zeros((), device=device)
    rate = 0.0
    for i, samples in enumerate(np.array_split(order, steps)):
        step = epoch * steps + i
        torch.manual_seed(step_seed(seed, step))
        rate = learning_rate(recipe, step, recipe.epochs * steps)
        rows = torch.from_numpy(samples)
        images = pixels.index_select(0, rows.to(pixels.device)).to(device)
        if augment:
            images = augment(images, seed, epoch, samples)
        images = place_images(data.preprocess.normalize(images))
        targets = labels[rows].to(device)
        loss = train_step(net, images, targets, task, optimizer, rate, recipe.clip_norm)
        total += loss * len(samples)
        if (i % 50 == 0 or i == steps - 1) and not math.isfinite(total.item()):
            raise Diverged(f"the loss became {total.item()} in epoch {epoch + 1} (learning rate {rate:.2g})")
    return {"train_loss": total.item() / len(order), "learning_rate": rate}


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
    clip_norm: float | None,
) -> Tensor:
    """One step of the optimizer on images [N, C, S, S] and labels [N]; returns the loss, detached, on the device."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["factor"]
    with precision(images.device):
        loss = task.loss(net(images), labels)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    if clip_norm is not None:
        nn.utils.clip_grad_norm_(net.parameters(), clip_norm)
    optimizer.step()
    return loss.detach()
