"""What is sent: golden bodies, and sound that is the right piece of the right file."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from earmark import audio
from earmark.annotate.backends.base import Prompt
from earmark.annotate.backends.endpoint import EndpointConfig
from earmark.annotate.backends.endpoint.request import (
    audio_body,
    detect_format,
    probe_body,
    response_format_of,
    text_body,
)
from earmark.audio import AudioError

RATE = 22_050


def config(**settings: Any) -> EndpointConfig:
    return EndpointConfig(urls=("http://here/v1",), **{"model": "m", **settings})


@pytest.fixture
def stereo() -> np.ndarray:
    chance = np.random.default_rng(0)
    return (0.1 * chance.standard_normal((3 * RATE, 2))).astype(np.float32)


def write(path: Path, wave: np.ndarray, rate: int = RATE, **how: str) -> Path:
    soundfile.write(path, wave, rate, **how)
    return path


def sent(path: Path, settings: EndpointConfig, **window: float) -> dict[str, Any]:
    body = json.loads(audio_body(Prompt(id="a", audio=str(path), **window), settings))
    (part,) = body["messages"][-1]["content"]
    return part


def test_golden_captioner_body_has_no_text(tmp_path: Path, stereo: np.ndarray):
    path = write(tmp_path / "a.wav", stereo)
    body = json.loads(audio_body(Prompt(id="a", audio=str(path), duration_s=3.0), config()))
    data = base64.b64encode(path.read_bytes()).decode()
    part = {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}
    assert body == {
        "model": "m",
        "messages": [{"role": "user", "content": [part]}],
        "max_tokens": 2048,
        "temperature": 0.6,
        "top_p": 0.95,
        "seed": 0,
    }


def test_golden_tagger_body():
    settings = config(
        instruction="Tags of: {caption}",
        system="You tag.",
        top_k=20,
        seed=5,
        extra={"repetition_penalty": 1.1},
    )
    prompt = Prompt(id="a", text='A "dog" in {caption}\n', draw=1)
    assert json.loads(text_body(prompt, settings, {"type": "json_object"})) == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "You tag."},
            {"role": "user", "content": 'Tags of: A "dog" in {caption}\n'},
        ],
        "max_tokens": 2048,
        "temperature": 0.6,
        "top_p": 0.95,
        "top_k": 20,
        "seed": 6,
        "repetition_penalty": 1.1,
        "response_format": {"type": "json_object"},
    }


def test_an_instruction_stands_behind_the_audio(tmp_path: Path, stereo: np.ndarray):
    path = write(tmp_path / "a.flac", stereo)
    prompt = Prompt(id="a", audio=str(path), draw=1)
    body = json.loads(audio_body(prompt, config(instruction="Describe it.", seed=3)))
    kinds = [part["type"] for part in body["messages"][0]["content"]]
    assert kinds == ["input_audio", "text"]
    assert body["messages"][0]["content"][1]["text"] == "Describe it."
    assert body["seed"] == 4


def test_greeting_is_one_token():
    body = json.loads(probe_body(config(max_tokens=100)))
    assert body["max_tokens"] == 1
    assert body["messages"] == [{"role": "user", "content": "Hello."}]


def test_response_formats_are_as_servers_define_them():
    held = response_format_of("json_schema")
    assert held is not None
    assert held["json_schema"]["strict"] is True
    assert held["json_schema"]["schema"]["type"] == "array"
    assert (response_format_of("json_object") or {})["schema"] == held["json_schema"]["schema"]
    assert response_format_of("none") is None


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3"])
def test_whole_files_travel_untouched(ending: str, tmp_path: Path, stereo: np.ndarray):
    path = write(tmp_path / f"a.{ending}", stereo)
    seconds = audio.probe(path).duration_s
    part = sent(path, config(), duration_s=seconds)["input_audio"]
    assert part["format"] == ending
    assert base64.b64decode(part["data"]) == path.read_bytes()


def test_windows_are_decoded_mono_at_the_rate(tmp_path: Path, stereo: np.ndarray):
    path = write(tmp_path / "a.wav", stereo, subtype="PCM_16")
    part = sent(path, config(), start_s=1.0, duration_s=0.5)["input_audio"]
    wave, rate = soundfile.read(io.BytesIO(base64.b64decode(part["data"])), dtype="float32")
    expected = audio.load(path, 16_000, start_s=1.0, duration_s=0.5)
    assert part["format"] == "flac"
    assert (rate, wave.shape) == (16_000, (8000,))
    assert np.abs(wave - expected).max() < 1e-4
    assert np.abs(wave).max() > 0.05


def test_the_end_of_a_longer_file_is_a_window_too(tmp_path: Path, stereo: np.ndarray):
    path = write(tmp_path / "a.wav", stereo)
    part = sent(path, config(), start_s=2.5)["input_audio"]
    wave, rate = soundfile.read(io.BytesIO(base64.b64decode(part["data"])))
    assert len(wave) / rate == pytest.approx(0.5)


@pytest.mark.parametrize("form", ["wav", "flac"])
def test_a_format_can_be_asked_for(form: str, tmp_path: Path, stereo: np.ndarray):
    path = write(tmp_path / "a.ogg", stereo)
    part = sent(path, config(audio_format=form, sample_rate=8000))["input_audio"]
    data = base64.b64decode(part["data"])
    assert part["format"] == form == detect_format(data)
    info = soundfile.info(io.BytesIO(data))
    assert (info.samplerate, info.channels, info.subtype) == (8000, 1, "PCM_16")


def test_other_formats_are_encoded(tmp_path: Path, stereo: np.ndarray):
    path = write(tmp_path / "a.aiff", stereo)
    assert sent(path, config())["input_audio"]["format"] == "flac"


def test_loud_samples_are_clipped_not_wrapped(tmp_path: Path):
    path = write(tmp_path / "a.aiff", np.full(1600, 1.5, np.float32), 16_000, subtype="FLOAT")
    data = base64.b64decode(sent(path, config())["input_audio"]["data"])
    assert soundfile.read(io.BytesIO(data))[0].min() > 0.99


def test_data_uri(tmp_path: Path, stereo: np.ndarray):
    path = write(tmp_path / "a.mp3", stereo)
    url = sent(path, config(audio="audio_url"))["audio_url"]["url"]
    head, _, data = url.partition(",")
    assert head == "data:audio/mpeg;base64"
    assert base64.b64decode(data) == path.read_bytes()


def test_file_url_for_whole_files_and_data_for_windows(tmp_path: Path, stereo: np.ndarray):
    path = write(tmp_path / "ä b.wav", stereo)
    settings = config(audio="file_url")
    assert sent(path, settings)["audio_url"]["url"] == path.as_uri()
    window = sent(path, settings, duration_s=1.0)["audio_url"]["url"]
    assert window.startswith("data:audio/flac;base64,")


@pytest.mark.parametrize(
    ("window", "reason"), [({}, "too long"), ({"start_s": 5.0}, "empty"), ({"duration_s": 1.0}, "")]
)
def test_limits_are_those_of_the_window(
    window: dict[str, float], reason: str, tmp_path: Path, stereo: np.ndarray
):
    path = write(tmp_path / "a.wav", stereo)
    if not reason:
        assert sent(path, config(max_audio_s=2.0), **window)
        return
    with pytest.raises(AudioError) as caught:
        sent(path, config(max_audio_s=2.0), **window)
    assert caught.value.reason == reason


@pytest.mark.parametrize("data", [b"", b"\xff", b"\xff\xf1aac", b"RIFF____AVI ", b"hello"])
def test_unknown_bytes_are_not_taken_for_audio(data: bytes):
    assert detect_format(data) is None
