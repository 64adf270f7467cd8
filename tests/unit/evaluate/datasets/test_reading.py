"""What users' tables and copies can be, and what is said of those that are not whole."""

import shutil
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
import pytest
import soundfile

from earmark.config import ConfigError, decode_config
from earmark.evaluate import dataset_registry
from earmark.evaluate.config import ClassificationTaskConfig, EvaluateConfig
from earmark.evaluate.dataset_registry import Dataset, known_datasets
from earmark.evaluate.datasets.load import TaskClips, load_clips
from earmark.evaluate.datasets.measure import INDEX_NAME, FileIndex, measure_files
from earmark.evaluate.fingerprints import task_data_digests
from earmark.evaluate.splits import split_task
from factories import new_example

Copy = Callable[[str], Path]
BIRDS = {"blackbird": 6, "wren": 6}


def read(task: ClassificationTaskConfig, copies: Path | str = "") -> TaskClips:
    return load_clips(task, [], EvaluateConfig(datasets=str(copies)))


def tone(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, [0.1 + number / 1000] * 400, 4000)


def birds(folder: Path) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = []
    for species, count in BIRDS.items():
        for _ in range(count):
            number = len(rows)
            tone(folder / f"clips/{number}.wav", number)
            rows.append(
                {"path": f"clips/{number}.wav", "species": species, "tape": f"tape-{number // 2}"}
            )
    return rows


def written(path: Path, rows: list[dict[str, str]]) -> Path:
    if path.suffix == ".jsonl":
        text = b"\n".join(msgspec.json.encode(row) for row in rows)
        path.write_bytes(text)
    else:
        cells = [list(rows[0]), *(list(row.values()) for row in rows)]
        separator = "\t" if path.suffix == ".tsv" else ","
        path.write_text("\n".join(separator.join(row) for row in cells))
    return path


def test_a_task_without_a_source_is_asked_on_the_manifest() -> None:
    example = new_example(id="a", path="a.wav", name="a", split="test", labels={"voice": ("low",)})
    task = ClassificationTaskConfig(label="voice")
    assert load_clips(task, [example], EvaluateConfig()) == TaskClips(
        task=task, examples=(example,)
    )


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl"])
def test_an_own_table_is_a_task_in_three_lines(tmp_path: Path, suffix: str) -> None:
    table = written(tmp_path / f"birds{suffix}", birds(tmp_path))
    clips = read(ClassificationTaskConfig(table=str(table), label="species"))
    assert clips.problem == ""
    assert Counter(e.labels["species"][0] for e in clips.examples) == BIRDS
    assert clips.task.split == "held-out"
    parts = split_task(clips.examples, clips.task)
    sizes = [len(part.examples) for part in (parts.train, parts.validation, parts.test)]
    assert (parts.problem, sizes) == ("", [8, 2, 2])


def test_rows_of_one_recording_stay_on_one_side(tmp_path: Path) -> None:
    table = written(tmp_path / "birds.csv", birds(tmp_path))
    clips = read(
        ClassificationTaskConfig(table=str(table), label="species", recording_column="tape")
    )
    parts = split_task(clips.examples, clips.task)
    sides = [set(part.recordings()) for part in (parts.train, parts.validation, parts.test)]
    assert [len(side) for side in sides] == [2, 2, 2]
    assert len(set.union(*sides)) == 6


def test_the_tables_own_split_is_kept_and_a_fifth_of_train_is_validation(tmp_path: Path) -> None:
    rows = birds(tmp_path)
    for number, row in enumerate(rows):
        row["side"] = "test" if number % 6 == 0 else "train"
    table = written(tmp_path / "birds.csv", rows)
    clips = read(ClassificationTaskConfig(table=str(table), label="species", split_column="side"))
    sides = {example.name: example.split for example in clips.examples}
    assert Counter(sides.values()) == {"train": 8, "validation": 2, "test": 2}
    assert {name for name, side in sides.items() if side == "test"} == {
        "clips/0.wav",
        "clips/6.wav",
    }
    again = read(ClassificationTaskConfig(table=str(table), label="species", split_column="side"))
    assert again == clips


def test_what_cannot_be_used_is_counted_by_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{**row, "side": "train"} for row in birds(tmp_path)]
    rows[0]["path"] = ""
    rows[1]["species"] = " "
    rows[2]["side"] = "trian"
    rows[3]["side"] = ""
    rows[4]["path"] = "clips/gone.wav"
    (tmp_path / "clips/5.wav").write_bytes(b"no audio at all")
    shutil.copyfile(tmp_path / "clips/6.wav", tmp_path / "clips/7.wav")
    table = written(tmp_path / "birds.csv", rows)
    with table.open("a") as file:
        file.write("\none cell alone\n")
    clips = read(ClassificationTaskConfig(table=str(table), label="species", split_column="side"))
    assert len(clips.examples) == len(rows) - 7
    told = capsys.readouterr().err
    assert "species: 8 of 13 clips left out: " in told
    for reason in (
        "1 broken row (such as birds.csv:14)",
        "1 no path (such as birds.csv:2)",
        "1 no label (such as birds.csv:3)",
        "1 unknown split (such as birds.csv:4)",
        "1 no split (such as birds.csv:5)",
        "1 missing (such as clips/gone.wav)",
        "1 undecodable (such as clips/5.wav)",
        "1 duplicate (such as clips/7.wav)",
    ):
        assert reason in told


