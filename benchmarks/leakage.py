"""How many copies the leakage guard finds, how many strangers it takes for copies, and how fast.

    EARMARK_PACK=... python benchmarks/leakage.py      # real recordings, two minutes
    python benchmarks/leakage.py                       # the synthetic corpus, which it makes
    python benchmarks/leakage.py --copies 60           # fewer copies of each kind

Copies of random clips are written to files as they would be met, and searched for among all clips.
Strangers are all pairs of clips of different recordings: of two halves of the recordings, one is
taken for learnt and one for tested; every pair that is found is printed, as some are true copies
that the corpus did not know of. One line a figure: name, value, unit, goal, ok or short; "-" where
nothing was promised. Exit 1 where one is short.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import soundfile
import soxr
from figures import Figure
from msgspec.structs import replace

from earmark.audio import read
from earmark.corpora.synthetic.corpus import SyntheticConfig
from earmark.evaluate.leakage.audio import find_copies, find_undecidable
from earmark.evaluate.leakage.fingerprint import COLUMNS, Fingerprints, compute_fingerprints
from earmark.records import Example, Source

SEED = 0

Copy = Callable[[np.ndarray, int, np.random.Generator], tuple[np.ndarray, int]]


def noisy(wave: np.ndarray, rate: int, random: np.random.Generator) -> tuple[np.ndarray, int]:
    """Add white noise at a signal-to-noise ratio of 20 dB."""
    scale = np.sqrt(np.mean(wave**2) / 100)
    return wave + scale * random.standard_normal(len(wave)), rate


def trimmed(wave: np.ndarray, rate: int, random: np.random.Generator) -> tuple[np.ndarray, int]:
    return wave[round(random.uniform(0.05, 0.3) * len(wave)) :], rate


def window(wave: np.ndarray, rate: int, random: np.random.Generator) -> tuple[np.ndarray, int]:
    """Keep half, from anywhere."""
    start = round(random.uniform(0, 0.5) * len(wave))
    return wave[start : start + len(wave) // 2], rate


def late(wave: np.ndarray, rate: int, random: np.random.Generator) -> tuple[np.ndarray, int]:
    return np.concatenate([np.zeros(round(random.uniform(0, 1) * rate)), wave]), rate


COPIES: dict[str, tuple[str, str | None, Copy]] = {
    "8 bits": ("wav", "PCM_U8", lambda wave, rate, _: (wave, rate)),
    "MP3": ("mp3", None, lambda wave, rate, _: (wave, rate)),
    "OGG Vorbis": ("ogg", None, lambda wave, rate, _: (wave, rate)),
    "11,025 Hz": ("wav", None, lambda wave, rate, _: (soxr.resample(wave, rate, 11025), 11025)),
    "26 dB quieter": ("wav", None, lambda wave, rate, _: (0.05 * wave, rate)),
    "20 dB SNR": ("flac", None, noisy),
    "trimmed": ("flac", None, trimmed),
    "late": ("flac", None, late),
    "a window of half": ("flac", None, window),
}


GOALS = dict.fromkeys(COPIES, 95.0) | {"8 bits": 90.0, "20 dB SNR": 90.0}
"""Of the copies that there is enough to tell by, %. Eight bits of a quiet clip are mostly noise."""


def example(path: Path, name: str, recording: str) -> Example:
    return Example(
        id=name,
        path=str(path),
        name=name,
        duration_s=soundfile.info(path).duration,
        split="train",
        recording=recording,
        speaker=None,
        tags=(),
        tag_ids=(),
        caption="",
        summary="",
        labels={},
    )


def corpus(folder: Path) -> list[Example]:
    """Return the pack's clips, or those of a synthetic corpus."""
    if pack := os.environ.get("EARMARK_PACK"):
        lines = (Path(pack) / "manifest.jsonl").read_text().splitlines()
        rows = [json.loads(line) for line in lines]
        return [example(Path(pack) / row["path"], row["id"], row["group"]) for row in rows]
    made = SyntheticConfig(clips=400, workers=1).build().rows(folder)
    sources = [row for row in made if isinstance(row, Source)]
    return [example(Path(row.path), row.name, row.recording or row.name) for row in sources]


