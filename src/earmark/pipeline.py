"""Run a recipe's stages in order; a stage is skipped where its fingerprint is done.

A stage's fingerprint covers its settings and those of all stages that it reads, so two recipes
that agree up to a point share the work up to there. The engine knows no stage by name: it plans,
skips, locks, runs and seals.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.annotate.jobs.estimate import JobEstimate
from earmark.annotate.jobs.run import finish_job, is_job_sealed, run_single_shard, unsealed_shards
from earmark.annotate.jobs.shards import Shard
from earmark.config import ConfigError, to_plain
from earmark.recipe import Recipe
from earmark.stages import build_stages
from earmark.stages.base import BackendStage, Counts, Stage
from earmark.tables import TOTAL_KEYS
from earmark.workspace import StageError, StageFolder, Workspace

MAX_CHANGES_SHOWN = 4


def run(
    recipe: Recipe,
    root: str | Path,
    *,
    until: str = "evaluate",
    canary: bool = True,
    relist: bool = True,
    wait: bool = False,
    record: bool = True,
) -> Workspace:
    """Run every stage up to `until` in the workspace `root`; finished stages are skipped.

    Several processes of a launcher (torchrun) may share one stage: the stages before it must be
    finished, and the first process alone runs the stages behind it.

    Args:
        recipe: what to run.
        root: the workspace's folder.
        until: the last stage.
        canary: try a model's answers on known sounds before it gets the job.
        relist: look for new files in the corpus; without it the latest run's listing is kept.
        wait: wait for stages that another process is running, instead of refusing.
        record: make this the latest run. A study's runs do not.

    Raises:
        ConfigError: something that the recipe names is missing.
        StageError: a stage rejected too many rows or all, or a backend is out of order.
    """
    workspace = Workspace(Path(root))
    shared = next((s for s in build_stages(recipe) if s.process_group().size > 1), None)
    if shared is not None:
        _run_shared(recipe, workspace, shared, until)
        if shared.process_group().rank > 0:
            return workspace
        relist = False  # what was trained on is what is evaluated
    for planned in _checked(recipe, workspace, until, canary, relist, record=record):
        planned.run(wait=wait)
    return workspace


def stages_of(
    recipe: Recipe, root: str | Path, *, until: str = "evaluate"
) -> dict[str, StageFolder]:
    """Return the folder of each stage of a recipe, for the corpus as the latest run listed it.

    Raises:
        ConfigError: something that the recipe names is missing.
    """
    planned = plan(recipe, Workspace(Path(root)), until, relist=False)
    return {each.stage.name: each.folder for each in planned}


def check(recipe: Recipe, root: str | Path) -> None:
    """Check what every unfinished stage needs: keys, files, packages, a device.

    Raises:
        ConfigError: naming what is missing.
    """
    for planned in plan(recipe, Workspace(Path(root)), "evaluate", relist=False):
        planned.check()


def set_latest_run(recipe: Recipe, root: str | Path) -> None:
    """Make a recipe the latest run, as far as its stages are finished."""
    workspace = Workspace(Path(root))
    planned = plan(recipe, workspace, "evaluate", relist=False)
    finished = {each.stage.name: each.folder for each in planned if each.folder.done}
    workspace.record_run(to_plain(recipe), finished)


def run_shard(
    recipe: Recipe,
    root: str | Path,
    shard: Shard,
    *,
    of: str,
    canary: bool = True,
    relist: bool = True,
) -> bool:
    """Run one shard of the stage `of`, as one task of a batch array.

    The first task to arrive runs the stages before it, and the others wait. Returns whether the
    stage is finished now: the task that finds no shard left concludes it.

    Raises:
        ConfigError: another process works on the shard, or a stage before it has shards left.
        StageError: as `run`.
    """
    for planned in _checked(recipe, Workspace(Path(root)), of, canary, relist):
        if planned.stage.name == of:
            return planned.run_shard(shard)
        planned.require_finished_job()
        planned.run(wait=True)
    raise ValueError(f"{of!r} is not a stage that asks a backend")


def estimate(recipe: Recipe, root: str | Path, *, of: str, relist: bool = True) -> JobEstimate:
    """Try a few prompts of the stage `of` and estimate the whole job.

    The stages before it are run, unless they ask a backend themselves: an estimate of the tagger
    does not pay for the captioner.

    Raises:
        ConfigError: as `run`.
        StageError: as `run`.
    """
    for planned in _checked(recipe, Workspace(Path(root)), of, False, relist):
        if planned.stage.name == of and isinstance(planned.stage, BackendStage):
            return planned.stage.estimate(planned.inputs, planned.folder.folder)
        planned.require_finished_job()
        planned.run()
    raise ValueError(f"{of!r} is not a stage that asks a backend")


def plan(recipe: Recipe, workspace: Workspace, until: str, relist: bool) -> list[PlannedStage]:
    """Return the stages up to `until` with their folders; nothing is run."""
    folders: dict[str, StageFolder] = {}
    planned: list[PlannedStage] = []
    for stage in build_stages(recipe):
        if not stage.is_enabled() or (stage.on_demand and stage.name != until):
            continue
        fingerprints = {name: folders[name].fingerprint for name in stage.inputs}
        listing = None if relist else _latest_listing(stage, workspace)
        if listing is not None:
            folder, settings = listing, None
        else:
            settings = stage.settings()
            folder = workspace.stage(stage.name, fingerprints, settings)
        folders[stage.name] = folder
        inputs = {name: folders[name].folder for name in stage.inputs}
        planned.append(PlannedStage(stage, folder, fingerprints, settings, inputs))
        if stage.name == until:
            break
    return planned


@dataclass(frozen=True)
class PlannedStage:
    """A stage of one run and its folder."""

    stage: Stage
    folder: StageFolder
    fingerprints: Mapping[str, str]
    settings: Any
    inputs: Mapping[str, Path]

    def run(self, *, wait: bool = False) -> None:
        """Run the stage unless it is finished; `wait` for another process that runs it."""
        if self.folder.done:
            _log(f"{self.stage.name}: already done ({self.folder.folder.name})")
        else:
            with self.folder.writing(wait=wait):
                self._finish(lambda: self.stage.run(self.inputs, self.folder.folder))
        self._report()

    def check(self) -> None:
        """Check what the stage needs, unless it is finished."""
        if not self.folder.done:
            self.stage.check()

    def blocks_later_stages(self) -> bool:
        """Return whether the stage must run before those that read it can."""
        return not self.folder.done and not self.stage.canary_for

    def require_finished_job(self) -> None:
        """Raise a ConfigError where the stage asks a backend and has not finished."""
        if isinstance(self.stage, BackendStage) and not self.folder.done:
            left = len(unsealed_shards(self.stage.job(self.inputs, self.folder.folder)))
            state = f"{left} shards are left" if left else "it was not begun"
            raise ConfigError(
                f"{self.stage.name} has not finished ({state}: {self.folder.folder}), and the next "
                "stage reads its answers. Finish it first."
            )

    def run_shard(self, shard: Shard) -> bool:
        """Run one shard, and conclude the stage if it was the last; returns whether it was."""
        if not isinstance(self.stage, BackendStage):
            raise ValueError(f"{self.stage.name!r} is not a stage that asks a backend")
        if not self.folder.done:
            job = self.stage.job(self.inputs, self.folder.folder)
            if not run_single_shard(job, shard):
                left = f"{len(unsealed_shards(job))} of {shard.count} left"
                _log(f"{self.stage.name}: shard {shard.index} is done, {left}")
                return False
            with self.folder.writing(wait=True):
                self._finish(lambda: finish_job(job))
        self._report()
        return True

    def _finish(self, work: Callable[[], Counts]) -> None:
        if self.folder.done:  # by the process that was waited for
            return
        started_s = time.monotonic()
        counts = self._answered_counts() or work()
        duration_s = time.monotonic() - started_s
        if isinstance(self.stage, BackendStage):
            # Not sealed where too much failed: the next run asks these again.
            self._check_counts(counts)
        shown = self.stage.provenance_settings()
        settings = self.settings if shown is None else to_plain(shown)
        self.folder.seal(
            settings=settings, inputs=self.fingerprints, counts=counts, duration_s=duration_s
        )

    def _answered_counts(self) -> Counts | None:
        """Return the counts of a job whose every shard is sealed, if enough rows passed."""
        if not isinstance(self.stage, BackendStage):
            return None
        job = self.stage.job(self.inputs, self.folder.folder)
        if not is_job_sealed(job):
            return None
        counts = finish_job(job)
        return None if self._shortfall(counts) else counts

    def _report(self) -> None:
        counts: Counts = self.folder.provenance()["counts"]
        words = {"in": "probes", "out": "passed"} if self.stage.canary_for else {}
        line = ", ".join(f"{count} {words.get(name, name)}" for name, count in counts.items())
        _log(f"{self.stage.name}: {line}")
        if self.stage.limits_rejections:
            self._check_counts(counts)

    def _check_counts(self, counts: Counts) -> None:
        """Raise a StageError where no row passed, or more were rejected than the recipe allows."""
        if shortfall := self._shortfall(counts):
            raise StageError(shortfall)

    def _shortfall(self, counts: Counts) -> str:
        """Return what is wrong with a stage's counts, "" where enough rows passed."""
        name, allowed = self.stage.name, self.stage.recipe.max_rejected
        given, passed = counts["in"], counts["out"]
        reasons = ", ".join(f"{n} {why}" for why, n in counts.items() if why not in TOTAL_KEYS)
        if passed == 0:
            return f"{name}: all {given} rows were rejected ({reasons or 'there was no row'})"
        if given - passed > allowed * given:
            return (
                f"{name}: {given - passed} of {given} rows were rejected ({reasons}); the recipe "
                f"allows {allowed:.0%}. Look at {self.folder.folder / 'rejected.parquet'}, or "
                "raise max_rejected."
            )
        return ""


