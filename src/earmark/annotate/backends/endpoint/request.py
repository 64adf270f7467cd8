"""The body of a chat completions request: audio, messages and response format.

A clip is sent as the bytes of its file, or as a window that is decoded and encoded again. The
response format holds a tagger to a JSON Schema; which form a server supports is found out once.
"""

from __future__ import annotations

import binascii
import io
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from earmark import audio
from earmark.annotate.backends.base import Completion, Prompt, Refusal
from earmark.annotate.backends.chat import TAG_SCHEMA, user_text
from earmark.audio import AudioError

if TYPE_CHECKING:
    from earmark.annotate.backends.endpoint.config import EndpointConfig

AudioFormat = Literal["wav", "flac", "mp3", "ogg"]

LENGTH_TOLERANCE_S = 0.1
"""By how much a clip may exceed the limit: codecs pad, and windows end on a whole frame."""

EQUAL_LENGTH_S = 1e-3
"""Lengths that differ by less are the same."""


class EncodedAudio(msgspec.Struct, frozen=True):
    """An encoded clip."""

    data: bytes
    format: AudioFormat


def is_whole_file(path: Path, start_s: float, duration_s: float | None, longest_s: float) -> bool:
    """Return whether the window is the whole file, having checked that it is not too long.

    Raises:
        AudioError: as `earmark.audio.probe`, "empty" for a window behind the end, or "too long"
            for more than `longest_s` seconds.
    """
    available_s = audio.probe(path).duration_s
    seconds = available_s - start_s
    if seconds <= 0:
        raise AudioError("empty", f"{path} lasts {available_s:.2f} s, nothing from {start_s} s on")
    if duration_s is not None:
        seconds = min(seconds, duration_s)
    if seconds > longest_s + LENGTH_TOLERANCE_S:
        raise AudioError("too long", f"{seconds:.1f} s, and max_audio_s is {longest_s:g}")
    return seconds > available_s - EQUAL_LENGTH_S


def read_original(path: Path) -> EncodedAudio | None:
    """Return a file's own bytes, None where servers are not known to read what it holds.

    Raises:
        AudioError: "unreadable".
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise AudioError("unreadable", f"{path}: {error.strerror}") from None
    form = detect_format(data)
    return None if form is None else EncodedAudio(data, form)


def encode_window(
    path: Path,
    start_s: float,
    duration_s: float | None,
    sample_rate: int,
    form: Literal["wav", "flac"],
) -> EncodedAudio:
    """Return the window decoded, mono, at `sample_rate` Hz, as 16-bit FLAC or WAV.

    Raises:
        AudioError: as `earmark.audio.load`.
    """
    import soundfile

    wave = audio.load(path, sample_rate, start_s=start_s, duration_s=duration_s)
    stream = io.BytesIO()
    soundfile.write(stream, wave, sample_rate, format=form.upper(), subtype="PCM_16")
    return EncodedAudio(stream.getvalue(), form)


def detect_format(data: bytes) -> AudioFormat | None:
    """Return the format that a file's first bytes show, None for any other."""
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return "wav"
    if data[:4] == b"fLaC":
        return "flac"
    if data[:4] == b"OggS":
        return "ogg"
    # A frame of MPEG audio starts with eleven set bits; layer III is 01 after two more.
    frame = len(data) > 1 and data[0] == 0xFF and data[1] & 0xE6 == 0xE2
    return "mp3" if data[:3] == b"ID3" or frame else None


def text_body(
    prompt: Prompt, config: EndpointConfig, response_format: dict[str, Any] | None
) -> bytes:
    """Return the request that puts a text to a tagger."""
    body = _request_fields(config, user_text(prompt, config), prompt.draw)
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
    whole = is_whole_file(path, prompt.start_s, prompt.duration_s, config.max_audio_s)
    if whole and config.audio == "file_url":
        address = path.absolute().as_uri()
        return _encode_request(prompt, config, {"type": "audio_url", "audio_url": {"url": address}})
    sound = _read_or_encode(prompt, config, path, whole)
    if config.audio == "input_audio":
        inner = {"data": "", "format": sound.format}
        body = _encode_request(prompt, config, {"type": "input_audio", "input_audio": inner})
        return _insert_audio(body, {"data": ""}, sound)
    inner = {"url": f"data:audio/{_MEDIA_TYPES[sound.format]};base64,"}
    body = _encode_request(prompt, config, {"type": "audio_url", "audio_url": inner})
    return _insert_audio(body, inner, sound)