def changed(clips: Sequence[Example], kind: str, folder: Path) -> list[Example]:
    """Write a copy of each clip."""
    ending, subtype, copy = COPIES[kind]
    random = np.random.default_rng(SEED)
    found: list[Example] = []
    for number, clip in enumerate(clips):
        wave, rate = read(clip.path)
        wave, rate = copy(wave.mean(axis=1), rate, random)
        path = folder / f"{kind} {number}.{ending}"
        soundfile.write(path, np.clip(wave, -1, 1), rate, subtype=subtype)
        found.append(replace(clip, id=f"{kind} {clip.id}", path=str(path)))
    return found


def found_shares(learnt: Fingerprints, clips: Sequence[Example], folder: Path) -> list[Figure]:
    figures: list[Figure] = []
    mute = {row.id for row in find_undecidable(learnt)}
    for kind in COPIES:
        rows = changed(clips, kind, folder)
        heard, _ = compute_fingerprints(rows, folder / "copies", columns=COLUMNS, title=kind)
        silent = {row.id for row in find_undecidable(heard)}
        right = [leak for leak in find_copies(learnt, heard) if leak.name == leak.learnt_name]
        hits = {leak.id for leak in right}
        # Noise makes a hum tell something, but not the same as the hum.
        telling = [row for row in rows if row.id not in silent and row.name not in mute]
        share = sum(row.id in hits for row in telling) / len(telling)
        figures += [
            Figure(
                f"{kind}, found of {len(telling)} to tell by",
                100 * share,
                "%",
                GOALS[kind],
                "least",
            ),
            Figure(f"{kind}, found of all {len(rows)}", 100 * len(hits) / len(rows), "%"),
        ]
    return figures


def strangers(clips: Sequence[Example], cache: Path) -> list[Figure]:
    """Compare the clips of one half of the recordings with those of the other."""
    recordings = sorted({clip.recording or clip.id for clip in clips})
    np.random.default_rng(SEED).shuffle(recordings)
    half = set(recordings[: len(recordings) // 2])
    sides = [[clip for clip in clips if (clip.recording in half) == side] for side in (True, False)]
    learnt, tested = (
        compute_fingerprints(side, cache, columns=COLUMNS, title="strangers")[0] for side in sides
    )
    leaks = find_copies(learnt, tested)
    for leak in leaks:
        print(f"# {leak.name} was found to be {leak.learnt_name}: {leak.detail}", flush=True)
    millions = len(sides[0]) * len(sides[1]) / 1e6
    name = f"strangers found, of {millions:.2f} million pairs"
    return [Figure(name, len(leaks) / millions, "per million", 2.0)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--copies", type=int, default=200, help="of each kind")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips = corpus(folder / "corpus")
        cache = folder / "cache"
        started_s = time.process_time()
        learnt, _ = compute_fingerprints(clips, cache, columns=COLUMNS, title="fingerprints")
        speed = sum(clip.duration_s for clip in clips) / (time.process_time() - started_s)
        started_s = time.process_time()
        find_copies(learnt, learnt)
        search_s = time.process_time() - started_s
        pick = np.random.default_rng(SEED).permutation(len(clips))[: asked.copies]
        figures = [
            *found_shares(learnt, [clips[number] for number in pick], folder),
            *strangers(clips, cache),
            Figure("clips to tell by", 100 * (1 - len(find_undecidable(learnt)) / len(clips)), "%"),
            Figure("fingerprints, audio-seconds a CPU second", speed, "x", 500.0, "least"),
            Figure(f"search, {len(clips)} clips in themselves", search_s, "CPU s", 10.0),
        ]
    for figure in figures:
        print(figure, flush=True)
    return 0 if all(figure.good for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
