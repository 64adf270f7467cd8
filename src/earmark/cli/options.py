"""The command line's program, and the arguments that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

RENAMED_COMMANDS = {"tasks": "datasets"}


class CommandGroup(TyperGroup):
    """Commands that name the new word for an old one."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command; raises ValueError where its name has changed."""
        if args and args[0] in RENAMED_COMMANDS:
            raise ValueError(f"earmark {args[0]} is now: earmark {RENAMED_COMMANDS[args[0]]}")
        return super().resolve_command(ctx, args)


def renamed_option(old: str, new: str) -> Any:
    """Return a hidden option whose use raises a ValueError that names the new one."""

    def refuse(value: Any) -> Any:
        if value:
            raise ValueError(f"{old} is now {new}")
        return value

    return typer.Option(old, hidden=True, callback=refuse)


app = typer.Typer(
    name="earmark",
    cls=CommandGroup,
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
        help="A TOML file, a shipped recipe by name, or a workspace to resume.",
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
    str, typer.Option(metavar="INDEX/COUNT", help="Run one shard, as a task of a batch array.")
]
EstimateOption = Annotated[
    bool, typer.Option("--estimate", help="Try 20 clips; print speed, hours and cost of all.")
]
DatasetsOption = Annotated[
    Path | None,
    typer.Option("--datasets", help="Where copies are looked for, as evaluate.datasets."),
]
Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="Audio files.")]
DeviceOption = Annotated[
    str,
    typer.Option(
        help='"auto" (an accelerator where there is one), "cpu", "cuda", "cuda:1", "mps".'
    ),
]
DEFAULT_WORKSPACE = Path("workspace")
