"""What the answers to single sounds show: no audio, any audio, or a sound where there is none."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from earmark.annotate.canary.probes import SILENCE
from earmark.annotate.canary.replies import Finding, Reply, answered, quote, texts_by_name
from earmark.annotate.canary.similarity import Telling, tell_apart

DEAF_CAUSES = (
    "the server was started without audio support, or serves a text-only model under this name",
    "the chat template drops the audio part of the message",
    "the audio is sent in a form that the server skips: try another of input_audio and audio_url",
    "it is another model than the recipe means: look at what the server's /v1/models lists",
)

# Captions say "there is no audio of speech" and "one cannot hear ..." as well: hence "I", or a
# word for what was to be handed over.
_NO_AUDIO = re.compile(
    r"\bno (?:audio|sound)(?: (?:file|clip|input|data|content|recording))?"
    r" (?:was |is |has been |were )?"
    r"(?:provided|attached|uploaded|included|received|supplied|shared)"
    r"|\bI(?: am|'m)?(?: currently| really| actually)? "
    r"(?:can(?:'t|not| not)|(?:do|did|could)(?:n't| not)|not able to|unable to)"
    r"(?: directly| actually)?"
    r" (?:listen|hear|play|process|access|analy[sz]e|see|receive|perceive|have|find)\b"
    r"[^.!?]{0,40}\b(?:audio|sounds?|clips?|recordings?|files?|attachments?)\b"
    r"|\b(?:please|could you|can you)(?: \w+){0,2} (?:upload|provide|attach|share|send)\b"
    r"[^.!?]{0,40}\b(?:audio|sound|clip|recording|file)\b"
    r"|\bas (?:a|an) (?:text|language|AI)[- ](?:based|only|model|language|assistant)",
    re.IGNORECASE,
)
_SILENT = re.compile(
    r"silen|inaudibl|nothing|noiseless|soundless|\bmuted?\b|\bblank\b|\bempty\b"
    r"|\bno (?:\w+ ){0,2}(?:sounds?|audio|signal)\b",
    re.IGNORECASE,
)


def says_no_audio(text: str) -> bool:
    """Return whether an answer says that its writer got no audio, or cannot listen to any."""
    return _NO_AUDIO.search(text.replace("’", "'")) is not None


def names_silence(text: str) -> bool:
    """Return whether an answer, in English, says that there is little or nothing to hear."""
    return not text.strip() or _SILENT.search(text) is not None


def find_no_audio(replies: Sequence[Reply]) -> Finding | None:
    """Find that at least half the answers to sounds say that there is no audio."""
    heard = [reply for reply in answered(replies, "alone", "together") if reply.name != SILENCE]
    without = [reply for reply in heard if says_no_audio(reply.text)]
    if not without or 2 * len(without) < len(heard):
        return None
    return Finding(
        name="no audio",
        stop=True,
        asked=f"to describe sounds, {len(heard)} times",
        answered=f"{len(without)} answers say that there is no audio: {quote(without[0].text)}",
        meaning="The audio does not reach the model.",
        causes=DEAF_CAUSES,
    )


def find_blank(replies: Sequence[Reply]) -> Finding | None:
    """Find that at least half the answers to sounds are empty."""
    heard = [reply for reply in answered(replies, "alone", "together") if reply.name != SILENCE]
    blank = [reply for reply in heard if not reply.text.strip()]
    if not blank or 2 * len(blank) < len(heard):
        return None
    return Finding(
        name="empty answers",
        stop=True,
        asked=f"to describe sounds, {len(heard)} times",
        answered=f"{len(blank)} empty answers",
        meaning="The model has nothing to say to audio.",
        causes=("max_tokens is spent on hidden reasoning before the answer", *DEAF_CAUSES),
    )


def find_ignored(replies: Sequence[Reply]) -> Finding | None:
    """Find that the answers do not depend on the sound, or (a warning) hardly."""
    texts = texts_by_name(answered(replies, "alone"))
    if len(texts) < 2:
        return None
    telling = tell_apart(texts)
    if telling.ignores_audio:
        return _ignored(telling, texts)
    if not telling.unsteady:
        return None
    return Finding(
        name="unsteady answers",
        stop=False,
        asked="to describe each sound three times",
        answered=_count(telling),
        meaning="Answers to one sound vary nearly as much as those to different sounds.",
        causes=("the temperature is high", "answers are too short to say much"),
    )


def find_silence(replies: Sequence[Reply]) -> Finding | None:
    """Find (a warning) that silence is captioned as if there were something in it."""
    texts = [reply.text for reply in answered(replies, "alone") if reply.name == SILENCE]
    sure = [text for text in texts if not names_silence(text)]
    if not sure or 2 * len(sure) < len(texts):
        return None
    return Finding(
        name="silence captioned",
        stop=False,
        asked=f"to describe digital silence, {len(texts)} times",
        answered=f"{len(sure)} answers do not say that it is silent: {quote(sure[0])}",
        meaning="The model makes something up where there is nothing to hear: mistrust its "
        "captions of clips that are nearly silent.",
    )


def find_cut(replies: Sequence[Reply]) -> Finding | None:
    """Find (a warning) that at least half the answers were cut off by length."""
    given = list(answered(replies, "alone", "together"))
    cut = [reply for reply in given if reply.finish_reason == "length"]
    if not cut or 2 * len(cut) < len(given):
        return None
    return Finding(
        name="cut off",
        stop=False,
        asked=f"to describe sounds, {len(given)} times",
        answered=f"{len(cut)} answers cut off by length: {quote(cut[0].text)}",
        meaning="Most captions of the job would be turned down as cut off.",
        causes=("max_tokens is too small", "the model repeats itself without end"),
    )


def _ignored(telling: Telling, texts: Mapping[str, Sequence[str]]) -> Finding:
    named = [(name, found[0]) for name, found in texts.items()][:3]
    return Finding(
        name="audio ignored",
        stop=True,
        asked=f"to describe {len(texts)} very different sounds, silence among them, each alone",
        answered=f"{_count(telling)}; {telling.alike:.0%} alike over all. "
        + ", ".join(f"{name}: {quote(text, 100)}" for name, text in named),
        meaning="The answers do not depend on the audio.",
        causes=DEAF_CAUSES,
    )


def _count(telling: Telling) -> str:
    return (
        f"{telling.told} of {telling.total} answers are most like another answer to the same sound"
    )
