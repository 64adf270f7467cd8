"""Clips, captions and tags to the manifest: join, encode, split, check for leaks, write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, ClassVar, TypeVar

import msgspec
from msgspec import Meta

from earmark.annotate.lhotse import to_mono_cut
from earmark.annotate.splits import GroupField, SplitAssignment, assign_splits, find_split_leaks
from earmark.annotate.vocabulary import Vocabulary
from earmark.config import Config, ConfigError
from earmark.io import write_text
from earmark.records import SPLITS, Caption, Clip, Example, Rejected, TagSet
from earmark.tables import count_rejections, write_jsonl, write_parquet

K = TypeVar("K", Clip, Caption, TagSet)

NO_LICENSE = "not stated"


class ManifestConfig(Config, frozen=True, kw_only=True):
    """How clips are dealt to train, validation and test where the corpus does not say it.

    Args:
        validation: the share of clips that pre-training is watched on.
        test: the share of clips that only evaluation reads; train gets the rest.
        group_by: which of "recording" and "speaker" never cross splits. Equal content and the
            windows of one file never do.
        stratify_by: label fields whose values should be spread over the splits as the clips are;
            without it, all fields. This is the only use of labels before evaluation: they balance
            the splits and never reach a captioner or tagger.
        keep_untagged: whether clips without a tag of the vocabulary stay, for objectives on texts
            and for probes; then arms with other vocabularies are measured on the same clips.
    """

    renamed: ClassVar[Mapping[str, str]] = MappingProxyType({"keep_apart": "group_by"})

    validation: Annotated[float, Meta(ge=0, lt=1)] = 0.1
    test: Annotated[float, Meta(ge=0, lt=1)] = 0.2
    group_by: tuple[GroupField, ...] = ("recording", "speaker")
    stratify_by: tuple[str, ...] | None = None
    keep_untagged: bool = False

    def check(self) -> None:
        """Refuse shares that leave nothing to train on. Raises ConfigError."""
        if self.validation + self.test >= 1:
            raise ConfigError(
                f"validation = {self.validation} and test = {self.test} leave nothing to train on: "
                "give less, in sum below 1."
            )


def build_manifest(
    clips: Sequence[Clip],
    captions: Sequence[Caption],
    tag_sets: Sequence[TagSet],
    vocabulary: Vocabulary,
    config: ManifestConfig,
    folder: Path,
    *,
    seed: int,
) -> dict[str, int]:
    """Write the manifest into `folder`; returns counts.

    What comes in are the tag sets: clips that lost their caption or tags before were counted
    there. A clip goes out with those of its tags that the vocabulary has, or is rejected for
    having none unless such are kept. Splits are dealt over all clips, before any is dropped:
    studies that differ in captioner, tagger or vocabulary share them.

    Files: manifest.parquet (Example rows in the order of `clips`; metadata "vocabulary" is the
    vocabulary's fingerprint), manifest.jsonl.gz (Lhotse MonoCut), rejected.parquet, splits.json.

    Raises:
        ConfigError: as `assign_splits`.
        ValueError: a clip id is there twice in one table, or a tag set's clip or caption is not.
    """
    by_id = _index_by_id(clips, "clips")
    texts = _index_by_id(captions, "captions")
    tags = _index_by_id(tag_sets, "tags")
    _check_join(tags, by_id, texts)
    dealt = assign_splits(
        clips,
        _split_shares(config),
        group_by=config.group_by,
        stratify_by=config.stratify_by,
        seed=seed,
    )
    rows = [
        _build_example(
            clip, texts[clip.id], tags[clip.id], vocabulary, dealt.splits[clip.id], config
        )
        for clip in clips
        if clip.id in tags
    ]
    examples = [row for row in rows if isinstance(row, Example)]
    rejected = [row for row in rows if isinstance(row, Rejected)]
    leaks = find_split_leaks(examples, config.group_by)
    if leaks:
        raise AssertionError(f"the splits leak, which `assign_splits` should prevent: {leaks[:3]}")
    metadata = {"vocabulary": vocabulary.fingerprint}
    write_parquet(folder / "rejected.parquet", rejected, Rejected)
    write_jsonl(folder / "manifest.jsonl.gz", (to_mono_cut(e, by_id[e.id]) for e in examples))
    write_text(folder / "splits.json", _splits_summary(dealt, examples, by_id))
    write_parquet(folder / "manifest.parquet", examples, Example, metadata=metadata)
    return {"in": len(tag_sets), "out": len(examples), **count_rejections(rejected)}


def _split_shares(config: ManifestConfig) -> dict[str, float]:
    train = 1 - config.validation - config.test
    shares = {"train": train, "validation": config.validation, "test": config.test}
    return {split: share for split, share in shares.items() if share > 0}


def _build_example(
    clip: Clip,
    caption: Caption,
    tag_set: TagSet,
    vocabulary: Vocabulary,
    split: str,
    config: ManifestConfig,
) -> Example | Rejected:
    tags, tag_ids = vocabulary.encode(tag_set.tags)
    if not tags and not config.keep_untagged:
        detail = f"its tags: {', '.join(tag_set.tags)}"
        return Rejected(id=clip.id, stage="manifest", reason="no tags in vocabulary", detail=detail)
    return Example(
        id=clip.id,
        path=clip.path,
        name=clip.name,
        duration_s=clip.duration_s,
        split=split,
        recording=clip.recording,
        speaker=clip.speaker,
        tags=tags,
        tag_ids=tag_ids,
        caption=caption.text,
        summary=caption.summary,
        labels=clip.labels,
        start_s=clip.start_s,
        parent=clip.parent,
        original_captions=clip.original_captions,
    )


def _index_by_id(rows: Sequence[K], table: str) -> dict[str, K]:
    found = {row.id: row for row in rows}
    if len(found) < len(rows):
        twice = Counter(row.id for row in rows).most_common(1)[0][0]
        raise ValueError(f"manifest: clip {twice} is in {table} more than once")
    return found


def _check_join(
    tags: Mapping[str, TagSet], clips: Mapping[str, Clip], captions: Mapping[str, Caption]
) -> None:
    for table, rows in (("clips", clips), ("captions", captions)):
        if lost := [key for key in tags if key not in rows]:
            raise ValueError(
                f"manifest: {len(lost)} tag sets have no row in {table}, the first is {lost[0]}: "
                "the tables come from different runs"
            )


def count_licenses(folder: Path) -> dict[str, int]:
    """Return how many clips of a manifest's train and validation splits have each licence.

    Empty where a manifest of an earlier version does not say it.
    """
    path = folder / "splits.json"
    if not path.exists():
        return {}
    by_licence = msgspec.json.decode(path.read_bytes()).get("licences", {})
    used = {
        licence: splits.get("train", 0) + splits.get("validation", 0)
        for licence, splits in by_licence.items()
    }
    return {licence: clips for licence, clips in used.items() if clips}


def _splits_summary(
    dealt: SplitAssignment, examples: Sequence[Example], clips: Mapping[str, Clip]
) -> str:
    """Return splits.json: clips by split, by label value or licence and split, what was decided."""
    labels: dict[str, dict[str, Counter[str]]] = {}
    for example in examples:
        for field, values in example.labels.items():
            for value in values:
                table = labels.setdefault(field, {}).setdefault(value, Counter())
                table[example.split] += 1
    licences: dict[str, Counter[str]] = {}
    for example in examples:
        licence = clips[example.id].licence or NO_LICENSE
        licences.setdefault(licence, Counter())[example.split] += 1
    totals = Counter(example.split for example in examples)
    described = {
        "clips": {split: totals[split] for split in SPLITS},
        "groups": dealt.groups,
        "groups_with_conflicting_splits": dealt.conflicts,
        "clips_moved_by_conflicts": dealt.moved,
        "clips_carved_from_train": dealt.carved,
        "labels": labels,
        "licences": licences,
    }
    encoded = msgspec.json.encode(described, order="sorted")
    return msgspec.json.format(encoded, indent=2).decode() + "\n"
