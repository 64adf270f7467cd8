"""Search audio files by a text, such as "a dog barking"."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from earmark.config import ConfigError
from earmark.pretrain.inference.index import SearchIndex
from earmark.pretrain.inference.index_builder import (
    INDEX_PREFIX,
    AudioTextEncoder,
    VectorPrecision,
    build_index,
    checkpoint_digest,
)
from earmark.pretrain.inference.load import capability_error, load_trained_checkpoint
from earmark.pretrain.inference.tagger import find_objective
from earmark.pretrain.objectives.config import ContrastiveConfig


def index_file_name(fingerprint: str) -> str:
    """Return what a checkpoint's index of a folder is called in it, where no file is named.

    Each checkpoint has its own, so that searches with two of them do not undo each other.
    """
    return f"{INDEX_PREFIX}-{fingerprint}.safetensors"


class SearchResult(NamedTuple):
    """A file, how alike it and the text are (a cosine, -1 to 1), and where the likest window is."""

    path: Path
    score: float
    start_s: float


def load_audio_text_encoder(path: str | Path, device: str = "cpu") -> AudioTextEncoder:
    """Return what hears and reads in a contrastive checkpoint; arguments as of `load_encoder`.

    Raises:
        ConfigError: as `load_encoder`, or the checkpoint has no contrastive part.
    """
    folder, checkpoint = load_trained_checkpoint(path, device)
    objective = find_objective(checkpoint, ContrastiveConfig)
    if objective is None:
        raise capability_error("search", folder, checkpoint.objective_config, ("contrastive",))
    return AudioTextEncoder(checkpoint.encoder, objective, checkpoint_digest(folder))


def search(
    listener: AudioTextEncoder, index: SearchIndex, text: str, top: int = 10
) -> list[SearchResult]:
    """Return the `top` files of an index that are likest to a text, likest first.

    A file counts as its likest window. Equal scores go by path.

    Raises:
        ConfigError: the index is of another checkpoint.
        ValueError: `top` is below one, or the text is empty.
    """
    if top < 1:
        raise ValueError(f"top = {top}, but a search finds at least one file")
    if not text.strip():
        raise ValueError("search for what? Give some words, such as 'a dog barking'")
    if index.checkpoint != listener.fingerprint:
        raise ConfigError(
            f"The index of {index.folder} is of checkpoint {index.checkpoint}, not of "
            f"{listener.fingerprint}: their vectors lie in different spaces. Build it anew."
        )
    if not index.files:
        return []
    (wanted,) = listener.objective.embed_text([text]).cpu().numpy()
    scores = index.vectors.astype(np.float32) @ wanted
    firsts = np.searchsorted(index.owners, np.arange(len(index.files)))
    best = np.maximum.reduceat(scores, firsts)
    order = np.argsort(-best, kind="stable")[:top].tolist()
    ends = [*firsts[1:].tolist(), len(scores)]
    likest = [firsts[place] + int(scores[firsts[place] : ends[place]].argmax()) for place in order]
    return [
        SearchResult(
            index.folder / index.files[place].path, float(best[place]), float(index.starts_s[at])
        )
        for place, at in zip(order, likest, strict=True)
    ]


def search_audio(
    text: str,
    sounds: Path | Sequence[Path],
    checkpoint: str | Path,
    *,
    index: Path | None = None,
    top: int = 10,
    precision: VectorPrecision = "float32",
    device: str = "cpu",
) -> tuple[list[SearchResult], SearchIndex]:
    """Bring the index of some sounds up to date, and search in it.

    Args:
        text: what is looked for.
        sounds: a folder, or files.
        checkpoint: a contrastive one, as of `load_encoder`.
        index: the index file; unless given, of a folder `index_file_name` in it, and of files none:
            what was heard of them is not kept.
        top: files to find.
        precision: of the vectors on the disk.
        device: as of `load_encoder`.

    Returns:
        The files, and the index: `index.lost` says what could not be listened to, and why.

    Raises:
        ConfigError: as `load_audio_text_encoder` and `build_index`.
        ValueError: as `search`.
    """
    if isinstance(sounds, Path) and sounds.is_file():
        sounds = [sounds]
    listener = load_audio_text_encoder(checkpoint, device)
    if index is None and isinstance(sounds, Path):
        index = sounds / index_file_name(listener.fingerprint)
    built = build_index(listener, sounds, index, precision=precision)
    return search(listener, built, text, top), built


def describe_results(found: Sequence[SearchResult], index: SearchIndex) -> str:
    """Return what a search found as lines for people: score, file, place; then what was lost."""
    lines = [f"{hit.score:.3f}\t{hit.path}\tfrom {hit.start_s:g} s" for hit in found]
    lines.append(f"{len(index.files)} files of {index.folder} were searched.")
    reasons = Counter(lost.reason for lost in index.lost)
    lines += [f"Left out: {count} {reason}" for reason, count in reasons.most_common()]
    return "\n".join(lines)
