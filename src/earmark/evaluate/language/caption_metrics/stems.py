"""A light English stemmer: plurals and the endings of verbs, nothing else.

After the S-stemmer of Harman (1991, "How effective is suffixing?") and step 1 of Porter (1980, "An
algorithm for suffix stripping"). Stems need not be words; forms of one word should share one.
"""

from __future__ import annotations

_VOWELS = frozenset("aeiouy")
_DOUBLED = frozenset("bdgmnprt")


def stem(word: str) -> str:
    """Return what forms of a word share: barks, barked and barking give bark."""
    word = _singular(word)
    for ending in ("ing", "ed"):
        root = word.removesuffix(ending)
        if root != word and len(root) >= 2 and _VOWELS.intersection(root):
            return _undoubled(root)
    return word.removesuffix("e") if len(word) > 3 else word


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes", "zes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def _undoubled(root: str) -> str:
    """Return a root without the letter that its ending doubled, or its last e."""
    if len(root) > 3 and root[-1] == root[-2] and root[-1] in _DOUBLED:
        return root[:-1]
    return root.removesuffix("e")
