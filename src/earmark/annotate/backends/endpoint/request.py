"""The body of a chat completions request, as JSON bytes."""

from __future__ import annotations

import binascii
from pathlib import Path
from typing import Any

import msgspec

from earmark.annotate.backends.base import Prompt
from earmark.annotate.backends.chat import user_text
from earmark.annotate.backends.endpoint.config import EndpointConfig
from earmark.annotate.backends.endpoint.sound import Sound, encoded, original, whole_file


def text_body(
    prompt: Prompt, config: EndpointConfig, response_format: dict[str, Any] | None
) -> bytes:
    """Return the request that puts a text to a tagger."""
    body = _body(config, user_text(prompt, config), prompt.draw)
    if response_format is not None:
        body["response_format"] = response_format
    return msgspec.json.encode(body)


def audio_body(prompt: Prompt, config: EndpointConfig) -> bytes:
    """Read and encode a clip and return the request that puts it to a captioner.

    The user's message holds the audio alone unless the settings have an instruction. It takes
    milliseconds of a core for half a minute of sound: call it in a thread.

    Raises:
        AudioError: the clip is too long, or its file cannot be used.
    """
    assert prompt.audio is not None, "a prompt without a text has audio"
    path = Path(prompt.audio)
    whole = whole_file(path, prompt.start_s, prompt.duration_s, config.max_audio_s)
    if whole and config.audio == "file_url":
        address = path.absolute().as_uri()
        return _encode(prompt, config, {"type": "audio_url", "audio_url": {"url": address}})
    sound = _sound(prompt, config, path, whole)
    if config.audio == "input_audio":
        inner = {"data": "", "format": sound.format}
        body = _encode(prompt, config, {"type": "input_audio", "input_audio": inner})
        return _filled(body, {"data": ""}, sound)
    inner = {"url": f"data:audio/{_MEDIA_TYPES[sound.format]};base64,"}
    body = _encode(prompt, config, {"type": "audio_url", "audio_url": inner})
    return _filled(body, inner, sound)


def greeting_body(config: EndpointConfig) -> bytes:
    """Return the smallest request that shows whether a server still generates."""
    return msgspec.json.encode(_body(config, "Hello.", 0) | {"max_tokens": 1})


def _body(config: EndpointConfig, content: str | list[dict[str, Any]], draw: int) -> dict[str, Any]:
    messages: list[dict[str, Any]] = []
    if config.system:
        messages.append({"role": "system", "content": config.system})
    messages.append({"role": "user", "content": content})
    body = {
        "model": config.model,
        "messages": messages,
        "max_tokens": config.max_tokens,
        "temperature": config.temperature,
        "top_p": config.top_p,
        "seed": config.seed + draw,
    }
    if config.top_k:
        body["top_k"] = config.top_k
    return body | config.extra


def _encode(prompt: Prompt, config: EndpointConfig, part: dict[str, Any]) -> bytes:
    content = [part]
    if text := user_text(prompt, config):
        content.append({"type": "text", "text": text})
    return msgspec.json.encode(_body(config, content, prompt.draw))


def _filled(body: bytes, empty: dict[str, str], sound: Sound) -> bytes:
    """Return `body` with a sound, as base64, at the end of the first text that `empty` holds.

    It is pasted in, for it is long and needs no escaping. What a user wrote cannot look like the
    place, as quotes inside of texts are escaped.
    """
    place = msgspec.json.encode(empty)[1:-1]
    before, _, after = body.partition(place)
    data = binascii.b2a_base64(sound.data, newline=False)
    return b"".join((before, place[:-1], data, b'"', after))


_MEDIA_TYPES = {"wav": "wav", "flac": "flac", "mp3": "mpeg", "ogg": "ogg"}


def _sound(prompt: Prompt, config: EndpointConfig, path: Path, whole: bool) -> Sound:
    if config.audio_format == "original":
        sound = original(path) if whole else None
        if sound is not None:
            return sound
    form = "wav" if config.audio_format == "wav" else "flac"
    return encoded(path, prompt.start_s, prompt.duration_s, config.sample_rate, form)
