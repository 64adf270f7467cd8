"""Every backend keeps the contract of `backends/base.py`."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earmark.annotate.backends.acoustic import AcousticConfig
from earmark.annotate.backends.base import Backend, Completion, Prompt, Refusal
from earmark.annotate.backends.endpoint import EndpointConfig
from earmark.annotate.backends.lexical import LexicalConfig
from earmark.annotate.backends.scripted import ScriptedConfig
from earmark.annotate.backends.transformers import TransformersConfig
from earmark.annotate.backends.vllm import VllmConfig
from earmark.annotate.jobs.job import BackendConfig
from earmark.testing.mock_server.process import run_mock_server

CAPTIONERS = ("acoustic", "endpoint", "scripted", "transformers", "vllm")
TAGGERS = ("endpoint", "lexical", "scripted", "transformers", "vllm")
CAPTION = "A dog is barking loudly.\n\nIn short, a barking dog in a quiet yard."


@pytest.fixture
def tone(tmp_path: Path) -> Path:
    """One second of 440 Hz."""
    wave = 0.3 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    soundfile.write(tmp_path / "tone.wav", wave, 16000)
    return tmp_path / "tone.wav"


def ask(backend: Backend, *prompts: Prompt) -> list[Completion | Refusal]:
    async def together() -> list[Completion | Refusal]:
        async with aclosing(backend):
            return list(await asyncio.gather(*(backend.generate(prompt) for prompt in prompts)))

    return asyncio.run(together())


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with run_mock_server(latency_s=0.01) as server:
        yield server.url


@pytest.fixture
def vllm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> VllmConfig:
    """A `vllm` that serves no model: the mock server on the port it is told."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    script = tmp_path / "vllm"
    script.write_text(
        f"#!{sys.executable}\n"
        "import sys\n"
        "from earmark.testing.mock_server.__main__ import main\n"
        "(port,) = [flag for flag in sys.argv if flag.startswith('--port=')]\n"
        "sys.argv = ['mock', port]\n"
        "sys.exit(main())\n"
    )
    script.chmod(0o755)
    return VllmConfig(model="mock", command=(str(script), "serve"), log_folder=str(tmp_path))


@pytest.fixture
def captioner(request: pytest.FixtureRequest) -> BackendConfig:
    match request.param:
        case "acoustic":
            return AcousticConfig(workers=1)
        case "endpoint":
            return EndpointConfig(model="mock", urls=(request.getfixturevalue("url"),))
        case "scripted":
            return ScriptedConfig(default="A hum.")
        case "transformers":
            folder = str(request.getfixturevalue("omni"))
            return TransformersConfig(model=folder, device="cpu", max_tokens=8)
        case _:
            return request.getfixturevalue("vllm")


@pytest.fixture
def tagger(request: pytest.FixtureRequest) -> BackendConfig:
    match request.param:
        case "endpoint":
            return EndpointConfig(model="mock", urls=(request.getfixturevalue("url"),))
        case "lexical":
            return LexicalConfig(workers=1)
        case "scripted":
            return ScriptedConfig(default='["hum"]')
        case "transformers":
            folder = str(request.getfixturevalue("writer"))
            return TransformersConfig(model=folder, device="cpu", max_tokens=8)
        case _:
            return request.getfixturevalue("vllm")


@pytest.mark.parametrize("captioner", CAPTIONERS, indirect=True)
def test_captioner_answers_twice_the_same(captioner: BackendConfig, tone: Path) -> None:
    prompt = Prompt(id="a", audio=str(tone), duration_s=1.0)
    first, second = ask(captioner.build(), prompt, prompt)
    assert isinstance(first, Completion)
    assert first == second
    assert first.text.strip()


@pytest.mark.parametrize("tagger", TAGGERS, indirect=True)
def test_tagger_answers_a_text(tagger: BackendConfig) -> None:
    (answer,) = ask(tagger.build(), Prompt(id="a", text=CAPTION))
    assert isinstance(answer, Completion)
    if not isinstance(tagger, TransformersConfig):  # a model of random weights writes no list
        tags = json.loads(answer.text)
        assert tags
        assert all(isinstance(tag, str) and tag == tag.lower() for tag in tags)


@pytest.mark.parametrize("captioner", CAPTIONERS, indirect=True)
def test_what_it_is_can_be_told_before_anything_starts(captioner: BackendConfig) -> None:
    one, other = captioner.build(), captioner.build()
    assert one.fingerprint == other.fingerprint
    assert one.concurrency >= 1
    assert not one.discovered
    asyncio.run(one.aclose())
    asyncio.run(other.aclose())


@pytest.mark.parametrize("captioner", CAPTIONERS, indirect=True)
def test_a_file_that_is_not_there_is_refused(captioner: BackendConfig, tmp_path: Path) -> None:
    prompt = Prompt(id="a", audio=str(tmp_path / "gone.wav"), duration_s=1.0)
    (answer,) = ask(captioner.build(), prompt)
    if not isinstance(captioner, ScriptedConfig):  # which opens no file
        assert isinstance(answer, Refusal)
        assert answer.reason == "unreadable"
        assert not answer.retryable  # at once
        assert answer.transient  # but when the disk is back


def test_prompts_hold_no_labels() -> None:
    assert set(Prompt.__struct_fields__) == {"id", "audio", "start_s", "duration_s", "text", "draw"}
