"""The verb of a study."""

from __future__ import annotations

from typing import Annotated

import typer

from .app import DEFAULT_WORKSPACE, Overrides, WorkspaceOption, app
from .way import stoppable


@app.command(epilog="Example: earmark study study -w study")
def study(
    recipe: Annotated[
        str, typer.Argument(metavar="STUDY", help="A TOML file, or a shipped study by name.")
    ],
    overrides: Overrides = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    only: Annotated[
        str, typer.Option(metavar="INDEX/COUNT", help="Do one share of the runs (a batch array).")
    ] = "",
) -> None:
    """Run arms times seeds, and tell what differs by more than chance."""
    from earmark.report.study.page import write_study_page
    from earmark.study.config import load_study
    from earmark.study.results import DONE
    from earmark.study.run import run_study, share, study_folder

    name, config = load_study(recipe, overrides or [])
    with stoppable():
        found = run_study(name, config, workspace, only=share(only) if only else None)
    folder = study_folder(workspace, name)
    print((folder / "table.md").read_text("utf-8"))
    print(write_study_page(found, folder / "index.html", workspace=workspace))
    failed = [run for run in found.runs if run.status.startswith("failed")]
    if failed or (not only and any(run.status != DONE for run in found.runs)):
        raise typer.Exit(1)
