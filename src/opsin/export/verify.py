"""A file that was written, run as its user will run it, against the network that it was written from."""

import math
from pathlib import Path

import torch
from torch import Tensor, nn

from opsin.errors import OpsinError
from opsin.runtime import backends
from opsin.runtime.backends import Runner
from opsin.runtime.fast import TOLERANCE, difference
from opsin.words import many

BATCHES = (1, 7)
"""How many images at once a file is run on."""
STEADY = 0.05
"""The largest difference between an image alone and among others, for a file in 8-bit integers."""


def onnxruntime(path: Path) -> Runner:
    """Of a .onnx file, which must be one that we wrote: ONNX may name other files."""
    return backends.onnxruntime(path, torch.get_num_threads())


def openvino(path: Path) -> Runner:
    """Of an .xml file with its .bin, or a .onnx file."""
    return backends.openvino(path, torch.get_num_threads())


def pt2(path: Path) -> Runner:
    """Of a .pt2 file."""
    return torch.inference_mode()(torch.export.load(path).module())


def compare(found: Tensor, expected: Tensor) -> float:
    """Their `difference`; nan where all that is expected is 0, of which nothing can be told."""
    return difference(found, expected) if expected.any() else math.nan


def tried(path: Path, run: Runner, images: Tensor) -> Tensor:
    """What a file says of images. Raises OpsinError where it does not run."""
    try:
        return run(images)
    except Exception as error:  # a runtime raises what it likes
        why = " ".join(str(error).split())[:200] or type(error).__name__
        raise OpsinError(
            f"{path.name} does not run on {many(len(images), 'image')} ({why}): nothing was written"
        ) from None


@torch.inference_mode()
def verify(path: Path, run: Runner, net: nn.Module, batches: list[Tensor]) -> float:
    """The largest relative difference over `batches` between what a file and its network say.

    Raises:
        OpsinError: it is above TOLERANCE, or not a number; the line names the file and the batch.
    """
    worst = 0.0
    for images in batches:
        off = compare(run(images), net(images.float()))
        if not off <= TOLERANCE:
            raise OpsinError(
                f"{path.name} differs from the network by {off:.1e} of its largest logit on "
                f"{many(len(images), 'image')}, more than {TOLERANCE:.0e}: nothing was written"
            )
        worst = max(worst, off)
    return worst


def check_steady(path: Path, run: Runner, images: Tensor) -> None:
    """Raises OpsinError where a file in integers says other things of an image alone than among others."""
    off = compare(run(images[:1]), run(images)[:1])
    if not off <= STEADY:
        raise OpsinError(
            f"{path.name} in integers gives other logits for an image alone than among {len(images)} (by "
            f"{off:.0%} of the largest): nothing was written; --to onnx may do better"
        )
