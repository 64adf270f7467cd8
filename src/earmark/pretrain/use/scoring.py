"""How likely each tag is, from the frames of a clip: one way for each objective that knows tags."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from earmark.pretrain.checkpoints.checkpoint import Checkpoint
from earmark.pretrain.encoders.base import Encoded
from earmark.pretrain.objectives.base import Objective
from earmark.pretrain.objectives.config import (
    ContrastiveConfig,
    MultitaskConfig,
    TagsConfig,
    TagsParallelConfig,
)
from earmark.pretrain.objectives.tags import TagsObjective

TEMPLATE = "the sound of {}"
"""What a contrastive checkpoint is asked for a tag."""


class TagScorer(ABC):
    """Scores the tags `names`; `of_vocabulary` is False where they are values of a label field."""

    names: tuple[str, ...]
    of_vocabulary: bool

    @abstractmethod
    def scores(self, encoded: Encoded) -> Float[Tensor, "batch tags"]:
        """Return one score for each clip and tag; the higher, the likelier."""


class Head(TagScorer):
    """The probabilities of a tags objective's head."""

    def __init__(self, objective: TagsObjective) -> None:
        self.names = objective.classes.names
        self.of_vocabulary = not objective.config.label
        self._objective = objective

    def scores(self, encoded: Encoded) -> Float[Tensor, "batch tags"]:
        """Return probabilities."""
        return torch.sigmoid(self._objective.logits(encoded))


class Listing(TagScorer):
    """How likely a tags-parallel objective writes a tag."""

    def __init__(self, objective: Any) -> None:
        self.names = objective.classes.names
        self.of_vocabulary = not objective.config.label
        self._objective = objective

    def scores(self, encoded: Encoded) -> Float[Tensor, "batch tags"]:
        """Return probabilities."""
        return self._objective.probabilities(encoded)


class ZeroShot(TagScorer):
    """How alike a clip and "the sound of <tag>" are in a contrastive objective's space.

    Args:
        objective: a `ContrastiveObjective`.
        tags: of the vocabulary.
    """

    def __init__(self, objective: Any, tags: Sequence[str]) -> None:
        self.names = tuple(tags)
        self.of_vocabulary = True
        self._objective = objective
        self._texts: Tensor = objective.embed_text([TEMPLATE.format(tag) for tag in tags])

    def scores(self, encoded: Encoded) -> Float[Tensor, "batch tags"]:
        """Return cosines, -1 to 1."""
        audio: Tensor = self._objective.embed_audio(encoded)
        return audio @ self._texts.to(audio.device).T


def scorer_of(checkpoint: Checkpoint) -> TagScorer | None:
    """Return how a checkpoint tells tags; None where it does not."""
    if (objective := part_of(checkpoint, TagsConfig)) is not None:
        assert isinstance(objective, TagsObjective)
        return Head(objective)
    if (objective := part_of(checkpoint, TagsParallelConfig)) is not None:
        return Listing(objective)
    if (objective := part_of(checkpoint, ContrastiveConfig)) is not None:
        return ZeroShot(objective, checkpoint.vocabulary.tags)
    return None


def part_of(checkpoint: Checkpoint, kind: type[Any]) -> Objective[Any] | None:
    """Return the first of a checkpoint's objectives that has settings of this kind."""
    config, objective = checkpoint.objective_config, checkpoint.objective
    if not isinstance(config, MultitaskConfig):
        return objective if isinstance(config, kind) else None
    from earmark.pretrain.objectives.multitask import MultitaskObjective

    assert isinstance(objective, MultitaskObjective)
    parts = zip(config.parts, objective.by_name().values(), strict=True)
    return next((part for own, part in parts if isinstance(own, kind)), None)
