import math
from pathlib import Path

import pytest

from earmark.study.energy import EnergyCounter, EnergyMeter, cpu_counters


def package(root: Path, folder: str, name: str, joules: float) -> Path:
    (root / folder).mkdir(parents=True)
    (root / folder / "name").write_text(f"{name}\n")
    (root / folder / "max_energy_range_uj").write_text("262143328850\n")
    (root / folder / "energy_uj").write_text(f"{int(joules * 1e6)}\n")
    return root / folder / "energy_uj"


def test_each_package_counts_once(tmp_path: Path) -> None:
    counted = package(tmp_path, "intel-rapl:0", "package-0", 3600.0)
    package(tmp_path, "intel-rapl:0:0", "core", 1.0)
    package(tmp_path, "intel-rapl:1", "psys", 1.0)
    package(tmp_path, "intel-rapl-mmio:0", "package-0", 1.0)
    (only,) = cpu_counters(tmp_path)
    with EnergyMeter([only]) as meter:
        counted.write_text(f"{int(7200 * 1e6)}\n")
    assert meter.spent_wh() == pytest.approx(1.0)


def test_a_counter_that_begins_anew_goes_on_counting() -> None:
    readings = iter([100.0, 40.0, 90.0])
    with EnergyMeter([EnergyCounter(lambda: next(readings), wraps_at=120.0)]) as meter:
        meter.look()
    assert meter.spent_wh() * 3600 == pytest.approx(60.0 + 50.0)


def test_without_a_device_nothing_is_known(tmp_path: Path) -> None:
    assert cpu_counters(tmp_path) == []
    with EnergyMeter([]) as meter:
        pass
    assert math.isnan(meter.spent_wh())
