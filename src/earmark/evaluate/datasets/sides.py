"""Validation out of train, where a dataset names none."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence

from msgspec.structs import replace

from earmark.records import Example, recording_of

VALIDATION_SHARE = 0.2
"""Of a class's recordings in train, the share that becomes validation."""


def with_validation(examples: Sequence[Example], label: str) -> list[Example]:
    """Return the clips with a fifth of each class's train recordings as validation.

    Which ones they are follows from the SHA-256 of a recording's name alone. A class of one
    recording stays in train. Where there is validation already, nothing changes.
    """
    if any(example.split == "validation" for example in examples):
        return list(examples)
    recordings: dict[str, set[str]] = defaultdict(set)
    for example in examples:
        if example.split == "train":
            recordings[recording_of(example)].update(example.labels[label])
    by_class: dict[str, list[str]] = defaultdict(list)
    for recording, values in recordings.items():
        by_class[min(values)].append(recording)
    chosen = {name for names in by_class.values() for name in _fifth(names)}
    return [
        replace(example, split="validation")
        if example.split == "train" and recording_of(example) in chosen
        else example
        for example in examples
    ]


def _fifth(names: Sequence[str]) -> list[str]:
    if len(names) < 2:
        return []
    ranked = sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    return ranked[: max(round(VALIDATION_SHARE * len(names)), 1)]
