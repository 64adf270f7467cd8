"""Commands of studies, and of the datasets that tasks know by name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.options import (
    DEFAULT_WORKSPACE,
    DatasetsOption,
    WorkspaceOption,
    app,
    renamed_option,
)
from earmark.cli.pipeline import stoppable


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
    shard: Annotated[
        str, typer.Option(metavar="INDEX/COUNT", help="Run one shard of the runs (a batch array).")
    ] = "",
    renamed: Annotated[str, renamed_option("--only", "--shard")] = "",
) -> None:
    """Train each arm with several seeds, and show what differs by more than chance."""
    from earmark.annotate.jobs.shards import parse_shard
    from earmark.report.study.page import write_study_page
    from earmark.study.config import load_study
    from earmark.study.results import DONE, Study
    from earmark.study.run import run_study

    def show(found: Study, folder: Path) -> None:
        page = write_study_page(found, folder / "index.html", workspace=workspace)
        print((folder / "table.md").read_text("utf-8"))
        print(page)

    share = parse_shard(shard) if shard else None
    name, config = load_study(recipe, overrides or [])
    with stoppable():
        chosen = (share.index, share.count) if share else None
        found = run_study(name, config, workspace, only=chosen, show=show)
    failed = [run for run in found.runs if run.status.startswith("failed")]
    if failed or (not shard and any(run.status != DONE for run in found.runs)):
        raise typer.Exit(1)


@app.command(epilog="Example: earmark datasets esc50 --datasets ~/datasets")
def datasets(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A dataset; all of them without it.")
    ] = None,
    copies: DatasetsOption = None,
) -> None:
    """List the datasets that tasks know by name, or describe one of them.

    Shows a dataset's licence, where to get it, how a copy is laid out, its task and published
    scores. Nothing is ever downloaded.
    """
    from earmark.evaluate.datasets.describe import describe_dataset, list_datasets

    print(describe_dataset(name, copies) if name else list_datasets(copies))
