"""From the images of a set to the batches of a step: cropped, augmented, normalised, mixed, on their device."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from opsin.data.augment import AFTER, CROPS, EACH, Draws, Lighting, suited_to
from opsin.data.preprocess import Preprocess
from opsin.data.sources import Source
from opsin.data.store import Images, decode
from opsin.data.threads import cores
from opsin.device import place_images
from opsin.engine.mix import PLACE
from opsin.engine.recipe import Recipe
from opsin.engine.world import World
from opsin.errors import OpsinError

FITTED = 500
"""Training images, at most, that a part learns from."""


@dataclass(frozen=True)
class Data:
    """What a run trains and validates with.

    Attributes:
        images: of all parts, as `preprocess` makes them.
        labels: int64 [n].
        train, val: the indices of the parts.
        originals: the images as they came, out of which a recipe's crops are cut.
        workers: threads that decode, where images are decoded during the run.
        classes: how many there are; by default as many as the labels show.
    """

    images: Images
    labels: np.ndarray
    train: np.ndarray
    val: np.ndarray
    preprocess: Preprocess
    originals: Source | None = None
    workers: int | None = None
    classes: int | None = None

    @property
    def n_classes(self) -> int:
        return self.classes or int(self.labels.max()) + 1


class Feed:
    """The training part of `data` under a recipe. What is drawn depends on (seed, epoch, sample) alone.

    `steps` are those of an epoch, `smallest` is the least number of images that one of them has.
    """

    def __init__(self, data: Data, recipe: Recipe, seed: int, world: World | None = None):
        self.data, self.recipe, self.seed = data, recipe, seed
        self.world = world or World()
        self.images = data.images.to(self.world.device)
        self.labels = torch.from_numpy(data.labels)
        self.balanced = data.labels[data.train] if recipe.balance == "sampling" else None
        self.steps = math.ceil(len(data.train) / recipe.batch(len(data.train)))
        self.smallest = len(data.train) // self.steps
        channels, size = data.images.shape[1:3]
        named = {"auto": suited_to(channels, size), "none": ()}
        parts = named[recipe.augment] if isinstance(recipe.augment, str) else recipe.augment
        self.crop = next(((place, part) for place, part in enumerate(parts) if isinstance(part, CROPS)), None)
        self.each = [(place, part) for place, part in enumerate(parts) if isinstance(part, EACH)]
        together = [(place, part) for place, part in enumerate(parts) if not isinstance(part, CROPS + EACH)]
        self.before = [(place, self.fitted(part)) for place, part in together if not isinstance(part, AFTER)]
        self.after = [(place, part) for place, part in together if isinstance(part, AFTER)]
        if (self.crop or self.each) and data.originals is None:
            raise OpsinError(f"recipe {recipe.name!r} cuts crops out of images, and there are no originals here")

    def fitted(self, part):
        """The part, with what it learns of the training images."""
        if not isinstance(part, Lighting):
            return part
        train, step = self.data.train, math.ceil(self.data.preprocess.size / 64)  # of large images not every pixel
        some = train[np.linspace(0, len(train) - 1, min(len(train), FITTED)).astype(np.int64)]
        return part.fit(next(self.data.images.batches([some]))[..., ::step, ::step].cpu().numpy())

    def batches(self, batches: Sequence[np.ndarray], epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """This process's share of each of `batches` (indices of images, int64 [N]), one after another.

        Images float32 [N, C, S, S], and their labels int64 [N], or targets float32 [N, K] if they are mixed.
        """
        shares = [samples[self.world.share(len(samples))] for samples in batches]
        cut = self.crop or self.each
        pixels = self.crops(shares, epoch) if cut else self.images.batches(shares)
        for samples, images in zip(shares, pixels, strict=True):
            yield self.prepared(images.to(self.world.device), samples, epoch)

    def crops(self, batches: Sequence[np.ndarray], epoch: int) -> Iterator[Tensor]:
        """uint8 [N, C, S, S], each image cut out of its original and changed for itself."""
        originals, preprocess = self.data.originals, self.data.preprocess
        assert originals is not None
        parts = [*([self.crop] if self.crop else []), *self.each]

        def one(drawn: tuple[int, list[np.ndarray]]) -> np.ndarray:
            sample, numbers = drawn
            image = originals.image(sample)
            box = self.crop[1].box(*image.size, numbers[0]) if self.crop else None
            pixels = preprocess.pixels(image, box)
            if not self.each:
                return pixels
            image = Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))
            for (_, part), u in zip(self.each, numbers[-len(self.each) :], strict=True):
                image = part.each(image, u)
            return np.asarray(image).reshape(*pixels.shape[1:], len(pixels)).transpose(2, 0, 1)

        def drawn(samples: np.ndarray) -> list[tuple[int, list[np.ndarray]]]:
            numbers = [Draws(self.seed, epoch, samples, place).uniforms(part.draws) for place, part in parts]
            return [(int(sample), [of[i] for of in numbers]) for i, sample in enumerate(samples)]

        workers = cores() if self.data.workers is None else self.data.workers
        return decode(map(drawn, batches), one, workers)

    def prepared(self, images: Tensor, samples: np.ndarray, epoch: int) -> tuple[Tensor, Tensor]:
        """From pixels uint8 [N, C, S, S] of the images at `samples` to what a step takes."""
        for place, part in self.before:
            images = part(images, Draws(self.seed, epoch, samples, place))
        images = self.data.preprocess.normalize(images)
        for place, part in self.after:
            images = part(images, Draws(self.seed, epoch, samples, place))
        targets = self.labels[torch.from_numpy(samples)].to(images.device)
        if self.recipe.mix:
            draws = Draws(self.seed, epoch, samples, PLACE)
            images, targets = self.recipe.mix(images, targets, self.data.n_classes, draws)
        return place_images(images), targets
