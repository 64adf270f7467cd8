"""Which way a server can hold a model to a JSON Schema, if any: it is asked once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal

import msgspec

from earmark.annotate.backends.base import Completion, Prompt, Refusal
from earmark.annotate.backends.chat import TAG_SCHEMA

Dialect = Literal["json_schema", "json_object", "none"]

HELD: tuple[Dialect, ...] = ("json_schema", "json_object")
"""Dialects that hold a model to the schema, in the order they are tried."""

PROBE = Prompt(
    id="dialect",
    text="Heavy rain falls on a tin roof while a dog barks twice in the distance, and a car "
    "passes slowly from left to right. The recording is clear, with a little wind noise.",
)
"""A description that a tagger has no trouble with."""


def response_format(dialect: Dialect) -> dict[str, Any] | None:
    """Return a request's `response_format`, None for none.

    json_schema is OpenAI's, and that of vLLM and SGLang; json_object with a schema beside it is
    that of llama.cpp's server.
    """
    match dialect:
        case "json_schema":
            held = {"name": "tags", "schema": TAG_SCHEMA, "strict": True}
            return {"type": "json_schema", "json_schema": held}
        case "json_object":
            return {"type": "json_object", "schema": TAG_SCHEMA}
        case "none":
            return None


async def find(
    ask: Callable[[Dialect], Awaitable[Completion | Refusal]],
) -> Dialect:
    """Return the first dialect in which the probe is answered as the schema says.

    `ask` puts PROBE in a dialect, and again where that failed for a reason that may pass. Where
    none works the answers are left to the parser, "none": there is nothing to be found out about
    it.
    """
    for dialect in HELD:
        answer = await ask(dialect)
        if isinstance(answer, Refusal) and answer.retryable:
            answer = await ask(dialect)  # a passing fault says nothing about the dialect
        if isinstance(answer, Completion) and fits(answer.text):
            return dialect
    return "none"


def fits(text: str) -> bool:
    """Return whether a text is JSON of the schema's shape: a list of strings, not empty."""
    try:
        return len(msgspec.json.decode(text, type=list[str])) > 0
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
