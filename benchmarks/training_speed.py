"""Whole training runs beside timm's own train.py and a plain loop of torchvision: images a second.

The same network (ours, registered in timm), images, batch, optimizer (SGD with momentum), kind of augmentation, number
of epochs and validation after each; each run a process of its own, one after another, in turns. Small images are moved
by up to 4 px (timm has no such crop; its quickest one near it stands in) and mirrored; photos are cropped at random
(8 to 100 % of the area) and mirrored. Opsin reads CIFAR-10 from an .npz file; of the part that all validate on, it
keeps a tenth to test at the end, as it always does.

    python benchmarks/training_speed.py MODEL DATA [--timm TRAIN.PY] [--epochs N] [--repeats N] [--device cuda] [--json]

DATA holds `cifar-10-batches-py`, or train and val with class folders of photos. TRAIN.PY is the script of timm's
repository. `timm` is that script as it comes, with 2 workers; `timm, one thread` gives it OMP_NUM_THREADS=1, since its
threads and its workers else wait for each other on two cores; `channels last` is its option. `compiled` are both
through torch.compile, which finds nothing compiled before. `two processes` share each step's images, with batch norm's
statistics of their own. On a GPU both run in bfloat16, compiled and channels last, and the share of the GPU's own
matrix product is printed.
"""

import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parent.parent
PEERS = str(ROOT / "benchmarks" / "training_peers.py")
BATCH, RATE, DECAY = 128, 0.01, 5e-4
TENTH = 10
SMALL, LARGE = 32, 224


@dataclass(frozen=True)
class Set:
    """The images, as each side wants them, and how many train."""

    opsin: Path
    others: Path
    train: int
    classes: int
    size: int


@dataclass
class Timed:
    """The runs of one way: seconds of the whole process, of its training alone, and of processors."""

    whole: list[float] = field(default_factory=list)
    training: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def small_images(data: Path, folder: Path) -> Set:
    """CIFAR-10, from the files that torchvision reads."""
    from torchvision.datasets import CIFAR10

    arrays = {}
    for train in (True, False):
        cifar = CIFAR10(data, train=train)
        images, labels = np.asarray(cifar.data), np.asarray(cifar.targets)
        kept = np.arange(len(labels)) % TENTH == 0
        for part, rows in (("train", kept | ~kept),) if train else (("val", ~kept), ("test", kept)):
            arrays |= {f"x_{part}": images[rows], f"y_{part}": labels[rows]}
    np.savez(folder / "cifar10.npz", **arrays)
    return Set(folder / "cifar10.npz", data, len(arrays["x_train"]), 10, SMALL)


def photos(data: Path, folder: Path, most: int | None) -> Set:
    """The same files in two folders of links: train and validation for the others, train, val and test for Opsin."""
    classes = sorted(entry.name for entry in (data / "train").iterdir() if entry.is_dir())
    train = 0
    for name in classes:
        for part in ("train", "val"):
            files = sorted((data / part / name).iterdir())[:most]
            train += len(files) * (part == "train")
            for i, file in enumerate(files):
                own = "test" if part == "val" and i % TENTH == 0 else part
                for place in ("opsin/" + own, "others/" + ("train" if part == "train" else "validation")):
                    link = folder / place / name / file.name
                    link.parent.mkdir(parents=True, exist_ok=True)
                    link.symlink_to(file.resolve())
    return Set(folder / "opsin", folder / "others", train, len(classes), LARGE)


def opsin_run(model: str, images: Set, given: argparse.Namespace, out: Path) -> list[str]:
    from opsin.data.augment import AreaCrop, Flip, Shift
    from opsin.engine.optimizers import SGD
    from opsin.engine.recipe import Recipe
    from opsin.engine.settings import to_toml

    recipe = Recipe(
        "speed",
        epochs=given.epochs,
        batch_size=given.batch_size,
        optimizer=SGD(),
        learning_rate=RATE,
        weight_decay=DECAY,
        warmup=0.0,
        clip_norm=None,
        label_smoothing=0.0,
        augment=(Shift(4, flip=True),) if images.size == SMALL else (AreaCrop(), Flip()),
    )
    out.mkdir(parents=True)
    (out / "speed.toml").write_text(to_toml(recipe), encoding="utf-8")
    command = [sys.executable, "-m", "opsin", "train", str(images.opsin), "--model", model, "--json"]
    command += ["--recipe", str(out / "speed.toml"), "--input-size", str(images.size), "--device", given.device]
    return [*command, *(["--compile"] if given.device == "cuda" else []), "--out", str(out / "run")]


