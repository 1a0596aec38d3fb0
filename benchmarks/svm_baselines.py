"""The support vector machines of the 1990s on handwritten digits, with the error that their papers print beside ours.

    python benchmarks/svm_baselines.py DATA [--root COPY] [--share 0.1] [--machines NAME ...] [--against rest] [--json]

DATA is `mnist`, a file `usps.npz`, or any other small images that Opsin reads (`digits`), which get USPS's machines and
no printed figures. USPS takes half a minute; MNIST half a minute with a tenth of its training images (--share 0.1), and
some ten for each machine with all. Its poly9-virtual would take hours (ten minutes with a tenth), and trains only where
--machines names it. Nothing is chosen on the test part; what validates trains.

`rest`: one machine for each class against all others, the largest output is the answer, as in the papers. `each`: one
for each pair of classes, and a vote, which on MNIST takes a fraction of the time. `virtual`: after a first training its
support vectors, and these moved by one pixel to each of four sides, train anew (Schölkopf, Burges and Vapnik 1996).

Images: for USPS pixels in -1..1, smoothed by a Gaussian of 0.75 pixels, divided by 16 (the root of their number), so
that x·y is the papers' (x·y / 256); for MNIST pixels in 0..1, for polynomials scaled to length 1, `deslanted`: sheared
until their second moments stand upright (LeCun et al. 1998, section III-A). C and the scales of MNIST's kernels are
ours: C = 10 leaves almost no training digit on the wrong side, and the Gaussian's width was the best of four on 2,500
digits held out of 7,500 training ones. The papers' figures and kernels are written from memory and not yet compared
with the print; MNIST's figures stand in the table of its home page, too.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opsin.data.sources import Source, load
from opsin.data.split import split
from opsin.errors import OpsinError, unknown
from opsin.tasks.metrics import wilson
from opsin.words import many

C = 10.0
CACHE_MB = 2000
SMOOTHING = 0.75
TELL_SECONDS = 2.0

Rows = NDArray[np.float64]
Images = NDArray[np.float32]


def smoothed(images: Images) -> Rows:
    """Images in 0..1 [n, H, W] -> rows [n, H·W] of values in -1..1, smoothed, divided by the root of their number."""
    from scipy.ndimage import gaussian_filter

    soft = gaussian_filter(2 * images.astype(np.float64) - 1, (0, SMOOTHING, SMOOTHING), mode="nearest")
    return soft.reshape(len(soft), -1) / np.sqrt(soft[0].size)


def plain(images: Images) -> Rows:
    return images.reshape(len(images), -1).astype(np.float64)


def unit(images: Images) -> Rows:
    rows = plain(images)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def deslanted(images: Images) -> Rows:
    return unit(deslant(images))


def deslant(images: Images) -> Images:
    """Digits in 0..1 [n, H, W], each row moved sideways until the digit's second moments stand upright."""
    height, width = images.shape[1:]
    y, x = np.arange(height, dtype=np.float32)[:, None], np.arange(width, dtype=np.float32)
    mass = np.maximum(images.sum((1, 2), keepdims=True), 1e-6)
    down = y - (images * y).sum((1, 2), keepdims=True) / mass  # [n, H, 1]
    aside = x - (images * x).sum((1, 2), keepdims=True) / mass  # [n, 1, W]
    slope = (images * down * aside).sum((1, 2), keepdims=True)
    slope /= np.maximum((images * down**2).sum((1, 2), keepdims=True), 1e-6)
    at = np.clip(x + slope * down, -1, width)  # [n, H, W]: the column that a pixel comes from
    left = np.floor(at).astype(np.int64)
    padded = np.pad(images, ((0, 0), (0, 0), (1, 2)))
    first, second = (np.take_along_axis(padded, left + k, axis=2) for k in (1, 2))
    return np.asarray(first + (at - left) * (second - first), np.float32)


def moved(images: Images) -> Images:
    """Images [n, H, W] -> [5n, H, W]: as they are, and by one pixel up, down, left and right, black moving in."""
    framed = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    height, width = images.shape[1:]
    shifts = ((1, 1), (2, 1), (0, 1), (1, 2), (1, 0))
    return np.concatenate([framed[:, top : top + height, left : left + width] for top, left in shifts])


def polynomial(degree: int, constant: float = 0.0) -> dict[str, Any]:
    """(x·y + constant)^degree"""
    return {"kernel": "poly", "degree": degree, "gamma": 1.0, "coef0": constant}


