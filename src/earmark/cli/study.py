"""The verb of a study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .app import DEFAULT_WORKSPACE, WorkspaceOption, app
from .way import stoppable


@app.command(epilog="Example: earmark study study -w study")
def study(
    recipe: Annotated[
        str, typer.Argument(metavar="STUDY", help="A TOML file, or a shipped study by name.")
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY=VALUE]...",
            help="Set keys of the study: execute.processes=2; those of recipes stand in set.",
        ),
    ] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    only: Annotated[
        str, typer.Option(metavar="INDEX/COUNT", help="Do one share of the runs (a batch array).")
    ] = "",
) -> None:
    """Run arms times seeds, and tell what differs by more than chance."""
    from earmark.annotate.execute.shards import parse_shard
    from earmark.report.study.page import write_study_page
    from earmark.study.config import load_study
    from earmark.study.results import DONE, Study
    from earmark.study.run import run_study

    def show(found: Study, folder: Path) -> None:
        page = write_study_page(found, folder / "index.html", workspace=workspace)
        print((folder / "table.md").read_text("utf-8"))
        print(page)

    share = parse_shard(only, option="--only") if only else None
    name, config = load_study(recipe, overrides or [])
    with stoppable():
        chosen = (share.index, share.count) if share else None
        found = run_study(name, config, workspace, only=chosen, show=show)
    failed = [run for run in found.runs if run.status.startswith("failed")]
    if failed or (not only and any(run.status != DONE for run in found.runs)):
        raise typer.Exit(1)
