"""Verbs of a trained model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .app import DEFAULT_WORKSPACE, CheckpointOption, Files, app


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
    from earmark.pretrain.use.labelling import load_tagger

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

    from earmark.pretrain.use.loading import load_encoder

    vectors = load_encoder(checkpoint).embed(files)
    with open(out, "wb") as stream:
        np.save(stream, vectors)
    print(f"{out}: {vectors.shape[0]} files x {vectors.shape[1]}")


@app.command(epilog='Example: earmark search -c workspace "a dog barking" ~/sounds')
def search(
    text: Annotated[str, typer.Argument(help="What to listen for, in words.")],
    sounds: Annotated[list[Path], typer.Argument(metavar="FOLDER|FILE...", help="Where.")],
    checkpoint: CheckpointOption = DEFAULT_WORKSPACE,
    top: Annotated[int, typer.Option(help="Files to show.")] = 10,
    index: Annotated[
        Path | None,
        typer.Option(help="Where vectors are kept for the next search; else in the folder."),
    ] = None,
) -> None:
    """Find sounds by words, with a model of the contrastive objective."""
    from earmark.pretrain.use.search import search_sounds, told

    where = sounds[0] if len(sounds) == 1 else sounds
    found, searched = search_sounds(text, where, checkpoint, index=index, top=top)
    print(told(found, searched))


@app.command(epilog="Example: earmark export -c workspace --onnx encoder.onnx")
def export(
    onnx: Annotated[Path, typer.Option("--onnx", help="The file to write.")],
    checkpoint: CheckpointOption = DEFAULT_WORKSPACE,
    tolerance: Annotated[float, typer.Option(help="Largest difference that is let pass.")] = 1e-4,
) -> None:
    """Write an encoder as ONNX, from log-mel on, and check that it computes the same."""
    from earmark.pretrain.use.export import export_onnx

    print(export_onnx(checkpoint, onnx, tolerance=tolerance))
