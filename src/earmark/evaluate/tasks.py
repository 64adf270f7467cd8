"""Build the evaluation tasks of a recipe, without test clips that leaked from training."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from earmark.evaluate.base import Task
from earmark.evaluate.config import EvaluateConfig
from earmark.evaluate.datasets.load import TaskClips, load_clips
from earmark.evaluate.leakage.detect import find_leaks
from earmark.evaluate.leakage.leak import Leak, summarize_leaks
from earmark.evaluate.probes.base import Probe
from earmark.evaluate.probes.classification import ClassificationTask
from earmark.evaluate.probes.knn import KnnProbe
from earmark.evaluate.probes.linear import FewShotProbe, LinearProbe
from earmark.evaluate.qa.multiple_choice import MultipleChoiceTask
from earmark.evaluate.qa.questions import label_fields
from earmark.evaluate.retrieval.tasks import LitRetrieval, ZeroShotRetrieval
from earmark.evaluate.splits import TaskSplits, split_task, unavailable_splits
from earmark.records import Example

if TYPE_CHECKING:
    from earmark.evaluate.qa.language_model import LazyLanguageModel


SENTENCE_LEAK = "sentence"


@dataclass(frozen=True)
class TaskSet:
    """The tasks of a run, and the clips that were excluded from them."""

    tasks: tuple[Task, ...]
    leaks: tuple[Leak, ...]


def build_tasks(manifest: Sequence[Example], config: EvaluateConfig, cache: Path) -> TaskSet:
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
    clips = [load_clips(task, manifest, config) for task in config.tasks]
    leaks = _find_leaks(manifest, clips, config, cache)
    heard = _without_leaks(
        manifest, {leak.id for leak in leaks if not leak.of and leak.by != SENTENCE_LEAK}
    )
    read = _without_leaks(manifest, {leak.id for leak in leaks if not leak.of})
    tasks: list[Task] = []
    for each in clips:
        lost = {leak.id for leak in leaks if leak.of == each.task.title}
        kept = [e for e in each.examples if e.id not in lost] if each.foreign else heard
        tasks += probe_tasks(each.task.title, _task_splits(each, kept), config)
    tasks += language_tasks(read, config)
    tasks += question_tasks(heard, config)
    return TaskSet(tuple(tasks), tuple(leaks))


def _without_leaks(manifest: Sequence[Example], leaks: Collection[str]) -> list[Example]:
    """Return the manifest without its leaks; what pre-training fitted stays."""
    return [e for e in manifest if e.split == "train" or e.id not in leaks]


def _find_leaks(
    manifest: Sequence[Example], clips: Sequence[TaskClips], config: EvaluateConfig, cache: Path
) -> list[Leak]:
    """Return what of each source's clips was learnt from, and tell of it."""
    if not (clips or config.retrieval or config.captioning or config.questions):
        return []
    learnt = [example for example in manifest if example.split == "train"]
    sources = {"": [example for example in manifest if example.split != "train"]}
    sources |= {each.task.title: list(each.examples) for each in clips if each.foreign}
    tested = [example for examples in sources.values() for example in examples]
    found = find_leaks(learnt, tested, config.leakage, cache)
    rows = [leak for of, own in sources.items() for leak in _leaks_of_source(found, of, own)]
    if rows:
        print(
            summarize_leaks(rows, len({example.id for example in tested})),
            file=sys.stderr,
            flush=True,
        )
    return rows


def _leaks_of_source(found: Sequence[Leak], of: str, examples: Sequence[Example]) -> list[Leak]:
    """Return the leaks that are clips of one source, under the names that they have there."""
    own = {example.id: example for example in examples}
    return [
        msgspec.structs.replace(leak, name=own[leak.id].name, of=of)
        for leak in found
        # Equal bytes in another dataset do not bring the caption along.
        if leak.id in own and (leak.by != SENTENCE_LEAK or own[leak.id].original_captions)
    ]


def _task_splits(clips: TaskClips, kept: Sequence[Example]) -> list[TaskSplits]:
    """Return a task's split, or one for each fold: that is test, the next one validation.

    `kept` are its clips without leaks.
    """
    if clips.problem:
        return [unavailable_splits(clips.problem)]
    if not clips.folds:
        return [split_task(kept, clips.task)]
    names = sorted({clips.folds[example.id] for example in kept})
    parts: list[TaskSplits] = []
    for place, name in enumerate(names):
        sides = {name: "test", names[(place + 1) % len(names)]: "validation"}
        dealt = [
            msgspec.structs.replace(example, split=sides.get(clips.folds[example.id], "train"))
            for example in kept
        ]
        parts.append(split_task(dealt, clips.task))
    return parts


def probe_tasks(name: str, partitions: Sequence[TaskSplits], config: EvaluateConfig) -> list[Task]:
    """Return a task for each of `config.probes`, then for each of `config.shots`.

    Args:
        name: of all of them; they differ in probe and shots.
        partitions: one, or the folds of a cross-validation.
        config: which probes, and their settings.

    Raises:
        ValueError: there is no partition, or they differ in metric.
    """
    probes = [_build_probe(kind, config) for kind in config.probes]
    few: list[Probe] = [FewShotProbe(shots, config) for shots in config.shots]
    return [ClassificationTask(name, partitions, probe, config) for probe in probes + few]


def _build_probe(kind: str, config: EvaluateConfig) -> Probe:
    match kind:
        case "linear":
            return LinearProbe(config)
        case "knn":
            return KnnProbe()
        case _:
            from earmark.evaluate.probes.attentive import AttentiveProbe

            return AttentiveProbe(config)


def language_tasks(examples: Sequence[Example], config: EvaluateConfig) -> list[Task]:
    """Return the tasks of `config.retrieval` and `config.captioning`.

    Each retrieval task is one of probe "zero-shot", and where `lit` is set, one of probe "lit". A
    task whose clips have no texts, or too few, says so in the status of its scores.

    Args:
        examples: the manifest.
        config: of evaluation.

    Raises:
        ConfigError: captions are wanted, and the extra `text` is not installed.
    """
    tasks: list[Task] = []
    for retrieval in config.retrieval:
        tasks.append(ZeroShotRetrieval(examples, retrieval, config))
        if retrieval.lit:
            tasks.append(LitRetrieval(examples, retrieval, config))
    if config.captioning:
        # Here, so that a missing extra is told before anything is computed.
        from earmark.evaluate.captioning.task import CaptioningTask

        tasks.extend(
            CaptioningTask(examples, captioning, config) for captioning in config.captioning
        )
    return tasks


def question_tasks(examples: Sequence[Example], config: EvaluateConfig) -> list[Task]:
    """Return a choice task for each of `config.questions`, and an adapter task for each model.

    Tasks that name one model share it; it is loaded when the first of them is evaluated.

    Raises:
        ConfigError: a field that no clip has; a model that cannot be had; no `transformers`.
    """
    tasks: list[Task] = []
    sources: dict[str, LazyLanguageModel] = {}
    for each in config.questions:
        fields = label_fields(examples, each)
        tasks.append(MultipleChoiceTask(each, fields, config.bootstrap))
        if each.model:
            from earmark.evaluate.qa.adapter_task import AdapterTask
            from earmark.evaluate.qa.language_model import LazyLanguageModel

            if each.model not in sources:
                sources[each.model] = LazyLanguageModel(each.model, config.device)
            tasks.append(AdapterTask(each, fields, sources[each.model], config.bootstrap))
    return tasks
