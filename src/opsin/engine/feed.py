"""From the stored images to the batches of a training step: augmented, normalised, mixed, on their device."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from opsin.data.augment import AFTER, Draws, Lighting, suited_to
from opsin.data.preprocess import Preprocess
from opsin.device import place_images
from opsin.engine.mix import PLACE
from opsin.engine.recipe import Recipe


@dataclass(frozen=True)
class Data:
    """Images as uint8 [n, C, S, S], perhaps a mapped file, labels [n], and the indices of the parts to train with."""

    images: np.ndarray
    labels: np.ndarray
    train: np.ndarray
    val: np.ndarray
    preprocess: Preprocess

    @property
    def n_classes(self) -> int:
        return int(self.labels.max()) + 1


class Feed:
    """The training part of `data` under a recipe. What is drawn depends on (seed, epoch, sample) alone."""

    def __init__(self, data: Data, recipe: Recipe, seed: int, device: torch.device):
        self.data, self.recipe, self.seed, self.device = data, recipe, seed, device
        self.pixels = reachable(data.images, device)
        self.labels = torch.from_numpy(data.labels)
        channels, size = data.images.shape[1:3]
        named = {"auto": suited_to(channels, size), "none": ()}
        parts = named[recipe.augment] if isinstance(recipe.augment, str) else recipe.augment
        self.parts = [part.fit(data.images, data.train) if isinstance(part, Lighting) else part for part in parts]

    def __call__(self, samples: np.ndarray, epoch: int) -> tuple[Tensor, Tensor]:
        """Images float32 [N, C, S, S] at the indices `samples`, and their labels [N], or targets [N, K] if mixed."""
        rows = torch.from_numpy(samples)
        images = self.pixels.index_select(0, rows.to(self.pixels.device)).to(self.device)
        late = []
        for place, part in enumerate(self.parts):
            draws = Draws(self.seed, epoch, samples, place)
            if isinstance(part, AFTER):
                late.append((part, draws))
            else:
                images = part(images, draws)
        images = self.data.preprocess.normalize(images)
        for part, draws in late:
            images = part(images, draws)
        targets = self.labels[rows].to(self.device)
        if self.recipe.mix:
            draws = Draws(self.seed, epoch, samples, PLACE)
            images, targets = self.recipe.mix(images, targets, self.data.n_classes, draws)
        return place_images(images), targets


def reachable(images: np.ndarray, device: torch.device) -> Tensor:
    """The images as a tensor, on a GPU where they take less than a quarter of its free memory; else where they are."""
    pixels = torch.from_numpy(images)
    if device.type == "cuda" and pixels.nbytes < torch.cuda.mem_get_info(device)[0] / 4:
        return pixels.to(device)
    return pixels
