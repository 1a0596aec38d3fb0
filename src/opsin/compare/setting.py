"""What the steps of one comparison share."""

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opsin import zoo
from opsin.compare.plan import Plan
from opsin.compare.request import Request
from opsin.data.preprocess import Preprocess
from opsin.data.scan import Scan
from opsin.data.split import Split
from opsin.launch.local import Pool
from opsin.training.entry import Entry
from opsin.watch import Watch
from opsin.weights.public import IMAGENET_MEAN, IMAGENET_STD

COLOURS = 3
"""Channels of the images where weights do not say which they take; grey images are given three equal ones."""


@dataclass(frozen=True)
class Setting:
    """The request and its images, the folder, and who works and watches."""

    request: Request
    folder: Path
    scanned: Scan
    divided: Split
    pool: Pool
    watch: Watch

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def table(self) -> Path:
        return self.cache / "table.npz"

    def images(self, preprocess: Preprocess) -> Path:
        """The file of all images as they are before normalisation."""
        p = preprocess
        return self.cache / f"images-{p.channels}x{p.size}-{p.resize or 'whole'}-{p.fit}-{p.interpolation}.npy"

    def counts(self) -> tuple[int, int, int]:
        """Images of the training, validation and test part."""
        train, val, test = (len(self.divided.rows(part)) for part in ("train", "val", "test"))
        return train, val, test

    def preprocess(self, plan: Plan, entry: Entry) -> Preprocess:
        """How an entry's images are made: as its weights expect them, ImageNet's way where they do not say.

        From scratch plainly, at the comparison's size; mean and deviation are still to be measured then.
        """
        size = plan.size_of(entry)
        if entry.origin is None:
            return Preprocess(size=size, channels=self.scanned.channels)
        own = entry.origin.preprocess
        return own.at(size) if own else Preprocess(size, COLOURS, mean=IMAGENET_MEAN, std=IMAGENET_STD)

    def arguments(self, plan: Plan, entry: Entry) -> dict[str, Any]:
        """Of the network, as it is built for these images."""
        arguments = {
            "num_classes": len(self.scanned.source.classes),
            "in_chans": self.preprocess(plan, entry).channels,
            "input_size": plan.size_of(entry),
        }
        if entry.start == "probe" and "linear_end" in inspect.signature(zoo.card(entry.model).build).parameters:
            arguments["linear_end"] = True  # behind a ReLU logits would not be linear in what the last layer sees
        return arguments