def timm_run(model: str, images: Set, given: argparse.Namespace, out: Path) -> list[str]:
    options: dict[str, Any] = {
        "model": f"opsin_{model}",
        "data-dir": images.others,
        "num-classes": images.classes,
        "input-size": f"3 {images.size} {images.size}",
        "crop-pct": 1,
        "mean": "0.485 0.456 0.406",
        "std": "0.229 0.224 0.225",
        "interpolation": "bicubic",
        "train-interpolation": "bilinear",
        "color-jitter": 0,
        "smoothing": 0,
        "batch-size": given.batch_size,
        "epochs": given.epochs,
        "warmup-epochs": 0,
        "opt": "momentum",
        "lr": RATE,
        "weight-decay": DECAY,
        "workers": given.workers,
        "device": given.device,
        "output": out,
    }
    if images.size == SMALL:
        options |= {"dataset": "torch/cifar10", "train-crop-mode": "rkrc", "scale": "1 1", "ratio": "1 1"}
    command = [sys.executable, PEERS, "timm", str(given.timm)]
    command += [word for key, value in options.items() for word in (f"--{key}", *str(value).split())]
    if given.device == "cuda":
        command += ["--amp", "--amp-dtype", "bfloat16", "--channels-last", "--torchcompile", "--pin-mem"]
    return command


def torchvision_run(model: str, images: Set, given: argparse.Namespace) -> list[str]:
    options = {"model": model, "data": images.others, "device": given.device, "size": images.size}
    options |= {"classes": images.classes, "epochs": given.epochs, "batch-size": given.batch_size}
    options |= {"workers": given.workers, "lr": RATE, "weight-decay": DECAY}
    command = [sys.executable, PEERS, "torchvision"]
    return command + [word for key, value in options.items() for word in (f"--{key}", str(value))]


def ways(model: str, images: Set, given: argparse.Namespace, folder: Path) -> dict[str, tuple[list[str], dict]]:
    """The command of each way, and what it adds to the environment."""
    one = {"OMP_NUM_THREADS": "1"}

    def cold(name: str) -> dict[str, str]:
        return {"TORCHINDUCTOR_CACHE_DIR": str(folder / f"{name}-compiled")}

    found: dict[str, tuple[list[str], dict]] = {"opsin": (opsin_run(model, images, given, folder / "opsin-run"), {})}
    if given.device == "cpu":
        compiled = opsin_run(model, images, given, folder / "opsin-run-compiled")
        found["opsin, compiled"] = ([*compiled, "--compile"], cold("opsin"))
        found["opsin, one thread"] = (opsin_run(model, images, given, folder / "opsin-run-1"), one)
        two = opsin_run(model, images, given, folder / "opsin-run-2")
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
        found["opsin, two processes"] = ([*torchrun, *two[1:]], one)
    if given.timm:
        timm = timm_run(model, images, given, folder / "timm-run")
        found["timm"] = (timm, {})
        if given.device == "cpu":
            found |= {"timm, one thread": (timm, one), "timm, channels last": ([*timm, "--channels-last"], one)}
            found["timm, compiled"] = ([*timm, "--torchcompile"], cold("timm"))
    plain = torchvision_run(model, images, given)
    found["torchvision"] = (plain, {}) if given.device == "cpu" else ([*plain, "--channels-last"], {})
    if given.device == "cpu":
        found["torchvision, one thread"] = (plain, one)
    return {name: way for name, way in found.items() if not given.only or name in given.only}


BEGAN, ENDED = re.compile(r"Train: 0 |train$"), re.compile(r"Test: \[ *(\d+)/\1\]|validated")
"""Lines of a peer: after its first step, and after an epoch's validation."""


def timed(name: str, command: list[str], environment: dict[str, str], found: Timed) -> None:
    """Runs a command once, and adds what it took to `found`."""
    paths = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")]))
    began = time.monotonic()
    child = subprocess.Popen(
        command,
        env=os.environ | {"PYTHONPATH": paths} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if not name.startswith("opsin") else None,
        text=True,
    )
    assert child.stdout
    lines, first, last = [], None, began
    try:
        for line in child.stdout:
            lines.append(line.rstrip())
            if BEGAN.match(lines[-1]):
                first = first or time.monotonic()
            elif ENDED.match(lines[-1]):
                last = time.monotonic()
    except KeyboardInterrupt:
        child.send_signal(signal.SIGINT)
        raise
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit("\n".join([*lines[-20:], f"{name} ended with {child.returncode}: {' '.join(command)}"]))
    found.whole.append(time.monotonic() - began)
    found.cpu.append(used.ru_utime + used.ru_stime)
    found.training.append(
        json.loads(lines[-1])["train_seconds"] if name.startswith("opsin") else last - (first or began)
    )


