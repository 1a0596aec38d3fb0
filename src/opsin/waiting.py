"""How OpenMP's threads wait for each other between two layers: ten thousand turns of a loop awake, then asleep.

As it comes, libgomp keeps them awake for 300,000 turns: beside another busy process each step of a training then takes
three times as long as it must. Asleep at once (OMP_WAIT_POLICY=PASSIVE alone), each of a network's hundred layers pays
for waking them: on two quiet cores 1.2 to 1.7 times the time, and on some CPUs after 1,000 turns nearly as much. After
10,000 it is within a tenth of the best there, and beside a busy process 1.2 to 1.6 times what it is asleep
(benchmarks/waiting.py, docs/log.md).
"""

import os

SETTINGS = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "10000"}
"""Environment variables, read once, when torch is imported; libgomp prefers the second, which is its own."""


def settings() -> dict[str, str]:
    """What to add to the environment: nothing where either is set already."""
    return {} if SETTINGS.keys() & os.environ.keys() else SETTINGS