def _checked(
    recipe: Recipe,
    workspace: Workspace,
    until: str,
    canary: bool,
    relist: bool,
    *,
    record: bool = True,
) -> Iterator[PlannedStage]:
    """Yield the stages up to `until`, having checked whatever can be checked before the first."""
    planned = plan(recipe, workspace, until, relist)
    if record:
        _record(recipe, workspace, planned)
    by_name = {each.stage.name: each for each in planned}
    for each in planned:
        each.check()
    for each in planned:
        tried = by_name.get(each.stage.canary_for)
        if tried is not None and (tried.folder.done or not canary):
            continue
        known = each.folder.done and not relist
        if not (known and each.stage.lists_corpus):
            yield each
        if not known:
            _check_clips(recipe, each, until)


def _check_clips(recipe: Recipe, finished: PlannedStage, until: str) -> None:
    """Check the stages that want to see this one's clips, those behind `until` among them."""
    for stage in build_stages(recipe):
        if stage.on_demand and stage.name != until:
            continue
        if stage.labels_from == finished.stage.name:
            stage.check_clips(finished.folder.folder)


def _run_shared(recipe: Recipe, workspace: Workspace, shared: Stage, until: str) -> None:
    """Take part in a stage that several processes share.

    Raises:
        ConfigError: a stage before it is not finished, or `until` ends before it.
    """
    group = shared.process_group()
    before = plan(recipe, workspace, shared.name, relist=False)
    order = [stage.name for stage in build_stages(recipe)]
    if order.index(until) < order.index(shared.name):
        raise ConfigError(
            f"{group.launcher} started {group.size} processes, but only {shared.name} is shared by "
            f"several. Run `python -m earmark {until}` by itself."
        )
    *before, planned = before
    if missing := [each.stage.name for each in before if each.blocks_later_stages()]:
        raise ConfigError(
            f"{group.launcher} started {group.size} processes, which share {shared.name} alone, "
            f"and {missing[0]} has not been run in {workspace.root}. Run the stages before it in "
            f"one process first: earmark {before[-1].stage.name} RECIPE -w WORKSPACE"
        )
    if planned.folder.done:
        return
    if group.rank == 0:
        # Whoever holds the stage would finish it alone, while the others of us wait for the first.
        planned.run()
    else:
        planned.stage.run(planned.inputs, planned.folder.folder)


