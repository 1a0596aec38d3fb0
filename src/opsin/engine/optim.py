"""Optimizer and learning rate of a recipe."""

import math

import torch
from torch import nn

from opsin.engine.recipe import Recipe


def make_optimizer(net: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimizer in two groups: matrices and kernels with weight decay; biases and vectors without."""
    decayed, free = [], []
    for name, parameter in net.named_parameters():
        is_vector = parameter.numel() == max(parameter.shape)
        (free if is_vector or name.endswith("bias") else decayed).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": recipe.weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=recipe.momentum)
    fused = decayed[0].device.type != "mps"
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
