from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from earmark.audio import AudioError
from earmark.evaluate.array_cache import ArrayCache, read_part, write_part
from earmark.evaluate.features import CachedEncoder, downsample_frames, encoder_fingerprint
from earmark.pretrain.encoders.base import Encoded, Encoder
from earmark.records import Example
from factories import new_example


class Loudness(Encoder):
    """Two numbers a frame of 100 samples: its mean and its mean square, times a weight."""

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        self.sample_rate, self.dim, self.frame_rate = 8000, 2, 80.0
        self.weight = nn.Parameter(torch.tensor(weight))
        self.encoded = 0

    def features(
        self, wave: Float[Tensor, "batch samples"], lengths: Int[Tensor, " batch"]
    ) -> tuple[Float[Tensor, "batch samples"], Int[Tensor, " batch"]]:
        return wave, lengths

    def forward_features(
        self, features: Float[Tensor, "batch samples"], lengths: Int[Tensor, " batch"]
    ) -> Encoded:
        wave = features
        self.encoded += len(wave)
        frames = wave[:, : wave.shape[1] // 100 * 100].unflatten(1, (-1, 100))
        values = torch.stack([frames.mean(dim=2), frames.square().mean(dim=2)], dim=2)
        mask = torch.arange(values.shape[1]) < (lengths // 100).unsqueeze(1)
        return Encoded(values * self.weight, mask)


@pytest.fixture
def examples(tmp_path: Path) -> list[Example]:
    """Ten clips of 0.1 to 0.3 s, not in the order of their lengths."""
    rng = np.random.default_rng(0)
    rows: list[Example] = []
    for number in range(10):
        duration_s = 0.1 + 0.1 * (number % 3)
        wave = rng.normal(0, 0.1 + 0.02 * number, round(8000 * duration_s)).clip(-1, 1)
        path = tmp_path / f"{number}.wav"
        soundfile.write(path, wave, 8000, subtype="FLOAT")
        rows.append(example(f"clip-{number}", path, duration_s))
    return rows


def example(name: str, path: Path, duration_s: float) -> Example:
    return new_example(id=name, path=str(path), name=path.name, duration_s=duration_s)


def cached(encoder: Encoder, folder: Path, block: int = 4) -> CachedEncoder:
    return CachedEncoder("loudness", encoder, folder, settings=b"{}", block=block)


def test_features_are_those_of_the_encoder_in_the_order_asked(
    examples: list[Example], tmp_path: Path
) -> None:
    encoder = Loudness()
    features = cached(encoder, tmp_path).pooled(examples[::-1])
    expected = encoder.embed([example.path for example in examples[::-1]])
    assert features == pytest.approx(expected, abs=1e-6)
    assert features[:, 1].std() > 0


def test_each_clip_is_encoded_once(examples: list[Example], tmp_path: Path) -> None:
    encoder = Loudness()
    cache = cached(encoder, tmp_path)
    cache.prepare(examples[:6] + examples[:6])
    cache.pooled(examples[2:])
    cache.pooled(examples)
    assert encoder.encoded == 10


def test_a_second_run_encodes_nothing_and_agrees_bit_for_bit(
    examples: list[Example], tmp_path: Path
) -> None:
    first = cached(Loudness(), tmp_path).pooled(examples)
    again = Loudness()
    assert np.array_equal(cached(again, tmp_path).pooled(examples), first)
    assert again.encoded == 0


def test_a_run_cut_off_goes_on_with_the_clips_that_are_left(
    examples: list[Example], tmp_path: Path
) -> None:
    whole = cached(Loudness(), tmp_path / "whole").pooled(examples)
    last = max(examples, key=lambda e: (e.duration_s, e.id))
    content = Path(last.path).read_bytes()
    Path(last.path).unlink()
    with pytest.raises(AudioError, match=Path(last.path).name):
        cached(Loudness(), tmp_path).pooled(examples)
    Path(last.path).write_bytes(content)
    (next(tmp_path.glob("features-*")) / "torn.tmp").write_bytes(b"half a part")
    resumed = Loudness()
    features = cached(resumed, tmp_path).pooled(examples)
    assert resumed.encoded == 2
    assert np.array_equal(features, whole)


def test_other_weights_class_or_settings_are_another_cache(tmp_path: Path) -> None:
    class Other(Loudness):
        """The same weights under another name."""

    prints = {
        encoder_fingerprint(Loudness(1.0), b"{}"),
        encoder_fingerprint(Loudness(1.001), b"{}"),
        encoder_fingerprint(Loudness(1.0), b'{"heads": 2}'),
        encoder_fingerprint(Other(1.0), b"{}"),
        encoder_fingerprint(Loudness(1.0).double(), b"{}"),
    }
    assert len(prints) == 5
    assert encoder_fingerprint(Loudness(1.0), b"{}") in prints


def test_a_buffer_that_checkpoints_leave_out_counts_as_well() -> None:
    class Windowed(Loudness):
        def __init__(self, window: float) -> None:
            super().__init__()
            self.register_buffer("window", torch.tensor(window), persistent=False)

    assert "window" not in Windowed(1.0).state_dict()
    assert encoder_fingerprint(Windowed(1.0), b"") == encoder_fingerprint(Windowed(1.0), b"")
    assert encoder_fingerprint(Windowed(1.0), b"") != encoder_fingerprint(Windowed(2.0), b"")


def test_of_a_part_only_the_wanted_clips_are_held_in_half_precision(tmp_path: Path) -> None:
    rows = {name: np.full((2, 3), number, np.float16) for number, name in enumerate("abc")}
    write_part(tmp_path, "frames", rows)
    (part,) = tmp_path.glob("*")
    found = read_part(part, {"b", "z"})
    assert list(found) == ["b"]
    assert found["b"].base is None
    assert (found["b"].dtype, found["b"].tolist()) == (np.float16, rows["b"].tolist())
    kept = ArrayCache(tmp_path, "frames")
    assert kept.find(["b", "z"]) == {"z"}
    with pytest.raises(KeyError):
        kept["a"]
    kept.add({"z": np.zeros((1, 3), np.float16)})
    assert ArrayCache(tmp_path, "frames").find(["a", "z"]) == set()


def test_features_without_clips_have_the_width_of_the_encoder(tmp_path: Path) -> None:
    assert cached(Loudness(), tmp_path).pooled([]).shape == (0, 2)
    assert not list(tmp_path.glob("features-*/*"))


def test_the_encoder_is_evaluated_not_trained(examples: list[Example], tmp_path: Path) -> None:
    encoder = Loudness().train()
    cached(encoder, tmp_path).pooled(examples)
    assert not encoder.training


def test_frames_are_those_of_the_encoder_and_padding_is_told(
    examples: list[Example], tmp_path: Path
) -> None:
    encoder = Loudness()
    frames = cached(encoder, tmp_path).frames(examples[:3])
    assert frames.mask.sum(axis=1).tolist() == [8, 16, 24]
    alone = encoder.embed([examples[1].path])
    mean = frames.values[1][frames.mask[1]].mean(axis=0)
    assert mean == pytest.approx(alone[0], abs=1e-3)
    assert not frames.values[0][~frames.mask[0]].any()


def test_one_pass_gives_frames_and_their_mean(examples: list[Example], tmp_path: Path) -> None:
    encoder = Loudness()
    cache = cached(encoder, tmp_path)
    cache.prepare(examples, frames=True)
    cache.pooled(examples)
    cache.frames(examples)
    assert encoder.encoded == 10
    again = Loudness()
    cached(again, tmp_path).frames(examples)
    assert again.encoded == 0


def test_long_clips_are_thinned_to_means_of_neighbours() -> None:
    frames = np.arange(10, dtype=np.float32)[:, None]
    assert downsample_frames(frames, 4)[:, 0].tolist() == [0.5, 3.0, 5.5, 8.0]
    assert downsample_frames(frames, 10)[:, 0].tolist() == list(range(10))
    assert downsample_frames(frames, 1)[:, 0].tolist() == [4.5]


def test_what_float16_cannot_hold_is_its_largest_and_what_is_not_finite_stays() -> None:
    frames = np.array([[1e9], [-1e9], [np.nan]], np.float32)
    kept = downsample_frames(frames, 3)[:, 0]
    assert kept[:2].tolist() == [65504.0, -65504.0]
    assert np.isnan(kept[2])
