"""Predictions: a bundle and images -> classes and their probabilities."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from opsin.bundle import Bundle
from opsin.data.images import BadImage, looks_like_image, read
from opsin.errors import OpsinError


@dataclass(frozen=True)
class Prediction:
    """The most probable classes of one image, the first the likeliest; `error` instead where it cannot be read."""

    path: Path
    classes: tuple[str, ...] = ()
    probabilities: tuple[float, ...] = ()
    error: str | None = None


def find_images(paths: Iterable[Path]) -> Iterator[Path]:
    """Files as they are named; folders with all images below them, in order of name. Raises OpsinError for neither."""
    for path in paths:
        if path.is_dir():
            found = sorted(file for file in path.rglob("*") if file.is_file() and looks_like_image(_head(file)))
            if not found:
                raise OpsinError(f"no images in {path}")
            yield from found
        elif path.exists():
            yield path
        else:
            raise OpsinError(f"no image or folder {path}")


def _head(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(12)


def predict(bundle: Bundle, paths: Iterable[Path], *, top: int = 1, batch_size: int = 64) -> Iterator[Prediction]:
    """Predicts images one batch after another, in their order, on the CPU; images that cannot be read are told so."""
    if top < 1:
        raise OpsinError(f"--top must be at least 1, not {top}")
    waiting: list[Path] = []
    for path in paths:
        waiting.append(path)
        if len(waiting) == batch_size:
            yield from _predict(bundle, waiting, top)
            waiting = []
    yield from _predict(bundle, waiting, top)


@torch.inference_mode()
def _predict(bundle: Bundle, paths: list[Path], top: int) -> Iterator[Prediction]:
    pixels: dict[Path, np.ndarray] = {}
    rows: dict[Path, tuple[list[float], list[int]]] = {}
    errors: dict[Path, str] = {}
    for path in paths:
        try:
            pixels[path] = bundle.preprocess.pixels(read(path))
        except BadImage as error:
            errors[path] = str(error)
    if pixels:
        batch = bundle.preprocess.normalize(torch.from_numpy(np.stack(list(pixels.values()))))
        chances, classes = bundle.net(batch).softmax(1).topk(min(top, len(bundle.classes)))
        rows = dict(zip(pixels, zip(chances.tolist(), classes.tolist(), strict=True), strict=True))
    for path in paths:
        if path in errors:
            yield Prediction(path, error=errors[path])
        else:
            chance, number = rows[path]
            yield Prediction(path, tuple(bundle.classes[i] for i in number), tuple(chance))
