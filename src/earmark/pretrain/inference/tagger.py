"""Tags of audio files, by whatever a checkpoint has learned of tags or of texts.

Each objective that knows tags has its own way to score them from a clip's frames.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from earmark.annotate.vocabulary import Vocabulary
from earmark.annotate.vocabulary.formats import open_vocabulary
from earmark.config import ConfigError
from earmark.pretrain.checkpoint.checkpoint import Checkpoint
from earmark.pretrain.data.loader import AudioInput
from earmark.pretrain.encoders.base import Encoded, Encoder
from earmark.pretrain.inference.load import capability_error, load_trained_checkpoint
from earmark.pretrain.objectives.base import Objective
from earmark.pretrain.objectives.config import (
    ContrastiveConfig,
    MultitaskConfig,
    TagsConfig,
    TagsParallelConfig,
)
from earmark.pretrain.objectives.tags import TagsObjective

ZERO_SHOT_TEMPLATE = "the sound of {}"
"""What a contrastive checkpoint is asked for a tag."""


class TagScorer(ABC):
    """Scores the tags `names`; `of_vocabulary` is False where they are values of a label field."""

    names: tuple[str, ...]
    of_vocabulary: bool

    @abstractmethod
    def scores(self, encoded: Encoded) -> Float[Tensor, "batch tags"]:
        """Return one score for each clip and tag; the higher, the likelier."""


class HeadScorer(TagScorer):
    """The probabilities of a tags objective's head."""

    def __init__(self, objective: TagsObjective) -> None:
        self.names = objective.classes.names
        self.of_vocabulary = not objective.config.label
        self._objective = objective

    def scores(self, encoded: Encoded) -> Float[Tensor, "batch tags"]:
        """Return probabilities."""
        return torch.sigmoid(self._objective.logits(encoded))


class TagListScorer(TagScorer):
    """How likely a tags-parallel objective writes a tag."""

    def __init__(self, objective: Any) -> None:
        self.names = objective.classes.names
        self.of_vocabulary = not objective.config.label
        self._objective = objective

    def scores(self, encoded: Encoded) -> Float[Tensor, "batch tags"]:
        """Return probabilities."""
        return self._objective.probabilities(encoded)


class ZeroShotScorer(TagScorer):
    """How alike a clip and "the sound of <tag>" are in a contrastive objective's space.

    Args:
        objective: a `ContrastiveObjective`.
        tags: of the vocabulary.
    """

    def __init__(self, objective: Any, tags: Sequence[str]) -> None:
        self.names = tuple(tags)
        self.of_vocabulary = True
        self._objective = objective
        self._texts: Tensor = objective.embed_text([ZERO_SHOT_TEMPLATE.format(tag) for tag in tags])

    def scores(self, encoded: Encoded) -> Float[Tensor, "batch tags"]:
        """Return cosines, -1 to 1."""
        audio: Tensor = self._objective.embed_audio(encoded)
        return audio @ self._texts.to(audio.device).T


def build_tag_scorer(checkpoint: Checkpoint) -> TagScorer | None:
    """Return how a checkpoint tells tags; None where it does not."""
    if (objective := find_objective(checkpoint, TagsConfig)) is not None:
        assert isinstance(objective, TagsObjective)
        return HeadScorer(objective)
    if (objective := find_objective(checkpoint, TagsParallelConfig)) is not None:
        return TagListScorer(objective)
    if (objective := find_objective(checkpoint, ContrastiveConfig)) is not None:
        return ZeroShotScorer(objective, checkpoint.vocabulary.tags)
    return None


def find_objective(checkpoint: Checkpoint, kind: type[Any]) -> Objective[Any] | None:
    """Return the first of a checkpoint's objectives that has settings of this kind."""
    config, objective = checkpoint.objective_config, checkpoint.objective
    if not isinstance(config, MultitaskConfig):
        return objective if isinstance(config, kind) else None
    from earmark.pretrain.objectives.multitask import MultitaskObjective

    assert isinstance(objective, MultitaskObjective)
    parts = zip(config.parts, objective.by_name().values(), strict=True)
    return next((part for own, part in parts if isinstance(own, kind)), None)


