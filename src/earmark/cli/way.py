"""What verbs that walk a recipe's way have in common."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from earmark.workspace import Workspace


def run_until(
    stage: str, recipe: str, overrides: list[str] | None, workspace: Path, canary: bool = True
) -> Workspace:
    """Go as far as `stage` and print its folder.

    Of the processes that torchrun started only the first comes back.
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
    """Go the whole way, print the scores and write the report."""
    from earmark.report.page import write_report

    done = run_until("evaluate", recipe, overrides, workspace, canary)
    print_scores(done)
    print(write_report(done))


def print_scores(workspace: Workspace) -> None:
    """Print what the latest run's encoders score."""
    from earmark.evaluate.base import Comparison
    from earmark.evaluate.table import score_table
    from earmark.records import Score, read_parquet

    stage = workspace.latest_run()[1]["evaluate"]
    scores = read_parquet(stage.file("scores.parquet"), Score)
    if scores:
        pairs = read_parquet(stage.file("comparisons.parquet"), Comparison)
        print(f"\n{score_table(scores, pairs)}\n")


@contextlib.contextmanager
def stoppable() -> Generator[None]:
    """Turn Ctrl-C and a scheduler's SIGTERM into a plain message and an exit code."""
    from earmark.pretrain.loop.interrupt import Preempted

    try:
        yield
    except Preempted:
        # Asked by a scheduler: no failure, so that it puts the job back into its queue.
        print("earmark: saved. The same command goes on from here.", file=sys.stderr)
        raise typer.Exit(0) from None
    except KeyboardInterrupt:
        print("earmark: stopped. The same command goes on from here.", file=sys.stderr)
        raise typer.Exit(130) from None
