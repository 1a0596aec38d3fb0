"""Images per second of the training input, against a torchvision DataLoader that does the same image by image.

Both take CIFAR-10's shape (uint8, 3 x 32 x 32, 50,000 of them): a random order, a random crop after padding by 4 px
of 0, a mirror image half of the time, and normalised floats in batches of 128. One pass of each in turn, several
times over; the DataLoader's best number of workers counts. Opsin's side has one thread, as its training processes do.

    python benchmarks/input_speed.py [--cifar FOLDER] [--images N] [--repeats N] [--threads N] [--json]

FOLDER holds `cifar-10-batches-py`; without it the pixels are random, which costs the same.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from torchvision.datasets import CIFAR10

from opsin.data.augment import Draws, Shift
from opsin.data.counted import epoch_order
from opsin.data.preprocess import Preprocess

BATCH = 128
WORKERS = (0, 2)


class PerImage(Dataset):
    """As torchvision's own data sets do it: a PIL image from an array, then the transforms."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, preprocess: Preprocess) -> None:
        self.images, self.labels = images, labels  # [n, 32, 32, 3], [n]
        self.transform = transforms.Compose(
            [
                transforms.RandomCrop(32, padding=4),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(preprocess.mean, preprocess.std),
            ]
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> tuple[Any, int]:
        return self.transform(Image.fromarray(self.images[i])), int(self.labels[i])


def load(folder: Path | None, n: int) -> tuple[np.ndarray, np.ndarray]:
    """uint8 [n, 32, 32, 3] and int64 [n]."""
    if folder is None:
        rng = np.random.default_rng(0)
        return rng.integers(0, 256, (n, 32, 32, 3), dtype=np.uint8), rng.integers(0, 10, n)
    cifar = CIFAR10(folder, train=True)
    return np.ascontiguousarray(cifar.data[:n]), np.array(cifar.targets[:n])


def batched_epoch(images: torch.Tensor, labels: torch.Tensor, preprocess: Preprocess, epoch: int) -> int:
    """One pass of Opsin's training input: `images` uint8 [n, C, S, S]. Returns how many images came."""
    augment, seen = Shift(4, flip=True), 0
    order = epoch_order(0, epoch, len(images))
    for start in range(0, len(order), BATCH):
        rows = order[start : start + BATCH]
        index = torch.from_numpy(rows)
        batch = preprocess.normalize(augment(images.index_select(0, index), Draws(0, epoch, rows)))
        seen += len(batch) if len(labels[index]) == len(batch) else 0
    return seen


def loader_epoch(loader: DataLoader) -> int:
    return sum(len(batch) for batch, _ in loader)


def speed(epoch: Callable[[], int], n: int) -> float:
    start = time.perf_counter()
    assert epoch() == n
    return n / (time.perf_counter() - start)


def measure(images: np.ndarray, labels: np.ndarray, repeats: int) -> dict[str, list[float]]:
    """Images per second of each way, a value for each repeat; the first pass of each is not counted."""
    planar = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    preprocess = Preprocess(32, 3).with_statistics(planar)
    tensors = torch.from_numpy(planar), torch.from_numpy(labels)
    data = PerImage(images, labels, preprocess)
    loaders = {w: DataLoader(data, BATCH, shuffle=True, num_workers=w, persistent_workers=w > 0) for w in WORKERS}
    found: dict[str, list[float]] = {"opsin": [], **{f"torchvision, {w} workers": [] for w in WORKERS}}
    for repeat in range(repeats + 1):
        ways: dict[str, Callable[[], int]] = {"opsin": partial(batched_epoch, *tensors, preprocess, repeat)}
        ways |= {f"torchvision, {w} workers": partial(loader_epoch, loader) for w, loader in loaders.items()}
        for name, epoch in ways.items():
            rate = speed(epoch, len(images))
            if repeat:
                found[name].append(rate)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="images per second of the training input")
    parser.add_argument("--cifar", type=Path, help="a folder that holds cifar-10-batches-py")
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1, help="of torch, in this process")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    load_before = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    found = measure(*load(given.cifar, given.images), given.repeats)
    medians = {name: statistics.median(rates) for name, rates in found.items()}
    best = max((name for name in medians if name != "opsin"), key=lambda name: medians[name])
    ratios = [ours / theirs for ours, theirs in zip(found["opsin"], found[best], strict=True)]
    result = {
        "images": given.images,
        "pixels": "random" if given.cifar is None else "CIFAR-10",
        "threads": given.threads,
        "load_before": load_before,
        "images_per_second": {name: round(rate) for name, rate in medians.items()},
        "best_of_torchvision": best,
        "ratio": round(statistics.median(ratios), 2),
        "ratio_range": [round(min(ratios), 2), round(max(ratios), 2)],
    }
    if given.json:
        print(json.dumps(result))
        return
    print(f"{given.images:,} images of 32 x 32 px ({result['pixels']} pixels), medians of {given.repeats} passes")
    print(f"threads {given.threads}, load average before {load_before}")
    for name, rate in medians.items():
        print(f"  {name:24} {rate:10,.0f} images/s")
    low, high = result["ratio_range"]
    print(f"  {result['ratio']:.1f} times as fast (from {low:.1f} to {high:.1f} in {given.repeats} repeats)")


if __name__ == "__main__":
    main()
