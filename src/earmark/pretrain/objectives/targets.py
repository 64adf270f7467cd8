"""What an objective learns from: the classes and texts of clips, as the recipe chooses them.

`TargetSpecs` are collected from the train split before there are weights, and are stored in the
checkpoint: with them and the settings an objective can be built again without the corpus. Before
captioning starts, `check_supervision` makes sure that the corpus has the labels and captions that
an objective asks for. Free of torch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from earmark.annotate.vocabulary import Vocabulary
from earmark.config import ConfigError, check_packages, suggest
from earmark.pretrain.config import PretrainConfig, Requirement
from earmark.pretrain.encoders.config import EncoderConfig, check_model
from earmark.pretrain.objectives.config import (
    MultitaskConfig,
    ObjectiveConfig,
    PartConfig,
    TagsConfig,
    TagsParallelConfig,
    TextSource,
)
from earmark.pretrain.text.config import TokenizerSpec
from earmark.records import Clip, Example


class ClassSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What tags objectives predict: names by class id, and in how many of `clips` each is."""

    names: tuple[str, ...]
    counts: tuple[int, ...]
    clips: int


class TargetSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What one objective is built from beside its settings: its classes, its word pieces."""

    classes: ClassSpec | None = None
    words: TokenizerSpec | None = None


class TargetSpecs(msgspec.Struct, frozen=True, kw_only=True):
    """What an objective is built from: one entry for each of `objective_parts` its settings."""

    parts: tuple[TargetSpec, ...]


TAG_CONFIGS = (TagsConfig, TagsParallelConfig)
"""Settings of objectives on classes; those of all others have a text."""


def objective_parts(config: ObjectiveConfig) -> tuple[PartConfig, ...]:
    """Return the objectives that make up one."""
    return config.parts if isinstance(config, MultitaskConfig) else (config,)


def class_names(example: Example, label: str) -> tuple[str, ...]:
    """Return a clip's classes: its tags, or where `label` is given, its values of that field."""
    return example.labels.get(label, ()) if label else example.tags


def example_texts(example: Example, source: TextSource) -> tuple[str, ...]:
    """Return what may stand for a clip in words; nothing where it has none."""
    found = {
        "summary": (example.summary,),
        "caption": (example.caption,),
        "original": example.original_captions,
    }[source]
    return tuple(text for text in found if text.strip())


def missing_target(example: Example, config: ObjectiveConfig) -> str:
    """Return what of a clip an objective would want and does not find, "" where it has all."""
    for part in objective_parts(config):
        if isinstance(part, TAG_CONFIGS):
            if not class_names(example, part.label):
                return f"no label {part.label}" if part.label else "no tags"
        elif not example_texts(example, part.text):
            return f"no {part.text} text"
    return ""


def missing_required(example: Example, require: Sequence[Requirement]) -> str:
    """Return what of a clip is required and not there, "" where all is."""
    for name in require:
        if name == "tags":
            if not example.tags:
                return "no tags"
        elif not example_texts(example, name):
            return f"no {name} text"
    return ""


def collect_classes(examples: Sequence[Example], vocabulary: Vocabulary, label: str) -> ClassSpec:
    """Return the vocabulary's tags, or the values that a label field has, with their counts."""
    counts = Counter(name for clip in examples for name in set(class_names(clip, label)))
    names = tuple(sorted(counts)) if label else vocabulary.tags
    return ClassSpec(names=names, counts=tuple(counts[name] for name in names), clips=len(examples))


def collect_target_specs(
    examples: Sequence[Example], vocabulary: Vocabulary, config: ObjectiveConfig
) -> TargetSpecs:
    """Return what an objective is built from, read off the train split.

    Raises:
        ConfigError: a text model that is wanted by name cannot be had.
    """
    parts: list[TargetSpec] = []
    for part in objective_parts(config):
        classes = words = None
        if isinstance(part, TAG_CONFIGS):
            classes = collect_classes(examples, vocabulary, part.label)
        if not isinstance(part, TagsConfig):
            from earmark.pretrain.text.tokenizer import build_tokenizer_spec

            words = build_tokenizer_spec(
                [target_texts(clip, part) for clip in examples], part.model
            )
        parts.append(TargetSpec(classes=classes, words=words))
    return TargetSpecs(parts=tuple(parts))


def target_texts(example: Example, part: PartConfig) -> tuple[str, ...]:
    """Return the texts of a clip that a part may have to read or write."""
    if isinstance(part, TagsConfig):
        return ()
    if isinstance(part, TagsParallelConfig):
        return (", ".join(class_names(example, part.label)),)
    return example_texts(example, part.text)


