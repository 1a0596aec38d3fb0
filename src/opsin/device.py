"""Where a run computes, and in which precision."""

import contextlib
import os
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from opsin.errors import OpsinError


def choose_device(name: str = "auto") -> torch.device:
    """The device of that name; "auto" takes CUDA, then MPS, then the CPU. Raises OpsinError where it is not there."""
    here = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if here[kind]))
    if name not in here:
        raise OpsinError(f"unknown device {name!r}; known: auto, cpu, cuda, mps")
    if not here[name]:
        raise OpsinError(f"this machine (or its PyTorch) has no {name}; leave --device out, or take cpu")
    return torch.device(name)


def place(net: nn.Module, device: torch.device) -> nn.Module:
    """Moves a network to its device, with channels last, as convolutions want on CUDA and on CPUs alike."""
    if device.type == "mps":
        return net.to(device)
    return net.to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


def place_images(images: Tensor) -> Tensor:
    """Gives a batch [N, C, H, W] on a device the layout in memory that `place` gave the network."""
    if images.device.type == "mps":
        return images
    return images.contiguous(memory_format=torch.channels_last)


def reseed(device: torch.device, seed: int) -> None:
    """Seeds PyTorch's generators of the CPU and of `device` alone.

    `torch.manual_seed` asks every kind of device, and for those that are not there it notes the whole call stack.
    """
    torch.default_generator.manual_seed(seed)
    if device.type != "cpu":
        torch.get_device_module(device).manual_seed(seed)


@contextlib.contextmanager
def deterministic() -> Iterator[None]:
    """Inside, the same work gives the same bits on CUDA, too, slower; what cannot raises RuntimeError.

    To be entered before the first work on a GPU: cuBLAS reads its part of it when it starts.
    """
    before = torch.are_deterministic_algorithms_enabled()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def precision(device: torch.device, which: str = "auto") -> contextlib.AbstractContextManager:
    """ "float32"; "bfloat16" by autocast; or "auto", which is bfloat16 on CUDA and float32 elsewhere."""
    if which == "bfloat16" or (which == "auto" and device.type == "cuda"):
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return contextlib.nullcontext()
