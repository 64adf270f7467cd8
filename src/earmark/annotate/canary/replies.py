"""What was asked and what came back, as people read it in answers.jsonl and verdicts judge it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from earmark.records import Row

Way = Literal["alone", "together", "over the limit", "afterwards"]


class Reply(Row, frozen=True, kw_only=True):
    """One probe and its outcome.

    `name` is of the sound or text. `way` says how it was asked: alone, together with all others,
    as the one over the limit, or after a long one that failed. `turn` counts from 0 how often it
    was asked about in that way.
    `status` is "ok" or "refused", `attempts` counts the requests, `seconds` is their time.
    """

    name: str
    way: Way
    turn: int
    draw: int
    status: Literal["ok", "refused"]
    reason: str = ""
    detail: str = ""
    retryable: bool = False
    text: str = ""
    finish_reason: str = ""
    attempts: int = 1
    seconds: float = 0.0


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What the replies show.

    `stop` says that the job must not start; otherwise it is a warning. `asked` and `answered`
    tell what was seen, `meaning` what follows from it, `causes` what usually lies behind it.
    """

    name: str
    stop: bool
    asked: str
    answered: str
    meaning: str
    causes: tuple[str, ...] = ()


def answered(replies: Iterable[Reply], *ways: Way) -> Iterator[Reply]:
    """Yield the replies that hold an answer, of these ways of asking."""
    return (reply for reply in replies if reply.status == "ok" and reply.way in ways)


def texts_by_name(replies: Iterable[Reply]) -> Mapping[str, Sequence[str]]:
    """Return the texts of the replies by what they were about, in the order of asking."""
    texts: dict[str, list[str]] = {}
    for reply in replies:
        texts.setdefault(reply.name, []).append(reply.text)
    return texts


def quote(text: str, longest: int = 160) -> str:
    """Return a text in quotation marks on one line, cut to `longest` characters."""
    line = " ".join(text.split())
    return f'"{line}"' if len(line) <= longest else f'"{line[:longest].rstrip()}..."'
