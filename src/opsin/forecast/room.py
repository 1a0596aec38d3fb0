"""How much memory a training run may take here."""

from pathlib import Path

import torch

CGROUP = Path("/sys/fs/cgroup")


def free_memory(device: torch.device) -> int | None:
    """Bytes that are free on a device, or in main memory; None where the system does not tell."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()
    found = [free for free in (available(), left_in_group()) if free is not None]
    return min(found, default=None)


def available(table: Path = Path("/proc/meminfo")) -> int | None:
    """Bytes that Linux would give to programs without swapping."""
    try:
        lines = table.read_text(encoding="ascii").splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, IndexError, StopIteration):
        return None


def left_in_group(folder: Path = CGROUP) -> int | None:
    """Bytes that are left of the limit of a container."""
    try:
        most, used = (int((folder / name).read_text(encoding="ascii")) for name in ("memory.max", "memory.current"))
        return max(0, most - used)
    except (OSError, ValueError):  # "max" is no number: there is no limit
        return None
