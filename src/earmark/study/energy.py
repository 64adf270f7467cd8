"""Measure the energy that a run takes, where the machine has counters.

Intel's and AMD's processors count their energy under /sys/class/powercap (Running Average Power
Limit), NVIDIA's accelerators through NVML. Both count the whole machine: what else ran is in it.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

POWERCAP = Path("/sys/class/powercap")
JOULES_A_WH = 3600.0
POLL_INTERVAL_S = 60.0
"""A processor's counter starts anew after some 260 kJ: not twice between two looks."""


@dataclass(frozen=True)
class EnergyCounter:
    """A count of joules that only grows; from `wraps_at` on it begins at 0 again."""

    read: Callable[[], float]
    wraps_at: float = float("inf")


class EnergyMeter:
    """Counts, from entering its block to leaving it, what the machine's counters count."""

    def __init__(self, counters: Sequence[EnergyCounter] | None = None) -> None:
        self._counters = find_counters() if counters is None else counters
        self._last = [counter.read() for counter in self._counters]
        self._joules = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> EnergyMeter:
        if self._counters:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._counters:
            self._thread.join()
            self.look()

    def spent_wh(self) -> float:
        """Return the Wh so far, NaN where no device tells."""
        return self._joules / JOULES_A_WH if self._counters else float("nan")

    def look(self) -> None:
        """Take in what the counters say now."""
        for place, counter in enumerate(self._counters):
            now = counter.read()
            used = now - self._last[place]
            self._joules += used if used >= 0 else used + counter.wraps_at
            self._last[place] = now

    def _watch(self) -> None:
        while not self._over.wait(POLL_INTERVAL_S):
            self.look()


def find_counters() -> list[EnergyCounter]:
    """Return the counters of this machine that may be read."""
    return [*cpu_counters(POWERCAP), *_gpu_counters()]


def cpu_counters(powercap: Path) -> list[EnergyCounter]:
    """Return the counter of each processor package.

    What is counted below a package, or beside it (the platform, the same package once more through
    another register), is not taken: it would count twice.
    """
    found: list[EnergyCounter] = []
    for folder in sorted(powercap.glob("*")):
        if not re.fullmatch(r"(intel|amd)-rapl:\d+", folder.name):
            continue
        try:
            if (folder / "name").read_text().startswith("package"):
                counter = partial(_joules, folder / "energy_uj")
                counter()
                found.append(EnergyCounter(counter, _joules(folder / "max_energy_range_uj")))
        except OSError:
            continue  # counters are for the administrator on many systems
    return found


def _joules(file: Path) -> float:
    return int(file.read_text()) / 1e6


def _gpu_counters() -> list[EnergyCounter]:
    """Return a counter of each NVIDIA accelerator that has one."""
    if find_spec("pynvml") is None:
        return []
    import pynvml  # pyright: ignore[reportMissingImports]

    try:
        pynvml.nvmlInit()
        count = pynvml.nvmlDeviceGetCount()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(count)]
        counters = [EnergyCounter(partial(_device_joules, handle)) for handle in handles]
        for counter in counters:
            counter.read()
    except pynvml.NVMLError:
        return []
    return counters


def _device_joules(handle: Any) -> float:
    import pynvml  # pyright: ignore[reportMissingImports]

    return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1e3
