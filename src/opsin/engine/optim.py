"""From a recipe to its optimizer and learning rates."""

from collections import defaultdict

import torch
from torch import nn

from opsin.engine.optimizers import SGD, Adam, AdamW, DiagonalLM, RMSProp
from opsin.engine.recipe import Recipe
from opsin.engine.schedules import Moment
from opsin.engine.steppers import DiagonalLevenbergMarquardt, TensorFlowRMSProp

DEPTHS = 8
"""Into so many depths a network is divided where its layers' learning rates differ."""


def make_optimizer(net: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimizer over groups of parameters (see `groups_of`)."""
    groups, rate = groups_of(net, recipe), recipe.learning_rate
    match recipe.optimizer:
        case SGD(momentum, nesterov):
            return torch.optim.SGD(groups, lr=rate, momentum=momentum, nesterov=nesterov)
        case RMSProp(decay, momentum, epsilon):
            return TensorFlowRMSProp(groups, rate, decay, momentum, epsilon)
        case DiagonalLM(mu):
            return DiagonalLevenbergMarquardt(groups, rate, mu)
        case Adam(beta1, beta2, epsilon) as own:
            kind = torch.optim.AdamW if isinstance(own, AdamW) else torch.optim.Adam
            fused = next(net.parameters()).device.type != "mps"
            return kind(groups, lr=rate, betas=(beta1, beta2), eps=epsilon, fused=fused)
    raise TypeError(recipe.optimizer)


def groups_of(net: nn.Module, recipe: Recipe) -> list[dict]:
    """Matrices and kernels with weight decay; biases and vectors without, unless the recipe decays all.

    Each group has a `factor` on the learning rate: 1 at the end of the network, `stem_rate` at its beginning.
    """
    members: dict[tuple[float, float], list[nn.Parameter]] = defaultdict(list)
    named = list(net.named_parameters())
    for place, (name, parameter) in enumerate(named):
        is_vector = parameter.numel() == max(parameter.shape) or name.endswith("bias")
        decay = recipe.weight_decay if recipe.decay_all or not is_vector else 0.0
        above = 1 - round(place / max(1, len(named) - 1) * (DEPTHS - 1)) / (DEPTHS - 1)
        members[recipe.stem_rate**above, decay].append(parameter)
    ordered = sorted(members.items(), key=lambda group: (-group[0][0], -group[0][1]))
    return [{"params": parameters, "weight_decay": decay, "factor": factor} for (factor, decay), parameters in ordered]


def learning_rate(recipe: Recipe, step: int, steps: int, losses: tuple[float, ...] = ()) -> float:
    """The rate of step `step` (from 0) of `steps`; `losses` are those on validation of the epochs that have ended."""
    warmup = round(recipe.warmup * steps)
    if step < warmup:
        risen = recipe.warmup_start + (1 - recipe.warmup_start) * (step + 1) / (warmup + 1)
        return recipe.learning_rate * risen
    moment = Moment(step / steps, (step - warmup) / max(1, steps - warmup), recipe.epochs, losses)
    return recipe.learning_rate * recipe.schedule(moment)
