"""Verbs of the whole way."""

from __future__ import annotations

from pathlib import Path

from .app import DEFAULT_WORKSPACE, CanaryOption, Overrides, RecipeArgument, WorkspaceOption, app
from .way import run_and_report


@app.command(epilog="Example: earmark demo -w demo")
def demo(workspace: WorkspaceOption = Path("demo"), overrides: Overrides = None) -> None:
    """Run the whole way on the embedded synthetic corpus; nothing is downloaded."""
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
