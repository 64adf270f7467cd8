"""The values of scores on their bootstrap resamples, kept so that runs can be compared in pairs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec
import numpy as np
from jaxtyping import Float64

from earmark.evaluate.base import Outcome
from earmark.records import Score, publish

RESAMPLES = "resamples.safetensors"

Measure = tuple[str, str, int, str]
"""What tells one score of an encoder from another: task, probe, shots, metric."""


def measure_of(score: Score) -> Measure:
    """Return which of an encoder's scores it is."""
    return score.task, score.probe, score.shots, score.metric


def write_resamples(folder: Path, outcomes: Iterable[Outcome]) -> None:
    """Write the resamples of every outcome that has some."""
    from safetensors.numpy import save

    arrays = {
        _key(outcome.score.encoder, measure_of(outcome.score)): outcome.resampled
        for outcome in outcomes
        if len(outcome.resampled)
    }
    temporary = folder / f"{RESAMPLES}.tmp"
    temporary.write_bytes(save(arrays))
    publish(temporary, folder / RESAMPLES)


def read_resamples(folder: Path) -> dict[tuple[str, Measure], Float64[np.ndarray, " resamples"]]:
    """Return the resamples by encoder and measure."""
    from safetensors.numpy import load_file

    found = load_file(folder / RESAMPLES)
    return {_parse(key): values for key, values in found.items()}


def _key(encoder: str, measure: Measure) -> str:
    return msgspec.json.encode((encoder, measure)).decode()


def _parse(key: str) -> tuple[str, Measure]:
    return msgspec.json.decode(key, type=tuple[str, Measure])
