"""Captions as words, for the metrics of captions.

The published numbers of captioning are counted in tokens of the Penn Treebank tokeniser (of
Stanford CoreNLP, in Java), lower-cased, without punctuation. Here the same is done by one regular
expression. As there, contractions are split (do n't, dog 's), words with hyphens and numbers with
points stay whole, and punctuation goes. What differs:

* A full stop always ends a word: "Mr." and "U.S." are mr and u.s, there mr. and u.s.
* Symbols (& % $ #) go; there they are tokens.
* cannot, gonna and the like stay whole; there they are two tokens.
* Quotation marks of any kind go; there only plain ones do.
"""

from __future__ import annotations

import re

_WORD = re.compile(r"\w+(?:[-.,'/]\w+)*")
_CONTRACTION = re.compile(r"(?<=\w)(n't|'(?:s|m|d|ll|re|ve))$")

Ngram = tuple[str, ...]


def tokenise(text: str) -> tuple[str, ...]:
    """Return the words of a text, lower-cased, without punctuation; of no words, nothing."""
    plain = text.lower().replace("’", "'").replace("_", " ")
    words: list[str] = []
    for word in _WORD.findall(plain):
        words.extend(_CONTRACTION.sub(r" \1", word).split())
    return tuple(words)


def ngrams(words: tuple[str, ...], length: int) -> list[Ngram]:
    """Return all runs of `length` words, in order."""
    return [words[first : first + length] for first in range(len(words) - length + 1)]
