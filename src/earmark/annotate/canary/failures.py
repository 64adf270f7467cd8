"""What refusals show: a set-up that answers nothing, or one that a long clip brings down."""

from __future__ import annotations

from collections.abc import Sequence

from earmark.annotate.canary.prober import LOST
from earmark.annotate.canary.probes import LONG, SILENCE, TOO_LONG
from earmark.annotate.canary.replies import Finding, Reply, quote
from earmark.workspace import StageError

LONG_CAUSES = (
    "max_model_len of the server is too small for the audio's tokens and the answer's",
    "the accelerator's memory is too small for it: lower gpu_memory_utilization or max_num_seqs",
    "the model takes less than the recipe says: lower captioner.max_audio_s, and scan.window_s, "
    "which cuts longer files into windows",
)
REFUSED_CAUSES = (
    "the server was started without audio support (vLLM: the extra 'audio', --limit-mm-per-prompt)",
    "it serves another model than the recipe names, or a text-only one",
    "a file URL: the server must be allowed to read the workspace too (--allowed-local-media-path)",
    "a key, a header or a path of the URL is missing: the text above is the server's own",
)


def is_fatal(reply: Reply) -> bool:
    """Return whether a sound was refused that must be answered: any but silence."""
    return reply.status == "refused" and (reply.name != SILENCE or reply.retryable)


def stop_if_never_there(replies: Sequence[Reply]) -> None:
    """Raise StageError with the backend's own words where its servers never answered at all."""
    lost = [reply for reply in replies if reply.reason == LOST]
    if lost and not any(reply.status == "ok" for reply in replies):
        raise StageError(lost[0].detail)


def find_refused(replies: Sequence[Reply]) -> Finding | None:
    """Find that a sound which every captioner must take was refused."""
    refused = [reply for reply in replies if is_fatal(reply) and not _is_about_length(reply)]
    if not refused:
        return None
    reply = refused[0]
    return Finding(
        name="refused",
        stop=True,
        asked=f"to describe the sound {reply.name!r} {reply.way}, {_times(reply.attempts)}",
        answered=_refusal(reply),
        meaning="The server does not answer an ordinary request, so it would answer none.",
        causes=REFUSED_CAUSES,
    )


def find_long(replies: Sequence[Reply], limit_s: float) -> Finding | None:
    """Find that a clip at the limit fails, or one over it brings the server down.

    Refusing a clip over the limit is what is wanted: before it is sent, or by the server.
    """
    after = [reply for reply in replies if reply.way == "afterwards" and reply.status == "refused"]
    for reply in replies:
        if reply.status == "ok" or not _is_about_length(reply):
            continue
        at_limit = reply.name == LONG
        if at_limit or reply.reason == LOST or after:
            return _fails(reply, limit_s, after)
        if reply.retryable:
            return _trips(reply, limit_s)
    return None


def find_silence_refused(replies: Sequence[Reply]) -> Finding | None:
    """Find (a warning) that silence is refused."""
    refused = [reply for reply in replies if reply.name == SILENCE and reply.status == "refused"]
    if not refused or is_fatal(refused[0]):
        return None
    return Finding(
        name="silence refused",
        stop=False,
        asked="to describe digital silence",
        answered=_refusal(refused[0]),
        meaning="Silent clips of the job will be refused as well.",
    )


def _is_about_length(reply: Reply) -> bool:
    return reply.name in (LONG, TOO_LONG) or reply.way == "afterwards"


def _fails(reply: Reply, limit_s: float, after: Sequence[Reply]) -> Finding:
    limit = f"its limit of {limit_s:g} s"
    how_long = f"as long as {limit}" if reply.name == LONG else f"half as long again as {limit}"
    then = f"; then, to an ordinary sound: {_refusal(after[0])}" if after else ""
    return Finding(
        name="fails on long clips",
        stop=True,
        asked=f"to describe a clip {how_long}, {_times(reply.attempts)}",
        answered=_refusal(reply) + then,
        meaning="A long clip brings the server down."
        if after or reply.reason == LOST
        else "The server cannot take clips as long as the recipe says.",
        causes=LONG_CAUSES,
    )


def _trips(reply: Reply, limit_s: float) -> Finding:
    return Finding(
        name="trips over long clips",
        stop=False,
        asked=f"to describe a clip half as long again as its limit of {limit_s:g} s",
        answered=_refusal(reply),
        meaning="It failed on that clip and answered the next one: keep clips below the limit.",
    )


def _refusal(reply: Reply) -> str:
    return f"{reply.reason} {quote(reply.detail)}" if reply.detail else reply.reason


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
