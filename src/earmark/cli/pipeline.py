"""Commands that run a recipe, as a whole or up to a stage."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli.options import (
    DEFAULT_WORKSPACE,
    CanaryOption,
    EstimateOption,
    Overrides,
    RecipeArgument,
    ShardOption,
    WorkspaceOption,
    app,
)

if TYPE_CHECKING:
    from earmark.workspace import Workspace


@app.command(epilog="Example: earmark demo -w demo")
def demo(workspace: WorkspaceOption = Path("demo"), overrides: Overrides = None) -> None:
    """Run the whole pipeline on the embedded synthetic corpus; nothing is downloaded."""
    run_and_report("demo", overrides, workspace)


@app.command(epilog="Example: earmark run folder corpus.path=~/sounds -w workspace")
def run(
    recipe: RecipeArgument,
    overrides: Overrides = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    canary: CanaryOption = True,
) -> None:
    """Run a recipe from audio to scores and write the report."""
    run_and_report(recipe, overrides, workspace, canary)


@app.command(epilog="Example: earmark scan folder corpus.path=~/sounds")
def scan(
    recipe: RecipeArgument,
    overrides: Overrides = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """List the corpus and decode each file: hash, duration, loudness, faults."""
    run_until("scan", recipe, overrides, workspace)


@app.command(epilog="Example: earmark caption folder corpus.path=~/sounds")
def caption(
    recipe: RecipeArgument,
    overrides: Overrides = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    shard: ShardOption = "",
    estimate: EstimateOption = False,
    canary: CanaryOption = True,
) -> None:
    """Run up to captions: what the captioner writes of each clip."""
    _annotate("caption", "caption-raw", recipe, overrides, workspace, shard, estimate, canary)


@app.command(epilog="Example: earmark tag folder corpus.path=~/sounds tagger.max_tags=8")
def tag(
    recipe: RecipeArgument,
    overrides: Overrides = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    shard: ShardOption = "",
    estimate: EstimateOption = False,
    canary: CanaryOption = True,
) -> None:
    """Run up to tags: what the tagger reads from each caption."""
    _annotate("tag", "tag-raw", recipe, overrides, workspace, shard, estimate, canary)


@app.command(epilog="Example: earmark audit folder corpus.path=~/sounds audit.semantic=true")
def audit(
    recipe: RecipeArgument,
    overrides: Overrides = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Compare tags and vocabulary with human labels, label lists and another tagger."""
    from earmark.annotate.audit.results import summarize_audit

    done = run_until("audit", recipe, overrides, workspace)
    print(summarize_audit(done.latest_run()[1]["audit"].folder))


@app.command(epilog="Example: earmark manifest folder corpus.path=~/sounds manifest.test=0.1")
def manifest(
    recipe: RecipeArgument,
    overrides: Overrides = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Run up to the manifest: Parquet and Lhotse rows, split without leaks."""
    run_until("manifest", recipe, overrides, workspace)


@app.command(epilog="Example: earmark pretrain folder corpus.path=~/sounds pretrain.steps=2000")
def pretrain(
    recipe: RecipeArgument,
    overrides: Overrides = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Run up to a pre-trained encoder."""
    run_until("pretrain", recipe, overrides, workspace)


@app.command(epilog="Example: earmark evaluate folder corpus.path=~/sounds")
def evaluate(
    recipe: RecipeArgument,
    overrides: Overrides = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Run up to scores: probes on frozen features, beside baselines."""
    print_scores(run_until("evaluate", recipe, overrides, workspace))


@app.command(epilog="Example: earmark report workspace")
def report(
    of: Annotated[
        Path | None,
        typer.Argument(metavar="[WORKSPACE]", help="The same as --workspace.", show_default=False),
    ] = None,
    workspace: Annotated[
        Path | None,
        typer.Option("--workspace", "-w", help='The folder where everything is kept: "workspace".'),
    ] = None,
) -> None:
    """Write the report page of a workspace's latest run."""
    from earmark.report.page import write_report
    from earmark.workspace import Workspace

    if of is not None and workspace is not None:
        raise ValueError(f"two workspaces are given: {of} and -w {workspace}; leave one out")
    print(write_report(Workspace(of or workspace or DEFAULT_WORKSPACE)))


def run_until(
    stage: str, recipe: str, overrides: list[str] | None, workspace: Path, canary: bool = True
) -> Workspace:
    """Run a recipe up to `stage` and print that stage's folder.

    Of the processes that torchrun started only the first returns.
    """
    from earmark.pipeline import run as run_pipeline
    from earmark.pretrain.loop.distributed import world_from_environment
    from earmark.recipe import open_recipe

    with stoppable():
        read, root, new = open_recipe(recipe, overrides or [], workspace)
        done = run_pipeline(read, root, until=stage, canary=canary, relist=new)
    if world_from_environment().rank > 0:
        raise typer.Exit(0)
    print(done.latest_run()[1][stage].folder)
    return done


def run_and_report(
    recipe: str, overrides: list[str] | None, workspace: Path, canary: bool = True
) -> None:
    """Run a recipe as a whole, print the scores and write the report."""
    from earmark.report.page import write_report

    done = run_until("evaluate", recipe, overrides, workspace, canary)
    print_scores(done)
    print(write_report(done))


def print_scores(workspace: Workspace) -> None:
    """Print the scores of the latest run's encoders."""
    from earmark.evaluate.base import Comparison
    from earmark.evaluate.format import score_table
    from earmark.records import Score
    from earmark.tables import read_parquet

    stage = workspace.latest_run()[1]["evaluate"]
    scores = read_parquet(stage.file("scores.parquet"), Score)
    if scores:
        pairs = read_parquet(stage.file("comparisons.parquet"), Comparison)
        print(f"\n{score_table(scores, pairs)}\n")


@contextlib.contextmanager
def stoppable() -> Generator[None]:
    """Turn Ctrl-C and a scheduler's SIGTERM into a plain message and an exit code."""
    from earmark.pretrain.loop.signals import Preempted

    try:
        yield
    except Preempted:
        # Asked by a scheduler: no failure, so that it puts the job back into its queue.
        print("earmark: saved. The same command resumes from here.", file=sys.stderr)
        raise typer.Exit(0) from None
    except KeyboardInterrupt:
        print("earmark: stopped. The same command resumes from here.", file=sys.stderr)
        raise typer.Exit(130) from None


def _annotate(
    command: str,
    job: str,
    recipe: str,
    overrides: list[str] | None,
    workspace: Path,
    shard: str,
    estimate: bool,
    canary: bool,
) -> None:
    """Run a stage that asks a backend: all of it, one shard of `job`, or a sample."""
    from earmark.annotate.jobs.shards import parse_shard
    from earmark.pipeline import estimate as estimate_job
    from earmark.pipeline import run_shard
    from earmark.recipe import open_recipe

    if shard and estimate:
        raise ValueError("--estimate is of the whole job: leave --shard out")
    if not shard and not estimate:
        run_until(command, recipe, overrides, workspace, canary)
        return
    with stoppable():
        read, root, new = open_recipe(recipe, overrides or [], workspace)
        if estimate:
            print(estimate_job(read, root, of=job, relist=new))
            return
        last = run_shard(read, root, parse_shard(shard), of=job, canary=canary, relist=new)
    if last:
        print(f"All shards are done. Read their answers with: earmark {command} {root}")
