"""Which test clips were learnt from?"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from earmark.evaluate.config import LeakageConfig
from earmark.evaluate.leakage.heard import shared_sounds
from earmark.evaluate.leakage.leak import KINDS, Leak
from earmark.evaluate.leakage.written import shared_files, shared_sentences
from earmark.records import Example, Rejected


@dataclass(frozen=True)
class Findings:
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
    """Return the leaks of `look_for_leaks`; tell of its doubts on stderr."""
    findings = look_for_leaks(learnt, tested, config, cache)
    if line := findings.doubts():
        print(line, file=sys.stderr, flush=True)
    return list(findings.leaks)


def look_for_leaks(
    learnt: Sequence[Example], tested: Sequence[Example], config: LeakageConfig, cache: Path
) -> Findings:
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
        leaks += shared_files(learnt, tested)
    if config.fingerprints:
        heard, untold = shared_sounds(_once(learnt), _once(tested), cache)
        leaks += heard
    if config.sentences:
        leaks += shared_sentences(learnt, tested, least_words=config.sentence_words)
    first: dict[tuple[str, str], Leak] = {}
    for leak in leaks:
        first.setdefault((leak.id, leak.by), leak)
    place = {example.id: number for number, example in enumerate(_once(tested))}
    order = sorted(first.values(), key=lambda leak: (place[leak.id], KINDS.index(leak.by)))
    return Findings(tuple(order), tuple(untold))


def _once(examples: Sequence[Example]) -> list[Example]:
    """Return the first example of each id."""
    by_id: dict[str, Example] = {}
    for example in examples:
        by_id.setdefault(example.id, example)
    return list(by_id.values())
