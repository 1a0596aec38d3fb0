"""Evaluation: the logits of a network for a part of the images."""

import numpy as np
import torch
from torch import Tensor, nn

from opsin.data.preprocess import Preprocess
from opsin.device import place_images, precision


@torch.inference_mode()
def predict(
    net: nn.Module,
    images: np.ndarray,
    samples: np.ndarray,
    preprocess: Preprocess,
    device: torch.device,
    batch_size: int = 256,
) -> Tensor:
    """Logits, float32 [len(samples), K] on the CPU, of `images` (uint8 [n, C, S, S]) at the indices `samples`."""
    was_training = net.training
    net.eval()
    pixels, rows, logits = torch.from_numpy(images), torch.from_numpy(samples), []
    for at in range(0, len(samples), batch_size):
        batch = pixels.index_select(0, rows[at : at + batch_size]).to(device)
        with precision(device):
            logits.append(net(place_images(preprocess.normalize(batch))).float().cpu())
    net.train(was_training)
    return torch.cat(logits)
