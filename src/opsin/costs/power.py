"""Energy that the machine takes: the processor's own counters (RAPL, on Linux), or the driver of an NVIDIA GPU."""

import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import torch

POWERCAP = Path("/sys/class/powercap")
Meter = Callable[[], float]
"""Joules since some time; what it tells grows."""


def find_meter(device: torch.device, powercap: Path = POWERCAP) -> Meter | str:
    """What reads the energy that the device takes; where nothing does, the reason, in words."""
    if device.type == "cpu":
        return rapl(powercap)
    if device.type == "cuda":
        return nvml(f"GPU-{torch.cuda.get_device_properties(device).uuid}")
    return f"no energy counter is known for {device.type}"


def rapl(powercap: Path = POWERCAP) -> Meter | str:
    """The energy of all processor packages."""
    # intel-rapl:0 is a package; intel-rapl:0:1 a part of it; intel-rapl-mmio repeats what intel-rapl has
    packages = [zone for zone in sorted(powercap.glob("intel-rapl:*")) if zone.name.count(":") == 1]
    packages = [zone for zone in packages if name_of(zone).startswith("package")]
    if not packages:
        return f"no RAPL counters ({powercap}/intel-rapl:*): a virtual machine, or another system than Linux"
    try:
        counters = [Counter(zone) for zone in packages]
    except (OSError, ValueError):
        return f"the RAPL counters cannot be read: they want root (sudo chmod -R a+r {powercap}/intel-rapl:*)"
    return lambda: sum(counter.joules() for counter in counters)


def name_of(zone: Path) -> str:
    try:
        return (zone / "name").read_text(encoding="ascii").strip()
    except OSError:
        return ""


class Counter:
    """One RAPL zone, in joules since this began; its counter of microjoules starts again at its range's end."""

    def __init__(self, zone: Path):
        self.file = zone / "energy_uj"
        self.range = self.read(zone / "max_energy_range_uj")
        self.last, self.total = self.read(self.file), 0

    def read(self, file: Path) -> int:
        return int(file.read_text(encoding="ascii"))

    def joules(self) -> float:
        now = self.read(self.file)
        self.total += now - self.last if now >= self.last else now + self.range - self.last
        self.last = now
        return self.total / 1e6


def nvml(uuid: str) -> Meter | str:
    """A GPU's own counter where nvidia-ml-py is installed, else its power, asked of nvidia-smi, over the time."""
    try:
        import pynvml  # pyright: ignore[reportMissingImports]

        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByUUID(uuid)
        pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
        return lambda: pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3
    except ImportError:
        why = "pip install nvidia-ml-py"
    except Exception as error:  # NVMLError: a driver or a GPU without the counter
        why = str(error)
    if shutil.which("nvidia-smi") is None:
        return f"no NVML ({why}), nor nvidia-smi"
    try:
        return Draw(lambda: watts_of(uuid))
    except (OSError, ValueError, subprocess.SubprocessError):
        return "nvidia-smi does not tell this GPU's power"


def watts_of(uuid: str) -> float:
    command = ["nvidia-smi", f"--id={uuid}", "--query-gpu=power.draw", "--format=csv,noheader,nounits"]
    return float(subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout)


class Draw:
    """Joules from a power that is asked now and then: its mean between two calls, times the seconds between them."""

    def __init__(self, watts: Callable[[], float]):
        self.watts, self.total = watts, 0.0
        self.last, self.at = watts(), time.monotonic()

    def __call__(self) -> float:
        now, at = self.watts(), time.monotonic()
        self.total += (self.last + now) / 2 * (at - self.at)
        self.last, self.at = now, at
        return self.total
