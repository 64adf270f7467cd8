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
from earmark.evaluate.datasets.load import Clips, clips_of
from earmark.evaluate.leakage.detect import find_leaks
from earmark.evaluate.leakage.leak import Leak, told
from earmark.evaluate.probes.base import Probe
from earmark.evaluate.probes.classification import Classification
from earmark.evaluate.probes.knn import NearestProbe
from earmark.evaluate.probes.linear import FewShotProbe, LinearProbe
from earmark.evaluate.qa.multiple_choice import ChoiceTask
from earmark.evaluate.qa.questions import fields_of
from earmark.evaluate.retrieval.tasks import LitRetrieval, ZeroShotRetrieval
from earmark.evaluate.splits import Partition, partition, unavailable
from earmark.records import Example

if TYPE_CHECKING:
    from earmark.evaluate.qa.language_model import LanguageModelSource


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


def probes_of(name: str, partitions: Sequence[Partition], config: EvaluateConfig) -> list[Task]:
    """Return a task for each of `config.probes`, then for each of `config.shots`.

    Args:
        name: of all of them; they differ in probe and shots.
        partitions: one, or the folds of a cross-validation.
        config: which probes, and their settings.

    Raises:
        ValueError: there is no partition, or they differ in metric.
    """
    probes = [_probe(kind, config) for kind in config.probes]
    few: list[Probe] = [FewShotProbe(shots, config) for shots in config.shots]
    return [Classification(name, partitions, probe, config) for probe in probes + few]


def _probe(kind: str, config: EvaluateConfig) -> Probe:
    match kind:
        case "linear":
            return LinearProbe(config)
        case "nearest":
            return NearestProbe()
        case _:
            from earmark.evaluate.probes.attentive import AttentionProbe

            return AttentionProbe(config)


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
        from earmark.evaluate.captioning.task import Captioning

        tasks.extend(Captioning(examples, captioning, config) for captioning in config.captioning)
    return tasks


def question_tasks(examples: Sequence[Example], config: EvaluateConfig) -> list[Task]:
    """Return a choice task for each of `config.questions`, and an adapter task for each model.

    Tasks that name one model share it; it is loaded when the first of them is evaluated.

    Raises:
        ConfigError: a field that no clip has; a model that cannot be had; no `transformers`.
    """
    tasks: list[Task] = []
    sources: dict[str, LanguageModelSource] = {}
    for each in config.questions:
        fields = fields_of(examples, each)
        tasks.append(ChoiceTask(each, fields, config.bootstrap))
        if each.model:
            from earmark.evaluate.qa.adapter_task import AdapterTask
            from earmark.evaluate.qa.language_model import LanguageModelSource

            if each.model not in sources:
                sources[each.model] = LanguageModelSource(each.model, config.device)
            tasks.append(AdapterTask(each, fields, sources[each.model], config.bootstrap))
    return tasks
