"""Clips to load: band-limited noise as FLAC, which packs about as recordings do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from earmark.pretrain.data.loader import Batch
from earmark.records import Example


def flac_examples(folder: Path, clips: int, clip_s: int, sample_rate: int) -> list[Example]:
    """Write so many clips, and return their rows."""
    import numpy as np
    import soundfile

    rng, smoothing = np.random.default_rng(0), np.hanning(9) / 4
    examples: list[Example] = []
    for number in range(clips):
        path = folder / f"{number}.flac"
        noise = np.convolve(rng.normal(size=clip_s * sample_rate), smoothing, "same")
        soundfile.write(path, (0.1 * noise).astype(np.float32), sample_rate)
        examples.append(_example(number, path, clip_s))
    return examples


def _example(number: int, path: Path, clip_s: int) -> Example:
    return Example(
        id=f"clip-{number}",
        path=str(path),
        name=path.name,
        duration_s=clip_s,
        split="train",
        recording=None,
        speaker=None,
        tags=(),
        tag_ids=(),
        caption="",
        summary="",
        labels={},
    )


def batch_loader(
    examples: Sequence[Example], size: int, sample_rate: int, *, pin_memory: bool = False
) -> Callable[[int], Batch]:
    """Return a function that loads a batch of `size` clips; after the last come the first again."""
    from earmark.pretrain.data.loader import load_batch

    def load(index: int) -> Batch:
        clips = [examples[(index * size + place) % len(examples)] for place in range(size)]
        return load_batch(
            clips, sample_rate, 60.0, no_targets, seed=0, step=index, pin_memory=pin_memory
        )

    return load


def no_targets(examples: Sequence[Example], seeds: Sequence[int]) -> None:
    """Decoding alone is measured."""
