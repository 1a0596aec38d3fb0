"""How much memory a program may take here."""

import os
from pathlib import Path

import torch

CGROUP = Path("/sys/fs/cgroup")
GIVEN_BACK = ("active_file", "inactive_file")
"""What a container's memory holds of files on the disk: it is freed as soon as a program wants it."""


def free_memory(device: torch.device) -> int | None:
    """Bytes that are free on a device, or in main memory; None where the system does not tell."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    system = available()
    found = [free for free in (half() if system is None else system, left_in_group()) if free is not None]
    return min(found, default=None)


def available(table: Path = Path("/proc/meminfo")) -> int | None:
    """Bytes that Linux would give to programs without swapping."""
    try:
        lines = table.read_text(encoding="ascii").splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, IndexError, StopIteration):
        return None


def half() -> int | None:
    """Half of the main memory, for systems that do not say what of it is free."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, ValueError, OSError):
        return None


def left_in_group(folder: Path = CGROUP) -> int | None:
    """Bytes that are left of the limit of a container."""
    try:
        most, used = (int((folder / name).read_text(encoding="ascii")) for name in ("memory.max", "memory.current"))
    except (OSError, ValueError):  # "max" is no number: there is no limit
        return None
    return max(0, most - max(0, used - of_files(folder / "memory.stat")))


def of_files(table: Path) -> int:
    """Bytes of a container's memory that only hold what is on the disk; 0 where it is not told."""
    try:
        rows = dict(line.split() for line in table.read_text(encoding="ascii").splitlines())
        return sum(int(rows[name]) for name in GIVEN_BACK)
    except (OSError, ValueError, KeyError):
        return 0
