"""What a worker does for one visit to a cell: builds it, warms it up, times some blocks, and once its memory."""

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from opsin import zoo
from opsin.bench import fits
from opsin.bench.cell import Cell
from opsin.costs import machine
from opsin.costs.free import free_memory
from opsin.costs.measure import LONG, Run, TimedBlock, block, synchronise, warm_up
from opsin.costs.power import Meter, find_meter
from opsin.device import choose_device, place, precision
from opsin.engine.optim import make_optimizer
from opsin.engine.train import train_step
from opsin.errors import OpsinError
from opsin.recipes import MODERN
from opsin.runtime.backends import OF_NETWORKS, build, check_place
from opsin.tasks.classify import Classify

ALLOCATED = ("eager", "channels_last")
"""Backends whose memory comes from PyTorch's allocator alone, operator by operator."""
GROUP = 10
"""Cells that are measured in turns."""


@dataclass(frozen=True)
class Visit:
    """The blocks of one visit, and what was asked for beside them; `memory` in bytes."""

    blocks: list[TimedBlock]
    load: float | None
    memory: int | None = None
    fits: int | None = None


def visit(asked: tuple[Cell, bool, bool], report: Callable[[Any], None]) -> Visit:
    """Visits a cell: (the cell, whether its memory is wanted, whether energy is read).

    Raises OpsinError where it cannot be run, and what PyTorch raises where memory ends.
    """
    cell, wants_memory, wants_power = asked
    device = choose_device(cell.device)
    torch.set_num_threads(cell.threads)
    others = torch.cuda.memory_allocated(device) if device.type == "cuda" else 0  # compiled networks that are kept
    net, run = runner(cell) if kept(cell) else make(cell)
    meter = meter_of(device) if wants_power else None
    seconds = 1.0 if meter else 0.3
    try:
        long = warm_up(run, device) >= LONG
        load = machine.load()
        blocks = [block(run, device, seconds, threads=cell.threads, meter=meter) for _ in range(1 if long else 2)]
    except ValueError as error:
        raise OpsinError(f"{cell} cannot be run: {error}") from None
    memory = peak(run, net, cell, device, others) if wants_memory else None
    most = largest_tried(cell, device) if wants_memory and device.type == "cuda" else None
    return Visit(blocks, load, memory, most)


def kept(cell: Cell) -> bool:
    """Whether the backend compiles, which is too long to be done in every visit."""
    return cell.backend not in ALLOCATED


@lru_cache(maxsize=GROUP)
def runner(cell: Cell) -> tuple[nn.Module, Run]:
    return make(cell)


def make(cell: Cell) -> tuple[nn.Module, Run]:
    """The network, with drawn weights, and what runs it on drawn images."""
    torch.manual_seed(0)
    device = choose_device(cell.device)
    card = zoo.card(cell.model)
    net = zoo.build_model(cell.model, input_size=cell.size).to(device)
    images = torch.randn(cell.batch, card.inputs.channels, cell.size, cell.size, device=device)
    if cell.train:
        return net, training(net, images, torch.randint(card.num_classes, (cell.batch,), device=device))
    check_place(cell.backend, device.type)
    infer = build(cell.backend, net.eval(), images, cell.threads)

    def run() -> None:
        with precision(device):
            infer(images)

    return net, run


def training(net: nn.Module, images: Tensor, labels: Tensor) -> Run:
    """A training step as the engine takes it, with AdamW, at a rate that leaves the weights about where they are."""
    place(net.train(), images.device)
    optimizer = make_optimizer(net, MODERN)
    return lambda: train_step(net, images, labels, Classify(), optimizer, 1e-9, MODERN)


@lru_cache(maxsize=1)
def meter_of(device: torch.device) -> Meter | None:
    found = find_meter(device)
    return None if isinstance(found, str) else found


def peak(run: Run, net: nn.Module, cell: Cell, device: torch.device, others: int = 0) -> int | None:
    """Bytes that PyTorch's allocator has given out at the peak of a run; None where it is not asked or does not tell.

    On a GPU without the bytes of `others`, which were there before.
    On a CPU: what is alive before (weights, buffers, moments of the optimizer, images), and the most that a
    profile of every allocation finds beside it.
    """
    if device.type == "cuda" and cell.backend in OF_NETWORKS:
        torch.cuda.reset_peak_memory_stats(device)
        run()
        synchronise(device)
        return torch.cuda.max_memory_allocated(device) - others
    if device.type != "cpu" or cell.backend not in ALLOCATED:
        return None
    alive = sum(x.nbytes for x in (*net.parameters(), *net.buffers()))
    alive += 4 * cell.batch * zoo.card(cell.model).inputs.channels * cell.size**2
    if cell.train:
        net.zero_grad(set_to_none=True)  # the profiler does not see the end of what was there before it
        alive += 2 * sum(p.nbytes for p in net.parameters())
    return alive + most_allocated(run)


def most_allocated(run: Run) -> int:
    """The most that PyTorch's allocator on the CPU has given out during a run, beyond what it had before."""
    with silent(), profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        run()
    results: Any = profiled.profiler and profiled.profiler.kineto_results
    live = most = 0
    events = [event for event in results.events() if event.name() == "[memory]"]
    for event in sorted(events, key=lambda event: event.start_ns()):
        live += event.nbytes()
        most = max(most, live)
    return most


@contextmanager
def silent() -> Iterator[None]:
    """What the profiler's library writes to stderr goes nowhere."""
    kept = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def largest_tried(cell: Cell, device: torch.device) -> int | None:
    """The largest batch that a GPU takes, from the predicted one down."""
    gc.collect()
    torch.cuda.empty_cache()
    free = free_memory(device)
    if free is None or cell.backend not in OF_NETWORKS:
        return None

    def once(batch: int) -> None:
        _, run = make(replace(cell, batch=batch))
        run()
        synchronise(device)

    return fits.tried(fits.largest(cell, free), once)
