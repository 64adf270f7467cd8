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
from earmark.config import ConfigError, check_packages, nearest
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
from earmark.pretrain.text.config import Words
from earmark.records import Clip, Example


class Classes(msgspec.Struct, frozen=True, kw_only=True):
    """What tags objectives predict: names by class id, and in how many of `clips` each is."""

    names: tuple[str, ...]
    counts: tuple[int, ...]
    clips: int


class PartMaterials(msgspec.Struct, frozen=True, kw_only=True):
    """What one objective is built from beside its settings: its classes, its word pieces."""

    classes: Classes | None = None
    words: Words | None = None


class Materials(msgspec.Struct, frozen=True, kw_only=True):
    """What an objective is built from: one entry for each of `parts_of` its settings."""

    parts: tuple[PartMaterials, ...]


TAGGING = (TagsConfig, TagsParallelConfig)
"""Settings of objectives on classes; those of all others have a text."""


def parts_of(config: ObjectiveConfig) -> tuple[PartConfig, ...]:
    """Return the objectives that make up one."""
    return config.parts if isinstance(config, MultitaskConfig) else (config,)


def class_names(example: Example, label: str) -> tuple[str, ...]:
    """Return a clip's classes: its tags, or where `label` is given, its values of that field."""
    return example.labels.get(label, ()) if label else example.tags


def texts(example: Example, source: TextSource) -> tuple[str, ...]:
    """Return what may stand for a clip in words; nothing where it has none."""
    found = {
        "summary": (example.summary,),
        "caption": (example.caption,),
        "original": example.original_captions,
    }[source]
    return tuple(text for text in found if text.strip())


def lacks(example: Example, config: ObjectiveConfig) -> str:
    """Return what of a clip an objective would want and does not find, "" where it has all."""
    for part in parts_of(config):
        if isinstance(part, TAGGING):
            if not class_names(example, part.label):
                return f"no label {part.label}" if part.label else "no tags"
        elif not texts(example, part.text):
            return f"no {part.text} text"
    return ""


def misses(example: Example, requires: Sequence[Requirement]) -> str:
    """Return what of a clip is required and not there, "" where all is."""
    for name in requires:
        if name == "tags":
            if not example.tags:
                return "no tags"
        elif not texts(example, name):
            return f"no {name} text"
    return ""


def gather_classes(examples: Sequence[Example], vocabulary: Vocabulary, label: str) -> Classes:
    """Return the vocabulary's tags, or the values that a label field has, with their counts."""
    counts = Counter(name for clip in examples for name in set(class_names(clip, label)))
    names = tuple(sorted(counts)) if label else vocabulary.tags
    return Classes(names=names, counts=tuple(counts[name] for name in names), clips=len(examples))


def gather(
    examples: Sequence[Example], vocabulary: Vocabulary, config: ObjectiveConfig
) -> Materials:
    """Return what an objective is built from, read off the train split.

    Raises:
        ConfigError: a text model that is wanted by name cannot be had.
    """
    parts: list[PartMaterials] = []
    for part in parts_of(config):
        classes = words = None
        if isinstance(part, TAGGING):
            classes = gather_classes(examples, vocabulary, part.label)
        if not isinstance(part, TagsConfig):
            from earmark.pretrain.text.tokenizer import gather_words

            words = gather_words([written(clip, part) for clip in examples], part.model)
        parts.append(PartMaterials(classes=classes, words=words))
    return Materials(parts=tuple(parts))


def written(example: Example, part: PartConfig) -> tuple[str, ...]:
    """Return the texts of a clip that a part may have to read or write."""
    if isinstance(part, TagsConfig):
        return ()
    if isinstance(part, TagsParallelConfig):
        return (", ".join(class_names(example, part.label)),)
    return texts(example, part.text)


def without_unread_texts(
    example: Example, config: ObjectiveConfig, requires: Sequence[Requirement] = ()
) -> Example:
    """Return a clip without those of its texts that an objective does not read.

    Of original captions, which model cards count, the first is kept.
    """
    read = {part.text for part in parts_of(config) if not isinstance(part, TAGGING)}
    read.update(name for name in requires if name != "tags")
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
    for place, part in enumerate(parts_of(objective)):
        if not isinstance(part, TagsConfig):
            at = f"{_place(objective, place)}.model.pretrained"
            check_model(at, part.model.pretrained, "bert-base-uncased")
    if config.device not in ("auto", "cpu"):
        from earmark.pretrain.device import pick_device

        pick_device(config.device)


class Offered(msgspec.Struct, frozen=True, kw_only=True):
    """What a corpus brings that an objective may learn from: of `clips`, how many have each label
    field, how many values each field has, and how many clips have original captions.
    """

    clips: int
    labelled: dict[str, int]
    values: dict[str, int]
    captioned: int


def wants_corpus(config: ObjectiveConfig) -> bool:
    """Return whether an objective learns from labels or captions that come with the corpus."""
    return any(_label(part) or _is_original(part) for part in parts_of(config))


def offered(clips: Iterable[Clip]) -> Offered:
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
    return Offered(clips=count, labelled=dict(labelled), values=sizes, captioned=captioned)


def check_supervision(config: ObjectiveConfig, corpus: Offered) -> None:
    """Check that some clip has the labels and the original captions that an objective learns from.

    Clips without are for pre-training to leave out and count; here is told what cannot be meant.

    Raises:
        ConfigError: no clip has the label field (the nearest one is named), it has one value
            alone, or no clip has an original caption.
    """
    for place, part in enumerate(parts_of(config)):
        at = _place(config, place)
        if label := _label(part):
            _check_label(f"{at}.label = {label!r}", label, corpus)
        if _is_original(part) and not corpus.captioned:
            raise ConfigError(
                f'{at}.text = "original", but none of the {corpus.clips} clips came with words. '
                "Name the column of the corpus's table that holds them (corpus.captions_column), "
                'or learn from the captioner\'s: "summary" or "caption".'
            )


def _check_label(told: str, label: str, corpus: Offered) -> None:
    fields = [field for field, clips in corpus.labelled.items() if clips]
    if label not in fields:
        hint = nearest(label, fields) if fields else " The clips have no labels at all."
        raise ConfigError(
            f"{told}: no clip has a label of that name.{hint} Labels of a table are taken over by "
            'naming their columns (corpus.labels); label = "" learns the vocabulary\'s tags.'
        )
    if corpus.values[label] < 2:
        raise ConfigError(
            f"{told}: its {corpus.labelled[label]} clips all have the same value, so there is "
            "nothing to tell apart. Name a field with several values."
        )


def _place(config: ObjectiveConfig, place: int) -> str:
    return f"objective.parts[{place}]" if isinstance(config, MultitaskConfig) else "objective"


def _label(part: PartConfig) -> str:
    return part.label if isinstance(part, TAGGING) else ""


def _is_original(part: PartConfig) -> bool:
    return not isinstance(part, TAGGING) and part.text == "original"
