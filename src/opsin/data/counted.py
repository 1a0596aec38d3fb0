"""Randomness that is counted, not stateful: every number is a pure function of its place.

The order of an epoch is f(seed, epoch) and a draw on an image is f(seed, epoch, image, draw). So there is no generator
to save or to restore, and a number depends neither on the batch that its image is in nor on how many processes work.
The function is a 64-bit hash (the finaliser of splitmix64: Steele, Lea and Flood, "Fast splittable pseudorandom
number generators", 2014), in integers alone, so that every platform gives the same bits.
"""

import numpy as np

_MASK = (1 << 64) - 1
_STEP = 0x9E3779B97F4A7C15  # 2^64 divided by the golden ratio, odd
_FIRST, _SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB

_ORDER, _DRAWS = 1, 2  # what a stream of numbers is for: different uses of one seed share no numbers


def key(*counters: int) -> int:
    """A 64-bit number, one for each sequence of whole numbers: `key(seed, step, rank)` seeds another generator."""
    state = 0
    for counter in counters:
        state = _mix(state + _STEP * ((counter & _MASK) + 1))
    return state


def hashes(stream: int, counters: np.ndarray) -> np.ndarray:
    """A uint64 for each of `counters` (int64, any shape), as a function of `stream` (a `key`) and the counter alone."""
    state = counters.astype(np.int64).astype(np.uint64) + np.uint64(1)
    state *= np.uint64(_STEP)
    state += np.uint64(stream)
    return _mix_array(state)


def epoch_order(seed: int, epoch: int, n: int) -> np.ndarray:
    """The order in which an epoch visits n images: int64 [n], a permutation of 0 .. n - 1."""
    return np.argsort(hashes(key(_ORDER, seed, epoch), np.arange(n)), kind="stable")


def uniforms(seed: int, epoch: int, samples: np.ndarray, draws: int) -> np.ndarray:
    """Draws on images: float64 [len(samples), draws] in [0, 1), each a function of (seed, epoch, sample, draw).

    `samples` are int64 indices of images in the data, not their places in a batch.
    """
    rows = hashes(key(_DRAWS, seed, epoch), samples)
    steps = (np.arange(1, draws + 1, dtype=np.uint64)) * np.uint64(_STEP)
    bits = _mix_array(rows[:, None] + steps[None, :])
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mix(state: int) -> int:
    state &= _MASK
    state = ((state ^ (state >> 30)) * _FIRST) & _MASK
    state = ((state ^ (state >> 27)) * _SECOND) & _MASK
    return state ^ (state >> 31)


def _mix_array(state: np.ndarray) -> np.ndarray:
    state = (state ^ (state >> np.uint64(30))) * np.uint64(_FIRST)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(_SECOND)
    return state ^ (state >> np.uint64(31))
