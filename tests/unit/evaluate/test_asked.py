"""Which source loses which clips to the leakage guard."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from earmark.evaluate.config import ClassificationTaskConfig, EvaluateConfig, RetrievalTaskConfig
from earmark.evaluate.tasks import TaskSet, build_tasks
from earmark.io import hash_file
from earmark.records import Example
from factories import new_example

SENTENCE = "A dog barks twice while a car drives past slowly."
OWN = ClassificationTaskConfig(label="kind")


@pytest.fixture
def manifest(tmp_path: Path) -> list[Example]:
    """Ten clips in train, validation and test each, two of the latter learnt from."""
    rng = np.random.default_rng(0)
    rows: list[Example] = []
    for number in range(30):
        path = tmp_path / f"{number}.wav"
        soundfile.write(path, rng.uniform(-0.5, 0.5, 4000), 8000)
        rows.append(
            new_example(
                id=hash_file(path),
                path=str(path),
                name=f"manifest-{number}",
                duration_s=0.5,
                split=("train", "validation", "test")[number // 10],
                labels={"kind": ("ab"[number % 2],)},
                parent="shared" if number in (4, 25) else None,
                original_captions=(SENTENCE if number in (0, 27) else f"{number}.",),
            )
        )
    return rows


@pytest.fixture
def table(tmp_path: Path, manifest: list[Example]) -> ClassificationTaskConfig:
    """A table over 20 of the manifest's files, 10 of them of its train side, and 10 others."""
    rng = np.random.default_rng(1)
    rows = ["path,species"]
    for number in range(30):
        name = f"{number}.wav"
        if number >= 20:
            name = f"other-{number}.wav"
            soundfile.write(tmp_path / name, rng.uniform(-0.5, 0.5, 4000), 8000)
        rows.append(f"{name},{'xy'[number // 5 % 2]}")
    (tmp_path / "birds.csv").write_text("\n".join(rows))
    return ClassificationTaskConfig(
        name="birds", table=str(tmp_path / "birds.csv"), label="species"
    )


def asked(manifest: list[Example], tmp_path: Path, *tasks: ClassificationTaskConfig) -> TaskSet:
    config = EvaluateConfig(tasks=tasks, retrieval=(RetrievalTaskConfig(),), bootstrap=5)
    return build_tasks(manifest, config, tmp_path / "cache")


def ids(found: TaskSet, task: str) -> set[str]:
    return {e.id for each in found.tasks if each.name == task for e in each.examples()}


def test_the_manifest_keeps_its_train_clips_whatever_another_table_holds(
    manifest: list[Example], table: ClassificationTaskConfig, tmp_path: Path
) -> None:
    alone = asked(manifest, tmp_path, OWN)
    beside = asked(manifest, tmp_path, OWN, table)
    assert ids(beside, "kind") == ids(alone, "kind") == {e.id for e in manifest} - {manifest[25].id}
    assert ids(beside, "retrieval") == ids(alone, "retrieval")


def test_a_table_loses_what_was_learnt_on_all_its_sides(
    manifest: list[Example], table: ClassificationTaskConfig, tmp_path: Path
) -> None:
    found = asked(manifest, tmp_path, OWN, table)
    learnt = {e.id for e in manifest if e.split == "train"}
    assert not ids(found, "birds") & learnt
    assert len(ids(found, "birds")) == 20


def test_leaks_say_of_which_source_they_are(
    manifest: list[Example],
    table: ClassificationTaskConfig,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = asked(manifest, tmp_path, OWN, table)
    rows = {(leak.of, leak.name, leak.by) for leak in found.leaks if leak.by != "fingerprint"}
    assert rows == {
        ("", "manifest-25", "id"),
        ("", "manifest-27", "sentence"),
        *(("birds", f"{number}.wav", "id") for number in range(10)),
    }
    assert "12 of 40 test clips were learnt from" in capsys.readouterr().err


def test_a_shared_sentence_is_excluded_from_tasks_on_texts_alone(
    manifest: list[Example], tmp_path: Path
) -> None:
    found = asked(manifest, tmp_path, OWN)
    assert manifest[27].id in ids(found, "kind")
    assert manifest[27].id not in ids(found, "retrieval")
