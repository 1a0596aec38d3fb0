"""Milliseconds for the claims that measure: pieces of networks on this machine."""

from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

import torch

from opsin.costs.measure import TimedBlock, block, warm_up

CPU = torch.device("cpu")


def milliseconds(runs: Mapping[str, Callable[[], Any]], *, rounds: int = 5, seconds: float = 0.05) -> dict[str, float]:
    """The median time of each run, taken in turns: what disturbs the machine for a while meets them all.

    Of each run's blocks the three fastest count, since other work only ever adds time.
    """
    found: dict[str, list[TimedBlock]] = {name: [] for name in runs}
    with torch.inference_mode():
        for run in runs.values():
            warm_up(run, CPU, seconds)
        for _ in range(rounds):
            for name, run in runs.items():
                found[name].append(block(run, CPU, seconds, least=2))
    return {name: median(sorted(own.median for own in blocks)[:3]) for name, blocks in found.items()}