def probe_body(config: EndpointConfig) -> bytes:
    """Return the smallest request that shows whether a server still generates."""
    return msgspec.json.encode(_request_fields(config, "Hello.", 0) | {"max_tokens": 1})


def _request_fields(
    config: EndpointConfig, content: str | list[dict[str, Any]], draw: int
) -> dict[str, Any]:
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


def _encode_request(prompt: Prompt, config: EndpointConfig, part: dict[str, Any]) -> bytes:
    content = [part]
    if text := user_text(prompt, config):
        content.append({"type": "text", "text": text})
    return msgspec.json.encode(_request_fields(config, content, prompt.draw))


def _insert_audio(body: bytes, empty: dict[str, str], sound: EncodedAudio) -> bytes:
    """Return `body` with a sound, as base64, at the end of the first text that `empty` holds.

    It is pasted in, for it is long and needs no escaping. What a user wrote cannot look like the
    place, as quotes inside of texts are escaped.
    """
    place = msgspec.json.encode(empty)[1:-1]
    before, _, after = body.partition(place)
    data = binascii.b2a_base64(sound.data, newline=False)
    return b"".join((before, place[:-1], data, b'"', after))


_MEDIA_TYPES = {"wav": "wav", "flac": "flac", "mp3": "mpeg", "ogg": "ogg"}


def _read_or_encode(
    prompt: Prompt, config: EndpointConfig, path: Path, whole: bool
) -> EncodedAudio:
    if config.audio_format == "original":
        sound = read_original(path) if whole else None
        if sound is not None:
            return sound
    form = "wav" if config.audio_format == "wav" else "flac"
    return encode_window(path, prompt.start_s, prompt.duration_s, config.sample_rate, form)


ResponseFormat = Literal["json_schema", "json_object", "none"]

SCHEMA_FORMATS: tuple[ResponseFormat, ...] = ("json_schema", "json_object")
"""Response formats that hold a model to the schema, in the order they are tried."""

FORMAT_PROBE = Prompt(
    id="response-format",
    text="Heavy rain falls on a tin roof while a dog barks twice in the distance, and a car "
    "passes slowly from left to right. The recording is clear, with a little wind noise.",
)
"""A description that a tagger has no trouble with."""


def response_format_of(name: ResponseFormat) -> dict[str, Any] | None:
    """Return a request's `response_format`, None for none.

    json_schema is OpenAI's, and that of vLLM and SGLang; json_object with a schema beside it is
    that of llama.cpp's server.
    """
    match name:
        case "json_schema":
            held = {"name": "tags", "schema": TAG_SCHEMA, "strict": True}
            return {"type": "json_schema", "json_schema": held}
        case "json_object":
            return {"type": "json_object", "schema": TAG_SCHEMA}
        case "none":
            return None


async def detect_response_format(
    ask: Callable[[ResponseFormat], Awaitable[Completion | Refusal]],
) -> ResponseFormat:
    """Return the first response format in which the probe is answered as the schema says.

    `ask` puts FORMAT_PROBE in a response format, and again where that failed for a reason that may
    pass. Where none works the answers are left to the parser, "none": there is nothing to be found
    out about it.
    """
    for name in SCHEMA_FORMATS:
        answer = await ask(name)
        if isinstance(answer, Refusal) and answer.retryable:
            answer = await ask(name)  # a transient fault says nothing about the format
        if isinstance(answer, Completion) and is_tag_list(answer.text):
            return name
    return "none"


def is_tag_list(text: str) -> bool:
    """Return whether a text is JSON of the schema's shape: a list of strings, not empty."""
    try:
        return len(msgspec.json.decode(text, type=list[str])) > 0
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
