"""Fingerprints by clip id, in memory and on disk.

On disk they are parts of some hundred clips, each written whole or not at all: a killed run goes
on with the clips that no part has. In memory all frames lie in one array.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt32

from earmark.audio import AudioError, load
from earmark.evaluate.array_cache import read_part, write_part
from earmark.evaluate.leakage.fingerprint import SAMPLE_RATE, fingerprint
from earmark.progress import track
from earmark.records import Example, Rejected, span_of

PART = 512
"""Clips in a part, hence listened to again after a kill."""

FORM = "fingerprints-2"
"""Name of the folder; another number wherever `fingerprint` gives other values."""

KIND = "frames"
"""What the names of parts begin with."""


@dataclass(frozen=True)
class Fingerprints:
    """The frames of clips one after another: clip i has those from starts[i] to starts[i + 1]."""

    clips: tuple[Example, ...]
    frames: UInt32[np.ndarray, "frames columns"]
    starts: Int64[np.ndarray, " clips_and_end"]


def fingerprints_of(
    clips: Sequence[Example], cache: Path, *, columns: int, title: str
) -> tuple[Fingerprints, list[Rejected]]:
    """Return the fingerprints of clips, and the clips that cannot be read.

    Args:
        clips: of different ids.
        cache: the folder that keeps what was computed.
        columns: how many to return; two are enough to compare clips, but not to look one up.
        title: what the progress bar says.
    """
    folder = cache / FORM
    known: dict[str, UInt32[np.ndarray, "frames columns"]] = {}
    wanted = {clip.id for clip in clips}
    for path in sorted(folder.glob(f"{KIND}-*.safetensors")):
        part = read_part(path, wanted)
        known.update((name, rows[:, :columns].copy()) for name, rows in part.items())
    missing = [clip for clip in clips if clip.id not in known]
    unread: list[Rejected] = []
    with track(title, total=len(clips), resumed=len(known)) as progress:
        for first in range(0, len(missing), PART):
            part, lost = _listen(missing[first : first + PART])
            if part:
                write_part(folder, KIND, part)
            known.update((name, rows[:, :columns].copy()) for name, rows in part.items())
            unread += lost
            progress.advance(len(part) + len(lost))
    return joined([clip for clip in clips if clip.id in known], known, columns), unread


def _listen(
    clips: Iterable[Example],
) -> tuple[dict[str, UInt32[np.ndarray, "frames columns"]], list[Rejected]]:
    heard: dict[str, UInt32[np.ndarray, "frames columns"]] = {}
    lost: list[Rejected] = []
    for clip in clips:
        span = span_of(clip)
        try:
            wave = load(span.path, SAMPLE_RATE, start_s=span.start_s, duration_s=span.duration_s)
        except AudioError as error:
            reason = Rejected(id=clip.id, stage="leakage", reason=error.reason, detail=str(error))
            lost.append(reason)
        else:
            heard[clip.id] = fingerprint(wave)
    return heard, lost


def joined(
    clips: Sequence[Example],
    known: Mapping[str, UInt32[np.ndarray, "frames columns"]],
    columns: int,
) -> Fingerprints:
    """Return the fingerprints `known` by clip id as one array, in the order of `clips`."""
    lengths = [len(known[clip.id]) for clip in clips]
    starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)
    empty = np.zeros((0, columns), np.uint32)
    return Fingerprints(
        tuple(clips), np.concatenate([empty, *(known[clip.id] for clip in clips)]), starts
    )
