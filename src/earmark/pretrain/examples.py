"""Which examples train, which validate, and which are not touched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from earmark.annotate.vocabulary import Vocabulary
from earmark.config import ConfigError, nearest
from earmark.records import SPLITS, Example


@dataclass(frozen=True)
class Splits:
    """Examples by what pre-training does with them; of the test split only the number."""

    train: tuple[Example, ...]
    validation: tuple[Example, ...]
    test: int


def split_examples(examples: Sequence[Example], vocabulary: Vocabulary) -> Splits:
    """Sort examples into splits.

    Raises:
        ConfigError: the train split is empty.
        ValueError: an example has an unknown split, or tag ids of another vocabulary.
    """
    by_split: dict[str, list[Example]] = {split: [] for split in SPLITS}
    for example in examples:
        if example.split not in by_split:
            known = nearest(example.split, SPLITS)
            raise ValueError(f"clip {example.id} is in split {example.split!r}.{known}")
        _check_tags(example, vocabulary)
        by_split[example.split].append(example)
    train, validation, test = (by_split[split] for split in SPLITS)
    if not train:
        raise ConfigError(
            f"none of the {len(examples)} examples is in the train split: there is nothing to "
            "train on. Give more clips, or look at the manifest's split shares."
        )
    return Splits(tuple(train), tuple(validation), len(test))


def _check_tags(example: Example, vocabulary: Vocabulary) -> None:
    meant = tuple(vocabulary.tags[i] if i < len(vocabulary) else None for i in example.tag_ids)
    if meant != example.tags:
        raise ValueError(
            f"clip {example.id} has the tags {example.tags}, but its ids {example.tag_ids} mean "
            f"{meant} in vocabulary {vocabulary.fingerprint}. Assemble the manifest again with the "
            "vocabulary that is trained on."
        )
