"""Which sound events are said of a clip, how surely, and what the clip is: speech, music, sound."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from earmark.annotate.backends.acoustic.classes import class_names, family, phrase
from earmark.annotate.backends.acoustic.measure import Event, Measurements

SILENT_DBFS = -65.0
CERTAIN, LIKELY, POSSIBLE = 0.8, 0.6, 0.45
LASTING = 0.25
VOICELESS_SPEECH = 0.6
_MUSIC = "musical"
_VOICES = frozenset(
    {
        "Speech",
        "Child speech, kid speaking",
        "Conversation",
        "Narration, monologue",
        "Speech synthesizer",
        "Shout",
        "Whispering",
        "Chatter",
        "Hubbub, speech noise, speech babble",
    }
)


class Kind(Enum):
    """What a clip mostly is."""

    SPEECH = "speech"
    MUSIC = "music"
    SOUND = "sound"
    SILENCE = "silence"


@dataclass(frozen=True)
class Named:
    """Sound events as noun phrases, the surest first.

    `broad` are classes that others are kinds of ("a wind instrument"), `family` the branch of the
    ontology of the surest class ("animal"), None where nothing is likely. `presence` holds
    the least and greatest share of the clip in which a certain class is heard.
    """

    certain: tuple[str, ...] = ()
    possible: tuple[str, ...] = ()
    broad: tuple[str, ...] = ()
    family: str | None = None
    presence: tuple[float, float] | None = None


def kind_of(m: Measurements) -> Kind:
    """Tell what a clip mostly is.

    Speech wants a tenth of the clip by the voice detector and, where events are known, a speech
    class too: some animals and instruments deceive the former. Speech without voice deceives it
    as well, so that events alone suffice where they are sure. Music wants events.
    """
    if m.level.active_dbfs < SILENT_DBFS:
        return Kind.SILENCE
    spoken = m.speech.share >= 0.1
    if m.events is None:
        return Kind.SPEECH if spoken else Kind.SOUND
    music = max((event.mean for event in m.events if event.name == "Music"), default=0.0)
    if spoken and any(event.name in _VOICES for event in m.events):
        return Kind.MUSIC if music > 0.5 and m.speech.share < 0.4 else Kind.SPEECH
    if any(e.name == "Speech" and e.mean > VOICELESS_SPEECH for e in m.events):
        return Kind.SPEECH if music < 0.1 else Kind.MUSIC
    instrument = any(family(e.index) == _MUSIC and e.highest >= LIKELY for e in m.events)
    return Kind.MUSIC if music > 0.3 or instrument else Kind.SOUND


def name_events(events: tuple[Event, ...], kind: Kind) -> Named:
    """Sort the classes worth saying by how sure they are; each phrase appears once."""
    table = class_names()
    said = [event for event in events if event.name not in table.unsaid]
    if kind is Kind.SPEECH:
        said = [event for event in said if event.name not in _VOICES or event.highest >= CERTAIN]
    narrow = [event for event in said if event.name not in table.broad]
    sure = [event for event in narrow if is_certain(event)]
    certain = _phrases(sure)
    possible = _phrases(event for event in narrow if event.highest >= POSSIBLE)
    presences = [event.presence for event in sure]
    likely = [e for e in events if e.highest >= LIKELY and e.name not in ("Silence", "Speech")]
    return Named(
        certain=certain[:4],
        possible=tuple(p for p in possible if p not in certain)[: 2 if certain else 3],
        broad=_phrases(e for e in said if e.name in table.broad and is_certain(e))[:2],
        family=_family(likely),
        presence=(min(presences), max(presences)) if presences else None,
    )


def is_certain(event: Event) -> bool:
    """Tell whether a class is said without doubt: very likely once, or likely for a while."""
    lasting = event.highest >= LIKELY and event.mean >= LASTING
    return event.highest >= CERTAIN or lasting


def _family(likely: list[Event]) -> str | None:
    known = (family(event.index) for event in likely)
    return next((name for name in known if name != "other"), None)


def _phrases(events: Iterable[Event]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(phrase(event.name) for event in events))
