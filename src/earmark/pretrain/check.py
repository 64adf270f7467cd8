"""An objective against the labels and captions that there are, before hours go into captions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from earmark.config import ConfigError, check_packages, nearest
from earmark.pretrain.config import PretrainConfig
from earmark.pretrain.encoders.config import EncoderConfig, check_model
from earmark.pretrain.objectives.config import (
    MultitaskConfig,
    ObjectiveConfig,
    PartConfig,
    TagsConfig,
)
from earmark.pretrain.supervision import TAGGING, parts_of
from earmark.records import Clip


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
