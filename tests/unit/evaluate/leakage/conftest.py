"""Sounds that change all the time, and the examples that stand for them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from earmark.records import Example

RATE = 16000


@cache
def babble(seed: int, seconds: float) -> np.ndarray:
    """Return tones that start, glide and fade at random, as unlike from seed to seed as speech."""
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    wave = np.zeros(len(time))
    for _ in range(round(24 * seconds)):
        start, length = random.uniform(-0.2, seconds), random.uniform(0.1, 0.5)
        here = slice(max(round(start * RATE), 0), max(round((start + length) * RATE), 0))
        hertz, glide = np.exp(random.uniform(np.log(200), np.log(4000))), random.normal(0, 0.5)
        within = np.clip((time[here] - start) / length, 0, 1)
        angle = 2 * np.pi * hertz * (time[here] + glide * within * length / 2)
        wave[here] += random.uniform(0.1, 1) * np.sin(np.pi * within) ** 2 * np.sin(angle)
    return (0.3 * wave / np.abs(wave).max()).astype(np.float32)


@pytest.fixture
def clip(tmp_path: Path) -> Callable[..., Example]:
    """Return a function that writes a wave, where there is one, and returns its example."""

    def make(name: str, wave: np.ndarray | None = None, rate: int = RATE, **known: Any) -> Example:
        path = tmp_path / (name if "." in name else f"{name}.wav")
        if wave is not None:
            soundfile.write(path, wave, rate, subtype=known.pop("subtype", None))
        given: dict[str, Any] = {
            "id": name,
            "path": str(path),
            "name": name,
            "duration_s": 0.0 if wave is None else len(wave) / rate,
            "split": "train",
            "recording": None,
            "speaker": None,
            "tags": (),
            "tag_ids": (),
            "caption": "",
            "summary": "",
            "labels": {},
        }
        return Example(**(given | known))

    return make


@pytest.fixture
def sound() -> Callable[[int, float], np.ndarray]:
    return babble