def drop_unused_texts(
    example: Example, config: ObjectiveConfig, require: Sequence[Requirement] = ()
) -> Example:
    """Return a clip without those of its texts that an objective does not read.

    Of original captions, which model cards count, the first is kept.
    """
    read = {part.text for part in objective_parts(config) if not isinstance(part, TAG_CONFIGS)}
    read.update(name for name in require if name != "tags")
    kept = example.original_captions if "original" in read else example.original_captions[:1]
    return msgspec.structs.replace(
        example,
        caption=example.caption if "caption" in read else "",
        summary=example.summary if "summary" in read else "",
        original_captions=kept,
    )


def check_pretraining(
    config: PretrainConfig, encoder: EncoderConfig, objective: ObjectiveConfig
) -> None:
    """Check packages, text models and device, before the first clip is captioned.

    Raises:
        ConfigError: one is not there; the message names the setting.
    """
    check_packages(config, "pretrain")
    check_packages(objective, "objective")
    check_packages(encoder, "encoder")
    for place, part in enumerate(objective_parts(objective)):
        if not isinstance(part, TagsConfig):
            at = f"{_objective_setting(objective, place)}.model.pretrained"
            check_model(at, part.model.pretrained, "bert-base-uncased")
    if config.device not in ("auto", "cpu"):
        from earmark.pretrain.device import pick_device

        pick_device(config.device)


class CorpusSupervision(msgspec.Struct, frozen=True, kw_only=True):
    """What a corpus brings that an objective may learn from: of `clips`, how many have each label
    field, how many values each field has, and how many clips have original captions.
    """

    clips: int
    labelled: dict[str, int]
    values: dict[str, int]
    captioned: int


def needs_corpus_supervision(config: ObjectiveConfig) -> bool:
    """Return whether an objective learns from labels or captions that come with the corpus."""
    return any(
        _label_field(part) or _uses_original_captions(part) for part in objective_parts(config)
    )


def count_supervision(clips: Iterable[Clip]) -> CorpusSupervision:
    """Count what clips bring, in one pass."""
    count = captioned = 0
    labelled = Counter[str]()
    values: dict[str, set[str]] = {}
    for clip in clips:
        count += 1
        captioned += any(text.strip() for text in clip.original_captions)
        for field, found in clip.labels.items():
            labelled[field] += bool(found)
            values.setdefault(field, set()).update(found)
    sizes = {field: len(found) for field, found in values.items()}
    return CorpusSupervision(
        clips=count, labelled=dict(labelled), values=sizes, captioned=captioned
    )


def check_supervision(config: ObjectiveConfig, corpus: CorpusSupervision) -> None:
    """Check that some clip has the labels and the original captions that an objective learns from.

    Clips without are for pre-training to leave out and count; here is told what cannot be meant.

    Raises:
        ConfigError: no clip has the label field (the nearest one is named), it has one value
            alone, or no clip has an original caption.
    """
    for place, part in enumerate(objective_parts(config)):
        at = _objective_setting(config, place)
        if label := _label_field(part):
            _check_label(f"{at}.label = {label!r}", label, corpus)
        if _uses_original_captions(part) and not corpus.captioned:
            raise ConfigError(
                f'{at}.text = "original", but none of the {corpus.clips} clips came with words. '
                "Name the column of the corpus's table that holds them (corpus.captions_column), "
                'or learn from the captioner\'s: "summary" or "caption".'
            )


def _check_label(told: str, label: str, corpus: CorpusSupervision) -> None:
    fields = [field for field, clips in corpus.labelled.items() if clips]
    if label not in fields:
        hint = suggest(label, fields) if fields else " The clips have no labels at all."
        raise ConfigError(
            f"{told}: no clip has a label of that name.{hint} Labels of a table are taken over by "
            'naming their columns (corpus.labels); label = "" learns the vocabulary\'s tags.'
        )
    if corpus.values[label] < 2:
        raise ConfigError(
            f"{told}: its {corpus.labelled[label]} clips all have the same value, so there is "
            "nothing to tell apart. Name a field with several values."
        )


def _objective_setting(config: ObjectiveConfig, place: int) -> str:
    return f"objective.parts[{place}]" if isinstance(config, MultitaskConfig) else "objective"


def _label_field(part: PartConfig) -> str:
    return part.label if isinstance(part, TAG_CONFIGS) else ""


def _uses_original_captions(part: PartConfig) -> bool:
    return not isinstance(part, TAG_CONFIGS) and part.text == "original"