def gaussian(gamma: float) -> dict[str, Any]:
    """exp(-gamma |x - y|²)"""
    return {"kernel": "rbf", "gamma": gamma}


@dataclass(frozen=True)
class Machine:
    """A support vector machine as a paper has it.

    Attributes:
        name, about: for people; `about` is its kernel in a formula.
        kernel: arguments of scikit-learn's SVC.
        prepare: images in 0..1 [n, H, W] -> rows.
        printed: the paper's test error in percent, on `data`, and `source`, where it stands.
        virtual: whether virtual support vectors train it a second time.
        asked: whether it trains only where it is asked for by name.
    """

    name: str
    about: str
    data: str
    kernel: dict[str, Any]
    prepare: Callable[[Images], Rows]
    printed: float
    source: str
    virtual: bool = False
    asked: bool = False


EXTRACTING = "Schölkopf, Burges and Vapnik 1995, table 1"
VIRTUAL = "Schölkopf, Burges and Vapnik 1996"
CORTES = "Cortes and Vapnik 1995, table 2"
LECUN = "LeCun et al. 1998, figure 9"

MACHINES = (
    Machine("poly3", "(x·y / 256)^3", "usps", polynomial(3), smoothed, 4.0, EXTRACTING),
    Machine("rbf", "exp(-|x-y|² / 204.8)", "usps", gaussian(256 / 204.8), smoothed, 4.3, EXTRACTING),
    Machine("poly4", "(x·y / 256 + 1)^4", "usps", polynomial(4, 1.0), smoothed, 4.3, CORTES),
    Machine("poly3-virtual", "(x·y / 256)^3", "usps", polynomial(3), smoothed, 3.2, VIRTUAL, True),
    Machine("rbf", "exp(-0.03 |x-y|²)", "mnist", gaussian(0.03), plain, 1.4, "MNIST's home page"),
    Machine("poly4", "(x·y)^4, deslanted", "mnist", polynomial(4), deslanted, 1.1, LECUN),
    Machine("poly9-virtual", "(x·y)^9", "mnist", polynomial(9), unit, 0.8, LECUN, True, True),
)


@dataclass(frozen=True)
class Digits:
    """Images float32 in 0..1 [n, H, W] and their classes [n], of the training part and of the test part."""

    name: str
    train: Images
    labels: NDArray[np.int64]
    test: Images
    answers: NDArray[np.int64]


@dataclass(frozen=True)
class Trained:
    """What was trained: `answer` gives the classes of rows; `kept`, the training rows that each machine keeps."""

    answer: Callable[[Rows], NDArray[np.int64]]
    kept: list[NDArray[np.integer]] = field(default_factory=list)

    @property
    def support(self) -> NDArray[np.integer]:
        return np.unique(np.concatenate(self.kept))


def read(data: str, root: str | None = None, share: float = 1.0, seed: int = 0) -> Digits:
    """The digits, grey; of the training images a share, drawn by the seed, with the test part whole.

    Raises OpsinError for a share that is none, images of several sizes, and whatever `load` raises it for.
    """
    if not 0 < share <= 1:
        raise OpsinError(f"--share is a part of the training images, more than 0 and at most 1, not {share:g}")
    source = load(data, root=root)
    parts = np.array(source.parts or split(source.labels, source.classes, groups=source.groups, seed=seed))
    train, test = np.flatnonzero(parts != "test"), np.flatnonzero(parts == "test")
    if share < 1:
        train = np.sort(np.random.default_rng(seed).permutation(train)[: max(1, round(share * len(train)))])
    if missing := set(range(len(source.classes))) - set(source.labels[train].tolist()):
        raise OpsinError(f"that share has no image of {many(len(missing), 'class')}: raise --share")
    labels = source.labels
    return Digits(source.name, _grey(source, train), labels[train], _grey(source, test), labels[test])


def _grey(source: Source, rows: NDArray[np.int64]) -> Images:
    images = [np.asarray(source.image(int(row)).convert("L")) for row in rows]
    if len({image.shape for image in images}) != 1:
        raise OpsinError(f"{source.name} has images of several sizes: these machines take pixels, all of one size")
    return np.divide(np.stack(images), 255, dtype=np.float32)


