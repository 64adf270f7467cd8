"""Which examples train, which validate, and which are not touched."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from earmark.annotate.vocabulary import Vocabulary
from earmark.config import ConfigError, nearest
from earmark.pretrain.config import Requirement
from earmark.pretrain.objectives.config import ObjectiveConfig
from earmark.pretrain.supervision import lacks, misses
from earmark.records import SPLITS, Example


@dataclass(frozen=True)
class Splits:
    """Examples by what pre-training does with them; of others only the number.

    `lacking` counts examples of the train and validation splits that have not what the objective
    learns from, by what they lack.
    """

    train: tuple[Example, ...]
    validation: tuple[Example, ...]
    test: int
    lacking: Mapping[str, int]

    def counts(self) -> dict[str, int]:
        """Return "in" for every example, "out" for those used, and the rest by reason."""
        used = len(self.train) + len(self.validation)
        left_out = {"held out for test": self.test, **self.lacking}
        reasons = {f"pretrain: {reason}": count for reason, count in left_out.items() if count}
        return {"in": used + sum(reasons.values()), "out": used} | reasons


def split_examples(
    examples: Sequence[Example],
    vocabulary: Vocabulary,
    objective: ObjectiveConfig,
    *,
    train_share: float = 1.0,
    requires: Sequence[Requirement] = (),
) -> Splits:
    """Sort examples into splits, and leave out those that the objective cannot learn from.

    Args:
        examples: the manifest.
        vocabulary: that their tags are of.
        objective: what is learnt.
        train_share: of the train split's recordings.
        requires: what every clip must have besides.

    Raises:
        ConfigError: nothing is left to train on; the message says what is missing.
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
    reasons = Counter[str]()
    wanted = [clip for clip in train if _is_within(clip, train_share)]
    if len(wanted) < len(train):
        reasons["beyond train_share"] = len(train) - len(wanted)
    usable = [_usable(split, objective, requires, reasons) for split in (wanted, validation)]
    if not usable[0]:
        raise ConfigError(_explained(train, reasons))
    return Splits(usable[0], usable[1], len(test), dict(sorted(reasons.items())))


def _usable(
    examples: Sequence[Example],
    objective: ObjectiveConfig,
    requires: Sequence[Requirement],
    reasons: Counter[str],
) -> tuple[Example, ...]:
    kept: list[Example] = []
    for example in examples:
        lacking = lacks(example, objective) or misses(example, requires)
        if lacking:
            reasons[lacking] += 1
        else:
            kept.append(example)
    return tuple(kept)


def _is_within(example: Example, share: float) -> bool:
    """Tell whether a clip's recording is among a share of all, by the recording's name alone."""
    if share >= 1.0:
        return True
    name = example.recording or example.parent or example.id
    place = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) / 2**64
    return place < share


def _explained(train: Sequence[Example], reasons: Counter[str]) -> str:
    """Say what is missing, and what can be set to have it."""
    lacking = ", ".join(f"{reason} ({count})" for reason, count in reasons.most_common())
    labels = sorted({label for example in train for label in example.labels})
    texts = [
        source
        for source, has in (
            ("summary", any(example.summary.strip() for example in train)),
            ("caption", any(example.caption.strip() for example in train)),
            ("original", any(example.original_captions for example in train)),
        )
        if has
    ]
    return (
        f"none of the {len(train)} examples of the train split has what the objective learns from: "
        f"{lacking}. Of texts they have {', '.join(texts) or 'none'} (set objective.text; words "
        "that came with the clips are read from corpus.captions_column), of labels "
        f"{', '.join(labels) or 'none'} (set objective.label; they are read from the columns in "
        "corpus.labels)."
    )


def _check_tags(example: Example, vocabulary: Vocabulary) -> None:
    meant = tuple(vocabulary.tags[i] if i < len(vocabulary) else None for i in example.tag_ids)
    if meant != example.tags:
        raise ValueError(
            f"clip {example.id} has the tags {example.tags}, but its ids {example.tag_ids} mean "
            f"{meant} in vocabulary {vocabulary.fingerprint}. Assemble the manifest again with the "
            "vocabulary that is trained on."
        )
