"""The Pareto front: networks that nothing beats in both cost and accuracy."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def pareto_front(cost: ArrayLike, accuracy: ArrayLike) -> NDArray[np.bool_]:
    """Which of n networks stand on the front: cost [n] (lower is better), accuracy [n] (higher is better) -> bool [n].

    A network is off the front where another is at least as good in both and better in one. So networks that are equal
    in both are on it together, or off it together. Raises ValueError where the lengths differ or a number
    is not finite.
    """
    cost, accuracy = np.asarray(cost, float), np.asarray(accuracy, float)
    if cost.ndim != 1 or cost.shape != accuracy.shape:
        raise ValueError(f"costs {list(cost.shape)} and accuracies {list(accuracy.shape)} must be [n] alike")
    if not (np.isfinite(cost).all() and np.isfinite(accuracy).all()):
        raise ValueError("a network without cost or accuracy has no place on the front: leave it out")
    front = np.zeros(len(cost), dtype=bool)
    order = np.lexsort((-accuracy, cost))
    best, best_cost = -np.inf, np.nan
    for at in order:
        if accuracy[at] > best or (accuracy[at] == best and cost[at] == best_cost):
            front[at] = True
            best, best_cost = accuracy[at], cost[at]
    return front
