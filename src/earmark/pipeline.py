"""Go the whole way, or part of it: a step is skipped where its fingerprint is done.

A step's fingerprint covers its settings and those of everything that it reads, so two recipes that
agree up to a point share the work up to there.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from .abandoned import abandoned
from .annotate.backends.endpoint import RequestConfig
from .annotate.execute.estimate import Estimate, Prices
from .annotate.execute.estimate import estimate as estimate_job
from .annotate.execute.job import BackendConfig
from .annotate.execute.run import answer_one, conclude, is_answered, unfinished
from .annotate.execute.shards import Shard
from .config import ConfigError, to_plain
from .evaluate.check import check_questions, check_tasks
from .pretrain.check import check_supervision, offered, wants_corpus
from .pretrain.loop.distributed import World, world_from_environment
from .recipe import Recipe
from .records import TOTALS, Clip, stream_parquet
from .steps import STEPS, Counts, Step
from .workspace import Stage, StageError, Workspace


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
    """Do every step up to `until` in the workspace `root`; what is done already is not redone.

    `canary` tries the answers of a model on known sounds before the job is given to it. Without
    `relist`, a corpus that the latest run has listed is not looked through for new files. `wait`
    for steps that another process is doing, instead of refusing. Without `record`, as one arm of a
    study, this does not become the latest run.

    One of several processes that torchrun started takes its part in pre-training; what comes
    before it must be done by then, and the first process goes on behind it alone.

    Raises:
        ConfigError: the recipe asks for what is not there.
        StageError: a stage rejected too much, or left nothing; a backend is out of order.
    """
    workspace = Workspace(Path(root))
    world = world_from_environment()
    if world.size > 1:
        _train_together(recipe, workspace, world, until)
        if world.rank > 0:
            return workspace
        relist = False  # what was trained on is what is evaluated
    for task in _way(recipe, workspace, until, canary, relist, record=record):
        task.do(wait=wait)
    return workspace


def stages_of(recipe: Recipe, root: str | Path, *, until: str = "evaluate") -> dict[str, Stage]:
    """Return where the steps of a recipe are done, on the corpus as the latest run listed it.

    Raises:
        ConfigError: the recipe asks for what is not there.
    """
    tasks = _plan(recipe, Workspace(Path(root)), until, relist=False)
    return {task.step.name: task.stage for task in tasks}


def check(recipe: Recipe, root: str | Path) -> None:
    """Find a missing key, file or package of any step that is not done, before one is.

    Raises:
        ConfigError: naming it.
    """
    for task in _plan(recipe, Workspace(Path(root)), "evaluate", relist=False):
        task.check()


def remember(recipe: Recipe, root: str | Path) -> None:
    """Make a recipe the latest run, as far as its steps are done."""
    workspace = Workspace(Path(root))
    tasks = _plan(recipe, workspace, "evaluate", relist=False)
    workspace.record_run(to_plain(recipe), {t.step.name: t.stage for t in tasks if t.stage.done})


def run_shard(
    recipe: Recipe,
    root: str | Path,
    shard: Shard,
    *,
    of: str,
    canary: bool = True,
    relist: bool = True,
) -> bool:
    """Do one shard of the step `of` ("captioner" or "tagger"), as one task of a batch array.

    What comes before it is done by whichever task is there first; the others wait. Returns
    whether the step is done now: the task that finds no shard left concludes it.

    Raises:
        ConfigError: the shard is being worked on, or the step before it has shards left.
        StageError: as `run`.
    """
    workspace = Workspace(Path(root))
    for task in _way(recipe, workspace, of, canary, relist):
        if task.step.name == of:
            return task.do_shard(shard)
        task.must_be_done()
        task.do(wait=True)
    raise ValueError(f"{of!r} is not a step that asks a backend")


def estimate(recipe: Recipe, root: str | Path, *, of: str, relist: bool = True) -> Estimate:
    """Try a few prompts of the step `of` ("captioner" or "tagger").

    What comes before it is done, but for a step that asks a backend itself: that is not paid for
    by asking what the next one costs.

    Raises:
        ConfigError: as `run`.
        StageError: as `run`.
    """
    for task in _way(recipe, Workspace(Path(root)), of, False, relist):
        if task.step.job is not None and task.step.name == of:
            job = task.step.job(recipe, task.reads, task.stage.folder)
            return estimate_job(job, _prices(job.backend))
        task.must_be_done()
        task.do()
    raise ValueError(f"{of!r} is not a step that asks a backend")


def _prices(backend: BackendConfig) -> Prices:
    if not isinstance(backend, RequestConfig):
        return Prices()
    return Prices(
        per_million_tokens_in=backend.price_per_million_tokens_in,
        per_million_tokens_out=backend.price_per_million_tokens_out,
        per_hour=backend.price_per_hour,
    )


def _train_together(recipe: Recipe, workspace: Workspace, world: World, until: str) -> None:
    """Take part in pre-training, as one of the processes that torchrun started.

    Raises:
        ConfigError: what comes before it is not done, or it is not what is wanted.
    """
    if until not in ("pretrain", "evaluate"):
        raise ConfigError(
            f"torchrun started {world.size} processes, but only pre-training is shared by "
            f"several. Run `python -m earmark {until}` by itself."
        )
    *before, training = _plan(recipe, workspace, "pretrain", relist=False)
    if missing := [task.step.name for task in before if task.is_missing()]:
        raise ConfigError(
            f"torchrun started {world.size} processes, which share pre-training alone, and "
            f"{missing[0]} has not been done in {workspace.root}. Go as far as the manifest in "
            "one process first: earmark manifest RECIPE -w WORKSPACE"
        )
    if training.stage.done:
        return
    if world.rank == 0:
        # Whoever holds the stage would finish it alone, while the others of us wait for the first.
        training.do()
    else:
        training.step.work(recipe, training.reads, training.stage.folder)


def _way(
    recipe: Recipe,
    workspace: Workspace,
    until: str,
    canary: bool,
    relist: bool,
    *,
    record: bool = True,
) -> Iterator[_Task]:
    """Yield the steps up to `until`, having checked whatever can be checked before the first."""
    tasks = _plan(recipe, workspace, until, relist)
    if record:
        _record(recipe, workspace, tasks)
    asking = {task.step.name: task for task in tasks if task.step.job is not None}
    for task in tasks:
        task.check()
    for task in tasks:
        tried = asking.get(task.step.tries)
        if tried is not None and (tried.stage.done or not canary):
            continue
        known = task.stage.done and not relist
        if task.step.name != "corpus" or not known:
            yield task
        if task.step.name == "scan" and not known:
            _check_labels(recipe, task.stage)


def _record(recipe: Recipe, workspace: Workspace, tasks: Sequence[_Task]) -> None:
    """Make this the latest run, and tell of what of the one before is left half done."""
    planned = {task.step.name: task.stage for task in tasks}
    if workspace.has_run and (
        told := abandoned(*workspace.latest_run(), to_plain(recipe), planned)
    ):
        _say(told)
    workspace.record_run(to_plain(recipe), planned)


def _plan(recipe: Recipe, workspace: Workspace, until: str, relist: bool) -> list[_Task]:
    """Return the steps up to `until` with their stages; nothing is done yet."""
    stages: dict[str, Stage] = {}
    tasks: list[_Task] = []
    listed = None if relist else _listed(recipe, workspace)
    for step in STEPS:
        if not step.wanted(recipe) or (step.aside and step.name != until):
            continue
        inputs = {name: stages[name].fingerprint for name in step.reads}
        if step.name == "corpus" and listed is not None:
            stage, settings = listed, None
        else:
            settings = step.settings(recipe)
            stage = workspace.stage(step.name, inputs, settings)
        stages[step.name] = stage
        reads = {name: stages[name].folder for name in step.reads}
        tasks.append(_Task(step, recipe, stage, inputs, settings, reads))
        if step.name == until:
            break
    return tasks


def _listed(recipe: Recipe, workspace: Workspace) -> Stage | None:
    """Return the corpus as the latest run has listed it, None if this is another one."""
    before, stages = workspace.latest_run()
    listed = stages.get("corpus")
    same = before.get("corpus") == to_plain(recipe.corpus)
    return listed if listed is not None and listed.done and same else None


@dataclass(frozen=True)
class _Task:
    """A step of one run, and where it is done."""

    step: Step
    recipe: Recipe
    stage: Stage
    inputs: Mapping[str, str]
    settings: Any
    reads: Mapping[str, Path]

    def do(self, *, wait: bool = False) -> None:
        """Do the step where it is not done; `wait` for another process that is doing it."""
        if not self.stage.done:
            with self.stage.writing(wait=wait):
                self._finish(lambda: self.step.work(self.recipe, self.reads, self.stage.folder))
        else:
            _say(f"{self.step.name}: already done ({self.stage.folder.name})")
        self._tell()

    def check(self) -> None:
        """Find a missing key, file or package before anything is done, where it will be wanted."""
        if self.stage.done:
            return
        self.step.check(self.recipe)
        if self.step.job is not None:
            self.step.job(self.recipe, self.reads, self.stage.folder).backend.build()

    def is_missing(self) -> bool:
        """Return whether the step must be done before those that read it can be."""
        return not self.stage.done and not self.step.tries

    def must_be_done(self) -> None:
        """Refuse to go on behind a step that asks a backend and has not finished."""
        if self.step.job is not None and not self.stage.done:
            left = len(unfinished(self.step.job(self.recipe, self.reads, self.stage.folder)))
            how = f"{left} shards are left" if left else "it was not begun"
            raise ConfigError(
                f"{self.step.name} has not finished ({how}: {self.stage.folder}), and what comes "
                "next reads its answers. Finish it first."
            )

    def do_shard(self, shard: Shard) -> bool:
        """Do one shard, and conclude the step where it was the last; returns whether it is done."""
        assert self.step.job is not None
        if not self.stage.done:
            job = self.step.job(self.recipe, self.reads, self.stage.folder)
            if not answer_one(job, shard):
                left = len(unfinished(job))
                _say(f"{self.step.name}: shard {shard.index} is done, {left} of {shard.count} left")
                return False
            with self.stage.writing(wait=True):
                self._finish(lambda: conclude(job))
        self._tell()
        return True

    def _finish(self, work: Callable[[], Counts]) -> None:
        if self.stage.done:  # by the process that was waited for
            return
        started_s = time.monotonic()
        counts = self._answered() or work()
        duration_s = time.monotonic() - started_s
        if self.step.job is not None:
            # Not sealed where too much failed: the next run asks these again.
            self._check(counts)
        settings = self.settings
        if self.step.recorded is not None:
            settings = to_plain(self.step.recorded(self.recipe))
        self.stage.seal(settings=settings, inputs=self.inputs, counts=counts, duration_s=duration_s)

    def _answered(self) -> Counts | None:
        """Return the counts of a job that was answered before, if that was well enough."""
        if self.step.job is None:
            return None
        job = self.step.job(self.recipe, self.reads, self.stage.folder)
        if not is_answered(job):
            return None
        counts = conclude(job)
        return None if self._shortfall(counts) else counts

    def _tell(self) -> None:
        counts: Counts = self.stage.provenance()["counts"]
        words = {"in": "probes", "out": "passed"} if self.step.tries else {}
        told = ", ".join(f"{count} {words.get(name, name)}" for name, count in counts.items())
        _say(f"{self.step.name}: {told}")
        if self.step.bounded:
            self._check(counts)

    def _check(self, counts: Counts) -> None:
        """Stop where the stage left nothing or rejected more than the recipe allows."""
        if shortfall := self._shortfall(counts):
            raise StageError(shortfall)

    def _shortfall(self, counts: Counts) -> str:
        """Return what is wrong with a stage's counts, "" where enough was left."""
        name, allowed = self.step.name, self.recipe.max_rejected
        given, passed = counts["in"], counts["out"]
        reasons = ", ".join(f"{n} {why}" for why, n in counts.items() if why not in TOTALS)
        if passed == 0:
            return f"{name}: nothing of {given} rows was left ({reasons or 'none came in'})"
        if given - passed > allowed * given:
            return (
                f"{name}: {given - passed} of {given} rows were rejected ({reasons}); the recipe "
                f"allows {allowed:.0%}. Look at {self.stage.folder / 'rejected.parquet'}, or raise "
                "max_rejected."
            )
        return ""


def _check_labels(recipe: Recipe, scan: Stage) -> None:
    """Find a probe or an objective on what no clip has before hours go into captions."""
    path = scan.file("clips.parquet")
    if recipe.evaluate.tasks or recipe.evaluate.questions:
        # Each set of labels once: ten million clips have few.
        labels = {msgspec.json.encode(c.labels): c.labels for c in stream_parquet(path, Clip)}
        check_tasks(recipe.evaluate.tasks, list(labels.values()))
        check_questions(recipe.evaluate.questions, list(labels.values()))
    if wants_corpus(recipe.objective):
        check_supervision(recipe.objective, offered(stream_parquet(path, Clip)))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
