from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from earmark.config import ConfigError
from earmark.pretrain.inference.index import SAVE_INTERVAL_S, load_index
from earmark.pretrain.inference.index_builder import build_index, file_windows
from earmark.pretrain.inference.search import (
    index_file_name,
    load_audio_text_encoder,
    search,
    search_audio,
)
from earmark.pretrain.objectives.config import ContrastiveConfig, TagsConfig
from earmark.pretrain.text.config import TextModelConfig

RATE = 8000
CONTRASTIVE = ContrastiveConfig(
    model=TextModelConfig(size="mini", bpe_size=300, max_tokens=24), dim=8
)
Make = Callable[..., Path]


@pytest.fixture
def checkpoint(make_checkpoint: Make) -> Path:
    return make_checkpoint(CONTRASTIVE)


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    folder = tmp_path / "sounds"
    (folder / "deep").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number, name in enumerate(("a.wav", "b.wav", "deep/c.flac")):
        wave = 0.1 * rng.normal(size=RATE * (number + 1))
        soundfile.write(folder / name, wave.astype(np.float32), RATE)
    (folder / "broken.wav").write_text("no audio")
    (folder / "notes.txt").write_text("no audio either")
    return folder


def test_files_are_found_by_cosine(checkpoint: Path, sounds: Path) -> None:
    found, index = search_audio("a high tone", sounds, checkpoint, top=2)
    listener = load_audio_text_encoder(checkpoint)
    (text,) = listener.objective.embed_text(["a high tone"]).numpy()
    expected: dict[Path, float] = {}
    for name in ("a.wav", "b.wav", "deep/c.flac"):
        ((_, encoded),) = listener.encoder.encode([sounds / name])
        with torch.inference_mode():
            vector = listener.objective.embed_audio(encoded)[0].numpy()
        expected[sounds / name] = float(vector @ text)
    likest = sorted(expected, key=lambda path: -expected[path])[:2]
    assert [one.path for one in found] == likest
    for one in found:
        assert one.score == pytest.approx(expected[one.path], abs=1e-5)
        assert one.start_s == 0.0
    lost = {row.path: row.reason for row in index.lost}
    assert lost["broken.wav"] == "undecodable"
    assert lost["notes.txt"] == "not audio"
    assert len(lost) == 2
    np.testing.assert_allclose(np.linalg.norm(index.vectors, axis=1), 1.0, atol=1e-5)


