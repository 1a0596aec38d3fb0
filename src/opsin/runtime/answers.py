"""A network's answers to the images of a source, over all views of each."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, log
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from opsin.data.images import BadImage, quiet
from opsin.data.preprocess import Preprocess
from opsin.data.sources import Source
from opsin.data.threads import Progress, in_threads
from opsin.data.views import Views
from opsin.device import place, place_images
from opsin.engine.evaluate import at_once
from opsin.engine.world import World
from opsin.errors import OpsinError
from opsin.runtime.forward import Forward
from opsin.words import many, named

BATCH = 16
"""Inputs at once on a CPU, as in `opsin.predict`: sums are then the same to the last bit."""


@dataclass(frozen=True, eq=False)
class Answers:
    """Logits float32 [m, K] of the images that could be read; [0, 0] of none.

    Attributes:
        rows: int64 [m], which images of the source these are.
        bad: what could not be read, in words.
        backends: what ran the network; empty where PyTorch did without a choice.
    """

    rows: np.ndarray
    logits: np.ndarray
    bad: tuple[str, ...]
    backends: tuple[str, ...]


def answers(
    net: nn.Module,
    preprocess: Preprocess,
    source: Source,
    views: Views,
    *,
    here: World,
    batch_size: int | None = None,
    backend: str = "auto",
    threads: int | None = None,
    keep: Path | None = None,
    skip_bad: bool = False,
    progress: Progress | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Answers:
    """Asks a network about this process's share of the images; few are in memory at a time.

    Shares are whole batches, the same however many processes there are, and so are all sums. One view gives the
    network's logits as they are; several the logarithms of the mean of their softmax.

    Args:
        batch_size: inputs at once; by default 16 on a CPU, elsewhere as many as their size lets be.
        backend, threads, keep: as of `Forward`; on a CPU, and where all inputs have one size.
        skip_bad: goes on where images cannot be read; without it they are all looked for, and no more is computed.
    """
    size, device = preprocess.size, here.device
    inputs = batch_size or (BATCH if device.type == "cpu" else at_once(size, size))
    batch = ceil(inputs / views.count)
    share = range(len(source))[here.share(len(source), batch)]
    was_training, forward = net.training, None
    net.eval()
    if device.type == "cpu" and views.one_size:
        forward = Forward(
            net,
            preprocess.channels,
            size,
            images=len(share) * views.count,
            batch=min(inputs, BATCH),
            backend=backend,
            threads=threads,
            keep=keep,
            say=say,
        )
    else:
        place(net, device)

    def run(pixels: list[np.ndarray]) -> Tensor:
        """Inputs of one size -> logits [n, K], or [2n, K] with those of the mirror images behind."""
        images = preprocess.normalize(torch.from_numpy(np.stack(pixels)).to(device))
        if views.mirrored:
            images = torch.cat([images, images.flip(-1)])
        if forward is not None:
            return forward(images)
        parts = images.split(min(inputs, at_once(*images.shape[2:])))
        return torch.cat([net(place_images(part)) for part in parts]).float().cpu()

    def look(k: int) -> list[np.ndarray] | BadImage:
        try:
            return views.of(source.image(share[k]))
        except BadImage as error:
            return error

    rows: list[int] = []
    bad: list[str] = []
    waiting: list[list[np.ndarray]] = []
    logits: list[np.ndarray] = []
    try:
        with quiet(), torch.inference_mode():
            for i, seen in zip(share, in_threads(look, len(share), progress), strict=True):
                if isinstance(seen, BadImage):
                    bad.append(str(seen))
                elif skip_bad or not bad:
                    rows.append(i)
                    waiting.append(seen)
                if waiting and ((i + 1) % batch == 0 or i == share[-1]):
                    logits.append(over_views(waiting, views, run).numpy())
                    waiting = []
    finally:
        net.train(was_training)
    backends = tuple(forward.used) if forward else ()
    return Answers(np.array(rows, dtype=np.int64), joined(logits), tuple(bad), backends)


def together(shares: Sequence[Answers], source: Source, skip_bad: bool = False) -> Answers:
    """The answers of all processes as those of one.

    Raises OpsinError where images cannot be read (at most ten are named), without `skip_bad`; and where none can.
    """
    rows = np.concatenate([share.rows for share in shares])
    bad = tuple(line for share in shares for line in share.bad)
    if bad and not (skip_bad and len(rows)):
        count, it = f"{len(bad):,} of {many(len(source), 'image')}", "it" if len(bad) == 1 else "them"
        mend = f"mend {it}, take {it} away" + ("" if skip_bad else ", or give --skip-bad")
        raise OpsinError(f"{count} in {source.path or source.name} cannot be read; {mend}: {named(bad)}")
    backends = dict.fromkeys(way for share in shares for way in share.backends)
    return Answers(rows, joined([share.logits for share in shares if len(share.rows)]), bad, tuple(backends))


def joined(logits: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(logits) if logits else np.zeros((0, 0), np.float32)


def over_views(images: list[list[np.ndarray]], views: Views, run: Callable[[list[np.ndarray]], Tensor]) -> Tensor:
    """Logits [n, K] of n images, each a list of its inputs; inputs of the same size are run together."""
    sizes: defaultdict[tuple[int, ...], list[tuple[int, np.ndarray]]] = defaultdict(list)
    for i, inputs in enumerate(images):
        for pixels in inputs:
            sizes[pixels.shape].append((i, pixels))
    found: list[list[Tensor]] = [[] for _ in images]
    for same in sizes.values():
        for k, row in enumerate(run([pixels for _, pixels in same])):
            found[same[k % len(same)][0]].append(row)
    every = torch.stack([torch.stack(rows) for rows in found])  # n views K
    if views.count == 1:
        return every[:, 0]
    return (every.double().log_softmax(2).logsumexp(1) - log(views.count)).float()
