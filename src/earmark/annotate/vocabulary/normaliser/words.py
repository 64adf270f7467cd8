"""Changes to words, applied to the tags that hold them: a corpus has far fewer words than tags."""

from __future__ import annotations

from collections.abc import Callable, Collection


def changed_tags(tags: Collection[str], form: Callable[[str], str]) -> dict[str, str]:
    """Return {tag: tag with each word, between hyphens, in that form} of those that differ."""
    words = set("-".join(tags).split("-"))
    changed = {word: new for word in words if (new := form(word)) != word}
    if not changed:
        return {}
    untouched = changed.keys().isdisjoint
    return {
        tag: "-".join(changed.get(word, word) for word in words)
        for tag in tags
        if not untouched(words := tag.split("-"))
    }
