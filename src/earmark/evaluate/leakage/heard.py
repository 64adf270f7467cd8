"""Leaks that can be heard: tested clips that are a learnt recording, however it is stored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from earmark.evaluate.leakage.audio import LEAST_FRAMES, plausible, together, weigh
from earmark.evaluate.leakage.candidates import Alignments, alignments
from earmark.evaluate.leakage.fingerprint import COLUMNS, FRAME, HOP_S, SAMPLE_RATE
from earmark.evaluate.leakage.leak import Leak, leak_of
from earmark.evaluate.leakage.store import Fingerprints, fingerprints_of
from earmark.records import Example, Rejected

COMPARED = 2
"""Columns of a learnt clip's fingerprint that are looked at."""


def shared_sounds(
    learnt: Sequence[Example], tested: Sequence[Example], cache: Path
) -> tuple[list[Leak], list[Rejected]]:
    """Return the tested clips that were learnt from, and the clips of which nothing can be told.

    The latter are tested clips that are "too short" or of "too little change" (silence, a steady
    hum: any two are alike), and clips on either side that cannot be read any more.

    Args:
        learnt: of different ids.
        tested: of different ids.
        cache: the folder that keeps fingerprints by clip id.
    """
    theirs, unread = fingerprints_of(
        learnt, cache, columns=COMPARED, title="fingerprints, learnt clips"
    )
    mine, untested = fingerprints_of(
        tested, cache, columns=COLUMNS, title="fingerprints, test clips"
    )
    return copies(theirs, mine), [*unread, *untested, *untold(mine)]


def copies(learnt: Fingerprints, tested: Fingerprints) -> list[Leak]:
    """Return a leak for each tested clip that is a copy of a learnt one, or of a part of it.

    Of several learnt clips it is the one that shares most.
    """
    pairs = together([plausible(learnt, tested, part) for part in alignments(learnt, tested)])
    evidence = weigh(learnt, tested, pairs)
    shared = evidence.expected - evidence.errors
    best: dict[int, int] = {}
    for pair in np.flatnonzero(evidence.copies).tolist():
        clip = int(pairs.tested[pair])
        if clip not in best or shared[pair] > shared[best[clip]]:
            best[clip] = pair
    leaks: list[Leak] = []
    for clip, pair in best.items():
        rate = evidence.errors[pair] / evidence.bits[pair]
        seconds = evidence.frames[pair] * HOP_S + FRAME / SAMPLE_RATE
        detail = f"bit error rate {rate:.3f} over {seconds:.1f} s"
        found = learnt.clips[int(pairs.learnt[pair])]
        leaks.append(leak_of(tested.clips[clip], found, "fingerprint", detail))
    return leaks


def untold(clips: Fingerprints) -> list[Rejected]:
    """Return the clips of which a copy could not be told from another sound."""
    lengths = np.diff(clips.starts)
    long_enough = np.flatnonzero(lengths >= LEAST_FRAMES)
    itself = Alignments(long_enough, long_enough, np.zeros_like(long_enough))
    telling = set(long_enough[weigh(clips, clips, itself).tells].tolist())
    return [
        Rejected(
            id=clip.id,
            stage="leakage",
            reason="too short" if lengths[number] < LEAST_FRAMES else "too little change",
            detail=clip.name,
        )
        for number, clip in enumerate(clips.clips)
        if number not in telling
    ]
