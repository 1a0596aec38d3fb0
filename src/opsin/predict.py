"""Predictions: a bundle and images -> classes and their probabilities."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from opsin.bundle import Bundle
from opsin.data.images import BadImage, read
from opsin.data.sources import image_files
from opsin.data.threads import Progress, in_threads
from opsin.errors import OpsinError
from opsin.runtime.forward import Forward, check


@dataclass(frozen=True)
class Prediction:
    """The most probable classes of one image, the first the likeliest; `error` instead where it cannot be read."""

    path: Path
    classes: tuple[str, ...] = ()
    probabilities: tuple[float, ...] = ()
    error: str | None = None


def find_images(paths: Iterable[Path]) -> Iterator[Path]:
    """Files as they are named; folders with all images below them, in order of name. Raises OpsinError for neither.

    What is an image in a folder, `opsin.data.sources.image_files` says.
    """
    for path in paths:
        if path.is_dir():
            found = image_files(path)
            if not found:
                raise OpsinError(f"no images in {path}")
            yield from (path / name for name in found)
        elif path.exists():
            yield path
        else:
            raise OpsinError(f"no image or folder {path}")


def predict(
    bundle: Bundle,
    paths: Iterable[Path],
    *,
    top: int = 1,
    batch_size: int = 16,
    backend: str = "auto",
    threads: int | None = None,
    progress: Progress | None = None,
    say: Callable[[str], None] | None = None,
) -> Iterator[Prediction]:
    """Predicts images in their order, on the CPU; images that cannot be read are told so.

    The next images are decoded, in threads, while the network computes.

    Args:
        backend: what runs the network: "auto", "best", or one by its name; see `opsin.runtime.forward.Forward`.
        threads: of the network; by default as many as PyTorch takes.
        progress: is given (images decoded, images) from time to time.
        say: is told in a line what is found out of backends.

    Raises:
        OpsinError: `top` or `threads` below 1; a backend that there is not, or that is not installed.
    """
    if top < 1:
        raise OpsinError(f"--top must be at least 1, not {top}")
    check(backend, threads)
    files, preprocess = list(paths), bundle.preprocess
    forward = Forward(
        bundle.net,
        preprocess.channels,
        preprocess.size,
        images=len(files),
        batch=batch_size,
        backend=backend,
        threads=threads,
        keep=memory(bundle.folder),
        say=say,
    )

    def pixels(i: int) -> np.ndarray | BadImage:
        try:
            return preprocess.pixels(read(files[i]))
        except BadImage as error:
            return error

    decoded = in_threads(pixels, len(files), progress)
    for start in range(0, len(files), batch_size):
        batch = files[start : start + batch_size]
        yield from _predict(bundle, forward, batch, list(islice(decoded, len(batch))), top)


def memory(bundle: Path | None) -> Path | None:
    """The folder beside a bundle's that remembers what runs it quickest."""
    return bundle.resolve().with_name(f"{bundle.resolve().name}.fast") if bundle else None


def _predict(
    bundle: Bundle, forward: Forward, paths: list[Path], images: list[np.ndarray | BadImage], top: int
) -> Iterator[Prediction]:
    good = [image for image in images if not isinstance(image, BadImage)]
    rows: Iterator[tuple[list[float], list[int]]] = iter(())
    if good:
        logits = forward(bundle.preprocess.normalize(torch.from_numpy(np.stack(good))))
        chances, classes = logits.softmax(1).topk(min(top, len(bundle.classes)))
        rows = zip(chances.tolist(), classes.tolist(), strict=True)
    for path, image in zip(paths, images, strict=True):
        if isinstance(image, BadImage):
            yield Prediction(path, error=str(image))
        else:
            chance, number = next(rows)
            yield Prediction(path, tuple(bundle.classes[i] for i in number), tuple(chance))
