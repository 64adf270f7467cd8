"""Leaks that can be told from the rows alone: files that clips share, and sentences."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

from earmark.evaluate.leakage.leak import Leak, leak_of
from earmark.records import Example

ENDS = re.compile(r"(?<=[.!?])\s+|[\r\n。！？]+")
"""Where one sentence ends and the next begins."""

WORD = re.compile(r"\w+")
APOSTROPHES = str.maketrans("", "", "'’")


def shared_files(learnt: Sequence[Example], tested: Sequence[Example]) -> Iterator[Leak]:
    """Yield the tested clips whose file, whole or in part, was learnt from.

    Clips are named by the content of their file, a window also by that of the file it was cut
    from: so two windows of one file count, wherever in it they lie.
    """
    known: dict[str, Example] = {}
    for example in learnt:
        for name in _files(example):
            known.setdefault(name, example)
    for example in tested:
        found = next((known[name] for name in _files(example) if name in known), None)
        if found is not None:
            same = found.id == example.id
            detail = "the same clip" if same else "two clips of one file"
            yield leak_of(example, found, "id", detail)


def shared_sentences(
    learnt: Sequence[Example], tested: Sequence[Example], *, least_words: int
) -> Iterator[Leak]:
    """Yield the tested clips one of whose original captions has a sentence that was learnt.

    Captions that a model wrote are not looked at: they repeat by nature, in clips that have
    nothing else in common. Nor are sentences of fewer than `least_words` words, which people
    repeat as well ("A dog barks.").
    """
    known: dict[str, Example] = {}
    for example in learnt:
        for sentence in sentences_of(example, least_words=least_words):
            known.setdefault(sentence, example)
    for example in tested:
        mine = sentences_of(example, least_words=least_words)
        shared = next((sentence for sentence in mine if sentence in known), None)
        if shared is not None:
            yield leak_of(example, known[shared], "sentence", shared)


def sentences_of(example: Example, *, least_words: int) -> Iterator[str]:
    """Yield the normalised sentences of the original captions that have enough words."""
    for caption in example.original_captions:
        for sentence in ENDS.split(caption):
            words = normalised(sentence)
            if len(words) >= least_words:
                yield " ".join(words)


def normalised(text: str) -> list[str]:
    """Return the words of `text` without case, punctuation, or forms of one character."""
    plain = unicodedata.normalize("NFKC", text).casefold().translate(APOSTROPHES)
    return WORD.findall(plain)


def _files(example: Example) -> tuple[str, ...]:
    return (example.id,) if example.parent is None else (example.id, example.parent)
