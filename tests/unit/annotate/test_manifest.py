"""The manifest: join, files, counts, and Lhotse reading it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
import soundfile
from lhotse import CutSet, MonoCut

from earmark.annotate import manifest
from earmark.annotate.manifest import ManifestConfig, build_manifest
from earmark.annotate.splits import SplitAssignment
from earmark.annotate.vocabulary import Vocabulary, VocabularyConfig
from earmark.annotate.vocabulary.build import build_vocabulary
from earmark.config import ConfigError
from earmark.records import Caption, Clip, Example, Rejected, TagSet
from earmark.tables import read_metadata, read_parquet
from factories import new_clip

VOCABULARY = build_vocabulary([["dog", "barking"], ["dog"], ["rain"]], VocabularyConfig(min_df=1))
TAGS = (("barking", "dog"), ("zebra", "dog"), ("zebra",), ("rain",))


def make_clip(number: int, path: Path | None = None, rate: int = 16000, channels: int = 1) -> Clip:
    return new_clip(
        id=f"{number:032x}",
        path=str(path or f"{number}.wav"),
        name=f"{number}.wav",
        labels={"domain": ("sound",)},
        recording=f"recording {number}",
        speaker="s" if number == 0 else None,
        original_captions=(f"Written {number}.", "Twice.") if number == 0 else (),
        duration_s=1.5,
        sample_rate=rate,
        channels=channels,
    )


def make_tables(clips: list[Clip]) -> tuple[list[Caption], list[TagSet]]:
    captions = [
        Caption(id=c.id, text=f"Text {c.name}", summary=f"Sum {c.name}", backend="") for c in clips
    ]
    tag_sets = [TagSet(id=c.id, tags=t, backend="") for c, t in zip(clips, TAGS, strict=False)]
    return captions, tag_sets


def assemble_all(clips: list[Clip], folder: Path, **settings: float) -> dict[str, int]:
    captions, tag_sets = make_tables(clips)
    config = ManifestConfig(**settings)  # pyright: ignore[reportArgumentType]
    return build_manifest(clips, captions, tag_sets, VOCABULARY, config, folder, seed=0)


def test_join_and_counts(tmp_path: Path) -> None:
    clips = [make_clip(number) for number in range(6)]  # two of them were lost before tagging
    counts = assemble_all(clips, tmp_path)
    assert counts == {"in": 4, "out": 3, "manifest: no tags in vocabulary": 1}
    examples = read_parquet(tmp_path / "manifest.parquet", Example)
    assert [example.name for example in examples] == ["0.wav", "1.wav", "3.wav"]
    assert [example.tags for example in examples] == [("barking", "dog"), ("dog",), ("rain",)]
    for example in examples:
        assert tuple(VOCABULARY.tags[tag_id] for tag_id in example.tag_ids) == example.tags
        assert example.summary == f"Sum {example.name}"
    assert [row.original_captions for row in examples] == [("Written 0.", "Twice."), (), ()]
    assert read_metadata(tmp_path / "manifest.parquet")["vocabulary"] == VOCABULARY.fingerprint
    (rejected,) = read_parquet(tmp_path / "rejected.parquet", Rejected)
    assert (rejected.id, rejected.stage) == (clips[2].id, "manifest")
    assert "zebra" in rejected.detail


def test_split_does_not_depend_on_tags(tmp_path: Path) -> None:
    clips = [make_clip(number) for number in range(4)]
    captions, tag_sets = make_tables(clips)
    other = Vocabulary(VOCABULARY.entries[:1], VOCABULARY.captions, VOCABULARY.settings)
    found: list[dict[str, str]] = []
    for vocabulary in (VOCABULARY, other):
        build_manifest(clips, captions, tag_sets, vocabulary, ManifestConfig(), tmp_path, seed=3)
        examples = read_parquet(tmp_path / "manifest.parquet", Example)
        found.append({example.id: example.split for example in examples})
    assert len(found[1]) < len(found[0])
    assert found[1].items() <= found[0].items()


def test_equal_input_gives_equal_bytes(tmp_path: Path) -> None:
    clips = [make_clip(number) for number in range(4)]
    written: list[dict[str, bytes]] = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        assemble_all(clips, tmp_path / name)
        written.append({file.name: file.read_bytes() for file in (tmp_path / name).iterdir()})
    assert written[0] == written[1]
    assert set(written[0]) == {
        "manifest.parquet",
        "manifest.jsonl.gz",
        "rejected.parquet",
        "splits.json",
    }


def test_splits_are_described(tmp_path: Path) -> None:
    clips = [make_clip(number) for number in range(4)]
    assemble_all(clips, tmp_path, test=0, validation=0)
    described = json.loads((tmp_path / "splits.json").read_text("utf-8"))
    assert described["clips"] == {"train": 3, "validation": 0, "test": 0}
    assert described["groups"] == 4
    assert described["labels"] == {"domain": {"sound": {"train": 3}}}


def test_licences_of_the_clips_trained_on_are_counted(tmp_path: Path) -> None:
    splits = {0: "train", 1: "validation", 3: "test"}
    clips = [
        msgspec.structs.replace(
            make_clip(number), split=splits.get(number), licence="CC0" if number < 3 else "CC BY"
        )
        for number in range(4)
    ]
    assemble_all(clips, tmp_path)
    assert manifest.count_licenses(tmp_path) == {"CC0": 2}
    assemble_all([make_clip(0)], tmp_path, test=0, validation=0)
    assert manifest.count_licenses(tmp_path) == {"not stated": 1}
    (tmp_path / "splits.json").write_text("{}")  # as earlier versions left it
    assert manifest.count_licenses(tmp_path) == {}


def test_nothing_to_assemble(tmp_path: Path) -> None:
    assert assemble_all([], tmp_path) == {"in": 0, "out": 0}
    assert read_parquet(tmp_path / "manifest.parquet", Example) == []


def test_lhotse_reads_it_back(tmp_path: Path) -> None:
    shapes = {0: (16000, 1, "flac"), 1: (44100, 2, "wav"), 3: (8000, 1, "ogg")}
    clips: list[Clip] = []
    for number in range(4):
        rate, channels, suffix = shapes.get(number, (16000, 1, "wav"))
        path = tmp_path / f"ünd {number}.{suffix}"
        wave = np.random.default_rng(number).uniform(-0.5, 0.5, (int(1.5 * rate), channels))
        soundfile.write(path, wave, rate)
        clips.append(make_clip(number, path, rate, channels))
    assemble_all(clips, tmp_path)
    cuts = list(CutSet.from_file(tmp_path / "manifest.jsonl.gz"))
    examples = read_parquet(tmp_path / "manifest.parquet", Example)
    assert [cut.id for cut in cuts] == [example.id for example in examples]
    for cut, example in zip(cuts, examples, strict=True):
        assert isinstance(cut, MonoCut)
        (supervision,) = cut.supervisions
        assert supervision.custom == {
            "audio_tag": list(example.tags),
            "caption": example.caption,
            "summary": example.summary,
            "original_caption": list(example.original_captions),
        }
        assert supervision.speaker == example.speaker
        assert cut.custom["split"] == example.split
        assert cut.load_audio().shape == (1, int(1.5 * cut.sampling_rate))


def test_one_original_caption_may_stand_on_both_sides_of_the_split(tmp_path: Path) -> None:
    clips = [
        msgspec.structs.replace(make_clip(number), original_captions=("A dog.",), split=split)
        for number, split in enumerate(("train", "test"))
    ]
    assert assemble_all(clips, tmp_path)["out"] == 2
    examples = read_parquet(tmp_path / "manifest.parquet", Example)
    assert [(row.split, row.original_captions) for row in examples] == [
        ("train", ("A dog.",)),
        ("test", ("A dog.",)),
    ]


def test_lhotse_form_is_one_json_object_a_line(tmp_path: Path) -> None:
    assemble_all([make_clip(0)], tmp_path)
    lines = gzip.decompress((tmp_path / "manifest.jsonl.gz").read_bytes()).splitlines()
    assert [json.loads(line)["type"] for line in lines] == ["MonoCut"]


def test_tables_of_different_runs(tmp_path: Path) -> None:
    clips = [make_clip(number) for number in range(4)]
    captions, tag_sets = make_tables(clips)
    with pytest.raises(ValueError, match=r"1 tag sets have no row in captions.*different runs"):
        build_manifest(
            clips, captions[1:], tag_sets, VOCABULARY, ManifestConfig(), tmp_path, seed=0
        )
    with pytest.raises(ValueError, match=r"1 tag sets have no row in clips"):
        build_manifest(
            clips[:3], captions, tag_sets, VOCABULARY, ManifestConfig(), tmp_path, seed=0
        )
    with pytest.raises(ValueError, match="is in clips more than once"):
        build_manifest(
            [*clips, clips[0]], captions, tag_sets, VOCABULARY, ManifestConfig(), tmp_path, seed=0
        )


def test_a_leak_is_never_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clips = [make_clip(0), msgspec.structs.replace(make_clip(1), recording="recording 0")]
    torn = {clips[0].id: "train", clips[1].id: "test"}
    broken = SplitAssignment(splits=torn, groups=1, conflicts=0, moved=0, carved=0)
    monkeypatch.setattr(manifest, "assign_splits", lambda *_, **__: broken)
    with pytest.raises(AssertionError, match="recording 0"):
        assemble_all(clips, tmp_path)
    assert not (tmp_path / "manifest.parquet").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"test": 1.0}, r"test = 1\.0: expected a value >= 0 and < 1"),
        ({"validation": -0.1}, r"validation = -0\.1"),
        ({"validation": 0.5, "test": 0.5}, "leave nothing to train on"),
    ],
)
def test_shares_out_of_range(tmp_path: Path, settings: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        assemble_all([make_clip(0)], tmp_path, **settings)
