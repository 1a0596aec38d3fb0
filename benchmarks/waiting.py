"""How long OpenMP's threads should stay awake (opsin.waiting): training steps and a prediction, quiet and beside a hog.

    python benchmarks/waiting.py [--turns 1000 10000 ...] [--repeats N] [--threads N]

Each figure is the median of --repeats processes, in turns, of the median time of one step (LeNet-5 and ResNet-20 on
32-px images) or one image (ResNet-50 at 224 px), in ms. `asleep` is OMP_WAIT_POLICY=PASSIVE alone, `as it comes`
PyTorch with neither variable set. The hog is a process that keeps one core busy.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from opsin import heap
from opsin.waiting import SETTINGS

STEPS = {
    "LeNet-5, 128": ("lenet5", 128),
    "ResNet-20, 32": ("resnet20_cifar", 32),
    "ResNet-20, 128": ("resnet20_cifar", 128),
}
IMAGE = "ResNet-50, 1"
SECONDS = 3.0
HOG = "while True: pass"


def step(name: str, batch: int) -> Callable[[], None]:
    """A training step on images of noise, as the engine takes it."""
    import torch

    from opsin.device import place, place_images
    from opsin.zoo import build_model

    net = place(build_model(name, num_classes=10, in_chans=3, input_size=32), torch.device("cpu"))
    images = place_images(torch.rand(batch, 3, 32, 32))
    labels = torch.arange(batch) % 10
    optimizer = torch.optim.SGD(net.parameters(), 1e-3, momentum=0.9)

    def run() -> None:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(images), labels).backward()
        optimizer.step()

    return run


def image() -> Callable[[], None]:
    """One image through a network."""
    import torch

    from opsin.device import place, place_images
    from opsin.zoo import build_model

    net, images = place(build_model("resnet50").eval(), torch.device("cpu")), place_images(torch.rand(1, 3, 224, 224))

    def run() -> None:
        with torch.inference_mode():
            net(images)

    return run


def measure(work: str, threads: int) -> float:
    """In this process: ms, the median over SECONDS after a tenth of them."""
    import torch

    heap.keep()
    torch.set_num_threads(threads)
    run = image() if work == IMAGE else step(*STEPS[work])
    times, start = [], time.perf_counter()
    while (now := time.perf_counter()) < start + SECONDS:
        run()
        if now > start + SECONDS / 10:
            times.append(time.perf_counter() - now)
    return 1e3 * statistics.median(times)


def apart(work: str, settings: dict[str, str], threads: int) -> float:
    """The same in a process of its own, with these variables and without the others."""
    environment = {name: value for name, value in os.environ.items() if name not in SETTINGS} | settings
    command = [sys.executable, __file__, "--threads", str(threads), "--only", work]
    return json.loads(subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, nargs="*", default=[500, 1000, 2000, 5000, 10000, 30000])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.only:
        print(measure(asked.only, asked.threads))
        return
    asleep = {"OMP_WAIT_POLICY": "PASSIVE"}
    ways = {"as it comes": {}, "asleep": asleep}
    ways |= {f"{turns:,}": asleep | {"GOMP_SPINCOUNT": str(turns)} for turns in asked.turns}
    works = [*STEPS, IMAGE]
    for where in ("quiet", "beside a hog"):
        hog = subprocess.Popen([sys.executable, "-c", HOG]) if where != "quiet" else None
        times = {(way, work): [] for way in ways for work in works}
        for _ in range(asked.repeats):
            for way, work in times:
                times[way, work].append(apart(work, ways[way], asked.threads))
        if hog:
            hog.kill()
        print(f"{where:14}" + "".join(f"{work:>16}" for work in works))
        for way in ways:
            print(f"  {way:12}" + "".join(f"{statistics.median(times[way, work]):16.1f}" for work in works), flush=True)


if __name__ == "__main__":
    main()
