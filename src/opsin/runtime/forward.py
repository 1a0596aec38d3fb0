"""Many images through one network on the processor, by the backend that was asked for.

For what only infers: `opsin predict` and `opsin embed`. The evaluations of `opsin compare` stay with PyTorch, since
their figures repeat bit for bit, and another backend's sums differ in their last digits.
"""

import time
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import torch
from torch import Tensor, nn

from opsin.errors import OpsinError, unknown
from opsin.runtime import fast, kept
from opsin.runtime.backends import BACKENDS, MOST_THREADS, Runner, build, check_backend

CHOICES = ("auto", "best", *BACKENDS)
WORTH = 30.0
"""Seconds that the images left must take, beyond PROBE batches, before the backends are tried."""
PROBE = 30
"""What trying the backends takes, in batches of PyTorch's."""


class Forward:
    """Images [N, C, S, S], normalised, float32 -> logits [N, classes].

    "auto" uses what an earlier run found, if these images are enough to win back the time of its start. Else it begins
    with PyTorch, and tries the backends (`fast.choose`) once the images left would take that much longer than the
    trial does. "best" tries them at once, or takes what was found. Any other backend is verified, and used.

    Attributes:
        used: the ways that ran, in order: "eager/16".
    """

    def __init__(
        self,
        net: nn.Module,
        channels: int,
        size: int,
        *,
        images: int,
        batch: int,
        backend: str = "auto",
        threads: int | None = None,
        keep: Path | None = None,
        first: str = "eager",
        say: Callable[[str], None] | None = None,
    ):
        """
        Args:
            images: how many are to come.
            batch: how many the backends are tried with; they come by so many at once, or more.
            threads: of the processor; by default as many as PyTorch takes.
            keep: the folder that remembers what is quickest.
            first: the backend that "auto" begins with.
            say: is told in a line what is tried, found and put aside.

        Raises:
            OpsinError: the backend is unknown, not installed, cannot run the network, or gives other logits.
        """
        check(backend, threads)
        self.net, self.channels, self.size = net.eval(), channels, size
        self.left, self.batch, self.keep = images, batch, keep
        self.first, self.threads = first, threads or torch.get_num_threads()
        self.say = say or (lambda line: None)
        self.deciding = backend == "auto"
        self.times: list[float] = []
        self.used: list[str] = []
        if backend == "best":
            self.choose()
        elif backend != "auto":
            self.take(backend, self.forced(backend))
        elif not self.recalled():
            self.take(first, build(first, net, fast.like_images(channels, size), self.threads))

    def __call__(self, images: Tensor) -> Tensor:
        began = time.perf_counter()
        logits = self.run(images)
        self.left -= len(images)
        if self.deciding and len(images) >= self.batch:
            self.times.append((time.perf_counter() - began) / len(images) * self.batch)
            a_batch = min(self.times)
            if len(self.times) > 1 and self.left / self.batch * a_batch > WORTH + PROBE * a_batch:
                self.choose()
        return logits

    def take(self, way: str, run: Runner) -> None:
        self.run = run
        self.used.append(way)

    def choose(self) -> None:
        self.deciding = False
        found = fast.choose(self.net, self.channels, self.size, self.batch, self.threads, self.keep, say=self.say)
        for name, why in found.aside.items():
            self.say(f"{name} is not used: {why}")
        eager = found.seconds.get(f"eager/{self.batch}", 0.0)
        self.say(
            f"{found.way.backend}, {found.way.at_once} at once{', found before' if found.remembered else ''}: "
            f"{found.seconds[str(found.way)] / self.batch * 1e3:.1f} ms an image; "
            f"eager PyTorch {eager / self.batch * 1e3:.1f}"
        )
        self.take(str(found.way), found.run)

    def recalled(self) -> bool:
        """Whether an earlier run's choice is taken up."""
        if self.keep is None or not self.keep.is_dir():
            return False
        asked = kept.Asked.of(self.net, self.channels, self.size, self.batch, self.threads)
        known = kept.read(self.keep, asked)
        if known is None:
            return False
        seconds = known["seconds"]
        eager = seconds.get(f"eager/{self.batch}", 0.0)
        saved = seconds.get(f"{self.first}/{self.batch}", eager) - min(seconds.values())
        if saved * self.left / self.batch <= known["load"]:
            self.deciding = False
            return False
        found = fast.recall(self.net, asked, self.keep)
        if found is None:
            return False
        self.deciding = False
        self.take(str(found.way), found.run)
        return True

    def forced(self, backend: str) -> Runner:
        if backend == "eager":
            return build("eager", self.net, torch.empty(0), self.threads)
        checks = fast.batches(self.channels, self.size, max(1, min(self.batch, self.left)))
        try:
            run = build(backend, deepcopy(self.net), checks[0], self.threads)
            fast.verify(run, checks, [build("eager", self.net, images, self.threads)(images) for images in checks])
        except Exception as error:  # a runtime raises what it likes, at its import too
            why = " ".join(str(error).split())[:200] or type(error).__name__
            raise OpsinError(f"backend {backend} cannot run this network ({why}): take another") from None
        return run


def check(backend: str, threads: int | None) -> None:
    """Raises OpsinError for a backend that there is not or is not installed, and for too few or many threads."""
    if backend not in CHOICES:
        raise unknown("backend", backend, CHOICES)
    if backend in BACKENDS:
        check_backend(backend)
    if threads is not None and not 1 <= threads <= MOST_THREADS:
        bound = "at least 1" if threads < 1 else f"at most {MOST_THREADS:,}"
        raise OpsinError(f"--threads must be {bound}, not {threads}")
