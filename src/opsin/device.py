"""Where a run computes, and in which precision."""

import contextlib

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


def precision(device: torch.device, which: str = "auto") -> contextlib.AbstractContextManager:
    """ "float32"; "bfloat16" by autocast; or "auto", which is bfloat16 on CUDA and float32 elsewhere."""
    if which == "bfloat16" or (which == "auto" and device.type == "cuda"):
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return contextlib.nullcontext()
