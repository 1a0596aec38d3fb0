"""Other work on the machine while something is timed: the cores it took, from all processor time less our own.

Linux tells it of every core (what a hypervisor takes away, too). Elsewhere it shows only where a single thread that
computes gets less than the whole of a core.
"""

import os
import time
from pathlib import Path

STAT = Path("/proc/stat")
LIMIT, LIMIT_A_CORE = 0.1, 0.005
"""Cores that others may take of a machine of one core before a time is disturbed, and how many more for each core."""
GRAIN = 0.04
"""Seconds of others' work that cannot be told from the system's clock ticks."""


def cores_here() -> set[int]:
    """The cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux alone
    return affinity(0) if affinity is not None else set(range(os.cpu_count() or 1))


def busy_seconds(stat: Path = STAT) -> float | None:
    """Seconds that the cores of this process were not idle since the machine started; None where nobody tells."""
    try:
        lines = [line.split() for line in stat.read_text(encoding="ascii").splitlines() if line.startswith("cpu")]
        names = {f"cpu{core}" for core in cores_here()}
        found = [list(map(int, line[1:9])) for line in lines if line[0] in names]
        ticks = os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, AttributeError):
        return None
    # user nice system idle iowait irq softirq steal
    busy = sum(sum(row) - sum(row[3:5]) for row in found)
    return busy / ticks if busy else None


class Others:
    """Watches from when it is made; `threads` are those that compute all the time, 0 where it is not known."""

    def __init__(self, threads: int = 0, stat: Path = STAT):
        self.threads, self.stat = threads, stat
        self.busy, self.own, self.at = busy_seconds(stat), time.process_time(), time.perf_counter()

    def cores(self) -> float | None:
        """Cores that others have taken since, on average; None where it cannot be told."""
        busy, own, wall = busy_seconds(self.stat), time.process_time() - self.own, time.perf_counter() - self.at
        seen = []
        if busy is not None and self.busy is not None:
            seen.append(busy - self.busy - own)
        if self.threads == 1:
            seen.append(wall - own)
        return max(0.0, *seen) / wall if seen else None

    def disturb(self, cores: float | None) -> bool:
        """Whether others took more than a quiet machine's own work."""
        wall = time.perf_counter() - self.at
        return cores is not None and cores > max(LIMIT + LIMIT_A_CORE * len(cores_here()), GRAIN / wall)