def test_of_two_equal_files_the_test_clip_is_kept(tmp_path: Path) -> None:
    rows = birds(tmp_path)
    for number, row in enumerate(rows):
        row["side"] = "test" if number > 9 else "train"
    shutil.copyfile(tmp_path / "clips/0.wav", tmp_path / "clips/11.wav")
    table = written(tmp_path / "birds.csv", rows)
    clips = read(ClassificationTaskConfig(table=str(table), label="species", split_column="side"))
    names = {example.name for example in clips.examples}
    assert "clips/11.wav" in names
    assert "clips/0.wav" not in names


def test_a_table_takes_where_several_labels_and_absolute_paths(tmp_path: Path) -> None:
    rows = birds(tmp_path / "elsewhere")
    for number, row in enumerate(rows):
        row["path"] = str(tmp_path / "elsewhere" / row["path"])
        row["species"] = ["wren", "owl"] if number == 0 else row["species"]  # type: ignore[assignment]
    table = written(tmp_path / "birds.jsonl", rows)
    task = ClassificationTaskConfig(
        table=str(table), label="species", where={"tape": ("tape-0", "tape-5")}
    )
    clips = read(task)
    assert clips.examples[0].labels == {"species": ("wren", "owl"), "tape": ("tape-0",)}
    assert len(clips.examples) == 4
    parts = split_task(clips.examples, clips.task)
    assert sum(len(part.examples) for part in (parts.train, parts.validation, parts.test)) <= 4


def test_a_table_that_is_not_there_or_lacks_a_column_is_the_users_mistake(tmp_path: Path) -> None:
    written(tmp_path / "birds.csv", birds(tmp_path))
    with pytest.raises(ConfigError, match=r"'species': table: .*Did you mean 'birds.csv'"):
        read(ClassificationTaskConfig(table=str(tmp_path / "bird.csv"), label="species"))
    with pytest.raises(ConfigError, match=r"label = 'specie'.*Did you mean 'species'"):
        read(ClassificationTaskConfig(table=str(tmp_path / "birds.csv"), label="specie"))


def test_a_broken_copy_says_what_was_expected_and_found(copy_of: Copy) -> None:
    folder = copy_of("esc50")
    listing = folder / "meta/esc50.csv"
    listing.write_text(listing.read_text().replace("category", "classes"))
    problem = read(ClassificationTaskConfig(dataset="esc50"), folder.parent).problem
    assert "meta/esc50.csv: no field 'category'" in problem
    assert "Valid here: classes, esc10, filename, fold" in problem
    listing.unlink()
    problem = read(ClassificationTaskConfig(dataset="esc50"), folder.parent).problem
    assert problem == f"broken copy: expected meta/esc50.csv in {folder}, found audio, meta"


def test_a_json_that_holds_something_else_is_a_problem(copy_of: Copy) -> None:
    folder = copy_of("nsynth")
    (folder / "nsynth-valid/examples.json").write_text("[1, 2]")
    problem = read(ClassificationTaskConfig(dataset="nsynth"), folder.parent).problem
    assert "nsynth-valid/examples.json: one JSON object with an object a clip" in problem


