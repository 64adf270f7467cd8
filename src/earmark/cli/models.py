"""Commands of a trained model."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli.options import (
    DEFAULT_WORKSPACE,
    CheckpointOption,
    DeviceOption,
    Files,
    app,
    renamed_option,
)

if TYPE_CHECKING:
    from earmark.pretrain.inference.embed import DecodedBlock, UnreadableFile


@app.command(epilog="Example: earmark label -c workspace dog.wav song.mp3")
def label(
    files: Files,
    checkpoint: CheckpointOption = DEFAULT_WORKSPACE,
    top: Annotated[int, typer.Option(help="Tags a file.")] = 10,
    vocabulary: Annotated[
        Path | None,
        typer.Option(help="A lock file: only with a model that was trained on it."),
    ] = None,
    as_vocabulary: Annotated[
        bool,
        typer.Option(
            "--as-vocabulary", help="With --vocabulary: print its names of the tags it has."
        ),
    ] = False,
    renamed: Annotated[bool, renamed_option("--map", "--as-vocabulary")] = False,
    device: DeviceOption = "auto",
) -> None:
    """Print the tags that a trained model hears in audio files, with scores.

    Files that cannot be decoded are reported on stderr; the exit code is then 1.
    """
    from earmark.pretrain.inference.embed import UnreadableFile
    from earmark.pretrain.inference.tagger import load_tagger

    tagger = load_tagger(checkpoint, vocabulary, mapped=as_vocabulary, device=device)
    lost = list[UnreadableFile]()
    for block in iter_decoded(files, tagger.encoder.sample_rate, lost):
        for file, tags in zip(block.files, tagger.label(block.waves, top=top), strict=True):
            print(f"{file}\t" + "\t".join(f"{name} {score:.3f}" for name, score in tags))
    exit_if_rejected(lost, len(files))


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

    Files that cannot be decoded are reported on stderr; the exit code is then 1.
    """
    from earmark.pretrain.inference.captioner import load_captioner
    from earmark.pretrain.inference.embed import UnreadableFile

    describer = load_captioner(checkpoint, device)
    lost = list[UnreadableFile]()
    for block in iter_decoded(files, describer.encoder.sample_rate, lost):
        texts = describer.describe(block.waves, max_tokens)
        for file, text in zip(block.files, texts, strict=True):
            print(f"{file}\t{' '.join(text.split())}")
    exit_if_rejected(lost, len(files))


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

    from earmark.pretrain.inference.embed import UnreadableFile, row_names_path, write_vectors
    from earmark.pretrain.inference.load import load_encoder

    beside = row_names_path(out)
    encoder = load_encoder(checkpoint, device)
    heard, lost = list[Path](), list[UnreadableFile]()
    rows = list[np.ndarray]()
    for block in iter_decoded(files, encoder.sample_rate, lost):
        rows.append(encoder.embed(block.waves))
        heard += block.files
    write_vectors(out, heard, np.concatenate(rows), lost)
    print(f"{out}: {len(heard)} files x {encoder.dim}; their names: {beside}")
    exit_if_rejected(lost, len(files))


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
    from earmark.pretrain.inference.search import describe_results, search_audio

    where = sounds[0] if len(sounds) == 1 else sounds
    found, searched = search_audio(text, where, checkpoint, index=index, top=top, device=device)
    print(describe_results(found, searched))


@app.command(epilog="Example: earmark export -c workspace --onnx encoder.onnx")
def export(
    onnx: Annotated[Path, typer.Option("--onnx", help="The file to write.")],
    checkpoint: CheckpointOption = DEFAULT_WORKSPACE,
    tolerance: Annotated[float, typer.Option(help="Largest difference that is let pass.")] = 1e-4,
) -> None:
    """Write an encoder as ONNX, from log-mel on, and check that it computes the same."""
    from earmark.pretrain.inference.onnx import export_onnx

    print(export_onnx(checkpoint, onnx, tolerance=tolerance))


def iter_decoded(
    files: Sequence[Path], sample_rate: int, lost: list[UnreadableFile]
) -> Iterator[DecodedBlock]:
    """Yield the files that can be decoded, block by block.

    Each other one is reported at once on stderr, and added to `lost`.

    Raises:
        ValueError: there was none that can be decoded.
    """
    from earmark.pretrain.inference.embed import decode_files

    for block in decode_files(files, sample_rate):
        for each in block.lost:
            print(f"earmark: {each.file}: {each.reason}: {each.detail}", file=sys.stderr)
        lost += block.lost
        if block.files:
            yield block
    if len(lost) == len(files):
        raise ValueError(f"none of the files can be decoded ({_reasons(lost)}).")


def exit_if_rejected(lost: Sequence[UnreadableFile], of: int) -> None:
    """End with exit code 1 where some of the files were lost, and say how many and why."""
    if lost:
        print(f"earmark: {len(lost)} of {of} files lost: {_reasons(lost)}.", file=sys.stderr)
        raise typer.Exit(1)


def _reasons(lost: Sequence[UnreadableFile]) -> str:
    counts = Counter(each.reason for each in lost).most_common()
    return ", ".join(f"{count} {reason}" for reason, count in counts)