def _latest_listing(stage: Stage, workspace: Workspace) -> StageFolder | None:
    """Return the listing of the latest run where it is of the same corpus."""
    if not stage.lists_corpus:
        return None
    before, folders = workspace.latest_run()
    listing = folders.get(stage.name)
    same = before.get("corpus") == to_plain(stage.recipe.corpus)
    return listing if listing is not None and listing.done and same else None


def _record(recipe: Recipe, workspace: Workspace, planned: Sequence[PlannedStage]) -> None:
    """Make this the latest run, and warn of what it leaves half done."""
    folders = {each.stage.name: each.folder for each in planned}
    plain = to_plain(recipe)
    if workspace.has_run:
        before, begun = workspace.latest_run()
        if warning := warn_unfinished(before, begun, plain, folders):
            _log(warning)
    workspace.record_run(plain, folders)


def warn_unfinished(
    before: Mapping[str, Any],
    begun: Mapping[str, StageFolder],
    now: Mapping[str, Any],
    planned: Mapping[str, StageFolder],
) -> str:
    """Describe the first unfinished stage that the new recipe no longer uses, "" for none.

    A mistyped setting may cost days.

    Args:
        before: the latest run's recipe as plain data.
        begun: its stages.
        now: the new recipe as plain data.
        planned: its stages.
    """
    for name, folder in planned.items():
        old = begun.get(name)
        if old is None or old.folder == folder.folder or folder.done:
            continue
        if old.done or not old.folder.exists():
            return ""
        changes = list(_changes(before, now))
        shown = ", ".join(changes[:MAX_CHANGES_SHOWN])
        shown += " and more" if len(changes) > MAX_CHANGES_SHOWN else ""
        return (
            f"{name}: {old.folder.name} was begun with other settings ({shown or 'other files'}) "
            f"and is left as it is; this is a new one, {folder.folder.name}."
        )
    return ""


def _changes(before: Any, now: Any, at: str = "") -> Iterator[str]:
    """Yield "key was old, now new" for each value that differs."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in sorted({*before, *now}):
            yield from _changes(before.get(key), now.get(key), f"{at}.{key}" if at else str(key))
    elif before != now:
        yield f"{at} was {before!r}, now {now!r}"


def _log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
