"""The quickest way to run a network on this processor: each is verified against eager PyTorch, then they are timed.

A way is a backend, how many images it takes at once, and how many workers share a batch: some networks are quicker when
it goes through in parts that fit into the caches, others when each core has images of its own. torch.compile is not
among them: it compiles for a minute, each time anew, and graph runtimes are quicker still.
"""

import statistics
import time
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import torch
from torch import Tensor, nn

from opsin.errors import OpsinError
from opsin.runtime import backends, kept
from opsin.runtime.backends import Runner, build, installed, two
from opsin.runtime.graphs import to_onnx

K = TypeVar("K", bound=Hashable)
AMONG = ("channels_last", "onnxruntime", "openvino")
"""What is tried beside eager."""
TOLERANCE = 1e-4
PARTS = (1, 4)
"""How many images a graph is given at once, beside a whole batch."""
TURNS, LEAST = 15, 2
SECONDS = 2.0
"""When a race ends: after so many turns, or so many seconds and the least turns."""
HEAVY = 2**28
"""Bytes of weights; of networks with more, fewer copies are in memory while ways are tried."""
SURE, SLOW = 3.0, 1.3
"""How many times the quickest time lets a way drop out of the race, in its first turn and later."""


@dataclass(frozen=True)
class Way:
    """A backend, the images that it takes at once, and the workers that share a batch."""

    backend: str
    at_once: int
    workers: int = 1

    def __str__(self) -> str:
        return f"{self.backend}/{self.at_once}" + (f"x{self.workers}" if self.workers > 1 else "")


@dataclass(frozen=True)
class Choice:
    """The way that was quickest.

    Attributes:
        run: any number of images -> logits.
        seconds: that a batch took by each way, the median: "openvino/4" is OpenVINO with four images at once,
            "openvino/4x2" the same with two workers.
        aside: why other backends were not trusted.
        load: seconds that it takes to have it ready from what is remembered.
        remembered: whether it was probed for in an earlier run.
    """

    way: Way
    run: Runner
    seconds: dict[str, float]
    aside: dict[str, str] = field(default_factory=dict)
    load: float = 0.0
    remembered: bool = False


