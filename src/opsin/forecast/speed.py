"""How fast a network is on this machine: a few training steps and evaluations, timed on made-up images."""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from opsin import zoo
from opsin.costs.measure import synchronise
from opsin.data.preprocess import Preprocess
from opsin.data.store import Stored
from opsin.device import choose_device, place
from opsin.engine.average import Averaged
from opsin.engine.evaluate import predict
from opsin.engine.feed import Data, Feed
from opsin.engine.optim import make_optimizer
from opsin.engine.recipe import Recipe
from opsin.engine.train import train_step
from opsin.engine.world import World
from opsin.tasks.classify import Classify

MEASURE = "opsin.forecast.speed:measure_speed"
"""The task of a pool that measures a `SpeedProbe`."""
MARGIN = 0.92
"""The share of a time that is planned with: timings are never better than this."""
LARGE, FEW = 64, 8
"""Of images above so many pixels a side, so many say enough."""
STEPS = 200
"""At most so many steps are timed, and after a tenth of them no more than half a second's worth."""


@dataclass(frozen=True)
class Speed:
    """Seconds of one image in training (a step's share) and in evaluation.

    `took` are the seconds of measuring it; `busy` says that others had the processor for a part of them.
    """

    train: float
    predict: float
    took: float = 0.0
    busy: bool = False

    def epoch(self, images: tuple[int, int, int]) -> float:
        """Seconds of one epoch over `images` (n_train, n_val, n_test), its validation included."""
        return images[0] * self.train + images[1] * self.predict


@dataclass(frozen=True)
class SpeedProbe:
    """What a worker needs to measure a network's speed; of one that is only probed, without training steps.

    `most` limits the images of a step that is timed; where None, it is the recipe's batch, or `FEW` large images.
    """

    model: str
    arguments: dict[str, Any]
    recipe: Recipe
    batch_size: int
    size: int
    device: str
    trains: bool = True
    most: int | None = None

    @property
    def timed(self) -> int:
        """Images of a step that is timed."""
        return min(self.batch_size, self.most or (self.batch_size if self.size <= LARGE else FEW))


def measure_speed(probe: SpeedProbe, report: Callable[[Any], None]) -> Speed:
    """Times a few training steps (about a second, one step not counted) and one evaluation, on made-up images."""
    began, cpu_began = time.perf_counter(), time.process_time()
    device = choose_device(probe.device)
    net = place(zoo.build_model(probe.model, **probe.arguments), device)
    train = _time_training(net, probe, device) if probe.trains else math.nan
    channels, n = probe.arguments["in_chans"], 2 * (probe.timed if probe.size <= LARGE else min(probe.timed, FEW))
    pixels = np.random.default_rng(0).integers(0, 256, (n, channels, probe.size, probe.size), dtype=np.uint8)
    preprocess = Preprocess(size=probe.size, channels=channels)
    rows, evaluations = np.arange(n), []
    for _ in range(4):  # the first ones prepare kernels and memory
        at = time.perf_counter()
        predict(net, Stored(pixels), rows, preprocess, device)
        evaluations.append((time.perf_counter() - at) / n)
    took, cpu = time.perf_counter() - began, time.process_time() - cpu_began
    return Speed(train, min(evaluations), took, device.type == "cpu" and cpu < 0.9 * took)


def _time_training(net: nn.Module, probe: SpeedProbe, device: torch.device) -> float:
    """Seconds of one image in a training step of the probe's batch.

    All that a step does is timed: images are augmented, weights averaged. Where fewer images are timed, the optimizer's
    part, which a step has once, is shared among the whole batch.
    """
    optimizer = make_optimizer(net, probe.recipe)
    average = Averaged(net, probe.recipe.average) if probe.recipe.average else None
    task = Classify(probe.recipe.label_smoothing, probe.recipe.aux_weight, probe.recipe.loss)
    batches = _feed(probe, device).batches([np.arange(probe.timed)] * STEPS, epoch=0)
    times: list[float] = []
    while len(times) < 3 or (sum(times) < (0.8 if len(times) < STEPS // 10 else 0.5) and len(times) < STEPS):
        began = time.perf_counter()
        torch.manual_seed(len(times))
        train_step(net, *next(batches), task, optimizer, 1e-9, probe.recipe)
        if average:
            average.follow(net, len(times), STEPS)
        times.append(time.perf_counter() - began)
    step = float(np.median(times[1:]))
    once = min(step, _time_update(net, optimizer, probe.recipe)) if probe.timed < probe.batch_size else 0.0
    return (step - once) / probe.timed + once / probe.batch_size


@dataclass(frozen=True)
class Noise:
    """Made-up originals, out of which a recipe's crops are cut; what decoding a file takes is not among it."""

    pixels: np.ndarray

    def image(self, index: int) -> Image.Image:
        return Image.fromarray(self.pixels)


def _feed(probe: SpeedProbe, device: torch.device) -> Feed:
    """Made-up images as the probe's recipe feeds them."""
    channels, rng, every = probe.arguments["in_chans"], np.random.default_rng(0), np.arange(probe.timed)
    pixels = rng.integers(0, 256, (probe.timed, channels, probe.size, probe.size), dtype=np.uint8)
    side = round(probe.size * 8 / 7)
    noise: Any = Noise(rng.integers(0, 256, (side, side) if channels == 1 else (side, side, 3), dtype=np.uint8))
    preprocess = Preprocess(size=probe.size, channels=channels)
    labels, workers = np.zeros(probe.timed, np.int64), 0 if device.type == "cpu" else None
    classes = probe.arguments["num_classes"]
    data = Data(Stored(pixels), labels, every, every[:0], preprocess, noise, workers, classes)
    return Feed(data, probe.recipe, 0, World(device=device))


def _time_update(net: nn.Module, optimizer: torch.optim.Optimizer, recipe: Recipe) -> float:
    """Seconds of one update of the weights, from gradients that are there."""
    device = next(net.parameters()).device
    times = []
    for _ in range(3):
        began = time.perf_counter()
        if recipe.clip_norm is not None:
            nn.utils.clip_grad_norm_(net.parameters(), recipe.clip_norm)
        optimizer.step()
        synchronise(device)
        times.append(time.perf_counter() - began)
    return min(times)


def makespan(runs: Iterable[float], workers: int) -> float:
    """When the last worker is done, if each takes the longest run that is left as soon as it is free."""
    free = [0.0] * workers
    for run in sorted(runs, reverse=True):
        free[free.index(min(free))] += run
    return max(free)
