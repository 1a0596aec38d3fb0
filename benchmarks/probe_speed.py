"""A linear probe against one bare pass of the network over the same images.

    python benchmarks/probe_speed.py --photos DIR [--model resnet18] [--images 2000] [--size 224] [--repeats 2]

Both see the same decoded images in memory. The bare pass is a loop over batches in torch's inference mode and nothing
else; the probe is that pass, five-fold cross-validation of five strengths, the final fit, and its place in the network.
One thread for all, turn by turn; prints seconds and the ratio of each turn.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from opsin import zoo
from opsin.data.preprocess import Preprocess
from opsin.data.sources import load
from opsin.data.store import Stored
from opsin.engine import probe
from opsin.engine.evaluate import at_once, embed
from opsin.training.probed import put_in_place
from opsin.weights.public import IMAGENET_MEAN, IMAGENET_STD


def bare_pass(net: torch.nn.Module, images: torch.Tensor, preprocess: Preprocess) -> float:
    """Seconds of a loop over batches as large as the probe's, channels last."""
    began = time.perf_counter()
    with torch.inference_mode():
        for batch in images.split(at_once(*images.shape[2:])):
            net(preprocess.normalize(batch).contiguous(memory_format=torch.channels_last))
    return time.perf_counter() - began


def whole_probe(net, images: np.ndarray, labels: np.ndarray, preprocess: Preprocess) -> float:
    """Seconds of features, folds, fit; three quarters of the images train, the rest validates."""
    began = time.perf_counter()
    seen = embed(net, Stored(images), np.arange(len(images)), preprocess, torch.device("cpu")).numpy()
    train = np.arange(len(images)) % 4 > 0
    fitted = probe.fit(seen[train], labels[train], int(labels.max()) + 1, (seen[~train], labels[~train]))
    put_in_place(net, fitted)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--model", default="resnet18")
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--repeats", type=int, default=2)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    source = load(str(asked.photos), None)
    rows = np.random.default_rng(0).permutation(len(source))[: asked.images]
    preprocess = Preprocess(asked.size, 3, "crop", "bilinear", IMAGENET_MEAN, IMAGENET_STD, asked.size * 8 // 7)
    images = np.stack([preprocess.pixels(source.image(int(row))) for row in rows])
    labels = np.asarray(source.labels)[rows]
    torch.manual_seed(0)
    net = zoo.build_model(asked.model, num_classes=len(source.classes)).eval()
    net = net.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    tensor = torch.from_numpy(images)
    bare_pass(net, tensor[:64], preprocess)
    for turn in range(asked.repeats):
        bare, probed = bare_pass(net, tensor, preprocess), whole_probe(net, images, labels, preprocess)
        print(
            f"{len(rows):,} images of {asked.size} px, {asked.model}, turn {turn + 1}: "
            f"bare pass {bare:.1f} s, probe {probed:.1f} s, {probed / bare:.3f} times"
        )


if __name__ == "__main__":
    main()
