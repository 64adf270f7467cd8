from __future__ import annotations

import gc
import importlib.util
import io
import json
import sys
import tarfile
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from earmark.audio import resample
from earmark.evaluate.adapters.xares import XaresEncoder, factory
from earmark.pretrain.encoders.log_mel_stats import LogMelStatistics

RATE = 16000
Make = Callable[..., Path]
Clips = Callable[..., tuple[list[np.ndarray], list[int]]]


def test_the_harness_s_own_checker_finds_nothing(make_checkpoint: Make) -> None:
    pytest.importorskip("loguru", reason="X-ARES is not here")
    checker = pytest.importorskip("xares.audio_encoder_checker", reason="X-ARES is not here")
    assert checker.check_audio_encoder(factory(make_checkpoint())())
    assert checker.check_audio_encoder(XaresEncoder(LogMelStatistics()))


def test_hop_and_frames_agree(make_checkpoint: Make) -> None:
    for encoder in (factory(make_checkpoint())(), XaresEncoder(LogMelStatistics())):
        frames = encoder(torch.zeros(2, 50000))
        expected = 1000 * 50000 / encoder.sampling_rate / encoder.hop_size_in_ms
        assert abs(frames.shape[1] - expected) <= 1
        assert frames.shape[2] == encoder.output_dim
        assert not frames.requires_grad


def test_checkpoints_do_not_share_scores(make_checkpoint: Make) -> None:
    first, second = make_checkpoint(seed=0), make_checkpoint(seed=1)
    names = [type(factory(folder)()).__name__ for folder in (first, second, first)]
    assert names[0] == names[2] != names[1]
    assert all(name.endswith("Encoder") for name in names)


@pytest.mark.filterwarnings("ignore:.pin_memory. argument")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_task_of_the_harness_runs(
    make_checkpoint: Make,
    clips: Clips,
    tmp_path: Path,
    xares_task: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its own encoding, MLP and k-NN, on tars as its tasks have them."""
    folder = tmp_path / "env" / "tones"
    folder.mkdir(parents=True)
    for count, split in ((48, "train"), (16, "valid"), (24, "test")):
        write_tar(folder / f"{split}-000000.tar", *clips(count, RATE * 2))
    (folder / ".audio_tar_ready").touch()
    config = xares_task.TaskConfig(
        name="tones",
        env_root=str(tmp_path / "env"),
        encoder=factory(make_checkpoint())(),
        label_processor=lambda row: row["label"],
        output_dim=2,
        eval_weight=24,
        epochs=10,
        learning_rate=0.05,
        num_encoder_workers=0,
        torch_num_threads=1,
        private=True,
    )
    task, writers = xares_task.XaresTask(config), kept_writers(xares_task, monkeypatch)
    task.make_encoded_tar()
    for writer in writers:
        writer.close()  # X-ARES leaves it to the garbage collector, and may lose the last clips
    (mlp, weight), (knn, _) = task.run_mlp(), task.run_knn()
    assert weight == 24
    assert mlp >= 0.8
    assert knn >= 0.8
    gc.collect()  # of what X-ARES leaves open here, not in another test


@pytest.fixture
def xares_task(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """X-ARES's tasks. torchaudio, which reads and resamples for it, is stood in for where it
    is not: these wheels have no build for every torch.
    """
    for name in ("loguru", "webdataset", "ignite", "jiwer"):
        pytest.importorskip(name, reason="X-ARES is not here")
    threads = torch.get_num_threads()
    import_module("transformers")  # looks for torchaudio, before it is stood in for
    if importlib.util.find_spec("torchaudio") is None:
        monkeypatch.setitem(sys.modules, "torchaudio", audio_without_torchaudio())
    yield import_module("xares.task")
    torch.set_num_threads(threads)


def kept_writers(xares_task: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return where each writer of shards that X-ARES opens from now on will be."""
    writers, opened = list[Any](), xares_task.wds.ShardWriter

    def opening(*arguments: Any, **named: Any) -> Any:
        writers.append(opened(*arguments, **named))
        return writers[-1]

    monkeypatch.setattr(xares_task.wds, "ShardWriter", opening)
    return writers


def audio_without_torchaudio() -> ModuleType:
    """Return the two functions of torchaudio that X-ARES calls, on soundfile and soxr."""

    def load(stream: Any) -> tuple[torch.Tensor, int]:
        samples, rate = soundfile.read(stream, dtype="float32", always_2d=True)
        return torch.from_numpy(samples.T.copy()), rate

    def to_rate(wave: torch.Tensor, from_rate: int, rate: int) -> torch.Tensor:
        rows = wave.reshape(-1, wave.shape[-1]).numpy()
        return torch.from_numpy(np.stack([resample(row, from_rate, rate) for row in rows]))

    module, functional = ModuleType("torchaudio"), ModuleType("torchaudio.functional")
    vars(functional)["resample"] = to_rate
    vars(module).update(load=load, functional=functional)
    return module


def write_tar(path: Path, waves: list[np.ndarray], labels: list[int]) -> None:
    with tarfile.open(path, "w") as tar:
        for number, (wave, label) in enumerate(zip(waves, labels, strict=True)):
            flac = io.BytesIO()
            soundfile.write(flac, wave, RATE * 2, format="FLAC")
            parts = {"flac": flac.getvalue(), "json": json.dumps({"label": label}).encode()}
            for suffix, content in parts.items():
                entry = tarfile.TarInfo(f"{number:04d}.{suffix}")
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
