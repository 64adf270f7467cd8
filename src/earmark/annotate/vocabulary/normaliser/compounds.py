"""One word or two: "hifi", "hi-fi" and "hi_fi" are one tag where a corpus shows them all."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

_OTHER_MEANING = ("re-",)
"""A hyphen after these can make another word: re-creation and recreation, re-sign and resign."""


def joined_compounds(frequencies: Mapping[str, int]) -> dict[str, str]:
    """Return {tag: tag that it is counted as} of tags that differ only in where hyphens stand.

    Of each such family the most frequent is kept; of equals the one with more hyphens, then the
    first by the alphabet. A word that the corpus never shows with a hyphen stays as it is.
    """
    bare = [tag.replace("-", "") for tag in frequencies]
    shared = {letters for letters, count in Counter(bare).items() if count > 1}
    families: dict[str, list[str]] = defaultdict(list)
    for tag, letters in zip(frequencies, bare, strict=True) if shared else ():
        if letters in shared and not tag.startswith(_OTHER_MEANING):
            families[letters].append(tag)
    changes: dict[str, str] = {}
    for family in families.values():
        kept = min(family, key=lambda tag: (-frequencies[tag], -tag.count("-"), tag))
        changes |= {tag: kept for tag in family if tag != kept}
    return changes