def test_a_speaker_that_the_second_table_lacks_is_counted(
    copy_of: Copy, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = copy_of("librispeech-gender")
    speakers = folder / "LibriSpeech/SPEAKERS.TXT"
    kept = [line for line in speakers.read_text().splitlines() if not line.startswith("20")]
    speakers.write_text("\n".join(kept))
    clips = read(ClassificationTaskConfig(dataset="librispeech-gender"), folder.parent)
    assert len(clips.examples) == 18
    assert "10 of 28 clips left out: 10 not joined" in capsys.readouterr().err


def test_another_field_of_a_dataset_can_be_asked_for(copy_of: Copy) -> None:
    folder = copy_of("crema-d")
    task = ClassificationTaskConfig(dataset="crema-d", label="actor", where={"emotion": ("ANG",)})
    clips = read(task, folder.parent)
    assert clips.task.metric == "auto"
    assert clips.examples[0].labels == {"actor": ("1001",), "emotion": ("ANG",)}
    problem = read(ClassificationTaskConfig(dataset="crema-d", label="age"), folder.parent).problem
    assert "no field 'age'. Valid here: actor, emotion, level, sentence" in problem


def test_an_index_is_not_believed_of_a_file_that_changed(copy_of: Copy) -> None:
    folder = copy_of("crema-d")
    before = read(ClassificationTaskConfig(dataset="crema-d"), folder.parent).examples[0]
    tone(Path(before.path), 7)
    after = read(ClassificationTaskConfig(dataset="crema-d"), folder.parent).examples[0]
    assert after.path == before.path
    assert after.id != before.id


@pytest.mark.parametrize("content", [b"", b"{", b'{"a": 1}'])
def test_a_broken_index_is_made_anew(copy_of: Copy, content: bytes) -> None:
    folder = copy_of("crema-d")
    (folder / INDEX_NAME).write_bytes(content)
    assert len(read(ClassificationTaskConfig(dataset="crema-d"), folder.parent).examples) == 10
    assert (folder / INDEX_NAME).stat().st_size > 500


def test_a_copy_that_cannot_be_written_to_is_read_without_an_index(copy_of: Copy) -> None:
    folder = copy_of("crema-d")
    (folder / INDEX_NAME).mkdir()  # root may write wherever modes forbid it, but not over a folder
    assert len(read(ClassificationTaskConfig(dataset="crema-d"), folder.parent).examples) == 10
    assert sorted(path.name for path in folder.iterdir()) == [INDEX_NAME, "AudioWAV"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"metrics": "map"}, "metric"),
        ({"metric": "accurate"}, "accuracy"),
        ({"layout": {"rows": []}}, "rows"),
        ({"layout": {"rows": [{"kind": "tables"}]}}, "Did you mean 'table'"),
        ({"layout": {"rows": [{"kind": "names"}]}}, "need a pattern"),
        ({"layout": {"rows": [{"kind": "names"}], "name": "("}}, "is no pattern"),
    ],
)
def test_an_entry_is_read_strictly(change: dict[str, object], words: str) -> None:
    entry = msgspec.json.decode(msgspec.json.encode(known_datasets()["crema-d"])) | change
    with pytest.raises(ConfigError) as raised:
        decode_config(entry, Dataset, where="dataset_registry.toml")
    assert words in str(raised.value)


def test_a_label_a_row_is_one_clip_with_several_labels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = birds(tmp_path)
    rows.append({**rows[0], "species": "owl"})
    rows.append({**rows[0], "species": "owl", "tape": "gold"})
    table = written(tmp_path / "birds.csv", rows)
    task = ClassificationTaskConfig(table=str(table), label="species")
    clips = read(task)
    assert clips.examples[0].labels == {"species": ("blackbird", "owl")}
    assert len(clips.examples) == 12
    assert "left out" not in capsys.readouterr().err
    assert split_task(clips.examples, clips.task).metric == "map"
    problem = read(msgspec.structs.replace(task, metric="accuracy")).problem
    assert "1 of 12 clips have several of 'species', such as clips/0.wav" in problem
    gold = read(msgspec.structs.replace(task, where={"tape": ("gold",)}))
    assert gold.examples[0].labels["species"] == ("owl",)


def test_a_recording_on_two_sides_of_the_tables_split_is_refused(tmp_path: Path) -> None:
    rows = birds(tmp_path)
    for number, row in enumerate(rows):
        row["side"] = "test" if number % 6 == 0 else "train"
    table = written(tmp_path / "birds.csv", rows)
    task = ClassificationTaskConfig(
        table=str(table), label="species", split_column="side", recording_column="tape"
    )
    assert "2 recordings are on two sides of 'side', such as 'tape-0'" in read(task).problem
    anew = read(msgspec.structs.replace(task, split="held-out"))
    assert (anew.problem, len(anew.examples)) == ("", 12)
    for number, row in enumerate(rows):
        row["side"] = "test" if number % 6 < 2 else "train"
    written(table, rows)
    assert read(task).problem == ""


def test_validation_is_taken_from_the_clips_that_a_task_keeps(tmp_path: Path) -> None:
    rows = birds(tmp_path)
    for number, row in enumerate(rows):
        row["side"] = ("train", "train", "test")[number % 3]
        row["site"] = "lake" if number in (1, 7) else "forest"
        if row["site"] == "lake":
            row["side"] = "validation"
    table = written(tmp_path / "birds.csv", rows)
    task = ClassificationTaskConfig(
        table=str(table), label="species", split_column="side", where={"site": ("forest",)}
    )
    assert Counter(e.split for e in read(task).examples) == {
        "train": 4,
        "validation": 2,
        "test": 4,
    }
    nowhere = read(msgspec.structs.replace(task, where={"site": ("sea",)}))
    assert "none of the 12 rows" in nowhere.problem