def test_only_what_is_new_or_changed_is_listened_to(checkpoint: Path, sounds: Path) -> None:
    listener, path = load_audio_text_encoder(checkpoint), sounds / "index"
    first = build_index(listener, sounds, path)
    # Equal size and time, other bytes: it is not opened again.
    stamp = os.stat(sounds / "a.wav")
    (sounds / "a.wav").write_bytes(b"x" * stamp.st_size)
    os.utime(sounds / "a.wav", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    (sounds / "b.wav").unlink()
    soundfile.write(sounds / "new.wav", np.full(RATE, 0.1, np.float32), RATE)
    again = build_index(listener, sounds, path)
    assert [entry.path for entry in first.files] == ["a.wav", "b.wav", "deep/c.flac"]
    assert [entry.path for entry in again.files] == ["a.wav", "deep/c.flac", "new.wav"]
    np.testing.assert_array_equal(again.vectors[0], first.vectors[0])
    os.utime(sounds / "a.wav", ns=(1, 1))
    changed = build_index(listener, sounds, path)
    assert [entry.path for entry in changed.files] == ["deep/c.flac", "new.wav"]
    assert "a.wav" in {row.path for row in changed.lost}
    read = load_index(path)
    np.testing.assert_array_equal(read.vectors, changed.vectors)
    assert (read.files, read.lost, read.folder) == (changed.files, changed.lost, sounds)


def test_a_file_counts_as_its_likest_window(checkpoint: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    parts = [0.2 * rng.normal(size=RATE * 25), 0.2 * np.sin(np.arange(RATE * 25) / 2)]
    soundfile.write(tmp_path / "long.wav", np.concatenate(parts).astype(np.float32), RATE)
    assert [span.start_s for span in file_windows(tmp_path / "long.wav")] == [0.0, 25.0]
    listener = load_audio_text_encoder(checkpoint)
    index = build_index(listener, [tmp_path / "long.wav"], tmp_path / "x.index")
    (text,) = listener.objective.embed_text(["noise"]).numpy()
    scores = index.vectors @ text
    (found,) = search(listener, index, "noise")
    assert found.score == pytest.approx(float(scores.max()))
    assert found.start_s == 25.0 * int(scores.argmax())


def test_half_precision_is_half_as_large(checkpoint: Path, sounds: Path, tmp_path: Path) -> None:
    listener = load_audio_text_encoder(checkpoint)
    small = build_index(listener, sounds, tmp_path / "small", precision="float16")
    assert load_index(tmp_path / "small").vectors.dtype == np.float16
    whole = build_index(listener, sounds, tmp_path / "whole")
    np.testing.assert_allclose(small.vectors, whole.vectors, atol=1e-3)


def test_another_checkpoint_is_told_and_makes_the_index_anew(
    checkpoint: Path, make_checkpoint: Make, sounds: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = sounds / "index"
    index = build_index(load_audio_text_encoder(checkpoint), sounds, path)
    other = load_audio_text_encoder(make_checkpoint(CONTRASTIVE, seed=1))
    with pytest.raises(ConfigError, match="different spaces"):
        search(other, index, "noise")
    anew = build_index(other, sounds, path)
    assert "of another checkpoint" in caplog.text
    assert not np.allclose(anew.vectors, index.vectors)
    assert anew.checkpoint == load_index(path).checkpoint != index.checkpoint


def test_mistakes_are_told(make_checkpoint: Make, sounds: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot search: it can embed, label"):
        load_audio_text_encoder(make_checkpoint(TagsConfig()))
    listener = load_audio_text_encoder(make_checkpoint(CONTRASTIVE))
    damaged = tmp_path / "damaged"
    damaged.write_text("nothing")
    with pytest.raises(ConfigError, match="Delete it"):
        build_index(listener, sounds, damaged)
    with pytest.raises(ConfigError, match="no files"):
        build_index(listener, [], tmp_path / "index")
    index = build_index(listener, sounds, tmp_path / "index")
    with pytest.raises(ValueError, match="top = 0"):
        search(listener, index, "noise", top=0)
    with pytest.raises(ValueError, match="search for what"):
        search(listener, index, " ")


def test_each_checkpoint_has_its_own_index_in_a_folder(
    checkpoint: Path, make_checkpoint: Make, sounds: Path
) -> None:
    other = make_checkpoint(CONTRASTIVE, seed=1)
    _, first = search_audio("noise", sounds, checkpoint)
    _, second = search_audio("noise", sounds, other)
    for index in (first, second):
        kept = load_index(sounds / index_file_name(index.checkpoint))
        np.testing.assert_array_equal(kept.vectors, index.vectors)
        assert {row.path for row in index.lost} == {"broken.wav", "notes.txt"}


def test_nothing_is_written_where_nothing_has_changed(checkpoint: Path, sounds: Path) -> None:
    listener, path = load_audio_text_encoder(checkpoint), sounds / "index"
    build_index(listener, sounds, path)
    before = path.stat()
    build_index(listener, sounds, path)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    build_index(listener, sounds, path, precision="float16")
    assert load_index(path).vectors.dtype == np.float16
    assert not list(sounds.glob("*.tmp"))


def test_an_index_that_cannot_be_written_is_told_before_listening(
    checkpoint: Path, sounds: Path, tmp_path: Path
) -> None:
    listener = load_audio_text_encoder(checkpoint)
    with torch.no_grad():  # Whoever listens with it meets an error of another kind.
        listener.encoder.forward_features = None  # type: ignore[method-assign]
    with pytest.raises(ConfigError, match=r"cannot be written.*--index FILE"):
        build_index(listener, sounds, tmp_path / "gone" / "index")
    with pytest.raises(ConfigError, match="is a folder"):
        build_index(listener, sounds, sounds)


def test_what_is_done_is_saved_at_intervals(
    checkpoint: Path, sounds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("earmark.pretrain.inference.index_builder.MAX_DECODED_S", 1.0)
    path, seen = sounds / "index", list[int]()

    def clock() -> float:
        if path.exists():
            seen.append(len(load_index(path).files))
        return len(seen) * SAVE_INTERVAL_S + calls()

    count = iter(range(10**6))

    def calls() -> float:
        return next(count) * SAVE_INTERVAL_S

    build_index(load_audio_text_encoder(checkpoint), sounds, path, clock=clock)
    assert {1, 2} <= set(seen), "an index of the first files was there before the last was heard"


def test_single_files_need_no_index(checkpoint: Path, sounds: Path) -> None:
    found, index = search_audio("noise", sounds / "a.wav", checkpoint)
    assert [one.path for one in found] == [sounds / "a.wav"]
    assert len(index.files) == 1
    assert not list(sounds.glob(".earmark-index*"))
