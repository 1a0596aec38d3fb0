"""How OpenMP's threads wait for each other between two layers: a few microseconds awake, then asleep.

As it comes, libgomp keeps them awake for 300,000 turns of a loop, which burns the processor beside other work. Asleep
at once (OMP_WAIT_POLICY=PASSIVE alone), each of a network's hundred layers pays for waking them: a step of ResNet-20 or
an image through ResNet-50 takes 1.6 times as long on two quiet cores. After 1,000 turns it takes what it takes awake,
and 1.25 times as long as PASSIVE beside a process that keeps one of the cores busy (docs/log.md).
"""

import os

SETTINGS = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "1000"}
"""Environment variables, read once, when torch is imported; libgomp prefers the second, which is its own."""


def settings() -> dict[str, str]:
    """What to add to the environment: nothing where either is set already."""
    return {} if SETTINGS.keys() & os.environ.keys() else SETTINGS
