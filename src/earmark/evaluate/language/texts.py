"""Which clips of a manifest have texts, on which side they are, and whether that is enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from earmark.evaluate.config import TextSource
from earmark.evaluate.splits import within
from earmark.pretrain.supervision import texts as texts_of
from earmark.records import Example, recording_of


@dataclass(frozen=True)
class Told:
    """Clips of one side with their texts, at least one each."""

    examples: tuple[Example, ...]
    texts: tuple[tuple[str, ...], ...]

    def recordings(self) -> list[str]:
        """Return the recording of each clip."""
        return [recording_of(example) for example in self.examples]

    def distinct(self) -> tuple[str, ...]:
        """Return the different texts, sorted."""
        return tuple(sorted({text for own in self.texts for text in own}))

    def ownership(self, distinct: Sequence[str]) -> Bool[np.ndarray, "clips texts"]:
        """Return which of the `distinct` texts is a clip's own."""
        column = {text: place for place, text in enumerate(distinct)}
        own = np.zeros((len(self.examples), len(distinct)), dtype=bool)
        for row, texts in enumerate(self.texts):
            own[row, [column[text] for text in texts]] = True
        return own


class Sides(NamedTuple):
    """What is fitted on, selected on and scored on; `left_out` clips have no such text."""

    train: Told
    validation: Told
    test: Told
    left_out: int

    def examples(self) -> tuple[Example, ...]:
        """Return the clips of all sides."""
        return (*self.train.examples, *self.validation.examples, *self.test.examples)

    def problem(self, *sides: str) -> str:
        """Return why a task that needs these sides cannot be measured, "" where it can."""
        told = {"train": self.train, "validation": self.validation, "test": self.test}
        for side in sides:
            distinct = len(told[side].distinct())
            if distinct == 0:
                return f"no {side} clips with a text"
            if len(told[side].examples) == 1:
                return f"one {side} clip with a text"
            if distinct == 1:
                return f"one text in {side}"
        return ""


def sides_of(
    examples: Sequence[Example], source: TextSource, where: Mapping[str, Sequence[str]]
) -> Sides:
    """Return the clips of a manifest that have texts, split as the manifest is.

    Args:
        examples: the manifest.
        source: which texts.
        where: keep only clips which have, in each of these label fields, one of these values.
    """
    chosen = [example for example in examples if within(example.labels, where)]
    told = {side: _told(chosen, side, source) for side in ("train", "validation", "test")}
    kept = sum(len(side.examples) for side in told.values())
    return Sides(told["train"], told["validation"], told["test"], len(chosen) - kept)


def _told(chosen: Sequence[Example], side: str, source: TextSource) -> Told:
    rows = [(example, texts_of(example, source)) for example in chosen if example.split == side]
    rows = [(example, texts) for example, texts in rows if texts]
    return Told(tuple(example for example, _ in rows), tuple(texts for _, texts in rows))
