"""Find test clips that leaked from training.

Shared files and shared sentences are found here from the rows alone, shared audio in `audio.py`.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from earmark.evaluate.config import LeakageConfig
from earmark.evaluate.leakage.audio import find_shared_audio
from earmark.evaluate.leakage.leak import LEAK_KINDS, Leak, make_leak
from earmark.records import Example, Rejected

SENTENCE_ENDS = re.compile(r"(?<=[.!?])\s+|[\r\n。！？]+")
"""Where one sentence ends and the next begins."""

WORD = re.compile(r"\w+")

APOSTROPHES = str.maketrans("", "", "'’")


def find_shared_files(learnt: Sequence[Example], tested: Sequence[Example]) -> Iterator[Leak]:
    """Yield the tested clips whose file, whole or in part, was learnt from.

    Clips are named by the content of their file, a window also by that of the file it was cut
    from: so two windows of one file count, wherever in it they lie.
    """
    known: dict[str, Example] = {}
    for example in learnt:
        for name in _file_ids(example):
            known.setdefault(name, example)
    for example in tested:
        found = next((known[name] for name in _file_ids(example) if name in known), None)
        if found is not None:
            same = found.id == example.id
            detail = "the same clip" if same else "two clips of one file"
            yield make_leak(example, found, "id", detail)


def find_shared_sentences(
    learnt: Sequence[Example], tested: Sequence[Example], *, least_words: int
) -> Iterator[Leak]:
    """Yield the tested clips one of whose original captions has a sentence that was learnt.

    Captions that a model wrote are not looked at: they repeat by nature, in clips that have
    nothing else in common. Nor are sentences of fewer than `least_words` words, which people
    repeat as well ("A dog barks.").
    """
    known: dict[str, Example] = {}
    for example in learnt:
        for sentence in normalized_sentences(example, least_words=least_words):
            known.setdefault(sentence, example)
    for example in tested:
        mine = normalized_sentences(example, least_words=least_words)
        shared = next((sentence for sentence in mine if sentence in known), None)
        if shared is not None:
            yield make_leak(example, known[shared], "sentence", shared)


def normalized_sentences(example: Example, *, least_words: int) -> Iterator[str]:
    """Yield the normalized sentences of the original captions that have enough words."""
    for caption in example.original_captions:
        for sentence in SENTENCE_ENDS.split(caption):
            words = normalize_words(sentence)
            if len(words) >= least_words:
                yield " ".join(words)


def normalize_words(text: str) -> list[str]:
    """Return the words of `text` without case, punctuation, or forms of one character."""
    plain = unicodedata.normalize("NFKC", text).casefold().translate(APOSTROPHES)
    return WORD.findall(plain)


def _file_ids(example: Example) -> tuple[str, ...]:
    return (example.id,) if example.parent is None else (example.id, example.parent)


@dataclass(frozen=True)
class LeakageResult:
    """The leaks, and the clips of which the guard cannot tell, with the reason why."""

    leaks: tuple[Leak, ...]
    untold: tuple[Rejected, ...]

    def doubts(self) -> str:
        """Return one line about the clips of which the guard cannot tell, "" without any."""
        if not self.untold:
            return ""
        counts = Counter(row.reason for row in self.untold).most_common()
        reasons = ", ".join(f"{count} {reason}" for reason, count in counts)
        return f"leakage: {len(self.untold)} clips have no fingerprint to tell by ({reasons})"


def find_leaks(
    learnt: Sequence[Example], tested: Sequence[Example], config: LeakageConfig, cache: Path
) -> list[Leak]:
    """Return the leaks of `detect_leaks`; tell of its doubts on stderr."""
    findings = detect_leaks(learnt, tested, config, cache)
    if line := findings.doubts():
        print(line, file=sys.stderr, flush=True)
    return list(findings.leaks)


def detect_leaks(
    learnt: Sequence[Example], tested: Sequence[Example], config: LeakageConfig, cache: Path
) -> LeakageResult:
    """Return the tested clips that were learnt from: at most one leak of each kind a clip.

    Clips that cannot be read any more are told of, and the others are looked at all the same.

    Args:
        learnt: the clips that pre-training fitted.
        tested: the clips on the test side of any task; one that is there several times counts
            once.
        config: which kinds are looked for.
        cache: the folder that keeps fingerprints by clip id; made where it is not there.
    """
    leaks: list[Leak] = []
    untold: list[Rejected] = []
    if config.ids:
        leaks += find_shared_files(learnt, tested)
    if config.fingerprints:
        heard, untold = find_shared_audio(_unique_by_id(learnt), _unique_by_id(tested), cache)
        leaks += heard
    if config.sentences:
        leaks += find_shared_sentences(learnt, tested, least_words=config.sentence_words)
    first: dict[tuple[str, str], Leak] = {}
    for leak in leaks:
        first.setdefault((leak.id, leak.by), leak)
    place = {example.id: number for number, example in enumerate(_unique_by_id(tested))}
    order = sorted(first.values(), key=lambda leak: (place[leak.id], LEAK_KINDS.index(leak.by)))
    return LeakageResult(tuple(order), tuple(untold))


def _unique_by_id(examples: Sequence[Example]) -> list[Example]:
    """Return the first example of each id."""
    by_id: dict[str, Example] = {}
    for example in examples:
        by_id.setdefault(example.id, example)
    return list(by_id.values())
