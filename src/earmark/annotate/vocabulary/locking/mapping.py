"""From the class ids of one vocabulary to those of another."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from earmark.annotate.vocabulary.lockfile import VocabularyEntry
    from earmark.annotate.vocabulary.vocabulary import Vocabulary

NAMED = 3
"""Tags that a sentence names as examples."""


def find_tags(vocabulary: Vocabulary, other: Vocabulary) -> tuple[int | None, ...]:
    """Return where `other` has each tag of `vocabulary`, by class id; None where it has not."""
    return tuple(_find(entry, other) for entry in vocabulary.entries)


def explain_mapping(vocabulary: Vocabulary, other: Vocabulary) -> str:
    """Return in words how much of `vocabulary` is in `other`, and how to map class ids."""
    found = find_tags(vocabulary, other)
    pairs = list(zip(vocabulary.tags, found, strict=True))
    renamed = [
        (tag, other.tags[place])
        for tag, place in pairs
        if place is not None and other.tags[place] != tag
    ]
    missing = [tag for tag, place in pairs if place is None]
    same = len(pairs) - len(renamed) - len(missing)
    own = len(other) - len({place for place in found if place is not None})
    as_named = _examples(f"{tag!r} is {name!r}" for tag, name in renamed)
    return (
        f"{same} of {len(pairs)} tags are the same, {len(renamed)} are under another name"
        f"{as_named}, {len(missing)} are not in it{_examples(map(repr, missing))}; {own} of its "
        f"{len(other)} tags are new. Class ids are mapped by Vocabulary.mapping_to."
    )


def _find(entry: VocabularyEntry, other: Vocabulary) -> int | None:
    aliases = sorted(entry.aliases, key=lambda alias: (-entry.aliases[alias], alias))
    places = map(other.class_of, (entry.tag, *aliases))
    return next((place for place in places if place is not None), None)


def _examples(words: Iterable[str]) -> str:
    """Return " (a, b, c, ...)", or nothing where there are none."""
    listed = list(words)
    more = ", ..." if len(listed) > NAMED else ""
    return f" ({', '.join(listed[:NAMED])}{more})" if listed else ""
