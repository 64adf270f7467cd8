"""Fifty descriptions that people wrote, spread over speech, music and sound.

A description is all that was written about one recording: five sentences by five people
(AudioCaps, Clotho), or one paragraph by a musician (MusicCaps). Recordings are taken in the order
of the SHA-256 of their ids, which has nothing to do with what they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import msgspec

from earmark.records import Caption

_SPEECH = re.compile(r"\b(?:speak|talk|speech|voice|conversation)", re.IGNORECASE)


class _Described(msgspec.Struct, frozen=True):
    id: str
    captions: tuple[str, ...]


def fifty_captions(pack: Path) -> list[Caption]:
    """Return 17 captions of speech, 17 of music and 16 of other sounds, in this order.

    Speech is what all five people heard in a recording of AudioCaps, another sound what none of
    them heard speech in (Clotho).
    """
    speech = [one for one in _read(pack, "audiocaps_val") if all(map(_SPEECH.search, one.captions))]
    music = list(_read(pack, "musiccaps_train"))
    sound = [
        one
        for one in _read(pack, "clotho_validation")
        if not any(map(_SPEECH.search, one.captions))
    ]
    chosen = [*_first(speech, 17), *_first(music, 17), *_first(sound, 16)]
    return [Caption(id=one.id, text=_text(one), summary="", backend="people") for one in chosen]


def _read(pack: Path, name: str) -> Iterator[_Described]:
    for line in (pack / "captions" / f"{name}.jsonl").read_bytes().splitlines():
        yield msgspec.json.decode(line, type=_Described)


def _first(rows: list[_Described], count: int) -> list[_Described]:
    return sorted(rows, key=lambda row: sha256(row.id.encode()).hexdigest())[:count]


def _text(row: _Described) -> str:
    return " ".join(f"{caption.strip().rstrip('.')}." for caption in row.captions)
