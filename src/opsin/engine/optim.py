"""Optimizer and learning rates of a recipe."""

import math
from collections import defaultdict

import torch
from torch import nn

from opsin.engine.recipe import Recipe

DEPTHS = 8
"""Into so many depths a network is divided where its layers' learning rates differ."""


def make_optimizer(net: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimizer: matrices and kernels with weight decay; biases and vectors without.

    Each group has a `factor` on the learning rate: 1 at the end of the network, `stem_rate` at its beginning.
    """
    members: dict[tuple[float, float], list[nn.Parameter]] = defaultdict(list)
    named = list(net.named_parameters())
    for place, (name, parameter) in enumerate(named):
        is_vector = parameter.numel() == max(parameter.shape)
        decay = 0.0 if is_vector or name.endswith("bias") else recipe.weight_decay
        above = 1 - round(place / max(1, len(named) - 1) * (DEPTHS - 1)) / (DEPTHS - 1)
        members[recipe.stem_rate**above, decay].append(parameter)
    ordered = sorted(members.items(), key=lambda group: (-group[0][0], -group[0][1]))
    groups = [
        {"params": parameters, "weight_decay": decay, "factor": factor} for (factor, decay), parameters in ordered
    ]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=recipe.momentum)
    fused = named[0][1].device.type != "mps"
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, fused=fused)


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """The rate of step `step` (from 0) of `steps`: a linear warm-up, then the schedule."""
    warmup = round(recipe.warmup * steps)
    if step < warmup:
        return recipe.learning_rate * (step + 1) / (warmup + 1)
    if recipe.schedule == "constant":
        return recipe.learning_rate
    done = (step - warmup) / max(1, steps - warmup)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
