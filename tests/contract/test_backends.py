"""Every backend keeps the contract of `backends/base.py`."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earmark.annotate.backends.acoustic import AcousticConfig
from earmark.annotate.backends.base import Backend, Completion, Prompt, Refusal
from earmark.annotate.backends.lexical import LexicalConfig
from earmark.annotate.backends.scripted import ScriptedConfig

CAPTIONERS = {"acoustic": AcousticConfig(workers=1), "scripted": ScriptedConfig(default="A hum.")}
TAGGERS = {"lexical": LexicalConfig(workers=1), "scripted": ScriptedConfig(default='["hum"]')}
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


@pytest.mark.parametrize("kind", CAPTIONERS)
def test_captioner_answers_twice_the_same(kind: str, tone: Path) -> None:
    prompt = Prompt(id="a", audio=str(tone), duration_s=1.0)
    first, second = ask(CAPTIONERS[kind].build(), prompt, prompt)
    assert isinstance(first, Completion)
    assert first == second
    assert first.text.strip()


@pytest.mark.parametrize("kind", TAGGERS)
def test_tagger_answers_with_a_json_list_of_words(kind: str) -> None:
    (answer,) = ask(TAGGERS[kind].build(), Prompt(id="a", text=CAPTION))
    assert isinstance(answer, Completion)
    tags = json.loads(answer.text)
    assert tags
    assert all(isinstance(tag, str) and tag == tag.lower() for tag in tags)


@pytest.mark.parametrize("config", [*CAPTIONERS.values(), *TAGGERS.values()])
def test_fingerprint_is_stable(config: AcousticConfig | LexicalConfig | ScriptedConfig) -> None:
    one, other = config.build(), config.build()
    assert one.fingerprint == other.fingerprint
    assert one.concurrency >= 1
    asyncio.run(one.aclose())
    asyncio.run(other.aclose())


def test_failure_is_a_value(tmp_path: Path) -> None:
    prompt = Prompt(id="a", audio=str(tmp_path / "gone.wav"), duration_s=1.0)
    (answer,) = ask(CAPTIONERS["acoustic"].build(), prompt)
    assert isinstance(answer, Refusal)
    assert answer.reason == "unreadable"


def test_prompts_hold_no_labels() -> None:
    assert set(Prompt.__struct_fields__) == {"id", "audio", "start_s", "duration_s", "text", "draw"}
