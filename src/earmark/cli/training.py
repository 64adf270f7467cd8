"""Verbs from the manifest to scores and their report."""

from __future__ import annotations

from .app import DEFAULT_WORKSPACE, Overrides, RecipeArgument, WorkspaceOption, app
from .way import print_scores, run_until


@app.command(epilog="Example: earmark pretrain folder corpus.path=~/sounds pretrain.steps=2000")
def pretrain(
    recipe: RecipeArgument,
    overrides: Overrides = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Go as far as a trained encoder."""
    run_until("pretrain", recipe, overrides, workspace)


@app.command(epilog="Example: earmark evaluate folder corpus.path=~/sounds")
def evaluate(
    recipe: RecipeArgument,
    overrides: Overrides = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Go as far as scores: probes on frozen features, against baselines."""
    print_scores(run_until("evaluate", recipe, overrides, workspace))


@app.command(epilog="Example: earmark report -w workspace")
def report(workspace: WorkspaceOption = DEFAULT_WORKSPACE) -> None:
    """Write the report page of a workspace's latest run."""
    from earmark.report.page import write_report
    from earmark.workspace import Workspace

    print(write_report(Workspace(workspace)))
