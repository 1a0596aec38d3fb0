"""Time of the local response norm, forward and backward, against PyTorch's own layer in the same run, on a CPU.

Each layer takes the shapes of AlexNet's conv1 and conv2 (batch 16) and those of alexnet_32 at 16 px (batch 64), in
turn, several times over; medians are printed, with the ratio of PyTorch's time to ours.

    python benchmarks/lrn_speed.py [--threads N] [--repeats N]
"""

import argparse
import statistics
import time

import torch
from torch import Tensor, nn

from opsin.models.layers import LocalResponseNorm

SHAPES = ((16, 96, 55, 55), (16, 256, 27, 27), (64, 24, 16, 16), (64, 64, 7, 7))


def seconds(layer: nn.Module, x: Tensor, direction: Tensor) -> tuple[float, float]:
    """Seconds of one forward and of one backward pass."""
    start = time.perf_counter()
    y = layer(x)
    middle = time.perf_counter()
    torch.autograd.grad(y, x, direction)
    return middle - start, time.perf_counter() - middle


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=21)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    ours = LocalResponseNorm(n=5, k=2.0, alpha=1e-4)
    theirs = nn.LocalResponseNorm(5, alpha=5 * 1e-4, beta=0.75, k=2.0)
    print(f"PyTorch {torch.__version__}, {arguments.threads} thread(s), median of {arguments.repeats}; ms")
    print(f"{'N C H W':>18}  {'torch fwd':>9} {'bwd':>7}  {'opsin fwd':>9} {'bwd':>7}  {'ratio':>5}")
    for shape in SHAPES:
        x = torch.randn(shape).relu_().requires_grad_()
        direction = torch.randn(shape)
        torch.testing.assert_close(ours(x), theirs(x))
        times = [(seconds(theirs, x, direction), seconds(ours, x, direction)) for _ in range(arguments.repeats)]
        a, b, c, d = (1000 * statistics.median(run[i][j] for run in times) for i in (0, 1) for j in (0, 1))
        name = " ".join(map(str, shape))
        print(f"{name:>18}  {a:9.2f} {b:7.2f}  {c:9.2f} {d:7.2f}  {(a + b) / (c + d):5.1f}")


if __name__ == "__main__":
    main()
