"""What public weights are worth on a few hundred photos: scratch, fine-tuning and a probe, side by side.

No public file can be had offline, so the weights are made here: a ResNet-18 learns CIFAR-10 (32 px, a few epochs), is
written as timm writes its own, and starts two comparisons on photos beside a network from scratch: a probe against
one epoch, which takes about as long, and fine-tuning against as many epochs.

    python benchmarks/transfer.py --cifar DIR --photos DIR --out OUT [--epochs 10] [--input-size 64] [--seeds 2]

`--cifar` holds the python batches of CIFAR-10 (cifar-10-batches-py); `--photos` is a folder of train and val, or of
classes. Prints each start's test accuracy, its training time, and the paired 95 % interval of what it gains.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torchvision.datasets import CIFAR10

from opsin import zoo
from opsin.bundle import Bundle
from opsin.compare.comparison import run_comparison
from opsin.compare.request import Request
from opsin.data.preprocess import Preprocess
from opsin.data.store import Stored
from opsin.device import choose_device
from opsin.engine.train import Data, train
from opsin.export.libraries import export
from opsin.recipes import MODERN
from opsin.report.page import write_page
from opsin.tasks.classify import Classify

MODEL = "resnet18"


def source_network(cifar: Path, out: Path, epochs: int) -> Path:
    """A bundle of the network that learned CIFAR-10, trained unless it is there."""
    bundle = out / "source"
    if bundle.exists():
        return bundle
    sets = [CIFAR10(str(cifar), train=part) for part in (True, False)]
    images = np.concatenate([entry.data for entry in sets]).transpose(0, 3, 1, 2).copy()
    labels = np.concatenate([np.array(entry.targets) for entry in sets])
    rows = np.arange(len(images))
    plain = Preprocess(size=32, channels=3)
    preprocess = plain.with_statistics(images, rows[:50_000])
    data = Data(Stored(images), labels, rows[:50_000], rows[50_000:], preprocess)
    recipe = replace(MODERN, epochs=epochs, learning_rate=1e-3)
    torch.manual_seed(0)
    net = zoo.build_model(MODEL, num_classes=10)
    began = time.monotonic()

    def tell(epoch: dict) -> None:
        print(f"epoch {epoch['epoch']}: {epoch['val_top1']:.3f} after {time.monotonic() - began:.0f} s", flush=True)

    task = Classify(recipe.label_smoothing)
    history = train(net, data, recipe, task, seed=0, device=choose_device("auto"), on_epoch=tell)
    arguments = {"num_classes": 10, "in_chans": 3}
    figures = {"test_top1": history[-1]["val_top1"]}
    Bundle(net, MODEL, arguments, tuple(sets[0].classes), preprocess, recipe.to_dict(), figures).write(bundle)
    return bundle


def told(row: dict) -> str:
    """A start's accuracy and seconds, and what it gains over scratch, paired."""
    line = f"{row['start']:>9}: {row['top1_mean']:.3f} of test, {row['train_seconds']:.0f} s a run"
    if row["gain"] is None:
        return line
    low, high = row["gain"]["ci"]
    points = f"{100 * row['gain']['top1']:+.1f} points, 95 %: {100 * low:+.1f} to {100 * high:+.1f}"
    return f"{line}; over {row['gain']['over']} {points} ({row['gain']['ci_over']})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cifar", type=Path, required=True)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("transfer"))
    parser.add_argument("--source-epochs", type=int, default=8, help="on CIFAR-10")
    parser.add_argument("--epochs", type=int, default=10, help="on the photos, from scratch and fine-tuned alike")
    parser.add_argument("--input-size", type=int, default=64)
    parser.add_argument("--seeds", type=int, default=2)
    asked = parser.parse_args()
    bundle = source_network(asked.cifar, asked.out, asked.source_epochs)
    folder = asked.out / "timm"
    if not folder.exists():
        export(Bundle.read(bundle), "timm", folder)
    for starts, epochs in ((("scratch", "probe"), 1), (("scratch", "finetune"), asked.epochs)):
        request = Request(
            str(asked.photos),
            models=(MODEL,),
            start=",".join(starts),
            weights={MODEL: str(folder)},
            epochs=epochs,
            tune=epochs > 1,
            input_size=asked.input_size,
            seeds=asked.seeds,
            out=asked.out / f"{starts[1]}-{asked.input_size}-{epochs}",
        )
        comparison = run_comparison(request)
        write_page(comparison.folder)
        n_test = comparison.results["data"]["n_test"]
        print(f"{MODEL} at {asked.input_size} px, {epochs} epochs, {asked.seeds} seeds, {n_test} test images")
        for row in comparison.results["rows"]:
            print(told(row))


if __name__ == "__main__":
    main()
