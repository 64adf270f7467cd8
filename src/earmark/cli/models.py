"""Verbs of a trained model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .app import DEFAULT_WORKSPACE, CheckpointOption, DeviceOption, Files, app
from .files import decoded, settle


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
    device: DeviceOption = "auto",
) -> None:
    """Print the tags that a trained model hears in audio files, with scores.

    What cannot be decoded is told on stderr, and the exit code is then 1.
    """
    from earmark.pretrain.use.decoding import Undecoded
    from earmark.pretrain.use.labelling import load_tagger

    tagger = load_tagger(checkpoint, vocabulary, mapped=mapped, device=device)
    lost = list[Undecoded]()
    for block in decoded(files, tagger.encoder.sample_rate, lost):
        for file, tags in zip(block.files, tagger.label(block.waves, top=top), strict=True):
            print(f"{file}\t" + "\t".join(f"{name} {score:.3f}" for name, score in tags))
    settle(lost, len(files))


@app.command(epilog="Example: earmark describe -c workspace dog.wav song.mp3")
def describe(
    files: Files,
    checkpoint: CheckpointOption = DEFAULT_WORKSPACE,
    max_tokens: Annotated[
        int | None, typer.Option(help="Longest text, in word pieces; else as trained.")
    ] = None,
    device: DeviceOption = "auto",
) -> None:
    """Print what a model of the captioning objective writes of audio files.

    What cannot be decoded is told on stderr, and the exit code is then 1.
    """
    from earmark.pretrain.use.decoding import Undecoded
    from earmark.pretrain.use.describing import load_describer

    describer = load_describer(checkpoint, device)
    lost = list[Undecoded]()
    for block in decoded(files, describer.encoder.sample_rate, lost):
        texts = describer.describe(block.waves, max_tokens)
        for file, text in zip(block.files, texts, strict=True):
            print(f"{file}\t{' '.join(text.split())}")
    settle(lost, len(files))


@app.command(epilog="Example: earmark embed -c workspace --out vectors.npy dog.wav song.mp3")
def embed(
    files: Files,
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="The .npy file to write; names go to a .json beside it."),
    ],
    checkpoint: CheckpointOption = DEFAULT_WORKSPACE,
    device: DeviceOption = "auto",
) -> None:
    """Write one vector for each audio file into a .npy array [files, dim].

    The names of its rows, and of what could not be decoded, go to a .json file beside it; where
    some could not, the exit code is 1.
    """
    import numpy as np

    from earmark.pretrain.use.decoding import Undecoded
    from earmark.pretrain.use.loading import load_encoder
    from earmark.pretrain.use.vectors import names_path, write_vectors

    beside = names_path(out)
    encoder = load_encoder(checkpoint, device)
    heard, lost = list[Path](), list[Undecoded]()
    rows = list[np.ndarray]()
    for block in decoded(files, encoder.sample_rate, lost):
        rows.append(encoder.embed(block.waves))
        heard += block.files
    write_vectors(out, heard, np.concatenate(rows), lost)
    print(f"{out}: {len(heard)} files x {encoder.dim}; their names: {beside}")
    settle(lost, len(files))


@app.command(epilog='Example: earmark search -c workspace "a dog barking" ~/sounds')
def search(
    text: Annotated[str, typer.Argument(help="What to listen for, in words.")],
    sounds: Annotated[list[Path], typer.Argument(metavar="FOLDER|FILE...", help="Where.")],
    checkpoint: CheckpointOption = DEFAULT_WORKSPACE,
    top: Annotated[int, typer.Option(help="Files to show.")] = 10,
    index: Annotated[
        Path | None,
        typer.Option(
            help="Where vectors are kept for the next search; else in the folder, and of single "
            "files nowhere."
        ),
    ] = None,
    device: DeviceOption = "auto",
) -> None:
    """Find sounds by words, with a model of the contrastive objective."""
    from earmark.pretrain.use.search import search_sounds, told

    where = sounds[0] if len(sounds) == 1 else sounds
    found, searched = search_sounds(text, where, checkpoint, index=index, top=top, device=device)
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
