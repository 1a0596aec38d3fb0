"""Evaluation: what a network says of a part of the images, its logits or its embeddings."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from opsin.data.preprocess import Preprocess
from opsin.data.store import Images
from opsin.device import place_images, precision
from opsin.engine.world import World
from opsin.models.network import Network

BATCH, PIXELS = 256, 256 * 64 * 64
"""Images at once, at most; and how many pixels they may have together, so that the maps of large images find room."""


def at_once(height: int, width: int) -> int:
    """How many images of this size make a batch."""
    return max(8, min(BATCH, PIXELS // (height * width)))


def predict(
    net: nn.Module,
    images: Images,
    samples: np.ndarray,
    preprocess: Preprocess,
    device: torch.device,
    progress: Callable[[int], None] | None = None,
    exactness: str = "float32",
) -> Tensor:
    """Logits, float32 [len(samples), K] on the CPU, of `images` (uint8 [n, C, S, S]) at the indices `samples`.

    `progress` is told after each batch how many images are done; `exactness` is as of `opsin.device.precision`.
    """
    return _run(net, net, images, samples, preprocess, device, progress, exactness)


def predict_together(
    net: nn.Module,
    images: Images,
    samples: np.ndarray,
    preprocess: Preprocess,
    world: World,
    progress: Callable[[int], None] | None = None,
    exactness: str = "float32",
) -> Tensor:
    """The same by all processes of a world, each its share; of few images a process may have none of its own."""
    own = samples[world.share(len(samples))]
    logits = predict(net, images, own if len(own) else samples[:1], preprocess, world.device, progress, exactness)
    return world.gathered(logits[: len(own)], len(samples))


def embed(
    net: Network,
    images: Images,
    samples: np.ndarray,
    preprocess: Preprocess,
    device: torch.device,
    progress: Callable[[int], None] | None = None,
) -> Tensor:
    """What the last layer sees, float32 [len(samples), D] on the CPU; `progress` is told how many images are done."""
    return _run(net, net.embed, images, samples, preprocess, device, progress)


@torch.inference_mode()
def _run(
    net: nn.Module,
    call: Callable[[Tensor], Tensor],
    images: Images,
    samples: np.ndarray,
    preprocess: Preprocess,
    device: torch.device,
    progress: Callable[[int], None] | None = None,
    exactness: str = "auto",
) -> Tensor:
    was_training = net.training
    net.eval()
    size, outputs, done = at_once(*images.shape[2:]), [], 0
    for batch in images.batches(samples[at : at + size] for at in range(0, len(samples), size)):
        with precision(device, exactness):
            outputs.append(call(place_images(preprocess.normalize(batch.to(device)))).float().cpu())
        done += len(batch)
        if progress:
            progress(done)
    net.train(was_training)
    return torch.cat(outputs)