def train(rows: Rows, labels: NDArray[np.int64], kernel: dict[str, Any], against: str, tell: Callable) -> Trained:
    """Machines of every class against the rest, or of each pair of classes."""
    from sklearn.svm import SVC

    if against == "each":
        tell(f"every pair of classes, {len(rows):,} images")
        pairs = SVC(C=C, cache_size=CACHE_MB, **kernel).fit(rows, labels)
        return Trained(pairs.predict, [pairs.support_])
    models = []
    for c in range(int(labels.max()) + 1):
        tell(f"class {c + 1} of {int(labels.max()) + 1} against the rest, {len(rows):,} images")
        models.append(SVC(C=C, cache_size=CACHE_MB, **kernel).fit(rows, labels == c))

    def answer(asked: Rows) -> NDArray[np.int64]:
        return np.stack([model.decision_function(asked) for model in models]).argmax(0)

    return Trained(answer, [model.support_ for model in models])


def measure(machine: Machine, digits: Digits, against: str, tell: Callable[[str], None]) -> dict[str, Any]:
    """Trains a machine and asks it for the test part: one row of the table. `tell` is given the stages."""
    began = time.monotonic()
    images, labels = digits.train, digits.labels
    trained = train(machine.prepare(images), labels, machine.kernel, against, tell)
    if machine.virtual:
        images, labels = moved(images[trained.support]), np.tile(labels[trained.support], 5)
        trained = train(machine.prepare(images), labels, machine.kernel, against, tell)
    seconds = time.monotonic() - began
    tell(f"the answers for {many(len(digits.test), 'image')}")
    wrong = int((trained.answer(machine.prepare(digits.test)) != digits.answers).sum())
    n = len(digits.test)
    return {
        "machine": machine.name,
        "kernel": machine.about,
        "data": digits.name,
        "train_images": len(digits.train),
        "test_images": n,
        "against": against,
        "c": C,
        "wrong": wrong,
        "error": 100 * wrong / n,
        "error_ci": [100 * share for share in wilson(wrong, n)],
        "printed": machine.printed if digits.name == machine.data else None,
        "source": machine.source,
        "support_vectors": len(trained.support),
        "support_vectors_per_class": float(np.mean([len(each) for each in trained.kept]))
        if against == "rest"
        else None,
        "train_seconds": round(seconds, 1),
        "seconds": round(time.monotonic() - began, 1),
    }


def chosen(data: str, names: list[str] | None = None) -> list[Machine]:
    """The machines for a set that are asked for, or else all but the slow. Raises OpsinError for an unknown name."""
    there = {machine.name: machine for machine in MACHINES if machine.data == ("mnist" if data == "mnist" else "usps")}
    for name in names or ():
        if name not in there:
            raise unknown("machine", name, there)
    return [there[name] for name in names] if names else [machine for machine in there.values() if not machine.asked]


def line(row: dict[str, Any]) -> str:
    interval = "{:.1f} to {:.1f}".format(*row["error_ci"])
    printed = "" if row["printed"] is None else f"{row['printed']:.1f}"
    measured = f"{row['machine']:13} {row['error']:5.2f}  {interval:12} {printed:>5}"
    return f"{measured} {row['support_vectors']:8,} {row['seconds']:7,.0f}  {row['kernel']}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--root", help="the folder of a copy of a named set")
    parser.add_argument("--share", type=float, default=1.0, help="of the training images")
    parser.add_argument("--seed", type=int, default=0, help="draws the share; divides data without parts")
    parser.add_argument("--machines", nargs="+", metavar="NAME")
    parser.add_argument("--against", choices=("rest", "each"), help="as said above; each for mnist, else rest")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()

    began, rows, told = time.monotonic(), [], -np.inf

    def tell(stage: str) -> None:
        nonlocal told
        if time.monotonic() - told >= TELL_SECONDS:
            told = time.monotonic()
            print(f"{told - began:6.0f} s  {stage}", file=sys.stderr, flush=True)

    try:
        digits = read(asked.data, asked.root, asked.share, asked.seed)
        against = asked.against or ("each" if digits.name == "mnist" else "rest")
        for machine in chosen(digits.name, asked.machines):
            rows.append(measure(machine, digits, against, lambda stage, of=machine.name: tell(f"{of}: {stage}")))
    except OpsinError as error:
        raise SystemExit(f"error: {error}") from None
    if asked.json:
        print(json.dumps(rows))
        return
    share = "" if asked.share == 1 else f" ({asked.share:.0%} of them)"
    print(f"{digits.name}: {len(digits.labels):,} images train{share}, {len(digits.answers):,} test; {against}")
    print(f"{'test error, %':>19}  95 %         paper  support seconds  kernel")
    print("\n".join(map(line, rows)))


if __name__ == "__main__":
    main()
