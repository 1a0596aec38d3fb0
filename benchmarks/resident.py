"""Memory of a long training that decodes its images in every epoch: resident megabytes after each of ten epochs.

    python benchmarks/resident.py [--images 100000] [--workers 2]

Writes as many tiny files and a list of them into a temporary folder, and trains LeNet-1989 on the list. The figure that
counts is the tenth epoch's against the second's.
"""

import argparse
import csv
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from opsin.training import run
from opsin.training.training import Training
from opsin.watch import Watch


def resident() -> float:
    """Megabytes that this process has in memory; Linux only."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


def listed(folder: Path, images: int) -> Path:
    """A list of so many images of 8 x 8 px in ten classes, a thousand to a folder."""
    rng = np.random.default_rng(0)
    rows = [("path", "label")]
    for i in range(images):
        path = folder / f"{i // 1000:04d}" / f"{i}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(path, compress_level=0)
        rows.append((path.relative_to(folder).as_posix(), str(i % 10)))
    with (folder / "list.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return folder / "list.csv"


class Told(Watch):
    def __init__(self) -> None:
        self.megabytes: list[float] = []

    def epoch(self, run: str, metrics: dict[str, Any]) -> None:
        if "train_loss" in metrics:
            self.megabytes.append(resident())
            print(f"epoch {metrics['epoch']:2}: {self.megabytes[-1]:.1f} MB, {metrics['seconds']:.1f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="resident memory over ten epochs")
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    run.fits = lambda *arguments: False  # as if memory were short
    with tempfile.TemporaryDirectory() as folder:
        data, told = listed(Path(folder), asked.images), Told()
        settings = ("batch_size=256", "augment=none")
        out = Path(folder) / "run"
        run.run_training(
            Training(str(data), "lenet1989", settings=settings, epochs=10, workers=asked.workers, out=out), told
        )
    ratio = told.megabytes[9] / told.megabytes[1]
    print(f"{asked.images:,} files: the tenth epoch has {100 * (ratio - 1):+.2f} % of the second's memory")


if __name__ == "__main__":
    main()
