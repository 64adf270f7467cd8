"""Which clip holds what: a pure function of (seed, index), decided before any audio is rendered.

Clips come in blocks of twenty: seven of speech, six of music, four of sounds, three mixes, in a
new order in each block. Within a kind, every choice goes round: each speaker, instrument or sound
comes up once before any comes up again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

import numpy as np

from earmark.corpora.synthetic.effects import CLEAN, EFFECTS
from earmark.corpora.synthetic.instruments import INSTRUMENTS
from earmark.corpora.synthetic.music import DRUMS, SCALES, TEMPOS_BPM
from earmark.corpora.synthetic.sounds import SOUNDS
from earmark.corpora.synthetic.speech import Speaker, list_speakers
from earmark.records import Labels

KIND_BLOCK = ("speech",) * 7 + ("music",) * 6 + ("sound",) * 4 + ("mix",) * 3
PRODUCTION_BLOCK = (CLEAN,) * 10 + tuple(trait for trait in EFFECTS if trait != CLEAN) * 2
MIXES = (("speech", "music"), ("speech", "sound"), ("music", "sound"))
FIRST_MIXED_ORDINAL = 1 << 24
SECOND_TAKE_EVERY = 24
"""Of so many music clips the last takes up the composition of the one before it."""


class RandomStream(IntEnum):
    """Keeps the random streams of one seed apart."""

    ORDER = 0
    PRODUCTION = 1
    SPEAKER = 2
    INSTRUMENT = 3
    MUSIC = 4
    SOUND = 5
    MIX = 6
    MIXED_PARTS = 7
    DURATION = 8
    COMPOSITION = 9
    RENDERING = 10
    DRUMS = 11
    DESCRIPTION = 12


@dataclass(frozen=True)
class SpeechPart:
    """A speaker says something."""

    speaker: Speaker

    def labels(self) -> Labels:
        """Return voice, language and, where the voice has one, gender."""
        gender: Labels = {"gender": (self.speaker.gender,)} if self.speaker.gender else {}
        return {"voice": (self.speaker.voice,), "language": (self.speaker.language,), **gender}


@dataclass(frozen=True)
class MusicPart:
    """An instrument plays `composition` (its number), alone or with the drum kit."""

    composition: int
    instrument: str
    tempo: str
    mode: str
    drums: bool

    def labels(self) -> Labels:
        """Return instrument, tempo, drums and, unless the kit plays alone, mode."""
        kit_alone = self.instrument == DRUMS
        mode: Labels = {} if kit_alone else {"mode": (self.mode,)}
        drums = "yes" if self.drums or kit_alone else "no"
        return {
            "instrument": (self.instrument,),
            "tempo": (self.tempo,),
            "drums": (drums,),
            **mode,
        }


@dataclass(frozen=True)
class SoundPart:
    """Something sounds."""

    sound: str

    def labels(self) -> Labels:
        """Return the kind of sound."""
        return {"sound": (self.sound,)}


Part = SpeechPart | MusicPart | SoundPart


@dataclass(frozen=True)
class ClipPlan:
    """What one clip will hold. The first part of a mix is heard over the second.

    `duration_s` is what music and sounds last; speech ends with a sentence soon after it.
    """

    index: int
    kind: str
    parts: tuple[Part, ...]
    production: str
    duration_s: float
    recording: str

    @property
    def name(self) -> str:
        """Return the file's path in the corpus folder."""
        return f"audio/{self.index:04d}-{self.kind}.flac"

    @property
    def speaker(self) -> str | None:
        """Return the name of the speaker, if one speaks."""
        names = [part.speaker.name for part in self.parts if isinstance(part, SpeechPart)]
        return names[0] if names else None

    def labels(self) -> Labels:
        """Return all true labels: domain, production and those of the parts."""
        labels: Labels = {"domain": (self.kind,), "production": (self.production,)}
        for part in self.parts:
            labels.update(part.labels())
        return labels


def plan_clip(seed: int, index: int, shortest_s: float, longest_s: float) -> ClipPlan:
    """Decide what clip `index` of the corpus with `seed` holds."""
    kind, ordinal = _clip_kind(seed, index)
    parts = _plan_mix(seed, ordinal) if kind == "mix" else (_plan_part(seed, kind, ordinal),)
    # Two takes of one composition share their recording, so that no split parts them.
    first = parts[0]
    take_of = first.composition if kind == "music" and isinstance(first, MusicPart) else ordinal
    return ClipPlan(
        index=index,
        kind=kind,
        parts=parts,
        production=_round_robin(PRODUCTION_BLOCK, index, seed, RandomStream.PRODUCTION),
        duration_s=float(
            stream_rng(seed, RandomStream.DURATION, index).uniform(shortest_s, longest_s)
        ),
        recording=f"{kind}-{take_of:04d}",
    )


def stream_rng(seed: int, stream: RandomStream, *indices: int) -> np.random.Generator:
    """Return the generator of one purpose and place."""
    return np.random.default_rng([seed, int(stream), *indices])


T = TypeVar("T")


def _round_robin(choices: Sequence[T], ordinal: int, seed: int, stream: RandomStream) -> T:
    """Take all choices in turn, in another order each round."""
    turn, place = divmod(ordinal, len(choices))
    order = stream_rng(seed, stream, turn).permutation(len(choices))
    return choices[int(order[place])]


def _clip_kind(seed: int, index: int) -> tuple[str, int]:
    """Return the kind of a clip and how many clips of that kind came before it."""
    block, place = divmod(index, len(KIND_BLOCK))
    order = [
        KIND_BLOCK[int(i)]
        for i in stream_rng(seed, RandomStream.ORDER, block).permutation(len(KIND_BLOCK))
    ]
    kind = order[place]
    return kind, block * KIND_BLOCK.count(kind) + order[:place].count(kind)


def _plan_part(seed: int, kind: str, ordinal: int) -> Part:
    if kind == "speech":
        return SpeechPart(_round_robin(list_speakers(), ordinal, seed, RandomStream.SPEAKER))
    if kind == "sound":
        return SoundPart(_round_robin(tuple(SOUNDS), ordinal, seed, RandomStream.SOUND))
    second_take = ordinal % SECOND_TAKE_EVERY == SECOND_TAKE_EVERY - 1
    composition = ordinal - 1 if second_take else ordinal
    written = [(tempo, mode) for tempo in TEMPOS_BPM for mode in SCALES]
    tempo, mode = _round_robin(written, composition, seed, RandomStream.MUSIC)
    instrument = _round_robin((*INSTRUMENTS, DRUMS), ordinal, seed, RandomStream.INSTRUMENT)
    drums = bool(stream_rng(seed, RandomStream.DRUMS, ordinal).integers(2))
    return MusicPart(composition, instrument, tempo, mode, drums)


def _plan_mix(seed: int, ordinal: int) -> tuple[Part, ...]:
    """Return the parts of a mix, drawn from ordinals that no pure clip reaches."""
    kinds = _round_robin(MIXES, ordinal, seed, RandomStream.MIX)
    draws = stream_rng(seed, RandomStream.MIXED_PARTS, ordinal)
    return tuple(
        _plan_part(seed, kind, int(draws.integers(FIRST_MIXED_ORDINAL, 2 * FIRST_MIXED_ORDINAL)))
        for kind in kinds
    )
