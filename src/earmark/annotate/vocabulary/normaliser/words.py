"""Changes to words, applied to the tags that hold them: a corpus has far fewer words than tags."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable


def words_of(tags: Collection[str]) -> set[str]:
    """Return the distinct words, between hyphens, of tags."""
    return set("-".join(tags).split("-"))


def changed_tags(
    tags: Collection[str], form: Callable[[str], str], words: Iterable[str] | None = None
) -> dict[str, str]:
    """Return {tag: tag with each word in that form} of those that differ.

    `words` are those that may have another form, where that can be told more cheaply than by
    asking for it; all words of the tags otherwise.
    """
    asked = words_of(tags) if words is None else words
    changed = {word: new for word in asked if (new := form(word)) != word}
    if not changed:
        return {}
    untouched = changed.keys().isdisjoint
    return {
        tag: "-".join(changed.get(word, word) for word in words)
        for tag in tags
        if not untouched(words := tag.split("-"))
    }
