"""The checks of a captioner's replies: refusals, long clips, no audio, silence, cut-off answers.

`judge_captioner` runs them all and returns the findings, those that stop the job first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from earmark.annotate.canary.batch_checks import find_mixed_batches
from earmark.annotate.canary.prober import (
    SERVER_LOST,
    Finding,
    Reply,
    answered_replies,
    quote,
    texts_by_name,
)
from earmark.annotate.canary.probes import LONG, SILENCE, TOO_LONG
from earmark.annotate.canary.similarity import Separability, measure_separability
from earmark.workspace import StageError

LONG_CLIP_CAUSES = (
    "max_model_len of the server is too small for the audio's tokens and the answer's",
    "the accelerator's memory is too small for it: lower gpu_memory_utilization or max_num_seqs",
    "the model takes less than the recipe says: lower captioner.max_audio_s, and scan.window_s, "
    "which cuts longer files into windows",
)

REFUSAL_CAUSES = (
    "the server was started without audio support (vLLM: the extra 'audio', --limit-mm-per-prompt)",
    "it serves another model than the recipe names, or a text-only one",
    "a file URL: the server must be allowed to read the workspace too (--allowed-local-media-path)",
    "a key, a header or a path of the URL is missing: the text above is the server's own",
)


def is_fatal(reply: Reply) -> bool:
    """Return whether a sound was refused that must be answered: any but silence."""
    return reply.status == "refused" and (reply.name != SILENCE or reply.retryable)


def raise_if_unreachable(replies: Sequence[Reply]) -> None:
    """Raise StageError with the backend's own words where its servers never answered at all."""
    lost = [reply for reply in replies if reply.reason == SERVER_LOST]
    if lost and not any(reply.status == "ok" for reply in replies):
        raise StageError(lost[0].detail)


def find_refusals(replies: Sequence[Reply]) -> Finding | None:
    """Find that a sound which every captioner must take was refused."""
    refused = [reply for reply in replies if is_fatal(reply) and not _concerns_length(reply)]
    if not refused:
        return None
    reply = refused[0]
    return Finding(
        name="refused",
        stop=True,
        asked=f"to describe the sound {reply.name!r} {reply.way}, {_format_times(reply.attempts)}",
        answered=_format_refusal(reply),
        meaning="The server does not answer an ordinary request, so it would answer none.",
        causes=REFUSAL_CAUSES,
    )


def find_length_failures(replies: Sequence[Reply], limit_s: float) -> Finding | None:
    """Find that a clip at the limit fails, or one over it brings the server down.

    Refusing a clip over the limit is what is wanted: before it is sent, or by the server.
    """
    after = [reply for reply in replies if reply.way == "afterwards" and reply.status == "refused"]
    for reply in replies:
        if reply.status == "ok" or not _concerns_length(reply):
            continue
        at_limit = reply.name == LONG
        if at_limit or reply.reason == SERVER_LOST or after:
            return _length_failure(reply, limit_s, after)
        if reply.retryable:
            return _length_warning(reply, limit_s)
    return None


def find_refused_silence(replies: Sequence[Reply]) -> Finding | None:
    """Find (a warning) that silence is refused."""
    refused = [reply for reply in replies if reply.name == SILENCE and reply.status == "refused"]
    if not refused or is_fatal(refused[0]):
        return None
    return Finding(
        name="silence refused",
        stop=False,
        asked="to describe digital silence",
        answered=_format_refusal(refused[0]),
        meaning="Silent clips of the job will be refused as well.",
    )


def _concerns_length(reply: Reply) -> bool:
    return reply.name in (LONG, TOO_LONG) or reply.way == "afterwards"


def _length_failure(reply: Reply, limit_s: float, after: Sequence[Reply]) -> Finding:
    limit = f"its limit of {limit_s:g} s"
    how_long = f"as long as {limit}" if reply.name == LONG else f"half as long again as {limit}"
    then = f"; then, to an ordinary sound: {_format_refusal(after[0])}" if after else ""
    return Finding(
        name="fails on long clips",
        stop=True,
        asked=f"to describe a clip {how_long}, {_format_times(reply.attempts)}",
        answered=_format_refusal(reply) + then,
        meaning="A long clip brings the server down."
        if after or reply.reason == SERVER_LOST
        else "The server cannot take clips as long as the recipe says.",
        causes=LONG_CLIP_CAUSES,
    )


def _length_warning(reply: Reply, limit_s: float) -> Finding:
    return Finding(
        name="trips over long clips",
        stop=False,
        asked=f"to describe a clip half as long again as its limit of {limit_s:g} s",
        answered=_format_refusal(reply),
        meaning="It failed on that clip and answered the next one: keep clips below the limit.",
    )


