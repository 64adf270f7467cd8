"""The command line: one verb, one function, no logic.

Exit codes: 0 done, 1 the work failed or too much was rejected, 2 the user's mistake.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from .workspace import Workspace

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
DEFAULT_WORKSPACE = Path("workspace")


@app.command(epilog="Example: earmark demo -w demo")
def demo(workspace: WorkspaceOption = Path("demo"), overrides: Overrides = None) -> None:
    """Run the whole way on the embedded synthetic corpus; nothing is downloaded."""
    _run_and_report("demo", overrides, workspace)


@app.command(epilog="Example: earmark run folder corpus.path=~/sounds -w workspace")
def run(
    recipe: RecipeArgument,
    overrides: Overrides = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    canary: CanaryOption = True,
) -> None:
    """Run a recipe from audio to scores and write the report."""
    _run_and_report(recipe, overrides, workspace, canary)


@app.command(epilog="Example: earmark scan folder corpus.path=~/sounds")
def scan(
    recipe: RecipeArgument,
    overrides: Overrides = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """List the corpus and look at each file: hash, duration, loudness, faults."""
    _run_until("scan", recipe, overrides, workspace)


@app.command(epilog="Example: earmark caption folder corpus.path=~/sounds")
def caption(
    recipe: RecipeArgument,
    overrides: Overrides = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    shard: ShardOption = "",
    estimate: EstimateOption = False,
    canary: CanaryOption = True,
) -> None:
    """Go as far as captions: what the captioner writes of each clip."""
    _annotate("caption", "captioner", recipe, overrides, workspace, shard, estimate, canary)


@app.command(epilog="Example: earmark tag folder corpus.path=~/sounds tagger.max_tags=8")
def tag(
    recipe: RecipeArgument,
    overrides: Overrides = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    shard: ShardOption = "",
    estimate: EstimateOption = False,
    canary: CanaryOption = True,
) -> None:
    """Go as far as tags: the words that the tagger reads from each caption."""
    _annotate("tag", "tagger", recipe, overrides, workspace, shard, estimate, canary)


@app.command(
    epilog="Example: earmark vocabulary folder corpus.path=~/sounds vocabulary.size=800 | "
    "earmark vocabulary tags.jsonl --out uts vocabulary.sizes=[800,1000] | "
    "earmark vocabulary --diff old/vocabulary.json new/vocabulary.json"
)
def vocabulary(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE|FILE",
            help="As of other verbs; with --out, a file (or folder) of rows with id and tags.",
        ),
    ] = "",
    overrides: Overrides = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Make a vocabulary of a bare file, here.")
    ] = None,
    rewrite: Annotated[
        bool,
        typer.Option("--rewrite", help="With --out: also write the file anew with filtered tags."),
    ] = False,
    propose: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.toml", help="Write which tags may mean the same, for people to decide."
        ),
    ] = None,
    diff: Annotated[
        tuple[Path, Path] | None,
        typer.Option(metavar="OLD NEW", help="Show how two vocabularies differ, and make none."),
    ] = None,
    tags: Annotated[
        Path | None,
        typer.Option(help="With --diff: count the clips of these rows whose tags change."),
    ] = None,
) -> None:
    """Choose the tags that the corpus supports, and lock them; or compare two such choices."""
    from .annotate.vocabulary import verbs
    from .annotate.vocabulary.asked import check_asked

    check_asked(
        recipe, overrides or [], out=out, rewrite=rewrite, propose=propose, diff=diff, tags=tags
    )
    if diff is not None:
        print(verbs.compare_files(*diff, tags))
        return
    if out is not None:
        print(verbs.make_alone(Path(recipe), out, overrides or [], rewrite=rewrite))
    else:
        done = _run_until("vocabulary", recipe, overrides, workspace)
        out = done.latest_run()[1]["vocabulary"].folder
    if propose is not None:
        print(verbs.propose_merges(out, propose))


@app.command(epilog="Example: earmark audit folder corpus.path=~/sounds audit.semantic=true")
def audit(
    recipe: RecipeArgument,
    overrides: Overrides = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Hold tags and vocabulary against people's labels, label lists and other taggers."""
    from .annotate.audit.summary import summary

    done = _run_until("audit", recipe, overrides, workspace)
    print(summary(done.latest_run()[1]["audit"].folder))


