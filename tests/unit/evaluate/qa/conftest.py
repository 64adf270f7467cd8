"""Clips of one instrument each, with drums or without, and features that tell which."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from earmark.records import Example
from factories import new_example
from precomputed import Precomputed

INSTRUMENTS = ("flute", "harp", "piano", "tuba", "violin")
DRUMS = ("no", "yes")


def _clip(number: int, labels: dict[str, tuple[str, ...]], split: str) -> Example:
    return new_example(
        id=f"clip-{number}",
        name=f"{number}.wav",
        split=split,
        recording=f"recording-{number // 2}",
        labels=labels,
    )


@pytest.fixture(scope="session")
def band() -> list[Example]:
    """Clips of one instrument each, with drums or without."""
    count = 240
    rng = np.random.default_rng(2)
    splits = rng.choice(["train", "validation", "test"], count, p=[0.6, 0.15, 0.25])
    return [
        _clip(
            number,
            {"instrument": (str(rng.choice(INSTRUMENTS)),), "drums": (str(rng.choice(DRUMS)),)},
            str(splits[number]),
        )
        for number in range(count)
    ]


@pytest.fixture(scope="session")
def telling(band: list[Example]) -> Precomputed:
    """Frames, 3 to 12 a clip, that hold the labels with a little noise."""
    return _telling(band)


def _telling(examples: list[Example]) -> Precomputed:
    values = (*INSTRUMENTS, *DRUMS)
    rng = np.random.default_rng(0)
    frames: dict[str, np.ndarray] = {}
    for number, example in enumerate(examples):
        held = {value for found in example.labels.values() for value in found}
        rows = np.array([[value in held for value in values]] * (3 + number % 10), np.float32)
        frames[example.id] = rows + rng.normal(0, 0.05, rows.shape).astype(np.float32)
    return Precomputed(
        "telling", {name: rows.mean(axis=0) for name, rows in frames.items()}, frames
    )


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
