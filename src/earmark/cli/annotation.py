"""Verbs from audio to the manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .app import (
    DEFAULT_WORKSPACE,
    CanaryOption,
    EstimateOption,
    Overrides,
    RecipeArgument,
    ShardOption,
    WorkspaceOption,
    app,
)
from .way import run_until, stoppable


@app.command(epilog="Example: earmark scan folder corpus.path=~/sounds")
def scan(
    recipe: RecipeArgument,
    overrides: Overrides = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """List the corpus and look at each file: hash, duration, loudness, faults."""
    run_until("scan", recipe, overrides, workspace)


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
    from earmark.annotate.vocabulary import verbs
    from earmark.annotate.vocabulary.asked import check_asked

    check_asked(
        recipe, overrides or [], out=out, rewrite=rewrite, propose=propose, diff=diff, tags=tags
    )
    if diff is not None:
        print(verbs.compare_files(*diff, tags))
        return
    if out is not None:
        print(verbs.make_alone(Path(recipe), out, overrides or [], rewrite=rewrite))
    else:
        done = run_until("vocabulary", recipe, overrides, workspace)
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
    from earmark.annotate.audit.summary import summary

    done = run_until("audit", recipe, overrides, workspace)
    print(summary(done.latest_run()[1]["audit"].folder))


@app.command(epilog="Example: earmark manifest folder corpus.path=~/sounds manifest.test=0.1")
def manifest(
    recipe: RecipeArgument,
    overrides: Overrides = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Go as far as the manifest: Parquet and Lhotse rows, split without leaks."""
    run_until("manifest", recipe, overrides, workspace)


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
        run_until(verb, recipe, overrides, workspace, canary)


def _run_shard(
    verb: str,
    job: str,
    shard: str,
    recipe: str,
    overrides: list[str] | None,
    workspace: Path,
    canary: bool,
) -> None:
    from earmark.annotate.execute.shards import parse_shard
    from earmark.pipeline import run_shard
    from earmark.recipe import open_recipe

    with stoppable():
        read, root, new = open_recipe(recipe, overrides or [], workspace)
        last = run_shard(read, root, parse_shard(shard), of=job, canary=canary, relist=new)
    if last:
        print(f"All shards are done. What they hold is read by: earmark {verb} {root}")


def _estimate(job: str, recipe: str, overrides: list[str] | None, workspace: Path) -> None:
    from earmark.pipeline import estimate
    from earmark.recipe import open_recipe

    with stoppable():
        read, root, new = open_recipe(recipe, overrides or [], workspace)
        print(estimate(read, root, of=job, relist=new))