@final
@dataclass(frozen=True)
class Tagger:
    """An encoder with what was trained on it to tell tags by.

    `vocabulary` is what the checkpoint was trained on; `mapped_vocabulary` is another, by whose
    names tags are printed, see `mapped_to`.
    """

    encoder: Encoder
    vocabulary: Vocabulary
    scorer: TagScorer
    mapped_vocabulary: Vocabulary | None = None

    def label(self, files: Sequence[AudioInput], top: int = 10) -> list[list[tuple[str, float]]]:
        """Return for each file its `top` likeliest tags with their scores, likeliest first.

        Args:
            files: paths of audio files, spans of such, or mono waves at the encoder's sample rate.
            top: tags a file; fewer come back from a smaller vocabulary.

        Raises:
            AudioError: a file cannot be decoded.
            ValueError: `top` is below one.
        """
        if top < 1:
            raise ValueError(f"top = {top}, but a file gets at least one tag")
        scores = self.probabilities(files)
        # Stable, so that equal scores go by rank in the vocabulary.
        best = np.argsort(-scores, axis=1, kind="stable")[:, :top]
        tags = self.tags
        return [
            [(tags[place], float(row[place])) for place in places]
            for row, places in zip(scores, best, strict=True)
        ]

    @property
    def tags(self) -> tuple[str, ...]:
        """What the columns of `probabilities` are called."""
        if self.mapped_vocabulary is None:
            return self.scorer.names
        return tuple(self.mapped_vocabulary.tags[there] for there in self._columns)

    def mapped_to(self, other: Vocabulary) -> Tagger:
        """Return the tagger that tells those of its classes which `other` has, by their name there.

        Raises:
            ConfigError: `other` has none of them.
        """
        mapped = replace(self, mapped_vocabulary=other)
        if mapped._columns:
            return mapped
        if self.scorer.of_vocabulary:
            raise ConfigError(self.vocabulary.explain_mapping(other))
        raise ConfigError(
            f"The other vocabulary has none of the {len(self.scorer.names)} labels that the "
            f"checkpoint tells, such as {', '.join(map(repr, self.scorer.names[:3]))}."
        )

    def probabilities(self, files: Sequence[AudioInput]) -> Float32[np.ndarray, "files tags"]:
        """Return the score of each of `tags` for each file.

        They are probabilities, but of a contrastive checkpoint cosines, -1 to 1 (`ZeroShotScorer`).
        """
        own = np.zeros((len(files), len(self.scorer.names)), dtype=np.float32)
        for places, encoded in self.encoder.encode(files):
            with torch.inference_mode():
                own[places] = self.scorer.scores(encoded).float().cpu().numpy()
        if self.mapped_vocabulary is None:
            return own
        # Where several classes are one there, the likeliest speaks for it.
        merged = [own[:, ours].max(axis=1) for ours in self._columns.values()]
        return np.stack(merged, axis=1)

    @property
    def _columns(self) -> dict[int, list[int]]:
        """Class ids of `mapped_vocabulary`, in order, with the own class ids they stand for."""
        assert self.mapped_vocabulary is not None
        columns = dict[int, list[int]]()
        for here, there in self._places_in(self.mapped_vocabulary):
            columns.setdefault(there, []).append(here)
        return dict(sorted(columns.items()))

    def _places_in(self, other: Vocabulary) -> list[tuple[int, int]]:
        """Pairs of own class ids and those of `other`."""
        if self.scorer.of_vocabulary:
            return list(self.vocabulary.mapping_to(other).items())
        found = [(here, other.encode([name])[1]) for here, name in enumerate(self.scorer.names)]
        return [(here, ids[0]) for here, ids in found if ids]


def load_tagger(
    path: str | Path,
    vocabulary: str | Path | None = None,
    *,
    mapped: bool = False,
    device: str = "cpu",
) -> Tagger:
    """Return the tagger of a checkpoint; `path` and `device` as of `load_encoder`.

    Tags and tags-parallel checkpoints tell the classes they were trained on; a contrastive one is
    asked zero-shot for the tags of its vocabulary. A multitask one goes by its first such part, in
    that order.

    Args:
        path: where the checkpoint is.
        vocabulary: the lock file that the caller counts on, if any.
        mapped: whether it may be another than the model's: then a list of labels will do as well,
            and those tags are told which it has, by its names (`Tagger.mapped_to`).
        device: "cpu", "cuda", "cuda:1", "mps", or "auto": an accelerator where there is one.

    Raises:
        ConfigError: as `load_encoder`, the checkpoint has learnt neither tags nor what texts
            sound like, or it was trained on another vocabulary; the message says how many tags
            both have, and how to map them (`Tagger.mapped_to`).
    """
    folder, checkpoint = load_trained_checkpoint(path, device)
    scorer = build_tag_scorer(checkpoint)
    if scorer is None:
        kinds = ("tags", "tags-parallel", "contrastive")
        raise capability_error("label", folder, checkpoint.objective_config, kinds)
    tagger = Tagger(checkpoint.encoder, checkpoint.vocabulary, scorer)
    if vocabulary is None:
        if mapped:
            raise ConfigError("mapped to what? Give the other vocabulary (--vocabulary FILE)")
        return tagger
    other = open_vocabulary(Path(vocabulary), checkpoint.vocabulary.settings)
    if mapped:
        return tagger.mapped_to(other)
    if not scorer.of_vocabulary:
        raise ConfigError(
            f"{folder} tells the values of a label field, not the tags of a vocabulary. Leave "
            "--vocabulary out, or add --as-vocabulary to tell them by its names."
        )
    checkpoint.vocabulary.require_same(other, where=str(folder))
    return tagger
