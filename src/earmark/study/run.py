"""Run a study from its plan to its tables: finished runs are skipped, failed ones stop no other.

The stages are the workspace's: arms share captions, tags, manifests and features with each other
and with every other study there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from earmark.config import ConfigError, to_plain
from earmark.io import file_lock, write_text
from earmark.pipeline import check, set_latest_run, stages_of
from earmark.pipeline import run as run_pipeline
from earmark.progress import track
from earmark.study.aggregate import aggregate_study
from earmark.study.config import LocalExecution, StudyConfig
from earmark.study.plan import PlannedRun, StudyPlan, plan_study, without_baselines
from earmark.study.results import DONE, NOT_RUN, Study, run_folder, study_folder, write_study
from earmark.study.runners import run_local, run_on_ray
from earmark.study.tables import audio_warnings, write_tables
from earmark.workspace import StageFolder

LAST_SHARED_STAGE = "tag"
"""The last step that is done once, before the first run, for the base arm."""

ShowStudy = Callable[[Study, Path], None]
"""Writes whatever else shows a study into its folder."""


def run_study(
    name: str,
    config: StudyConfig,
    root: Path,
    *,
    only: tuple[int, int] | None = None,
    show: ShowStudy | None = None,
) -> Study:
    """Do every run of a study that is not done, and write its tables; returns what it found.

    Args:
        name: of the study's folder.
        config: the study.
        root: the workspace.
        only: (index, count): do the index-th of count shares of the runs, as one task of a batch
            array; the tables then hold what there is by now.
        show: called with what was found, while no other process writes there.

    Raises:
        ConfigError: an arm's recipe cannot be right.
        StageError: what all arms share failed.
    """
    root = root.absolute()
    plan = plan_study(name, config)
    run_pipeline(plan.runs[0].recipe, root, until=LAST_SHARED_STAGE, wait=True)
    _check_arms(plan, root)
    folder = study_folder(root, name)
    chosen = plan.runs if only is None else plan.runs[only[0] :: only[1]]
    last = [stages_of(each.recipe, root)["evaluate"] for each in chosen]
    folders = [
        _write_recipe(each, stage, folder)
        for each, stage in zip(chosen, last, strict=True)
        if not stage.done
    ]
    with track(f"study {name}", total=len(chosen), unit="runs") as progress:
        progress.resume(len(chosen) - len(folders))
        if isinstance(config.execute, LocalExecution):
            run_local(folders, root, config.execute, progress)
        else:
            run_on_ray(folders, root, config.execute, progress)
    return _write_outputs(plan, root, folder, show)


def _write_outputs(plan: StudyPlan, root: Path, folder: Path, show: ShowStudy | None) -> Study:
    """Write what was found; of several processes that end at once, one after another."""
    folder.mkdir(parents=True, exist_ok=True)
    with file_lock(folder / "lock", wait=True):
        found = aggregate_study(plan, root, folder)
        write_study(found, folder)
        write_tables(found, folder)
        set_latest_run(plan.runs[0].recipe, root)
        if show is not None:
            show(found, folder)
    lost = [run for run in found.runs if run.status not in (DONE, NOT_RUN)]
    told = [f"{run.arm}, seed {run.seed}: {run.status}" for run in lost]
    for line in [*told, *audio_warnings(found)]:
        print(f"study {plan.design.name}: {line}", file=sys.stderr, flush=True)
    return found


def _write_recipe(planned: PlannedRun, stage: StageFolder, folder: Path) -> Path:
    """Write a run's recipe into a folder of its own, and return that; `stage` is its last."""
    room = run_folder(folder, planned.arm, planned.seed, stage.fingerprint)
    room.mkdir(parents=True, exist_ok=True)
    plain = msgspec.json.encode(to_plain(planned.recipe))
    write_text(room / "recipe.json", msgspec.json.format(plain, indent=2).decode() + "\n")
    return room


def _check_arms(plan: StudyPlan, root: Path) -> None:
    """Refuse what cannot run, and two arms that are one. Raises ConfigError naming the arm."""
    seen: dict[str, str] = {}
    for each in plan.runs[: len(plan.design.arms)]:
        try:
            check(each.recipe, root)
        except ConfigError as error:
            raise ConfigError(f"arm {each.arm!r}: {error}") from None
        where = stages_of(without_baselines(each.recipe), root)["evaluate"].fingerprint
        if where in seen:
            raise ConfigError(
                f"the arms {seen[where]!r} and {each.arm!r} are the same run: their settings "
                "differ in nothing that changes a result. Leave one of them out."
            )
        seen[where] = each.arm
