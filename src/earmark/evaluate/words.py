"""Captions as words: tokens, n-grams, stems, and numbered terms.

Published captioning scores count tokens of the Penn Treebank tokenizer (Stanford CoreNLP, in Java),
lower-cased and without punctuation. Here one regular expression does the same: contractions are
split (do n't, dog 's), words with hyphens and numbers with points stay whole, punctuation goes.
What differs:

* A full stop always ends a word: "Mr." and "U.S." are mr and u.s, there mr. and u.s.
* Symbols (& % $ #) go; there they are tokens.
* cannot, gonna and the like stay whole; there they are two tokens.
* Quotation marks of any kind go; there only plain ones do.

The stemmer is light: plurals and the endings of verbs, after the S-stemmer of Harman (1991, "How
effective is suffixing?") and step 1 of Porter (1980, "An algorithm for suffix stripping"). Stems
need not be words; forms of one word should share one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_WORD = re.compile(r"\w+(?:[-.,'/]\w+)*")

_CONTRACTION = re.compile(r"(?<=\w)(n't|'(?:s|m|d|ll|re|ve))$")

Ngram = tuple[str, ...]


def tokenize(text: str) -> tuple[str, ...]:
    """Return the words of a text, lower-cased, without punctuation; of no words, nothing."""
    plain = text.lower().replace("’", "'").replace("_", " ")
    words: list[str] = []
    for word in _WORD.findall(plain):
        words.extend(_CONTRACTION.sub(r" \1", word).split())
    return tuple(words)


def ngrams(words: tuple[str, ...], length: int) -> list[Ngram]:
    """Return all runs of `length` words, in order."""
    return [words[first : first + length] for first in range(len(words) - length + 1)]


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


MIN_TEXTS_PER_TERM = 2
"""Texts of train that a term must be in: one that a single text has tells texts of test nothing."""

MAX_TERMS = 20000
"""Terms that are kept, the most frequent."""

Term = tuple[str, ...]


@dataclass(frozen=True)
class TermVocabulary:
    """The words and pairs of words that train knows, by number from 0 on."""

    numbers: dict[Term, int]

    def read(self, text: str) -> list[int]:
        """Return the known terms of a text; none where it has no word of train."""
        return [self.numbers[term] for term in _terms_of(text) if term in self.numbers]


def build_term_vocabulary(texts: Sequence[str]) -> TermVocabulary:
    """Return the terms of train's texts; where none is there twice, all."""
    counts = Counter(term for text in texts for term in dict.fromkeys(_terms_of(text)))
    least = min(MIN_TEXTS_PER_TERM, max(counts.values(), default=1))
    # By count, then by name: independent of the order of texts.
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    kept = [term for term, count in ranked if count >= least][:MAX_TERMS]
    return TermVocabulary({term: number for number, term in enumerate(kept)})


def _terms_of(text: str) -> list[Term]:
    words = tokenize(text)
    return [*ngrams(words, 1), *ngrams(words, 2)]
