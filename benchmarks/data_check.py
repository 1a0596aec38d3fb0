"""What `opsin data check` finds of what was planted: copies across parts, and wrong labels; and how long it takes.

    python benchmarks/data_check.py copies --photos FOLDER [--planted 300]
    python benchmarks/data_check.py labels [--data digits] [--share 0.05] [--seeds 3] [--network MODEL --epochs 10]

FOLDER holds train and val, and no copies of its own. Half of the planted are copies byte for byte, the others are saved
anew as JPEG (quality 50 to 90) at 80 to 120 % of their size, with 0, 2 or 5 % cut off their sides. With --network a
network of the zoo, trained on four fifths of the images in turn, doubts labels in the place of the quick learner.
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from opsin.data.doctor import Asked, check
from opsin.data.doctor.doubts import Doubts, find_doubts, judged
from opsin.data.scan import Scan, scan
from opsin.data.sources import load

CROPS = (0.0, 0.02, 0.05)


def save_anew(path: Path, to: Path, crop: float, rng: np.random.Generator) -> None:
    """A copy with loss, of another size; up to `crop` of each side is cut off."""
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    left, top, right, bottom = rng.uniform(0, crop, 4) * (image.size * 2)
    image = image.crop((round(left), round(top), image.width - round(right), image.height - round(bottom)))
    scale = rng.uniform(0.8, 1.2)
    image = image.resize((round(scale * image.width), round(scale * image.height)), Image.Resampling.BICUBIC)
    image.save(to, "JPEG", quality=int(rng.integers(50, 91)))


def copies(photos: Path, planted: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "photos"
        shutil.copytree(photos, folder)
        files = sorted((folder / "train").glob("*/*"))
        pairs: dict[frozenset[str], str] = {}
        for k, at in enumerate(rng.choice(len(files), planted, replace=False).tolist()):
            to = folder / "val" / files[at].parent.name / f"planted-{k}.jpg"
            crop = CROPS[k // 2 % len(CROPS)]
            if k % 2:
                shutil.copy(files[at], to)
            else:
                save_anew(files[at], to, crop, rng)
            pair = frozenset(path.relative_to(folder).as_posix() for path in (files[at], to))
            pairs[pair] = "byte for byte" if k % 2 else f"saved anew, {crop:.0%} cut off"
        source = load(folder)
        began = time.monotonic()
        checked = check(source, Asked(doubts=False))
        seconds = time.monotonic() - began
        sets = [
            (finding.kind, frozenset(source.ids[row] for row in item.rows))
            for finding in checked.findings
            if "copies" in finding.kind or "conflicts" in finding.kind
            for item in finding.items
        ]
        for kind in dict.fromkeys(sorted(pairs.values())):
            of = [pair for pair, how in pairs.items() if how == kind]
            print(f"{kind}: {sum(pair in {each for _, each in sets} for pair in of)} of {len(of)} found")
        for level in ("near-", ""):
            found = {each for kind, each in sets if kind.startswith("near-") == bool(level)}
            others = [each for each in found if each not in pairs]
            print(f"{level or 'exact '}sets reported: {len(found)}, of them not planted: {len(others)}")
            for each in others:
                print("   ", *sorted(each))
        print(f"{len(source)} photos in {seconds:.1f} s, {checked.alike.candidates if checked.alike else 0} candidates")
        began = time.monotonic()
        check(source, Asked(doubts=False))
        print(f"once more, remembered: {time.monotonic() - began:.1f} s")


def with_noise(scanned: Scan, share: float, seed: int) -> tuple[Scan, np.ndarray]:
    """A share of labels moved to another class each, by chance; and which, bool [n]."""
    source, rng = scanned.source, np.random.default_rng(seed)
    n, n_classes = len(source), len(source.classes)
    rows = rng.choice(n, round(share * n), replace=False)
    labels = source.labels.copy()
    labels[rows] = (labels[rows] + rng.integers(1, n_classes, len(rows))) % n_classes
    return replace(scanned, source=replace(source, labels=labels)), np.isin(np.arange(n), rows)


def of_network(scanned: Scan, model: str, epochs: int, side: int, folds: int = 5) -> Doubts:
    """The doubts of a network that is trained on the images outside each fold under the modern recipe."""
    import torch

    from opsin import zoo
    from opsin.data.counted import epoch_order
    from opsin.data.preprocess import Preprocess
    from opsin.data.store import Stored
    from opsin.engine.evaluate import predict
    from opsin.engine.train import Data, train
    from opsin.recipes import MODERN
    from opsin.tasks.classify import Classify

    source, n = scanned.source, len(scanned.source)
    plain = Preprocess(side, scanned.channels)
    images = np.stack([plain.pixels(source.image(i)) for i in range(n)])
    preprocess, answers = plain.with_statistics(images), np.empty((n, len(source.classes)))
    recipe, device = replace(MODERN, epochs=epochs), torch.device("cpu")
    for out in np.array_split(epoch_order(0, 0, n), folds):
        fit = np.setdiff1d(np.arange(n), out)
        torch.manual_seed(0)
        net = zoo.build_model(
            model, num_classes=len(source.classes), in_chans=scanned.channels, **_size(zoo, model, side)
        )
        task = Classify(recipe.label_smoothing)
        train(net, Data(Stored(images), source.labels, fit, out, preprocess), recipe, task, seed=0, device=device)
        answers[out] = torch.log_softmax(predict(net, Stored(images), out, preprocess, device), 1).numpy()
    return judged(np.arange(n), source.labels, answers)


def _size(zoo, model: str, side: int) -> dict[str, int]:
    return {"input_size": side} if zoo.card(model).inputs.fixed else {}


def told(found: Doubts, wrong: np.ndarray) -> Iterator[str]:
    hits, n = wrong[found.rows], int(wrong.sum())
    yield f"finds {found.accuracy:.1%} of labels"
    yield f"{len(hits)} doubted, {hits.sum()} of {n} wrong ones among them"
    for part, name in ((n // 4, "N/4"), (n // 2, "N/2"), (n, "N")):
        yield f"first {name} ({part}): {hits[:part].sum() / part:.0%} wrong"


def labels(data: str, share: float, seeds: int, model: str | None, epochs: int, side: int) -> None:
    scanned = scan(load(data), skip_bad=True)
    for seed in range(seeds):
        noisy, wrong = with_noise(scanned, share, seed)
        began = time.monotonic()
        found = of_network(noisy, model, epochs, side) if model else find_doubts(noisy)
        print(f"seed {seed}: {'; '.join(told(found, wrong))}; {time.monotonic() - began:.1f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("copies", "labels"))
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--planted", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--network")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--side", type=int, default=32, help="of the network's input")
    asked = parser.parse_args()
    if asked.what == "copies":
        copies(asked.photos, asked.planted, asked.seed)
    else:
        labels(asked.data, asked.share, asked.seeds, asked.network, asked.epochs, asked.side)


if __name__ == "__main__":
    main()
