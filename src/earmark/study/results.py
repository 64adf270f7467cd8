"""The results of a study as rows and files, read by its tables and by the report.

A study's folder in the workspace:

    study-<name>/                          study.json (`Design`), runs.parquet (`Run`),
                                           cells.parquet (`Cell`), differences.parquet
                                           (`Difference`), the tables, the page
    study-<name>/runs/<arm>-seed<n>-<id>/  recipe.json, log.txt, outcome.json of a run

A run's id is its evaluation's fingerprint: another recipe, another folder.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import msgspec

from earmark.io import write_text
from earmark.records import Row
from earmark.tables import read_parquet, write_parquet

DONE = "done"
"""The status of a run that went the whole way."""

NOT_RUN = "not run"
"""The status of a run that has not been begun, or was cut off."""

OTHER_CLIPS = "other test clips"
"""The status of a difference that cannot be taken: the arms were scored on different clips."""


class Design(Row, frozen=True, kw_only=True):
    """What was varied.

    Args:
        name: of the study.
        question: what it asks, in a sentence; "" where the recipe says none.
        axes: what is varied, with its levels in their order; the first is the base arm's.
        arms: each arm's level on every axis, by the arm's name; the base arm is the first.
        seeds: of training.
    """

    name: str
    question: str
    axes: dict[str, tuple[str, ...]]
    arms: dict[str, dict[str, str]]
    seeds: tuple[int, ...]

    @property
    def base(self) -> str:
        """The arm that the others are held against."""
        return next(iter(self.arms))

    def blocks(self, axis: str) -> list[tuple[dict[str, str], dict[str, str]]]:
        """Return, for each setting of the other axes, that and the arms by level of this axis.

        A star has one block, of the arms that differ from the base arm on this axis alone. A block
        of one arm compares nothing and is left out.
        """
        found: dict[tuple[tuple[str, str], ...], dict[str, str]] = {}
        for arm, levels in self.arms.items():
            others = tuple((name, level) for name, level in levels.items() if name != axis)
            found.setdefault(others, {})[levels[axis]] = arm
        return [(dict(others), arms) for others, arms in found.items() if len(arms) > 1]


class Run(Row, frozen=True, kw_only=True):
    """One arm under one seed: how it ended, and what it cost.

    `status` is "done", "not run", or why it failed. `pretrain` and `evaluate` are the folders of
    its stages in the workspace. `audio_s` are the seconds of audio learnt from, `train_s` and
    `evaluate_s` those that it took; `energy_wh` is NaN where no device tells.
    """

    arm: str
    seed: int
    status: str
    pretrain: str
    evaluate: str
    audio_s: float
    train_s: float
    evaluate_s: float
    energy_wh: float


class Difference(Row, frozen=True, kw_only=True):
    """How much higher `arm` scores than `base`, which differs from it on `axis` alone.

    `base` has the first level of the axis. `seeds` are those that both have; `difference` is the
    mean over them, taken on the same test clips, with a 95 % interval over seeds and test clips:
    NaN under a single seed, and where there are too few test recordings.
    """

    axis: str
    arm: str
    base: str
    task: str
    probe: str
    shots: int
    metric: str
    lower_is_better: bool
    seeds: int
    difference: float
    low: float
    high: float
    status: str


class Cell(Row, frozen=True, kw_only=True):
    """One arm on one measure, over its seeds.

    `mean` is that of the seeds, with a 95 % interval over seeds and test clips; NaN under a single
    seed. `difference` is that to the study's base arm, as of `Difference`; NaN for that arm.
    `encoder` is "trained"; the baselines "random" (over the seeds) and "log-mel" are cells of their
    own, whose `arm` is "" and whose differences are NaN.
    """

    arm: str
    encoder: str
    task: str
    probe: str
    shots: int
    metric: str
    seeds: int
    mean: float
    low: float
    high: float
    chance: float
    test: int
    difference: float
    difference_low: float
    difference_high: float
    status: str
    lower_is_better: bool = False


@dataclass(frozen=True)
class Study:
    """A study and what it found."""

    design: Design
    runs: tuple[Run, ...]
    cells: tuple[Cell, ...]
    differences: tuple[Difference, ...] = ()


def write_study(study: Study, folder: Path) -> None:
    """Write a study's files into its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    write_parquet(folder / "runs.parquet", study.runs, Run)
    write_parquet(folder / "cells.parquet", study.cells, Cell)
    write_parquet(folder / "differences.parquet", study.differences, Difference)
    text = msgspec.json.format(msgspec.json.encode(study.design), indent=2).decode()
    write_text(folder / "study.json", text + "\n")


def read_study(folder: Path) -> Study:
    """Read what `write_study` wrote."""
    design = msgspec.json.decode((folder / "study.json").read_bytes(), type=Design)
    runs = read_parquet(folder / "runs.parquet", Run)
    cells = read_parquet(folder / "cells.parquet", Cell)
    differences = read_parquet(folder / "differences.parquet", Difference)
    return Study(design, tuple(runs), tuple(cells), tuple(differences))


MAX_NAME_LENGTH = 40


def study_folder(root: Path, name: str) -> Path:
    """Return where the files of a study are."""
    return root / f"study-{name}"


def run_folder(folder: Path, arm: str, seed: int, fingerprint: str) -> Path:
    """Return a run's own folder."""
    plain = re.sub(r"[^A-Za-z0-9.]+", "-", arm).strip("-.")[:MAX_NAME_LENGTH] or "arm"
    return folder / "runs" / f"{plain}-seed{seed}-{fingerprint}"
