"""What an objective learns from: the classes and the texts of clips, as the recipe chooses them.

`Materials` are gathered from the train split before there are weights, and travel in the
checkpoint: with them and the settings an objective is built again, far from the corpus.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from earmark.annotate.vocabulary import Vocabulary
from earmark.pretrain.config import Requirement
from earmark.pretrain.objectives.config import (
    MultitaskConfig,
    ObjectiveConfig,
    PartConfig,
    TagsConfig,
    TagsParallelConfig,
    TextSource,
)
from earmark.records import Example


class Classes(msgspec.Struct, frozen=True, kw_only=True):
    """What tags objectives predict: names by class id, and in how many of `clips` each is."""

    names: tuple[str, ...]
    counts: tuple[int, ...]
    clips: int


class TextFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Texts of the train split in tokens: how many there are, and what max_tokens cuts off."""

    texts: int
    tokens: int
    longest: int
    texts_cut: int
    tokens_cut: int


class SpecialPieces(msgspec.Struct, frozen=True, kw_only=True):
    """What the pieces are called that are no words: RoBERTa's names, or those of a loaded model."""

    start: str = "<s>"
    pad: str = "<pad>"
    end: str = "</s>"
    unknown: str = "<unk>"
    mask: str = "<mask>"


class Words(msgspec.Struct, frozen=True, kw_only=True):
    """The word pieces of a text model: tokenizer.json's text, and the model's own config.json where
    it was loaded by name.
    """

    tokenizer: str
    special: SpecialPieces = SpecialPieces()
    architecture: str = ""
    facts: TextFacts


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
