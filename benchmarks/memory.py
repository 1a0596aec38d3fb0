"""Predicted peaks of memory against those of PyTorch's allocator on the CPU.

    python benchmarks/memory.py [--models resnet50 vgg16] [--batches 1 8]

Prediction counts tensors on the `meta` device. Measured is what is alive before (weights, buffers, images, and for
training AdamW's two moments) and the most that the profiler sees given out beside it, in a forward pass
without gradients and in the second of two training steps; float32, channels last, at the paper's size. Prints MiB and
the ratio of predicted to measured, and the largest error of both kinds.
"""

import argparse
import gc
import os

os.environ["KINETO_LOG_LEVEL"] = "99"

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from opsin import zoo
from opsin.bench.job import most_allocated
from opsin.costs import memory
from opsin.device import place, place_images
from opsin.errors import OpsinError

MODELS = (
    "resnet50", "vgg16", "mobilenet_v2_100", "densenet121", "convnext_tiny", "vit_small_patch16_224",
    "swin_tiny_patch4_window7_224", "googlenet", "inception_v3", "alexnet", "enet",
)  # fmt: skip
WITHIN = {"inference": 0.15, "training": 0.20}


def nbytes(*tensors: Tensor) -> int:
    return sum(x.nbytes for x in tensors)


def measured_inference(net: nn.Module, images: Tensor) -> int:
    net.eval()
    with torch.inference_mode():
        return nbytes(*net.parameters(), *net.buffers(), images) + most_allocated(lambda: net(images))


def measured_training(net: nn.Module, images: Tensor) -> int:
    """The second step: the first makes the optimizer's moments. Gradients go before it, as nobody would see later."""
    optimizer = torch.optim.AdamW(net.train().parameters(), lr=1e-6, fused=True)

    def step() -> None:
        outputs = tree_leaves(net(images))
        labels = [torch.zeros(out.shape[0], *out.shape[2:], dtype=torch.long) for out in outputs]
        torch.stack([F.cross_entropy(out, label) for out, label in zip(outputs, labels, strict=True)]).sum().backward()
        optimizer.step()

    step()
    optimizer.zero_grad(set_to_none=True)
    moments = [x for state in optimizer.state.values() for x in state.values()]
    return nbytes(*net.parameters(), *net.buffers(), images, *moments) + most_allocated(step)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=MODELS, metavar="NAME")
    parser.add_argument("--batches", nargs="+", type=int, default=(1, 8), metavar="N")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    worst = dict.fromkeys(WITHIN, 0.0)
    print(f"{'network':30}{'batch':>6}  {'':10}{'predicted':>10}{'measured':>10}{'ratio':>7}")
    for name in asked.models:
        inputs = zoo.card(name).inputs
        size = (inputs.size, inputs.size)
        for batch in asked.batches:
            for kind, predict, measure in (
                ("inference", memory.inference, measured_inference),
                ("training", memory.training, measured_training),
            ):
                gc.collect()
                torch.manual_seed(0)
                net = place(zoo.build_model(name), torch.device("cpu"))
                try:
                    predicted = predict(net, inputs.channels, size, batch)
                except OpsinError as error:
                    print(f"{name:30}{batch:6}  {kind:10} cannot be run: {error}")
                    continue
                found = measure(net, place_images(torch.zeros(batch, inputs.channels, *size)))
                ratio = predicted / found
                worst[kind] = max(worst[kind], abs(ratio - 1))
                print(
                    f"{name:30}{batch:6}  {kind:10}{predicted / 2**20:10.1f}{found / 2**20:10.1f}{ratio:7.3f}",
                    flush=True,
                )
    for kind, error in worst.items():
        verdict = "within" if error <= WITHIN[kind] else "NOT within"
        print(f"{kind}: largest error {error:.1%}, {verdict} {WITHIN[kind]:.0%}")


if __name__ == "__main__":
    main()