def test_a_file_that_is_damaged_behind_its_header_is_left_out_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = birds(tmp_path)
    damaged = tmp_path / "clips/3.flac"
    wave = np.random.default_rng(0).uniform(-0.5, 0.5, 40000)
    soundfile.write(damaged, wave, 8000)
    damaged.write_bytes(damaged.read_bytes()[:30000])
    rows[3]["path"] = "clips/3.flac"
    table = written(tmp_path / "birds.csv", rows)
    for _ in range(2):  # the second time from the index
        clips = read(ClassificationTaskConfig(table=str(table), label="species"))
        assert len(clips.examples) == 11
        assert "1 truncated (such as clips/3.flac)" in capsys.readouterr().err


def test_an_index_keeps_what_another_process_added(tmp_path: Path) -> None:
    one, other = tmp_path / "one.wav", tmp_path / "other.wav"
    for number, path in enumerate((one, other)):
        tone(path, number)
    index = tmp_path / INDEX_NAME

    def meanwhile() -> Iterator[Path]:
        # The index has been read by the time that the last file is asked for.
        yield one
        measure_files(tmp_path, [other], "another process")

    measure_files(tmp_path, meanwhile(), "this process")
    assert set(msgspec.json.decode(index.read_bytes(), type=FileIndex).files) == {
        "one.wav",
        "other.wav",
    }
    assert list(tmp_path.glob(f"*{socket.gethostname()}*")) == []


def test_an_index_of_another_form_is_made_anew(tmp_path: Path) -> None:
    tone(tmp_path / "one.wav", 1)
    (tmp_path / INDEX_NAME).write_text('{"one.wav": [842, 0, "abc", 1.0, ""]}')
    found = measure_files(tmp_path, [tmp_path / "one.wav"], "copy")
    assert found[tmp_path / "one.wav"].duration_s == pytest.approx(0.1)
    assert msgspec.json.decode((tmp_path / INDEX_NAME).read_bytes(), type=FileIndex).form == 2


def test_digests_change_when_audio_arrives_behind_its_table(copy_of: Copy, tmp_path: Path) -> None:
    rows = birds(tmp_path)
    table = written(tmp_path / "birds.csv", rows)
    last = tmp_path / rows[-1]["path"]
    late = last.read_bytes()
    last.unlink()
    folder = copy_of("esc50")
    tasks = (
        ClassificationTaskConfig(dataset="esc50"),
        ClassificationTaskConfig(table=str(table), label="species"),
    )
    config = EvaluateConfig(tasks=tasks, datasets=str(tmp_path))
    seen = [task_data_digests(config)]
    last.write_bytes(late)
    seen.append(task_data_digests(config))
    tone(next((folder / "audio").glob("*.wav")), 3)
    seen.append(task_data_digests(config))
    last.touch()
    seen.append(task_data_digests(config))
    changed = [
        [name for name in before if before[name] != after[name]] for before, after in pairwise(seen)
    ]
    assert changed == [["species"], ["esc50"], []]


def test_digests_change_with_any_part_of_an_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    config = EvaluateConfig(tasks=(ClassificationTaskConfig(dataset="esc50"),))
    before = task_data_digests(config)
    entry = msgspec.structs.replace(known_datasets()["esc50"], label="target")
    monkeypatch.setattr(dataset_registry, "known_datasets", lambda: {"esc50": entry})
    assert task_data_digests(config) != before


def test_digests_change_with_what_a_source_lists(copy_of: Copy, tmp_path: Path) -> None:
    table = written(tmp_path / "birds.csv", birds(tmp_path))
    named = tuple(ClassificationTaskConfig(dataset=name) for name in ("esc50", "speech-commands"))
    own = ClassificationTaskConfig(table=str(table), label="species")
    config = EvaluateConfig(
        tasks=(*named, own, ClassificationTaskConfig(label="a")), datasets=str(tmp_path)
    )
    seen = [task_data_digests(config)]
    copy_of("esc50")
    seen.append(task_data_digests(config))
    listing = copy_of("speech-commands") / "testing_list.txt"
    seen.append(task_data_digests(config))
    listing.write_text("")
    seen.append(task_data_digests(config))
    written(table, birds(tmp_path)[1:])
    seen.append(task_data_digests(config))
    assert list(seen[0]) == ["esc50", "speech-commands", "species"]
    changed = [
        [name for name in before if before[name] != after[name]] for before, after in pairwise(seen)
    ]
    assert changed == [["esc50"], ["speech-commands"], ["speech-commands"], ["species"]]
    moved = tmp_path / "moved"
    shutil.copytree(tmp_path / "esc50", moved / "esc50")
    esc50 = msgspec.structs.replace(config, tasks=named[:1])
    elsewhere = msgspec.structs.replace(esc50, datasets=str(moved))
    assert task_data_digests(esc50) == task_data_digests(elsewhere)
