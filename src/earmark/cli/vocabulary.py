"""Commands of the vocabulary: build it, compare two, propose merges, rewrite files with it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from earmark.cli.options import DEFAULT_WORKSPACE, Overrides, WorkspaceOption, app
from earmark.cli.pipeline import run_until


class VocabularyGroup(TyperGroup):
    """The sub-commands; anything else is answered with the command that builds from it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the options; raises ValueError for one that has become a sub-command."""
        if args and args[0] in ("--diff", "--propose", "--rewrite"):
            command = args[0].removeprefix("--")
            raise ValueError(f"earmark vocabulary {args[0]} is now: earmark vocabulary {command}")
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the sub-command; raises ValueError where there is none of that name."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            raise ValueError(
                f"earmark vocabulary has no command {args[0]!r}. Write one of build, diff, "
                f"propose and rewrite: earmark vocabulary build {args[0]}"
            )
        return super().resolve_command(ctx, args)


vocabulary = typer.Typer(
    cls=VocabularyGroup,
    help="Build the vocabulary that a corpus supports, compare two, propose merges.",
    no_args_is_help=True,
    epilog="Example: earmark vocabulary build folder corpus.path=~/sounds vocabulary.size=800",
)
app.add_typer(vocabulary, name="vocabulary")

OutOption = Annotated[
    Path | None, typer.Option("--out", "-o", help="Of a file of rows: the folder to write.")
]


@vocabulary.command(
    epilog="Example: earmark vocabulary build tags.jsonl --out uts vocabulary.sizes=[800,1000]"
)
def build(
    source: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE|FILE",
            help="A recipe, as for other commands; with --out a file or folder of rows with an id "
            "and tags.",
        ),
    ],
    overrides: Overrides = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    out: OutOption = None,
) -> None:
    """Choose the tags that a corpus supports, and lock them."""
    from earmark.annotate.vocabulary.commands import build_from_files, check_sources

    check_sources(source, overrides or [], out)
    if out is None:
        run_until("vocabulary", source, overrides, workspace)
    else:
        print(build_from_files(Path(source), out, overrides or []))


@vocabulary.command(epilog="Example: earmark vocabulary rewrite tags.jsonl --out uts")
def rewrite(
    source: Annotated[
        str, typer.Argument(metavar="FILE", help="A JSONL file, or a folder of such.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write.")],
    overrides: Overrides = None,
) -> None:
    """Build a vocabulary from a file of rows, and write the file anew with its tags."""
    from earmark.annotate.vocabulary.commands import build_from_files, check_sources

    check_sources(source, overrides or [], out)
    print(build_from_files(Path(source), out, overrides or [], rewrite=True))


@vocabulary.command(epilog="Example: earmark vocabulary propose workspace decisions.toml")
def propose(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="WORKSPACE|FILE", help="A workspace (its latest run), or a lock file."
        ),
    ],
    decisions: Annotated[
        Path, typer.Argument(metavar="FILE.toml", help="The file to write, or to add to.")
    ],
) -> None:
    """Write which tags may mean the same, for people to decide."""
    from earmark.annotate.vocabulary.commands import propose_merges
    from earmark.workspace import Workspace, is_workspace

    if not decisions.absolute().parent.is_dir():
        raise ValueError(f"{decisions}: there is no folder {decisions.parent}")
    if is_workspace(source):
        folders = Workspace(source).latest_run()[1]
        if "vocabulary" not in folders or not folders["vocabulary"].done:
            raise ValueError(
                f"{source} holds no vocabulary yet. Build it: earmark vocabulary build {source}"
            )
        source = folders["vocabulary"].folder
    print(propose_merges(source, decisions))


@vocabulary.command(
    epilog="Example: earmark vocabulary diff old/vocabulary.json new/vocabulary.json"
)
def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="A lock file or a list of labels.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The same.")],
    tags: Annotated[
        Path | None, typer.Option(help="Rows: count the clips whose tags change.")
    ] = None,
) -> None:
    """Show how two vocabularies differ."""
    from earmark.annotate.vocabulary.commands import compare_files

    print(compare_files(old, new, tags))
