"""Texts as bags of words and of pairs of neighbouring words: what a light text model reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from earmark.evaluate.words import ngrams, tokenise

SEEN_AT_LEAST = 2
"""Texts of train that a term must be in: one that a single text has tells texts of test nothing."""
MOST_TERMS = 20000
"""Terms that are kept, the most frequent."""

Term = tuple[str, ...]


@dataclass(frozen=True)
class Terms:
    """The words and pairs of words that train knows, by number from 0 on."""

    numbers: dict[Term, int]

    def read(self, text: str) -> list[int]:
        """Return the known terms of a text; none where it has no word of train."""
        return [self.numbers[term] for term in _terms(text) if term in self.numbers]


def gather_terms(texts: Sequence[str]) -> Terms:
    """Return the terms of train's texts; where none is there twice, all."""
    counts = Counter(term for text in texts for term in dict.fromkeys(_terms(text)))
    least = min(SEEN_AT_LEAST, max(counts.values(), default=1))
    # By count, then by name: independent of the order of texts.
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    kept = [term for term, count in ranked if count >= least][:MOST_TERMS]
    return Terms({term: number for number, term in enumerate(kept)})


def _terms(text: str) -> list[Term]:
    words = tokenise(text)
    return [*ngrams(words, 1), *ngrams(words, 2)]
