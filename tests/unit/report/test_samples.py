import base64
import io

import numpy as np
import soundfile

from earmark.records import AudioSpan, Clip, Example
from earmark.report.run import load_run
from earmark.report.samples import MAX_CLIP_S, encode_audio, read_samples, spread_over_domains
from earmark.tables import read_parquet
from factories import new_clip


def clip(identity: str, domain: str | None) -> Clip:
    return new_clip(
        path="x.wav", name=identity, labels={"domain": (domain,)} if domain else {}, id=identity
    )


def test_domains_take_turns():
    clips = [clip(f"m{n}", "music") for n in range(9)]
    clips += [clip("s0", "speech"), clip("z0", None)]
    assert [c.id for c in spread_over_domains(clips, 5)] == ["z0", "m0", "m1", "m2", "s0"]


def test_the_choice_does_not_hang_on_the_order_of_clips():
    clips = [clip(f"{n:02d}", "music" if n % 3 else "speech") for n in range(30)]
    assert spread_over_domains(clips, 9) == spread_over_domains(clips[::-1], 9)


def test_a_long_stereo_file_becomes_a_short_mono_one(tmp_path):
    path = tmp_path / "long.wav"
    wave = 0.5 * np.sin(np.arange(44100 * 12) / 20)
    soundfile.write(path, np.stack([wave, wave], axis=1), 44100)
    uri, why = encode_audio(AudioSpan(str(path)))
    assert why == ""
    assert uri is not None
    head, _, data = uri.partition(",")
    assert head == "data:audio/mpeg;base64"
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(data)))
    assert samples.ndim == 1
    assert abs(len(samples) / rate - MAX_CLIP_S) < 0.2
    assert len(data) < 150_000


def test_of_a_window_that_alone_is_heard(tmp_path):
    path = tmp_path / "file.wav"
    wave = np.zeros(24000 * 12)
    wave[24000 * 4 : 24000 * 6] = 0.5 * np.sin(np.arange(48000) / 5)
    soundfile.write(path, wave, 24000)
    uri, _ = encode_audio(AudioSpan(str(path), 4.0, 2.0))
    assert uri is not None
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
    assert abs(len(samples) / rate - 2.0) < 0.2
    middle = samples[rate // 4 : rate]
    assert np.abs(middle).reshape(-1, rate // 100).max(axis=1).min() > 0.3


def test_a_file_that_has_gone_gives_a_reason(tmp_path):
    assert encode_audio(AudioSpan(str(tmp_path / "gone.wav"))) == (None, "unreadable")


def test_samples_are_held_out_and_carry_everything(whole):
    found = load_run(whole)
    samples = read_samples(found)
    manifest = found.file("manifest", "manifest.parquet")
    assert manifest is not None
    held_out = {e.name for e in read_parquet(manifest, Example) if e.split == "test"}
    assert len(samples) == 9
    assert {sample.name for sample in samples} <= held_out
    assert [sample.domain for sample in samples] == ["music"] * 3 + ["sound"] * 3 + ["speech"] * 3
    for sample in samples:
        assert sample.sound
        assert sample.summary
        assert len(sample.predictions) == 8
        assert all(0 <= prediction.score <= 1 for prediction in sample.predictions)
        agreeing = {p.tag for p in sample.predictions if p.agrees}
        assert agreeing == {p.tag for p in sample.predictions} & set(sample.tags)


def test_a_missing_file_costs_its_player_and_nothing_else(build, tmp_path):
    workspace = build(tmp_path / "workspace", "caption", clips=6)
    found = load_run(workspace)
    for path in (workspace.root / "audio").glob("clip-00[01].wav"):
        path.unlink()
    samples = read_samples(found)
    assert [sample.silent for sample in samples].count("unreadable") == 2
    assert all(sample.summary for sample in samples)
