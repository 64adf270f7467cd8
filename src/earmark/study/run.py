"""A study, from its plan to its table: what is done is not done again, what fails stops no other.

    workspace/
      study-<name>/runs/<arm>-seed<n>/   recipe.json, log.txt, outcome.json
      study-<name>/                      study.json, runs.parquet, cells.parquet, the tables

The stages themselves are the workspace's: arms share captions, tags, manifests and features with
each other and with every other study there.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import msgspec

from earmark.annotate.execute.shards import parse_shard
from earmark.config import ConfigError, fingerprint, to_plain
from earmark.pipeline import run as run_pipeline
from earmark.pipeline import stages_of
from earmark.progress import track
from earmark.study.config import OneMachine, StudyConfig
from earmark.study.gather import gather
from earmark.study.plan import Plan, Planned, plan_study
from earmark.study.processes import run_here
from earmark.study.results import DONE, NOT_RUN, Study, write_study
from earmark.study.spread import run_on_ray
from earmark.study.tables import write_tables
from earmark.workspace import write_text

SHARED = "tag"
"""The last step that is done once, before the first run, for the base arm."""


def study_folder(root: Path, name: str) -> Path:
    """Return where a study's own files are."""
    return root / f"study-{name}"


def run_study(
    name: str, config: StudyConfig, root: Path, *, only: tuple[int, int] | None = None
) -> Study:
    """Do every run of a study that is not done, and write its tables; returns what it found.

    Args:
        name: of the study's folder.
        config: the study.
        root: the workspace.
        only: (index, count): do the index-th of count shares of the runs, as one task of a batch
            array; the tables then hold what there is by now.

    Raises:
        ConfigError: an arm's recipe cannot be right.
        StageError: what all arms share failed.
    """
    plan = plan_study(name, config)
    base = plan.runs[0].recipe
    run_pipeline(base, root, until=SHARED)
    _check(plan, root)
    folder = study_folder(root, name)
    chosen = plan.runs if only is None else plan.runs[only[0] :: only[1]]
    waiting = [each for each in chosen if not is_done(each, root)]
    folders = [prepare(each, folder) for each in waiting]
    with track(f"study {name}", total=len(chosen), unit="runs") as progress:
        progress.resume(len(chosen) - len(waiting))
        if isinstance(config.execute, OneMachine):
            run_here(folders, root, config.execute, progress)
        else:
            run_on_ray(folders, root, config.execute, progress)
    found = gather(plan, root, folder)
    write_study(found, folder)
    write_tables(found, folder)
    for each in found.runs:
        if each.status not in (DONE, NOT_RUN):
            told = f"study {name}: {each.arm}, seed {each.seed}: {each.status}"
            print(told, file=sys.stderr, flush=True)
    return found


def share(text: str) -> tuple[int, int]:
    """Return (index, count) of "3/12": the fourth of twelve shares. Raises ConfigError."""
    shard = parse_shard(text, option="--only")
    return shard.index, shard.count


def is_done(planned: Planned, root: Path) -> bool:
    """Return whether a run has gone the whole way."""
    return stages_of(planned.recipe, root)["evaluate"].done


def prepare(planned: Planned, folder: Path) -> Path:
    """Write a run's recipe into a folder of its own, and return that."""
    room = run_folder(folder, planned)
    room.mkdir(parents=True, exist_ok=True)
    plain = msgspec.json.encode(to_plain(planned.recipe))
    write_text(room / "recipe.json", msgspec.json.format(plain, indent=2).decode() + "\n")
    return room


def run_folder(folder: Path, planned: Planned) -> Path:
    """Return a run's own folder: named by its arm, and by what tells arms of like names apart."""
    plain = re.sub(r"[^A-Za-z0-9.]+", "-", planned.arm).strip("-")
    digest = fingerprint(planned.arm)[:4]
    return folder / "runs" / f"{plain}-{digest}-seed{planned.seed}"


def _check(plan: Plan, root: Path) -> None:
    """Refuse two arms that are one: their scores would differ by nothing. Raises ConfigError."""
    seen: dict[str, str] = {}
    first = plan.design.seeds[0]
    for each in plan.runs:
        if each.seed != first:
            continue
        where = stages_of(each.recipe, root)["evaluate"].fingerprint
        if where in seen:
            raise ConfigError(
                f"the arms {seen[where]!r} and {each.arm!r} are the same run: their settings "
                "differ in nothing that changes a result. Leave one of them out."
            )
        seen[where] = each.arm
