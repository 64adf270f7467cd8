from pathlib import Path

import msgspec
import numpy as np
import pytest
import soundfile

from earmark.annotate.vocabulary import VocabularyConfig
from earmark.annotate.vocabulary.build import build_vocabulary
from earmark.bootstrap import percentile_interval, read_resamples, score_key
from earmark.config import ConfigError
from earmark.evaluate.base import Comparison, Fit
from earmark.evaluate.config import (
    CheckpointChoice,
    ClassificationTaskConfig,
    EvaluateConfig,
    ExternalChoice,
)
from earmark.evaluate.encoders import (
    encoders_to_compare,
    from_checkpoint,
    log_mel_statistics,
    random_init,
)
from earmark.evaluate.leakage.leak import Leak
from earmark.evaluate.run import evaluate
from earmark.pretrain.build import build_encoder, build_objective
from earmark.pretrain.checkpoint.checkpoint import Checkpoint, save_checkpoint
from earmark.pretrain.encoders.config import TransformerConfig
from earmark.pretrain.objectives.config import TagsConfig
from earmark.pretrain.objectives.targets import collect_target_specs
from earmark.records import Example, Score
from earmark.tables import read_parquet
from factories import new_example

RATE = 8000
TINY = TransformerConfig(sample_rate=RATE, mel_bins=16, dim=8, layers=1, heads=2)
CONFIG = EvaluateConfig(
    tasks=(
        ClassificationTaskConfig(name="tone or noise", label="kind"),
        ClassificationTaskConfig(name="empty test", label="only-train"),
    ),
    bootstrap=50,
    cache_block=7,
)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    vocabulary = build_vocabulary([["tone"], ["noise"]], VocabularyConfig(size=2, min_df=1))
    encoder = build_encoder(TINY, seed=99)
    materials = collect_target_specs([], vocabulary, TagsConfig())
    objective = build_objective(TagsConfig(), materials, dim=8)
    folder = tmp_path_factory.mktemp("model") / "checkpoint"
    parts = (encoder, objective, vocabulary, materials)
    save_checkpoint(Checkpoint(*parts, TINY, TagsConfig(), 0), folder)
    return folder


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> list[Example]:
    folder = tmp_path_factory.mktemp("audio")
    rng = np.random.default_rng(0)
    rows: list[Example] = []
    for number in range(45):
        kind = ("tone", "noise")[number % 2]
        time_s = np.arange(RATE // 4) / RATE
        wave = rng.normal(0, 0.1, len(time_s))
        if kind == "tone":
            wave = np.sin(2 * np.pi * rng.uniform(200, 2000) * time_s) * 0.3 + wave / 10
        split = ("train", "validation", "test")[number // 15]
        path = folder / f"{number}.wav"
        soundfile.write(path, wave.clip(-1, 1), RATE)
        labels = {"kind": (kind,)} | ({"only-train": (kind,)} if split == "train" else {})
        rows.append(
            new_example(
                id=f"clip-{number}",
                path=str(path),
                name=path.name,
                duration_s=0.25,
                split=split,
                labels=labels,
            )
        )
    return rows


def tables(folder: Path) -> tuple[list[Score], list[Comparison], list[Fit]]:
    return (
        read_parquet(folder / "scores.parquet", Score),
        read_parquet(folder / "comparisons.parquet", Comparison),
        read_parquet(folder / "fits.parquet", Fit),
    )


def test_a_row_for_every_task_and_encoder(
    examples: list[Example], checkpoint: Path, tmp_path: Path
) -> None:
    counts = evaluate(examples, checkpoint, CONFIG, tmp_path, seed=0)
    scores, comparisons, fits = tables(tmp_path)
    assert counts == {"in": 6, "out": 3, "evaluate: no validation clips": 3}
    assert [(s.task, s.encoder) for s in scores] == [
        (task.name, encoder)
        for task in CONFIG.tasks
        for encoder in ("trained", "random", "log-mel")
    ]
    assert [(f.task, f.encoder) for f in fits] == [(s.task, s.encoder) for s in scores]
    assert [(c.better, c.than) for c in comparisons] == 2 * [
        ("trained", "random"),
        ("trained", "log-mel"),
    ]
    log_mel_score = scores[2]
    assert log_mel_score.value == 1.0
    assert (log_mel_score.train, log_mel_score.test, log_mel_score.classes) == (15, 15, 2)
    assert log_mel_score.chance == pytest.approx(8 / 15)


def test_comparisons_are_differences_of_scores(
    examples: list[Example], checkpoint: Path, tmp_path: Path
) -> None:
    evaluate(examples, checkpoint, CONFIG, tmp_path, seed=0)
    scores, comparisons, _ = tables(tmp_path)
    value = {(s.task, s.encoder): s.value for s in scores}
    for row in comparisons:
        if row.status == "ok":
            expected = value[row.task, row.better] - value[row.task, row.than]
            assert row.difference == pytest.approx(expected)
            assert row.low <= row.difference <= row.high
        else:
            assert row.status == "no validation clips"
            assert np.isnan([row.difference, row.low, row.high]).all()


def test_a_run_cut_off_between_encoders_ends_the_same(
    examples: list[Example], checkpoint: Path, tmp_path: Path
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir()
    cut.mkdir()
    evaluate(examples, checkpoint, CONFIG, whole, seed=3)
    evaluate(examples, checkpoint, CONFIG, cut, seed=3)
    parts = sorted(cut.glob("features-*/*.safetensors"))
    assert len(parts) == 3 * 7
    for lost in [*parts[3:9], cut / "scores.parquet"]:
        lost.unlink()
    evaluate(examples, checkpoint, CONFIG, cut, seed=3)
    for name in ("scores.parquet", "comparisons.parquet", "fits.parquet"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes()


def test_the_encoders_are_what_their_names_say(checkpoint: Path, examples: list[Example]) -> None:
    files = [example.path for example in examples[:3]]
    ours = from_checkpoint(checkpoint, 0).encoder
    assert np.array_equal(ours.embed(files), build_encoder(TINY, seed=99).embed(files))
    untrained = random_init(checkpoint, 5).encoder
    assert np.array_equal(untrained.embed(files), build_encoder(TINY, seed=5).embed(files))
    assert not np.array_equal(untrained.embed(files), ours.embed(files))
    statistics = log_mel_statistics(checkpoint, 0).encoder
    assert statistics.sample_rate == RATE


def test_any_other_encoder_is_measured_beside_them(
    examples: list[Example], checkpoint: Path, tmp_path: Path
) -> None:
    config = msgspec.structs.replace(
        CONFIG,
        baselines=("random",),
        encoders={
            "again": CheckpointChoice(path=str(checkpoint)),
            "statistics": ExternalChoice(
                target="earmark.pretrain.encoders.log_mel_stats:LogMelStatistics"
            ),
        },
    )
    evaluate(examples, checkpoint, config, tmp_path, seed=0)
    scores = {s.encoder: s.value for s in tables(tmp_path)[0] if s.status == "ok"}
    assert list(scores) == ["trained", "random", "again", "statistics"]
    assert scores["again"] == scores["trained"]
    assert len(list(tmp_path.glob("features-*"))) == 3  # equal weights, one cache


def test_a_missing_dataset_is_a_row_that_says_how_to_get_it(
    examples: list[Example], checkpoint: Path, tmp_path: Path
) -> None:
    tasks = (*CONFIG.tasks, ClassificationTaskConfig(dataset="gtzan"))
    config = msgspec.structs.replace(CONFIG, tasks=tasks, datasets=str(tmp_path))
    evaluate(examples, checkpoint, config, tmp_path, seed=0)
    statuses = {s.task: s.status for s in tables(tmp_path)[0]}
    assert statuses["tone or noise"] == "ok"
    assert "earmark datasets gtzan" in statuses["gtzan"]


def test_clips_that_were_learnt_from_are_listed_and_left_out(
    examples: list[Example], checkpoint: Path, tmp_path: Path
) -> None:
    tested = next(e for e in examples if e.split == "test")
    learnt = next(e for e in examples if e.split == "train")
    same = msgspec.structs.replace(tested, parent=learnt.id)
    leaky = [same if e is tested else e for e in examples]
    evaluate(leaky, checkpoint, CONFIG, tmp_path, seed=0)
    (leak,) = read_parquet(tmp_path / "leaks.parquet", Leak)
    assert (leak.id, leak.by, leak.learnt_id) == (tested.id, "id", learnt.id)
    assert tables(tmp_path)[0][0].test == 14


def test_an_encoder_whose_source_was_edited_is_another_one(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    source = tmp_path / "an_external_encoder.py"
    lines = (
        "from earmark.pretrain.encoders.log_mel_stats import LogMelStatistics",
        "class Mine(LogMelStatistics):",
        "    pass",
    )
    source.write_text("\n".join(lines))
    config = EvaluateConfig(
        baselines=(), encoders={"mine": ExternalChoice(target="an_external_encoder:Mine")}
    )
    _, mine = encoders_to_compare(config)
    before = mine.build(checkpoint, 0).settings
    assert mine.build(checkpoint, 0).settings == before
    source.write_text("\n".join((*lines, "# edited")))
    assert mine.build(checkpoint, 0).settings != before


def test_a_truncated_file_of_a_table_costs_one_clip(
    examples: list[Example],
    checkpoint: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = ["path,kind"]
    rng = np.random.default_rng(5)
    for number in range(20):
        wave = rng.normal(0, 0.1, RATE).clip(-1, 1)
        soundfile.write(tmp_path / f"{number}.flac", wave, RATE)
        rows.append(f"{number}.flac,{'ab'[number % 2]}")
    damaged = tmp_path / "6.flac"
    damaged.write_bytes(damaged.read_bytes()[:6000])
    (tmp_path / "own.csv").write_text("\n".join(rows))
    task = ClassificationTaskConfig(name="own", table=str(tmp_path / "own.csv"), label="kind")
    config = msgspec.structs.replace(CONFIG, tasks=(task,), baselines=("random",))
    evaluate(examples, checkpoint, config, tmp_path, seed=0)
    (fit, _) = tables(tmp_path)[2]
    assert fit.train_clips + fit.validation_clips + fit.test_clips == 19
    assert "own: 1 of 20 clips left out: 1 truncated (such as 6.flac)" in capsys.readouterr().err


def test_resamples_are_kept_for_pairs_of_runs(
    examples: list[Example], checkpoint: Path, tmp_path: Path
) -> None:
    evaluate(examples, checkpoint, CONFIG, tmp_path, seed=0)
    kept = read_resamples(tmp_path)
    assert {encoder for encoder, _ in kept} == {"trained", "random", "log-mel"}
    score, pair = tables(tmp_path)[0][0], tables(tmp_path)[1][0]
    ours, theirs = (kept[name, score_key(score)] for name in ("trained", "random"))
    assert len(ours) == CONFIG.bootstrap
    low, high = percentile_interval(ours - theirs)
    assert (pair.low, pair.high) == (low, high)


def test_a_misspelt_label_is_told_before_any_clip_is_encoded(
    examples: list[Example], checkpoint: Path, tmp_path: Path
) -> None:
    config = msgspec.structs.replace(
        CONFIG, tasks=(ClassificationTaskConfig(name="a", label="kinds"),)
    )
    with pytest.raises(ConfigError, match="Did you mean 'kind'"):
        evaluate(examples, checkpoint, config, tmp_path, seed=0)
    assert list(tmp_path.iterdir()) == []


def test_without_tasks_there_are_tables_without_rows(
    examples: list[Example], checkpoint: Path, tmp_path: Path
) -> None:
    assert evaluate(examples, checkpoint, EvaluateConfig(), tmp_path, seed=0) == {"in": 0, "out": 0}
    assert tables(tmp_path) == ([], [], [])
