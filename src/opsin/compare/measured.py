"""What a comparison measures once its workers are gone: the latency of each network on a quiet machine."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from opsin import zoo
from opsin.costs import machine, memory
from opsin.costs.measure import Latency, latency
from opsin.device import choose_device
from opsin.files import write_json
from opsin.watch import Watch

FILE = "latency.json"
THREADS = 1
NOISE = ("dropout", "drop_path")
"""Arguments of networks' constructors that change nothing once they are trained."""


def measure(
    folder: Path, networks: dict[str, tuple[str, dict[str, Any]]], device: str, watch: Watch
) -> tuple[dict[str, Latency], dict[str, Any]]:
    """Latency of networks, and the machine; kept in the folder and measured only once.

    `networks` gives name and arguments of the network of each entry; entries with the same network share its latency.
    """
    try:
        kept = json.loads((folder / FILE).read_text(encoding="utf-8"))
        if kept["latency"].keys() >= networks.keys():
            return {name: Latency(**kept["latency"][name]) for name in networks}, kept["machine"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass  # not measured yet, or not readable any more
    where = choose_device(device)
    facts = machine.describe(where) | {"latency_threads": THREADS, "load_at_latency": machine.load()}
    watch.stage("measuring latency", len(networks))
    found: dict[str, Latency] = {}
    for name, (model, built) in networks.items():
        twin = next((other for other in found if alike(networks[other], (model, built))), None)
        if twin is None:
            torch.manual_seed(0)
            net = zoo.build_model(model, **built)
            found[name] = latency(net, built["in_chans"], built["input_size"], where, threads=THREADS)
        else:
            found[name] = found[twin]
        watch.advance(1)
    facts["busy"] = any(entry.busy for entry in found.values())
    write_json(folder / FILE, {"machine": facts, "latency": {name: asdict(entry) for name, entry in found.items()}})
    return found, facts


def alike(one: tuple[str, dict[str, Any]], other: tuple[str, dict[str, Any]]) -> bool:
    """Whether two networks do the same when they predict: dropout and drop-path act in training alone."""
    ways = [(model, {key: built[key] for key in built if key not in NOISE}) for model, built in (one, other)]
    return ways[0] == ways[1]


def memory_mb(model: str, arguments: dict[str, Any], batch_size: int) -> float:
    """What one training step holds at its peak, in MiB (see `opsin.costs.memory`)."""
    net = zoo.meta_model(model, **arguments)
    side = arguments["input_size"]
    return memory.training(net, arguments["in_chans"], (side, side), batch_size) / 2**20
