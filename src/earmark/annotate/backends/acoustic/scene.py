"""The first paragraph: who speaks, what plays, which sounds are heard, how surely and when."""

from __future__ import annotations

from earmark.annotate.backends.acoustic.findings import Findings
from earmark.annotate.backends.acoustic.naming import Kind
from earmark.annotate.backends.acoustic.wording import (
    count,
    hertz,
    joined,
    listed,
    sentence,
    with_article,
)

THROUGHOUT, LEAST_SHARE = 0.8, 0.1


def scene(f: Findings) -> list[str]:
    """Return the sentences that say what is heard."""
    if f.kind is Kind.SILENCE:
        return [f.choose("silence", "There is only silence.", "Nothing but silence is heard.")]
    if f.kind is Kind.SPEECH:
        return [sentence(line) for line in (_speaking(f), *_manner(f), *_events(f, "voice"))]
    opening = [_music(f)] if f.kind is Kind.MUSIC else []
    return [sentence(line) for line in (*opening, *_events(f, "music" if opening else ""))]


def _speaking(f: Findings) -> str:
    speech, voice = f.measured.speech, f.traits.voice
    who = with_article(f"{', '.join(joined(f.traits.depth, voice))} voice".strip())
    if speech.share >= THROUGHOUT:
        return f.choose(
            "speaking",
            f"{who} is speaking throughout",
            f"speech runs throughout: {who} is speaking",
            f"{who} keeps speaking without a break",
        )
    if speech.share < LEAST_SHARE:
        return f.choose("speaking", "someone is speaking", f"{who} is speaking")
    share = f"{speech.share:.0%} of the time"
    if speech.pauses >= 2:
        pauses = f"{count(speech.pauses)} pauses"
        return f.choose(
            "speaking",
            f"{who} is speaking {share}, with {pauses}",
            f"speech is heard {share}, parted by {pauses}: {who} is speaking",
        )
    return f.choose(
        "speaking",
        f"{who} is speaking {share}",
        f"speech is heard {share}: {who} is speaking",
        f"someone is speaking {share}: {who}",
    )


def _manner(f: Findings) -> list[str]:
    speech, t = f.measured.speech, f.traits
    voice = joined(f.manner.quality, f.manner.body)
    lines = [f"this voice is {listed(voice)}"] if voice else []
    if speech.pitch_hz is not None:
        at = hertz(speech.pitch_hz)
        if t.intonation == "lively":
            lines.append(f"its intonation is lively {at}")
        elif t.intonation == "monotone":
            lines.append(f"its intonation is monotone and stays {at}")
        else:
            lines.append(f"it centres {at}")
    if t.pace:
        rate = f"{speech.syllables_per_s:.1f} syllables a second"
        lines.append(
            f.choose(
                "pace",
                f"the speaking is {t.pace}, at about {rate}",
                f"the speaking runs at {rate}, which is {t.pace}",
            )
        )
    return lines


def is_single_sound(f: Findings) -> bool:
    """Tell a note or a stroke from a piece of music."""
    return f.measured.rhythm.onset_count <= 1 or f.measured.duration_s < 1.5


def _music(f: Findings) -> str:
    if is_single_sound(f):
        return f.choose("music", "a single musical sound is heard", "this is one musical sound")
    if f.measured.speech.share >= 0.1:
        return f.choose("music", "music and a voice are heard together", "there is music and voice")
    return f.choose("music", "music is playing", "this is music", "music is heard")


def _events(f: Findings, beside: str) -> list[str]:
    named = f.named
    opening = f"besides the {beside}, " if beside == "voice" else ""
    lines: list[str] = []
    if named.certain:
        heard, verb = listed(named.certain), "are" if len(named.certain) > 1 else "is"
        lines.append(
            f.choose(
                "events",
                f"{opening}{heard} can clearly be heard{_when(f)}",
                f"{opening}one clearly hears {heard}{_when(f)}",
                f"{opening}there {verb} clearly {heard}{_when(f)}",
            )
        )
    if named.broad:
        lines.append(f"it comes from {listed(named.broad)}")
    elif named.family and f.kind is Kind.SOUND:
        lines.append(f"this is {with_article(named.family)} sound")
    if named.possible:
        maybe = listed(named.possible, "or")
        also = " also" if lines else ""
        lines.append(
            f.choose("possible", f"there is possibly{also} {maybe}", f"it may{also} hold {maybe}")
        )
    return lines


def _when(f: Findings) -> str:
    if f.measured.duration_s < 2.0 or f.named.presence is None:
        return ""
    least, most = f.named.presence
    if least >= THROUGHOUT:
        return " throughout"
    return " for a moment" if most <= 0.25 else ""
