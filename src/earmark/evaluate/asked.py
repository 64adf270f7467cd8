"""From settings to tasks: whose clips they are asked on, and which of these were learnt from."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from earmark.evaluate.base import Task
from earmark.evaluate.config import EvaluateConfig
from earmark.evaluate.datasets.clips import Clips
from earmark.evaluate.datasets.reading import clips_of
from earmark.evaluate.language.build import language_tasks
from earmark.evaluate.leakage.guard import find_leaks
from earmark.evaluate.leakage.leak import Leak, told
from earmark.evaluate.partition import Partition, partition, unavailable
from earmark.evaluate.probes.build import probes_of
from earmark.evaluate.questions.build import question_tasks
from earmark.records import Example

SENTENCE = "sentence"


@dataclass(frozen=True)
class Asked:
    """The tasks of a run, and the clips that were excluded from them."""

    tasks: tuple[Task, ...]
    leaks: tuple[Leak, ...]


def ask(manifest: Sequence[Example], config: EvaluateConfig, cache: Path) -> Asked:
    """Return every task that the settings ask for, without clips that were learnt from.

    Of the manifest's clips those are looked at that pre-training did not fit; of another dataset's,
    all. A clip of which only a caption's sentence is known stays in tasks without texts.

    Args:
        manifest: what pre-training was given.
        config: what is asked.
        cache: the folder of fingerprints.
    """
    clips = [clips_of(task, manifest, config) for task in config.tasks]
    leaks = _leaks(manifest, clips, config, cache)
    heard = {leak.id for leak in leaks if leak.by != SENTENCE}
    read = {leak.id for leak in leaks}
    tasks: list[Task] = []
    for each in clips:
        tasks += probes_of(each.task.title, _partitions(each, heard), config)
    tasks += language_tasks([e for e in manifest if e.id not in read], config)
    tasks += question_tasks([e for e in manifest if e.id not in heard], config)
    return Asked(tuple(tasks), tuple(leaks))


def _leaks(
    manifest: Sequence[Example], clips: Sequence[Clips], config: EvaluateConfig, cache: Path
) -> list[Leak]:
    """Return what of the clips that will be scored on was learnt from, and tell of it."""
    if not (clips or config.retrieval or config.captioning or config.questions):
        return []
    learnt = [example for example in manifest if example.split == "train"]
    tested = [example for example in manifest if example.split != "train"]
    tested += [example for each in clips if each.foreign for example in each.examples]
    found = find_leaks(learnt, tested, config.leakage, cache)
    if found:
        print(told(found, len({example.id for example in tested})), file=sys.stderr, flush=True)
    return found


def _partitions(clips: Clips, excluded: Collection[str]) -> list[Partition]:
    """Return a task's split, or one for each fold: that is test, the next one validation."""
    if clips.problem:
        return [unavailable(clips.problem)]
    kept = [example for example in clips.examples if example.id not in excluded]
    if not clips.folds:
        return [partition(kept, clips.task)]
    names = sorted({clips.folds[example.id] for example in kept})
    parts: list[Partition] = []
    for place, name in enumerate(names):
        sides = {name: "test", names[(place + 1) % len(names)]: "validation"}
        dealt = [
            msgspec.structs.replace(example, split=sides.get(clips.folds[example.id], "train"))
            for example in kept
        ]
        parts.append(partition(dealt, clips.task))
    return parts