@app.command(epilog="Example: earmark manifest folder corpus.path=~/sounds manifest.test=0.1")
def manifest(
    recipe: RecipeArgument,
    overrides: Overrides = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Go as far as the manifest: Parquet and Lhotse rows, split without leaks."""
    _run_until("manifest", recipe, overrides, workspace)


@app.command(epilog="Example: earmark pretrain folder corpus.path=~/sounds pretrain.steps=2000")
def pretrain(
    recipe: RecipeArgument,
    overrides: Overrides = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Go as far as a trained encoder."""
    _run_until("pretrain", recipe, overrides, workspace)


@app.command(epilog="Example: earmark evaluate folder corpus.path=~/sounds")
def evaluate(
    recipe: RecipeArgument,
    overrides: Overrides = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Go as far as scores: probes on frozen features, against baselines."""
    _print_scores(_run_until("evaluate", recipe, overrides, workspace))


@app.command(epilog="Example: earmark report -w workspace")
def report(workspace: WorkspaceOption = DEFAULT_WORKSPACE) -> None:
    """Write the report page of a workspace's latest run."""
    from .report.page import write_report
    from .workspace import Workspace

    print(write_report(Workspace(workspace)))


@app.command(epilog="Example: earmark label -c workspace dog.wav song.mp3")
def label(
    files: Files,
    checkpoint: CheckpointOption = DEFAULT_WORKSPACE,
    top: Annotated[int, typer.Option(help="Tags a file.")] = 10,
    vocabulary: Annotated[
        Path | None,
        typer.Option(help="A lock file: only with a model that was trained on it."),
    ] = None,
    mapped: Annotated[
        bool,
        typer.Option("--map", help="With --vocabulary: tell by its names the tags that it has."),
    ] = False,
) -> None:
    """Print the tags that a trained model hears in audio files, with scores."""
    from .pretrain.inference import load_tagger

    tagger = load_tagger(checkpoint, vocabulary, mapped=mapped)
    for file, tags in zip(files, tagger.label(files, top=top), strict=True):
        print(f"{file}\t" + "\t".join(f"{name} {score:.3f}" for name, score in tags))


@app.command(epilog="Example: earmark embed -c workspace --out vectors.npy dog.wav song.mp3")
def embed(
    files: Files,
    out: Annotated[Path, typer.Option("--out", "-o", help="The .npy file to write.")],
    checkpoint: CheckpointOption = DEFAULT_WORKSPACE,
) -> None:
    """Write one vector for each audio file into a .npy array [files, dim]."""
    import numpy as np

    from .pretrain.inference import load_encoder

    vectors = load_encoder(checkpoint).embed(files)
    with open(out, "wb") as stream:
        np.save(stream, vectors)
    print(f"{out}: {vectors.shape[0]} files x {vectors.shape[1]}")


def main() -> None:
    """Run the command line; a user's mistake is one plain message, not a traceback."""
    from .workspace import StageError

    _log_to_stderr()
    try:
        app()
    except (StageError, FloatingPointError, OSError) as error:
        print(f"earmark: {error}", file=sys.stderr)
        sys.exit(1)
    except ValueError as error:
        print(f"earmark: {error}", file=sys.stderr)
        sys.exit(2)


def _log_to_stderr() -> None:
    """Show what backends have to say of their servers."""
    log = logging.getLogger("earmark")
    if not log.handlers:
        log.addHandler(logging.StreamHandler())
        log.setLevel(logging.INFO)


def _run_until(
    stage: str, recipe: str, overrides: list[str] | None, workspace: Path, canary: bool = True
) -> Workspace:
    from .pipeline import run as run_pipeline
    from .recipe import open_recipe

    with _stoppable():
        read, root, new = open_recipe(recipe, overrides or [], workspace)
        done = run_pipeline(read, root, until=stage, canary=canary, relist=new)
    print(done.latest_run()[1][stage].folder)
    return done


def _annotate(
    verb: str,
    job: str,
    recipe: str,
    overrides: list[str] | None,
    workspace: Path,
    shard: str,
    estimate: bool,
    canary: bool,
) -> None:
    """Do what a verb that asks a backend was told: the whole, one shard of `job`, or a sample."""
    if shard and estimate:
        raise ValueError("--estimate is of the whole job: leave --shard out")
    if estimate:
        _estimate(job, recipe, overrides, workspace)
    elif shard:
        _run_shard(verb, job, shard, recipe, overrides, workspace, canary)
    else:
        _run_until(verb, recipe, overrides, workspace, canary)


def _run_shard(
    verb: str,
    job: str,
    shard: str,
    recipe: str,
    overrides: list[str] | None,
    workspace: Path,
    canary: bool,
) -> None:
    from .annotate.execute.shards import parse_shard
    from .pipeline import run_shard
    from .recipe import open_recipe

    with _stoppable():
        read, root, new = open_recipe(recipe, overrides or [], workspace)
        last = run_shard(read, root, parse_shard(shard), of=job, canary=canary, relist=new)
    if last:
        print(f"All shards are done. What they hold is read by: earmark {verb} {root}")


def _estimate(job: str, recipe: str, overrides: list[str] | None, workspace: Path) -> None:
    from .pipeline import estimate
    from .recipe import open_recipe

    with _stoppable():
        read, root, new = open_recipe(recipe, overrides or [], workspace)
        print(estimate(read, root, of=job, relist=new))


@contextlib.contextmanager
def _stoppable() -> Generator[None]:
    try:
        yield
    except KeyboardInterrupt:
        print("earmark: stopped. The same command goes on from here.", file=sys.stderr)
        raise typer.Exit(130) from None


def _run_and_report(
    recipe: str, overrides: list[str] | None, workspace: Path, canary: bool = True
) -> None:
    from .report.page import write_report

    done = _run_until("evaluate", recipe, overrides, workspace, canary)
    _print_scores(done)
    print(write_report(done))


def _print_scores(workspace: Workspace) -> None:
    from .evaluate.base import Comparison
    from .evaluate.table import score_table
    from .records import Score, read_parquet

    stage = workspace.latest_run()[1]["evaluate"]
    scores = read_parquet(stage.file("scores.parquet"), Score)
    if scores:
        pairs = read_parquet(stage.file("comparisons.parquet"), Comparison)
        print(f"\n{score_table(scores, pairs)}\n")
