"""What a run took from the wall, where the machine tells.

Intel's and AMD's processors count their energy under /sys/class/powercap (Running Average Power
Limit), NVIDIA's accelerators through NVML. Both count the whole machine: what else ran is in it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

POWERCAP = Path("/sys/class/powercap")
MICROJOULES_A_WH = 3.6e9
MILLIJOULES_A_WH = 3.6e6


def start_meter() -> Callable[[], float]:
    """Begin to count; the callable returns the Wh since then, NaN where no device tells.

    A processor's counter that wraps around between two looks counts as the device says it does:
    from its largest value to 0.
    """
    packages = _packages()
    began = [_microjoules(package / "energy_uj") for package in packages]
    devices = _devices()
    began_devices = [device() for device in devices]

    def spent_wh() -> float:
        if not packages and not devices:
            return float("nan")
        total = 0.0
        for package, start in zip(packages, began, strict=True):
            used = _microjoules(package / "energy_uj") - start
            if used < 0:
                used += _microjoules(package / "max_energy_range_uj")
            total += used / MICROJOULES_A_WH
        for device, start in zip(devices, began_devices, strict=True):
            total += (device() - start) / MILLIJOULES_A_WH
        return total

    return spent_wh


def _packages() -> list[Path]:
    """Return the processors' counters that may be read; of each its package alone."""
    found: list[Path] = []
    for folder in sorted(POWERCAP.glob("*-rapl:*")):
        if folder.name.count(":") == 1:
            try:
                _microjoules(folder / "energy_uj")
            except OSError:
                continue  # counters are for the administrator on many systems
            found.append(folder)
    return found


def _microjoules(file: Path) -> int:
    return int(file.read_text())


def _devices() -> list[Callable[[], float]]:
    """Return a counter, in millijoules, of each NVIDIA accelerator that has one."""
    if find_spec("pynvml") is None:
        return []
    import pynvml  # pyright: ignore[reportMissingImports]

    try:
        pynvml.nvmlInit()
        handles = [
            pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())
        ]
        for handle in handles:
            pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except pynvml.NVMLError:
        return []
    return [partial(_millijoules, handle) for handle in handles]


def _millijoules(handle: Any) -> float:
    import pynvml  # pyright: ignore[reportMissingImports]

    return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle))
