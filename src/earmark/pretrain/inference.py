"""A finished encoder or tagger, from wherever its checkpoint lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import numpy as np
import torch
from jaxtyping import Float32

from earmark.annotate.vocabulary import Vocabulary
from earmark.annotate.vocabulary.locking.opening import open_vocabulary
from earmark.config import ConfigError
from earmark.pretrain.checkpoint import load_checkpoint
from earmark.pretrain.encoders.base import Encoder
from earmark.pretrain.objectives.tags import TagsObjective
from earmark.pretrain.waves import Sound
from earmark.workspace import Workspace


@final
@dataclass(frozen=True)
class Tagger:
    """An encoder with the head that was trained on `vocabulary`.

    `told_as` is another vocabulary, by whose names tags are told; see `mapped_to`.
    """

    encoder: Encoder
    vocabulary: Vocabulary
    objective: TagsObjective
    told_as: Vocabulary | None = None

    def label(self, files: Sequence[Sound], top: int = 10) -> list[list[tuple[str, float]]]:
        """Return for each file its `top` likeliest tags with their probabilities, likeliest first.

        Args:
            files: paths of audio files, spans of such, or mono waves at the encoder's sample rate.
            top: tags a file; fewer come back from a smaller vocabulary.

        Raises:
            AudioError: a file cannot be decoded.
            ValueError: `top` is below one.
        """
        if top < 1:
            raise ValueError(f"top = {top}, but a file gets at least one tag")
        probabilities = self.probabilities(files)
        # Stable, so that equal probabilities go by rank in the vocabulary.
        best = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
        tags = self.tags
        return [
            [(tags[place], float(row[place])) for place in places]
            for row, places in zip(probabilities, best, strict=True)
        ]

    @property
    def tags(self) -> tuple[str, ...]:
        """What the columns of `probabilities` are called."""
        if self.told_as is None:
            return self.vocabulary.tags
        return tuple(self.told_as.tags[there] for there in self._columns)

    def mapped_to(self, other: Vocabulary) -> Tagger:
        """Return the tagger that tells those of its classes which `other` has, by their name there.

        Raises:
            ConfigError: `other` has none of them.
        """
        if not self.vocabulary.mapping_to(other):
            raise ConfigError(self.vocabulary.explain_mapping(other))
        return replace(self, told_as=other)

    def probabilities(self, files: Sequence[Sound]) -> Float32[np.ndarray, "files tags"]:
        """Return the probability of each of `tags` for each file."""
        pooled = torch.from_numpy(self.encoder.embed(files))
        with torch.inference_mode():
            head = self.objective.head
            own = torch.sigmoid(head(pooled.to(head.weight.device))).cpu().numpy()
        if self.told_as is None:
            return own
        # Where several classes are one there, the likeliest speaks for it.
        merged = [own[:, ours].max(axis=1) for ours in self._columns.values()]
        return np.stack(merged, axis=1)

    @property
    def _columns(self) -> dict[int, list[int]]:
        """Class ids of `told_as`, in order, with the own class ids that they stand for."""
        assert self.told_as is not None
        columns = dict[int, list[int]]()
        for here, there in self.vocabulary.mapping_to(self.told_as).items():
            columns.setdefault(there, []).append(here)
        return dict(sorted(columns.items()))


def load_encoder(path: str | Path) -> Encoder:
    """Return the encoder of a checkpoint, on the CPU, in evaluation mode.

    Args:
        path: a checkpoint, a pretrain stage's folder, or a workspace (its latest run is taken).

    Raises:
        ConfigError: there is no checkpoint, or it cannot be read.
    """
    return load_checkpoint(find_checkpoint(Path(path))).encoder


def load_tagger(
    path: str | Path, vocabulary: str | Path | None = None, *, mapped: bool = False
) -> Tagger:
    """Return the tagger of a checkpoint; `path` as of `load_encoder`.

    Args:
        path: where the checkpoint is.
        vocabulary: the lock file that the caller counts on, if any.
        mapped: whether it may be another than the model's: then a list of labels will do as well,
            and those tags are told which it has, by its names (`Tagger.mapped_to`).

    Raises:
        ConfigError: as `load_encoder`, the checkpoint's objective does not predict tags, or it was
            trained on another vocabulary; the message says how many tags both have, and how to
            map them (`Tagger.mapped_to`).
    """
    folder = find_checkpoint(Path(path))
    checkpoint = load_checkpoint(folder)
    if not isinstance(checkpoint.objective, TagsObjective):
        raise ConfigError(
            f"{folder} was pre-trained by a {type(checkpoint.objective).__name__}, which predicts "
            "no tags; take one with objective.kind = 'tags', or use load_encoder."
        )
    tagger = Tagger(checkpoint.encoder, checkpoint.vocabulary, checkpoint.objective)
    if vocabulary is None:
        if mapped:
            raise ConfigError("mapped to what? Give the other vocabulary (--vocabulary FILE)")
        return tagger
    other = open_vocabulary(Path(vocabulary), checkpoint.vocabulary.settings)
    if mapped:
        return tagger.mapped_to(other)
    checkpoint.vocabulary.must_be(other, where=str(folder))
    return tagger


def find_checkpoint(path: Path) -> Path:
    """Return the checkpoint folder that `path` means.

    Raises:
        ConfigError: there is none; the message says where it was looked for.
    """
    if not path.is_dir():
        raise ConfigError(f"{path} is not a folder; give a checkpoint, a stage or a workspace.")
    if (path / "config.json").exists():
        return path
    if (path / "checkpoint" / "config.json").exists():
        return path / "checkpoint"
    if not (path / "run.json").exists():
        raise ConfigError(
            f"{path} holds neither config.json (a checkpoint), nor checkpoint/ (a finished "
            "pretrain stage), nor run.json (a workspace)."
        )
    _, stages = Workspace(path).latest_run()
    if "pretrain" not in stages:
        ran = ", ".join(stages) or "nothing"
        raise ConfigError(f"The latest run of {path} has no pretrain stage (it ran: {ran}).")
    folder = stages["pretrain"].file("checkpoint")
    if not (folder / "config.json").exists():
        raise ConfigError(
            f"The pre-training of {path} has not finished: there is no {folder}. Run it again; it "
            "goes on from its last state."
        )
    return folder
