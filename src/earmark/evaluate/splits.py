"""Train, validation and test clips of a classification task, and their targets."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from msgspec.structs import replace

from earmark.evaluate.config import ClassificationTaskConfig
from earmark.evaluate.metrics import MetricName
from earmark.records import Example, Labels, recording_id

SPLIT_NAMES = ("train", "validation", "test")

HELD_OUT_SHARE = 0.2
"""Of a class's recordings, the share that a held-out split gives to validation, and to test."""


@dataclass(frozen=True)
class Split:
    """The clips of one side, and which classes are true of each."""

    examples: tuple[Example, ...]
    targets: Bool[np.ndarray, "clips classes"]

    def recordings(self) -> list[str]:
        """Return the recording of each clip."""
        return [recording_id(example) for example in self.examples]


@dataclass(frozen=True)
class TaskSplits:
    """The three sides of a task over the same classes.

    `left_out` clips have the label, but of a class that train does not know. `problem` says why
    the task cannot be measured, and is empty where it can.
    """

    classes: tuple[str, ...]
    metric: MetricName
    train: Split
    validation: Split
    test: Split
    left_out: int
    problem: str


def matches(labels: Labels, where: Mapping[str, Sequence[str]]) -> bool:
    """Return whether a clip has, in each of these label fields, one of these values."""
    return all(set(labels.get(field, ())).intersection(values) for field, values in where.items())


def in_task(labels: Labels, task: ClassificationTaskConfig) -> bool:
    """Return whether a clip of these labels is part of a task."""
    return matches(labels, task.where) and bool(labels.get(task.label))


def split_task(examples: Sequence[Example], task: ClassificationTaskConfig) -> TaskSplits:
    """Split the clips of a task; its classes are those of the train side alone."""
    chosen = [example for example in examples if in_task(example.labels, task)]
    sides = (
        _held_out_splits(chosen, task.label)
        if task.split == "held-out"
        else _manifest_splits(chosen)
    )
    metric = _choose_metric(chosen, task)
    classes = _trainable_classes(sides["train"], task, metric)
    parts = {side: _make_split(clips, task.label, classes, metric) for side, clips in sides.items()}
    kept = sum(len(part.examples) for part in parts.values())
    return TaskSplits(
        classes=classes,
        metric=metric,
        train=parts["train"],
        validation=parts["validation"],
        test=parts["test"],
        left_out=sum(map(len, sides.values())) - kept,
        problem=_find_problem(sides, parts, classes, metric),
    )


def unavailable_splits(problem: str) -> TaskSplits:
    """Return the partition of a task whose clips cannot be had."""
    nothing = Split((), np.zeros((0, 0), dtype=bool))
    return TaskSplits((), "accuracy", nothing, nothing, nothing, 0, problem)


def _choose_metric(chosen: Sequence[Example], task: ClassificationTaskConfig) -> MetricName:
    if task.metric != "auto":
        return task.metric
    several = any(len(set(example.labels[task.label])) > 1 for example in chosen)
    return "map" if several else "accuracy"


def _manifest_splits(chosen: Sequence[Example]) -> dict[str, list[Example]]:
    return {side: [example for example in chosen if example.split == side] for side in SPLIT_NAMES}


def _held_out_splits(chosen: Sequence[Example], label: str) -> dict[str, list[Example]]:
    """Split validation and test clips 60/20/20 within each class, recordings whole.

    The order of recordings is that of their SHA-256, so the split depends on nothing but the
    clips. A class of two recordings gives one to test, and a quarter of the other's clips to
    validation; a class of one recording is in train alone.
    """
    recordings: dict[str, list[Example]] = defaultdict(list)
    for example in chosen:
        if example.split in ("validation", "test"):
            recordings[recording_id(example)].append(example)
    by_class: dict[str, list[str]] = defaultdict(list)
    for name, clips in recordings.items():
        by_class[min(value for clip in clips for value in clip.labels[label])].append(name)
    sides: dict[str, list[Example]] = {side: [] for side in SPLIT_NAMES}
    for _, names in sorted(by_class.items()):
        for place, name in enumerate(sorted(names, key=_sha256)):
            side = _held_out_split_name(place, len(names))
            clips = sorted(recordings[name], key=lambda clip: _sha256(clip.id))
            if len(names) == 2 and side == "train":
                # Validation may know a recording of train, test never: C may come out too weak.
                sides["validation"].extend(clips[3::4])
                del clips[3::4]
            sides[side].extend(clips)
    return sides


def _held_out_split_name(place: int, count: int) -> str:
    share = max(round(HELD_OUT_SHARE * count), 1)
    if place == 0 or place < count - 2 * share:
        return "train"
    return "validation" if place < count - share else "test"


def _trainable_classes(
    train: Sequence[Example], task: ClassificationTaskConfig, metric: MetricName
) -> tuple[str, ...]:
    """Return the classes with enough clips in train; of several a clip, those not true of all."""
    counts = Counter(value for example in train for value in set(example.labels[task.label]))
    most = len(train) - 1 if metric == "map" else len(train)
    return tuple(sorted(c for c, n in counts.items() if task.min_per_class <= n <= most))


def _make_split(
    clips: Sequence[Example], label: str, classes: tuple[str, ...], metric: MetricName
) -> Split:
    """Return targets; under mAP a clip of no known class is a negative one, else it goes."""
    known = [set(clip.labels[label]).intersection(classes) for clip in clips]
    kept = [place for place, values in enumerate(known) if values or metric == "map"]
    targets = np.zeros((len(kept), len(classes)), dtype=bool)
    column = {name: index for index, name in enumerate(classes)}
    for row, place in enumerate(kept):
        targets[row, [column[name] for name in known[place]]] = True
    return Split(tuple(clips[place] for place in kept), targets)


def _find_problem(
    sides: Mapping[str, Sequence[Example]],
    parts: Mapping[str, Split],
    classes: tuple[str, ...],
    metric: MetricName,
) -> str:
    for side in SPLIT_NAMES:
        if not sides[side]:
            return f"no {side} clips"
    if len(classes) < (1 if metric == "map" else 2):
        return "too few classes in train"
    for side in SPLIT_NAMES:
        if not parts[side].targets.any():
            return f"no {side} clips of the classes in train"
    if metric != "map" and int(parts["test"].targets.any(axis=0).sum()) < 2:
        return "one class in test"
    return ""


def _sha256(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


VALIDATION_SHARE = 0.2
"""Of a class's recordings in train, the share that becomes validation."""


def add_validation_split(examples: Sequence[Example], label: str) -> list[Example]:
    """Return the clips with a fifth of each class's train recordings as validation.

    Which ones they are follows from the SHA-256 of a recording's name alone. A class of one
    recording stays in train. Where there is validation already, nothing changes.
    """
    if any(example.split == "validation" for example in examples):
        return list(examples)
    recordings: dict[str, set[str]] = defaultdict(set)
    for example in examples:
        if example.split == "train":
            recordings[recording_id(example)].update(example.labels[label])
    by_class: dict[str, list[str]] = defaultdict(list)
    for recording, values in recordings.items():
        by_class[min(values)].append(recording)
    chosen = {name for names in by_class.values() for name in _validation_recordings(names)}
    return [
        replace(example, split="validation")
        if example.split == "train" and recording_id(example) in chosen
        else example
        for example in examples
    ]


def _validation_recordings(names: Sequence[str]) -> list[str]:
    if len(names) < 2:
        return []
    ranked = sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    return ranked[: max(round(VALIDATION_SHARE * len(names)), 1)]
