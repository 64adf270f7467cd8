"""Verbs from the manifest to scores and their report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