def matrix_product(device: str) -> float:
    """Multiplications and additions a second of the device's own product of bfloat16 matrices, 8192 squared."""
    import torch

    a = torch.randn(8192, 8192, device=device, dtype=torch.bfloat16)
    for warming in (3, 30):
        torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(warming):
            torch.mm(a, a)
        torch.cuda.synchronize()
    return 30 * 2 * 8192**3 / (time.perf_counter() - began)


def operations(model: str, size: int) -> float:
    """Multiplications and additions of a training step for one image: forward, and twice that backward."""
    from opsin.costs.count import count_model

    return 6.0 * count_model(model, input_size=size, in_chans=3).macs


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """Every way in turn, `repeats` times over: images a second, medians, and the ratios of Opsin's to each."""
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(dir=given.scratch, prefix="training-speed-") as name:
        folder = Path(name)
        small = (given.data / "cifar-10-batches-py").is_dir()
        images = small_images(given.data, folder) if small else photos(given.data, folder, given.most)
        found: dict[str, Timed] = {}
        for repeat in range(given.repeats):
            for way, (command, environment) in ways(given.model, images, given, folder / str(repeat)).items():
                timed(way, command, environment, found.setdefault(way, Timed()))
                print(f"  {repeat + 1}  {way:24} {found[way].whole[-1]:8.1f} s", file=sys.stderr)
    seen = images.train * given.epochs
    result: dict[str, Any] = {
        "model": given.model,
        "device": given.device,
        "images": images.train,
        "size": images.size,
        "epochs": given.epochs,
        "batch": given.batch_size,
        "load_before": load_before,
        "ways": {
            way: rates(times, seen, 0 if way.startswith("opsin") else given.batch_size) for way, times in found.items()
        },
    }
    if given.device == "cuda":
        reached = result["ways"]["opsin"]["training"] * operations(given.model, images.size)
        result["share_of_matrix_product"] = round(reached / matrix_product("cuda"), 3)
    return result


def rates(times: Timed, seen: int, first: int) -> dict[str, float]:
    """Images a second, medians: of whole runs, of their training (but for a peer's first batch); and CPU time each."""
    return {
        "whole": round(statistics.median(seen / seconds for seconds in times.whole), 1),
        "training": round(statistics.median((seen - first) / seconds for seconds in times.training), 1),
        "cpu_us_an_image": round(statistics.median(times.cpu) / seen * 1e6, 1),
        "slowest_whole": round(seen / max(times.whole), 1),
        "quickest_whole": round(seen / min(times.whole), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="whole training runs beside timm's and torchvision's")
    parser.add_argument(
        "model", help="lenet5 or resnet20_cifar on CIFAR-10; resnet18, resnet50, convnext_tiny on photos"
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--timm", type=Path, help="train.py of timm's repository")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=BATCH)
    parser.add_argument("--workers", type=int, default=2, help="processes of the others that decode")
    parser.add_argument("--most", type=int, help="photos of a class in each part, for a quick look")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--only", nargs="*", help="these ways alone: opsin, timm ...")
    parser.add_argument("--scratch", type=Path, help="where the runs' folders lie until the end")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    given.data = given.data.resolve()
    result = measure(given)
    if given.json:
        print(json.dumps(result))
        return
    print(f"{given.model}, {result['images']:,} images of {result['size']} px, {given.epochs} epochs, batch", end=" ")
    print(
        f"{given.batch_size}, {given.device}; medians of {given.repeats} runs, load before {result['load_before']:.1f}"
    )
    print(f"  {'images/s':24} {'whole':>8} {'(from':>8} {'to)':>8} {'training':>9} {'CPU us':>8}  opsin's ratios")
    ours = result["ways"].get("opsin") or next(iter(result["ways"].values()))
    for way, of in result["ways"].items():
        ratios = [f"{ours[key] / of[key]:.2f}" for key in ("whole", "training")]
        ratios += [f"{of['cpu_us_an_image'] / ours['cpu_us_an_image']:.2f}"]
        low, high = of["slowest_whole"], of["quickest_whole"]
        figures = f"{of['whole']:8,.0f} {low:8,.0f} {high:8,.0f} {of['training']:9,.0f} {of['cpu_us_an_image']:8,.0f}"
        print(f"  {way:24} {figures}  {' '.join(ratios)}")
    if "share_of_matrix_product" in result:
        print(f"  {result['share_of_matrix_product']:.1%} of the product of large bfloat16 matrices")


if __name__ == "__main__":
    main()
