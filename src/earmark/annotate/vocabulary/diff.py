"""Compare two vocabularies: tags that change, and clips whose tags do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from earmark.annotate.vocabulary.vocabulary import Vocabulary

MAX_LISTED = 15
"""Tags that the text lists of each kind; the rest are counted."""


@dataclass(frozen=True)
class RankedTag:
    """A tag at a rank (from 1) of the vocabulary that has it."""

    tag: str
    rank: int

    def __str__(self) -> str:
        return f"{self.tag} (rank {self.rank})"


@dataclass(frozen=True)
class MovedTag:
    """A tag that both vocabularies have, at different ranks."""

    tag: str
    old: int
    new: int

    def __str__(self) -> str:
        return f"{self.tag}: rank {self.old} to {self.new}"


@dataclass(frozen=True)
class TagMerge:
    """Old tags that are one new tag now, by merging them or by renaming one."""

    old: tuple[str, ...]
    new: str

    def __str__(self) -> str:
        return f"{', '.join(self.old)} -> {self.new}"


@dataclass(frozen=True)
class TagSplit:
    """A new tag that counted as an old one before, which is still there or not."""

    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.new} (was {self.old})"


@dataclass(frozen=True)
class ClipChanges:
    """What becomes of the tags of clips; a renamed tag is neither gained nor lost.

    `changed` clips have another set of tags than before, be it under other names; `gained` have a
    tag more, `lost` a tag fewer (a clip may be both); `emptied` had tags and have none left,
    `filled` had none and have some.
    """

    clips: int
    changed: int
    gained: int
    lost: int
    emptied: int
    filled: int


@dataclass(frozen=True)
class VocabularyDiff:
    """How two vocabularies differ; of each kind the greatest change comes first.

    An old tag that the new vocabulary does not have as such is in `renamed` (its new tag is new,
    and nothing else became it), in `merged`, or in `removed`. A new tag that the old one does not
    have as such is in `renamed`, in `merged`, in `split` (it counted as an old tag), or in `added`.
    `clips` is None where no tags of clips were given.
    """

    old_size: int
    new_size: int
    same: int
    added: tuple[RankedTag, ...]
    removed: tuple[RankedTag, ...]
    renamed: tuple[TagMerge, ...]
    merged: tuple[TagMerge, ...]
    split: tuple[TagSplit, ...]
    moved: tuple[MovedTag, ...]
    clips: ClipChanges | None = None

    def __str__(self) -> str:
        """Return some lines for a terminal: counts, then the greatest changes of each kind."""
        kinds: Mapping[str, Sequence[object]] = {
            "added": self.added,
            "removed": self.removed,
            "renamed": self.renamed,
            "merged": self.merged,
            "split": self.split,
            "moved": self.moved,
        }
        counts = ", ".join(f"{len(items)} {kind}" for kind, items in kinds.items())
        lines = [
            f"{self.old_size} -> {self.new_size} tags: {self.same} in both, {counts}",
            *(line for kind, items in kinds.items() for line in _list_items(kind, items)),
        ]
        if self.clips is not None:
            lines.append(_describe_clips(self.clips))
        return "\n".join(lines)


def diff_vocabularies(
    old: Vocabulary,
    new: Vocabulary,
    tag_sets: Iterable[tuple[str, Sequence[str]]] | None = None,
) -> VocabularyDiff:
    """Compare two vocabularies; lists of labels are compared through `Vocabulary.from_labels`.

    Args:
        old: what models were trained on so far.
        new: what would take its place.
        tag_sets: (clip id, tags as written), read once; tells how many clips change.
    """
    became = _find_merges(old, new)
    gone = {tag for sources in became.values() for tag in sources}
    renamed = {
        tag: sources
        for tag, sources in became.items()
        if len(sources) == 1 and tag not in old.index
    }
    merged = {tag: sources for tag, sources in became.items() if tag not in renamed}
    split = [
        TagSplit(old.tags[place], tag)
        for tag in new.tags
        if tag not in old.index and tag not in became and (place := old.class_of(tag)) is not None
    ]
    explained = became.keys() | {item.new for item in split}
    return VocabularyDiff(
        old_size=len(old),
        new_size=len(new),
        same=len(old.index.keys() & new.index.keys()),
        added=_ranked_tags(new, old.index.keys() | explained),
        removed=_ranked_tags(old, new.index.keys() | gone),
        renamed=tuple(TagMerge(sources, tag) for tag, sources in renamed.items()),
        merged=tuple(TagMerge(sources, tag) for tag, sources in merged.items()),
        split=tuple(split),
        moved=_moved_tags(old, new),
        clips=None if tag_sets is None else _count_clips(old, new, tag_sets),
    )


def _find_merges(old: Vocabulary, new: Vocabulary) -> Mapping[str, tuple[str, ...]]:
    """Return old tags that are no tags any more, by the new tag that they fold to, best first."""
    sources = defaultdict[str, list[str]](list)
    for position, there in sorted(old.mapping_to(new).items(), key=lambda pair: (pair[1], pair[0])):
        if old.tags[position] not in new.index:
            sources[new.tags[there]].append(old.tags[position])
    return {tag: tuple(before) for tag, before in sources.items()}


def _ranked_tags(vocabulary: Vocabulary, without: Iterable[str]) -> tuple[RankedTag, ...]:
    left_out = set(without)
    return tuple(RankedTag(e.tag, e.rank) for e in vocabulary.entries if e.tag not in left_out)


def _moved_tags(old: Vocabulary, new: Vocabulary) -> tuple[MovedTag, ...]:
    moved = [
        MovedTag(tag, old.index[tag] + 1, position + 1)
        for position, tag in enumerate(new.tags)
        if tag in old.index and old.index[tag] != position
    ]
    return tuple(sorted(moved, key=lambda item: -abs(item.new - item.old)))


def _count_clips(
    old: Vocabulary, new: Vocabulary, tag_sets: Iterable[tuple[str, Sequence[str]]]
) -> ClipChanges:
    mapping = old.mapping_to(new)
    clips = changed = gained = lost = emptied = filled = 0
    for _, tags in tag_sets:
        _, before = old.encode(tags)
        names, after = new.encode(tags)
        expected = {mapping.get(position, -1) for position in before}
        clips += 1
        changed += {old.tags[position] for position in before} != set(names)
        gained += not expected.issuperset(after)
        lost += not expected.issubset(after)
        emptied += bool(before) and not after
        filled += bool(after) and not before
    return ClipChanges(clips, changed, gained, lost, emptied, filled)


def _list_items(kind: str, items: Sequence[object]) -> list[str]:
    if not items:
        return []
    rest = [f"  and {len(items) - MAX_LISTED} more"] if len(items) > MAX_LISTED else []
    return [f"{kind} ({len(items)}):", *(f"  {item}" for item in items[:MAX_LISTED]), *rest]


def _describe_clips(clips: ClipChanges) -> str:
    share = f" ({clips.changed / clips.clips:.1%})" if clips.clips else ""
    return (
        f"{clips.changed} of {clips.clips} clips change their tags{share}: {clips.gained} gain "
        f"one or more, {clips.lost} lose one or more, {clips.emptied} are left without any, "
        f"{clips.filled} get their first"
    )
