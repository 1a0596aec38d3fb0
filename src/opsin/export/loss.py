"""What 8-bit integers cost: the accuracy of a file on validation images, beside that of its network."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from opsin.bundle import Bundle
from opsin.data import divide, materialise
from opsin.data.scan import Scan
from opsin.errors import OpsinError
from opsin.export.about import inputs
from opsin.export.verify import Runner
from opsin.words import many, named

BATCH = 32
SEED = 0


@dataclass(frozen=True)
class Images:
    """Pixels uint8 [n, C, S, S] of training images for the scales, and of the whole validation part, with labels.

    `same` says that the network was trained on these very images, divided alike; `notes` what was left out, or is odd.
    """

    calibration: np.ndarray
    val: np.ndarray
    labels: np.ndarray
    same: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Loss:
    """How many of `n` validation images the network names right and the file, and on how many they fall out.

    `same` as in `Images`.
    """

    n: int
    before: int
    after: int
    lost: int
    won: int
    calibrated_on: int
    same: bool = True

    @property
    def points(self) -> float:
        """Accuracy lost, in percentage points; negative where it has grown."""
        return 100 * (self.before - self.after) / self.n

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"points": self.points}

    def __str__(self) -> str:
        told = (
            f"int8: top-1 {self.before / self.n:.2%} -> {self.after / self.n:.2%} of {self.n:,} validation images "
            f"({self.lost} lost, {self.won} won), calibrated on {many(self.calibrated_on, 'training image')}"
        )
        other = "; the network was trained on other images, or divided otherwise: some may be among those it knows"
        return told if self.same else told + other


def read_images(bundle: Bundle, scanned: Scan, most: int, folder: Path) -> Images:
    """Images divided as `opsin compare` divides them, as the bundle's network takes them.

    Args:
        most: training images for the scales, at most; drawn by a fixed seed.
        folder: where the decoded images may lie for a while.

    Raises:
        OpsinError: their classes are not the bundle's.
    """
    source = scanned.source
    if source.classes != bundle.classes:
        odd = sorted(set(source.classes) ^ set(bundle.classes))
        raise OpsinError(
            f"the classes of {source.path or source.name} are not those of the network ({named(odd, 5)}): "
            "give its training images"
        )
    divided = divide(scanned)
    train, val = divided.rows("train"), divided.rows("val")
    chosen = np.sort(np.random.default_rng(SEED).permutation(train)[:most])
    return Images(
        np.array(materialise(source.take(chosen), bundle.preprocess, folder / "calibration.npy")),
        materialise(source.take(val), bundle.preprocess, folder / "val.npy"),
        source.labels[val],
        same=bundle.data == scanned.fingerprint,
        notes=divided.notes,
    )


@torch.inference_mode()
def measure(run: Runner, net: nn.Module, bundle: Bundle, images: Images, uint8: bool) -> Loss:
    """The accuracy of a file beside that of its network, image by image."""

    def right(call: Runner) -> np.ndarray:
        found: list[Tensor] = []
        for at in range(0, len(images.val), BATCH):
            pixels = torch.from_numpy(np.array(images.val[at : at + BATCH]))
            found.append(call(inputs(bundle.preprocess, pixels, uint8)).argmax(1))
        return torch.cat(found).numpy() == images.labels

    before, after = right(net), right(run)
    return Loss(
        n=len(before),
        before=int(before.sum()),
        after=int(after.sum()),
        lost=int((before & ~after).sum()),
        won=int((after & ~before).sum()),
        calibrated_on=len(images.calibration),
        same=images.same,
    )
