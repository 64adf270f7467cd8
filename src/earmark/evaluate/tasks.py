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
from earmark.evaluate.datasets.load import clips_of
from earmark.evaluate.language.build import language_tasks
from earmark.evaluate.leakage.detect import find_leaks
from earmark.evaluate.leakage.leak import Leak, told
from earmark.evaluate.probes.build import probes_of
from earmark.evaluate.questions.build import question_tasks
from earmark.evaluate.splits import Partition, partition, unavailable
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
    all. Each source loses its own leaks alone: that another dataset holds the manifest's train
    clips takes none of these from a task on the manifest. A clip of which only a caption's
    sentence is known stays in tasks without texts.

    Args:
        manifest: what pre-training was given.
        config: what is asked.
        cache: the folder of fingerprints.
    """
    clips = [clips_of(task, manifest, config) for task in config.tasks]
    leaks = _leaks(manifest, clips, config, cache)
    heard = _unlearnt(manifest, {leak.id for leak in leaks if not leak.of and leak.by != SENTENCE})
    read = _unlearnt(manifest, {leak.id for leak in leaks if not leak.of})
    tasks: list[Task] = []
    for each in clips:
        lost = {leak.id for leak in leaks if leak.of == each.task.title}
        kept = [e for e in each.examples if e.id not in lost] if each.foreign else heard
        tasks += probes_of(each.task.title, _partitions(each, kept), config)
    tasks += language_tasks(read, config)
    tasks += question_tasks(heard, config)
    return Asked(tuple(tasks), tuple(leaks))


def _unlearnt(manifest: Sequence[Example], leaks: Collection[str]) -> list[Example]:
    """Return the manifest without its leaks; what pre-training fitted stays."""
    return [e for e in manifest if e.split == "train" or e.id not in leaks]


def _leaks(
    manifest: Sequence[Example], clips: Sequence[Clips], config: EvaluateConfig, cache: Path
) -> list[Leak]:
    """Return what of each source's clips was learnt from, and tell of it."""
    if not (clips or config.retrieval or config.captioning or config.questions):
        return []
    learnt = [example for example in manifest if example.split == "train"]
    sources = {"": [example for example in manifest if example.split != "train"]}
    sources |= {each.task.title: list(each.examples) for each in clips if each.foreign}
    tested = [example for examples in sources.values() for example in examples]
    found = find_leaks(learnt, tested, config.leakage, cache)
    rows = [leak for of, own in sources.items() for leak in _of_source(found, of, own)]
    if rows:
        print(told(rows, len({example.id for example in tested})), file=sys.stderr, flush=True)
    return rows


def _of_source(found: Sequence[Leak], of: str, examples: Sequence[Example]) -> list[Leak]:
    """Return the leaks that are clips of one source, under the names that they have there."""
    own = {example.id: example for example in examples}
    return [
        msgspec.structs.replace(leak, name=own[leak.id].name, of=of)
        for leak in found
        # Equal bytes in another dataset do not bring the caption along.
        if leak.id in own and (leak.by != SENTENCE or own[leak.id].original_captions)
    ]


def _partitions(clips: Clips, kept: Sequence[Example]) -> list[Partition]:
    """Return a task's split, or one for each fold: that is test, the next one validation.

    `kept` are its clips without leaks.
    """
    if clips.problem:
        return [unavailable(clips.problem)]
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