def choose(
    net: nn.Module,
    channels: int,
    size: int,
    batch: int,
    threads: int,
    keep: Path | None = None,
    again: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Choice:
    """The quickest way to run `net` on batches of so many images [channels, size, size] with so many threads.

    Every installed backend runs random and image-like batches; one whose logits are further from eager's than
    TOLERANCE (see `difference`), or that fails, is put aside. The others are timed in turns on the same batch.

    Args:
        net: in evaluation mode, on the CPU, float32; it is not changed.
        keep: the folder that remembers the choice; where it cannot be written, nothing is remembered.
        again: probe, whatever is remembered.
        say: is told in a line that it probes.
    """
    net.eval()
    asked = kept.Asked.of(net, channels, size, batch, threads)
    if keep is not None and not again and (found := recall(net, asked, keep)):
        return found
    say("looking for the quickest way to run the network here, once")
    with TemporaryDirectory(prefix="opsin-", ignore_cleanup_errors=True) as folder:
        graph = Path(folder) / "model.onnx"
        choice = probe(net, channels, size, batch, threads, graph)
        if keep is not None:
            began = time.perf_counter()
            weights = kept.fingerprint(net)
            hashing = 2 * (time.perf_counter() - began)  # the graph has about as many bytes
            known = {"way": asdict(choice.way), "seconds": choice.seconds, "aside": choice.aside}
            known |= {"load": choice.load + hashing, "weights": weights}
            kept.remember(keep, asked, known, graph if choice.way.backend in backends.OF_GRAPHS else None)
    return choice


def probe(net: nn.Module, channels: int, size: int, batch: int, threads: int, graph: Path) -> Choice:
    """Tries all ways, the best of each backend against each other; writes `graph` where a backend wants one."""
    checks = batches(channels, size, batch)
    run = build("eager", net, checks[0], threads)
    right = [run(images) for images in checks]
    eager = Way("eager", batch)
    best, load = {eager: run}, {eager: 0.0}
    seconds: dict[Way, float] = {}
    aside: dict[str, str] = {}
    heavy = sum(p.nbytes for p in net.parameters()) > HEAVY
    for name in installed(AMONG):
        try:
            if name in backends.OF_GRAPHS and not graph.exists():
                to_onnx(net, two(checks[0]), graph)
            made: dict[tuple[int, int], Runner] = {}
            runs: dict[Way, Runner] = {}
            took = 0.0
            for way in ways_of(name, batch, threads, heavy):
                kind = (way.workers, way.at_once if name in backends.FIXED else 0)
                if kind not in made:
                    began = time.perf_counter()
                    own = net if name in backends.OF_GRAPHS else deepcopy(net)
                    made[kind] = start(way, own, checks[0], threads, graph)
                    took = time.perf_counter() - began
                load[way] = took
                runs[way] = in_parts(made[kind], way.at_once, way.workers)
                verify(runs[way], checks, right)
            found = race(runs, checks[0])
            way = min(found, key=lambda way: found[way])
            best[way] = runs[way]
            seconds |= found
            limit = SLOW * min(seconds.values())
            best = {way: run for way, run in best.items() if way == eager or seconds[way] <= limit}
        except Exception as error:  # a runtime raises what it likes, at its import too
            aside[name] = " ".join(str(error).split())[:200] or type(error).__name__
    final = race(best, checks[0])
    way = min(final, key=lambda way: final[way])
    named = {str(way): value for way, value in (seconds | final).items()}
    an_image = (final[eager] + final[way]) / batch  # what verifying it takes
    return Choice(way, best[way], named, aside, load[way] + an_image)


def ways_of(backend: str, batch: int, threads: int, heavy: bool = False) -> list[Way]:
    """What is tried of a backend: a batch whole; of those of graphs, also in parts, and in parts shared by workers.

    Of a `heavy` network there are fewer where each is a copy of it in memory.
    """
    if backend not in backends.OF_GRAPHS:
        return [Way(backend, batch)]
    parts = [n for n in PARTS if n < batch]
    shared = [Way(backend, n, min(threads, batch // n)) for n in parts if threads > 1 and batch // n > 1]
    if shared:
        parts.remove(1)  # workers are quicker with single images
    if heavy and backend in backends.FIXED:
        parts, shared = [], shared[-1:]
    return [*(Way(backend, n) for n in (*parts, batch)), *shared]


def start(way: Way, net: nn.Module, images: Tensor, threads: int, graph: Path | None) -> Runner:
    """What runs the parts of a batch of images of the size of `images`."""
    part = images[:1].expand(way.at_once, *images.shape[1:])
    return build(way.backend, net, part, threads, graph, way.workers)


def recall(net: nn.Module, asked: kept.Asked, keep: Path) -> Choice | None:
    """The choice that was remembered, made ready and verified on an image; None where anything is not as it was."""
    known = kept.read(keep, asked)
    if known is None:
        return None
    weights, digest = known.pop("weights"), known.pop("graph")
    if weights != kept.fingerprint(net):
        return None
    try:
        way = Way(**known.pop("way"))
        graph = kept.graph(keep, asked, digest) if way.backend in backends.OF_GRAPHS else None
        images = like_images(asked.channels, asked.size)[:1]
        run = start(way, deepcopy(net) if graph is None else net, images, asked.threads, graph)
        run = in_parts(run, way.at_once, way.workers)
        verify(run, [images], [build("eager", net, images, asked.threads)(images)])
    except Exception:  # damaged, or another machine's: it is probed anew
        return None
    return Choice(way, run, remembered=True, **known)


def verify(run: Runner, checks: list[Tensor], right: list[Tensor]) -> None:
    """Raises OpsinError where logits differ from the right ones by more than TOLERANCE."""
    for images, expected in zip(checks, right, strict=True):
        if not (off := difference(run(images), expected)) <= TOLERANCE:  # NaN is not
            raise OpsinError(f"differs from eager PyTorch by {off:.1e} of the largest logit")


def difference(found: Tensor, expected: Tensor) -> float:
    """The largest difference of any logit of a batch [N, classes], as a share of its largest expected one.

    Both without their sign; so that a softmax's classes and probabilities agree to about TOLERANCE times that logit.

    Raises OpsinError where their shapes differ.
    """
    if found.shape != expected.shape:
        raise OpsinError(f"gives logits of shape {list(found.shape)} instead of {list(expected.shape)}")
    scale = expected.abs().max().clamp(min=torch.finfo(torch.float32).tiny)
    return ((found - expected).abs().max() / scale).item()


def race(ways: dict[K, Runner], images: Tensor) -> dict[K, float]:
    """Median seconds of each; they run in turns, so that drift hits all alike. The slow ones soon drop out."""
    times: dict[K, list[float]] = {way: [] for way in ways}
    medians: dict[K, float] = {}
    going, began = list(ways), time.perf_counter()
    for turn in range(1, TURNS + 1):
        for way in going:
            at = time.perf_counter()
            ways[way](images)
            times[way].append(time.perf_counter() - at)
            medians[way] = statistics.median(times[way])
        limit = (SLOW if turn > 1 else SURE) * min(medians.values())
        going = [way for way in going if medians[way] <= limit]
        if len(going) == 1 or (turn >= LEAST and time.perf_counter() - began > SECONDS):
            break
    return medians


def in_parts(run: Runner, n: int, workers: int = 1) -> Runner:
    """The same, never given more than `n` images at once; by so many workers at a time."""
    if workers > 1:
        pool = ThreadPoolExecutor(workers)
        return lambda images: torch.cat(list(pool.map(run, images.split(n))))
    return lambda images: run(images) if len(images) <= n else torch.cat([run(part) for part in images.split(n)])


def batches(channels: int, size: int, batch: int) -> list[Tensor]:
    """What is verified on: a batch of noise, and three images."""
    noise = torch.randn(batch, channels, size, size, generator=torch.Generator().manual_seed(0))
    return [noise, like_images(channels, size)]


def like_images(channels: int, size: int) -> Tensor:
    """Three images [3, channels, size, size] in the range of normalised ones: smooth shapes, all black, all white."""
    coarse = torch.rand(1, channels, 7, 7, generator=torch.Generator().manual_seed(1))
    smooth = nn.functional.interpolate(coarse, (size, size), mode="bicubic", align_corners=False).clamp(0, 1)
    return torch.cat([smooth, torch.zeros_like(smooth), torch.ones_like(smooth)]).sub(0.45).div(0.225)
