"""Parse a chat-completions request: its text, its audio, and a key that identifies its content."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

_SLICE_CHARACTERS = (
    1024  # characters of a long payload that its key is made of, in each of four places
)


class BadRequestError(ValueError):
    """The client sent what a server would answer with 400."""


class Message(msgspec.Struct, frozen=True):
    """One message of the chat; `content` is a text or a list of typed parts."""

    role: str
    content: Any


class ResponseFormat(msgspec.Struct, frozen=True):
    """`response_format`, as OpenAI and llama.cpp's server define it."""

    type: str
    json_schema: dict[str, Any] = {}
    schema: dict[str, Any] = {}

    def json_schema_body(self) -> dict[str, Any]:
        """Return the JSON Schema in it, empty for none."""
        return self.json_schema.get("schema", {}) or self.schema


class ChatRequest(msgspec.Struct, frozen=True):
    """The body of a POST to /v1/chat/completions, as far as it matters here."""

    messages: list[Message]
    model: str = ""
    seed: int | None = None
    max_tokens: int | None = None
    response_format: ResponseFormat | None = None


class UserContent(msgspec.Struct, frozen=True):
    """What the user's messages hold: `text`, and `audio`, base64 or a `file://` URL."""

    text: str
    audio: str | None
    key: str


_DECODER = msgspec.json.Decoder(ChatRequest)


def decode_request(body: bytes) -> ChatRequest:
    """Decode a request.

    Raises:
        BadRequestError: it is not what the API defines.
    """
    try:
        return _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequestError(str(error)) from None


def read_user_content(request: ChatRequest, *, whole: bool) -> UserContent:
    """Collect what the user asks. The key is made of the whole payload, or of slices of it.

    Raises:
        BadRequestError: a part of a message has no known form, or there is more than one audio.
    """
    texts: list[str] = []
    audios: list[str] = []
    for message in request.messages:
        if message.role == "user":
            for kind, value in _parts(message.content):
                (audios if kind == "audio" else texts).append(value)
    if len(audios) > 1:
        raise BadRequestError("at most 1 audio may be provided in one request")
    text, audio = "\n".join(texts), audios[0] if audios else None
    return UserContent(text=text, audio=audio, key=_key(text, audio, whole))


def load_audio_bytes(audio: str) -> bytes:
    """Return the encoded audio file that a question holds.

    Raises:
        BadRequestError: broken base64, or no such file.
    """
    try:
        if audio.startswith("file://"):
            return Path(unquote(urlsplit(audio).path)).read_bytes()
        return base64.b64decode(audio, validate=True)
    except (binascii.Error, OSError) as error:
        raise BadRequestError(f"the audio cannot be loaded: {error}") from None


def _parts(content: Any) -> Iterator[tuple[str, str]]:
    if isinstance(content, str):
        yield "text", content
        return
    try:
        for part in content:
            yield _part(part)
    except (KeyError, TypeError) as error:
        raise BadRequestError(f"a message part has an unknown form: {error!r}") from None


def _part(part: dict[str, Any]) -> tuple[str, str]:
    match part["type"]:
        case "text":
            return "text", part["text"]
        case "input_audio":
            return "audio", part["input_audio"]["data"]
        case "audio_url":
            return "audio", _from_url(part["audio_url"]["url"])
        case other:
            raise BadRequestError(f"unknown part type: {other!r}")


def _from_url(url: str) -> str:
    if url.startswith("file://"):
        return url
    head, comma, data = url.partition(";base64,")
    if not comma or not head.startswith("data:audio/"):
        raise BadRequestError("audio_url must be a data:audio/...;base64, URI or a file:// URL")
    return data


def _key(text: str, audio: str | None, whole: bool) -> str:
    """Return 16 hex digits for the content; a digest of all of it costs 1 ms for each MB."""
    digest = hashlib.blake2b(digest_size=8)
    for payload in (text, audio or ""):
        digest.update(f"{len(payload)}:".encode())
        if whole or len(payload) <= 4 * _SLICE_CHARACTERS:
            digest.update(payload.encode())
            continue
        step = (len(payload) - _SLICE_CHARACTERS) // 3
        for start in range(0, 3 * step + 1, step):
            digest.update(payload[start : start + _SLICE_CHARACTERS].encode())
    return digest.hexdigest()
