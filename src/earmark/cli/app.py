"""The command line's program, and the arguments that several verbs have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="earmark",
    help="Turn any pile of audio into strong supervision, pre-train audio encoders on it, and "
    "measure what that bought.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)

RecipeArgument = Annotated[
    str,
    typer.Argument(
        metavar="RECIPE",
        help="A TOML file, a shipped recipe by name, or a workspace to go on with.",
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="Set recipe values: pretrain.steps=200"),
]
WorkspaceOption = Annotated[
    Path, typer.Option("--workspace", "-w", help="The folder where everything is kept.")
]
CheckpointOption = Annotated[
    Path,
    typer.Option(
        "--checkpoint", "-c", help="A checkpoint folder, or a workspace (its latest run)."
    ),
]
CanaryOption = Annotated[
    bool,
    typer.Option("--canary/--no-canary", help="Try a model on known sounds before it is trusted."),
]
ShardOption = Annotated[
    str, typer.Option(metavar="INDEX/COUNT", help="Do one shard, as a task of a batch array.")
]
EstimateOption = Annotated[
    bool, typer.Option("--estimate", help="Try 20 clips; print speed, hours and cost of all.")
]
Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="Audio files.")]
DeviceOption = Annotated[
    str,
    typer.Option(
        help='"auto" (an accelerator where there is one), "cpu", "cuda", "cuda:1", "mps".'
    ),
]
DEFAULT_WORKSPACE = Path("workspace")