def _format_refusal(reply: Reply) -> str:
    return f"{reply.reason} {quote(reply.detail)}" if reply.detail else reply.reason


def _format_times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


NO_AUDIO_CAUSES = (
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


def mentions_silence(text: str) -> bool:
    """Return whether an answer, in English, says that there is little or nothing to hear."""
    return not text.strip() or _SILENT.search(text) is not None


def find_no_audio(replies: Sequence[Reply]) -> Finding | None:
    """Find that at least half the answers to sounds say that there is no audio."""
    heard = [
        reply for reply in answered_replies(replies, "alone", "together") if reply.name != SILENCE
    ]
    without = [reply for reply in heard if says_no_audio(reply.text)]
    if not without or 2 * len(without) < len(heard):
        return None
    return Finding(
        name="no audio",
        stop=True,
        asked=f"to describe sounds, {len(heard)} times",
        answered=f"{len(without)} answers say that there is no audio: {quote(without[0].text)}",
        meaning="The audio does not reach the model.",
        causes=NO_AUDIO_CAUSES,
    )


def find_empty_answers(replies: Sequence[Reply]) -> Finding | None:
    """Find that at least half the answers to sounds are empty."""
    heard = [
        reply for reply in answered_replies(replies, "alone", "together") if reply.name != SILENCE
    ]
    blank = [reply for reply in heard if not reply.text.strip()]
    if not blank or 2 * len(blank) < len(heard):
        return None
    return Finding(
        name="empty answers",
        stop=True,
        asked=f"to describe sounds, {len(heard)} times",
        answered=f"{len(blank)} empty answers",
        meaning="The model has nothing to say to audio.",
        causes=("max_tokens is spent on hidden reasoning before the answer", *NO_AUDIO_CAUSES),
    )


def find_ignored_audio(replies: Sequence[Reply]) -> Finding | None:
    """Find that the answers do not depend on the sound, or (a warning) hardly."""
    texts = texts_by_name(answered_replies(replies, "alone"))
    if len(texts) < 2:
        return None
    telling = measure_separability(texts)
    if telling.ignores_audio:
        return _ignored_audio_finding(telling, texts)
    if not telling.unsteady:
        return None
    return Finding(
        name="unsteady answers",
        stop=False,
        asked="to describe each sound three times",
        answered=_describe_separability(telling),
        meaning="Answers to one sound vary nearly as much as those to different sounds.",
        causes=("the temperature is high", "answers are too short to say much"),
    )


def find_captioned_silence(replies: Sequence[Reply]) -> Finding | None:
    """Find (a warning) that silence is captioned as if there were something in it."""
    texts = [reply.text for reply in answered_replies(replies, "alone") if reply.name == SILENCE]
    sure = [text for text in texts if not mentions_silence(text)]
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


def find_truncated(replies: Sequence[Reply]) -> Finding | None:
    """Find (a warning) that at least half the answers were cut off by length."""
    given = list(answered_replies(replies, "alone", "together"))
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


def _ignored_audio_finding(telling: Separability, texts: Mapping[str, Sequence[str]]) -> Finding:
    named = [(name, found[0]) for name, found in texts.items()][:3]
    return Finding(
        name="audio ignored",
        stop=True,
        asked=f"to describe {len(texts)} very different sounds, silence among them, each alone",
        answered=f"{_describe_separability(telling)}; {telling.alike:.0%} alike over all. "
        + ", ".join(f"{name}: {quote(text, 100)}" for name, text in named),
        meaning="The answers do not depend on the audio.",
        causes=NO_AUDIO_CAUSES,
    )


def _describe_separability(telling: Separability) -> str:
    share = f"{telling.separable} of {telling.total}"
    return f"{share} answers are most like another answer to the same sound"


def judge_captioner(replies: Sequence[Reply], limit_s: float) -> list[Finding]:
    """Return what a captioner's replies show, what stops the job first.

    Answers are compared only where all were asked for, and batches only where the answers given
    alone depend on the sound.
    """
    complete = any(reply.way == "over the limit" for reply in replies)
    found = [
        find_length_failures(replies, limit_s),
        find_refusals(replies),
        find_no_audio(replies)
        or find_empty_answers(replies)
        or (find_ignored_audio(replies) if complete else None),
        find_captioned_silence(replies),
        find_refused_silence(replies),
        find_truncated(replies),
    ]
    findings = [finding for finding in found if finding is not None]
    stopped = any(finding.stop for finding in findings)
    if complete and not stopped and (mixed := find_mixed_batches(replies)):
        findings.append(mixed)
    return sorted(findings, key=lambda finding: not finding.stop)
