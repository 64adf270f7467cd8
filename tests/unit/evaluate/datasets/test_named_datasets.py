"""Every entry of dataset_registry.toml reads a made copy of its dataset."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from earmark.evaluate.config import ClassificationTaskConfig, EvaluateConfig
from earmark.evaluate.dataset_registry import known_datasets
from earmark.evaluate.datasets.load import TaskClips, load_clips
from earmark.evaluate.datasets.measure import INDEX_NAME
from earmark.evaluate.splits import split_task
from earmark.io import hash_file

Copy = Callable[[str], Path]
OFFICIAL = {"train": 6, "validation": 2, "test": 4}
CARVED = {"train": 6, "validation": 2, "test": 4}  # a fifth of four recordings a class is one
DEALT = {"test": 10}

EXPECTED: dict[str, tuple[dict[str, int], set[str]]] = {
    "esc50": ({"test": 10}, {"dog", "rain"}),
    "fsd50k": (OFFICIAL, {"Bark", "Dog", "Meow", "Cat"}),
    "vggsound": (CARVED, {"dog barking", "playing violin, fiddle"}),
    "voxceleb2": (DEALT, {"id00012", "id00015"}),
    "voxceleb1": (OFFICIAL, {"id10001", "id10002"}),
    "crema-d": (DEALT, {"anger", "sadness"}),
    "ravdess": (DEALT, {"neutral", "surprised"}),
    "magnatagatune": (OFFICIAL, {"no voice", "guitar"}),
    "nsynth": (OFFICIAL, {"bass", "flute"}),
    "librispeech-speaker": ({"test": 20}, {"10", "20"}),
    "librispeech-gender": ({"train": 20, "validation": 4, "test": 4}, {"female", "male"}),
    "fsdkaggle2018": (CARVED, {"Flute", "Hi-hat"}),
    "gtzan": (OFFICIAL, {"blues", "jazz"}),
    "speech-commands": (OFFICIAL, {"bed", "yes"}),
}


def read(name: str, folder: Path, **settings: object) -> TaskClips:
    task = ClassificationTaskConfig(dataset=name, **settings)
    return load_clips(task, [], EvaluateConfig(datasets=str(folder.parent)))


@pytest.fixture(params=known_datasets())
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def test_a_copy_is_read_as_its_entry_says(name: str, copy_of: Copy) -> None:
    clips = read(name, copy_of(name))
    splits, values = EXPECTED[name]
    assert clips.problem == ""
    assert clips.foreign
    assert Counter(example.split for example in clips.examples) == splits
    assert {v for e in clips.examples for v in e.labels[clips.task.label]} == values
    assert (clips.task.label, clips.task.metric) == (
        known_datasets()[name].label,
        known_datasets()[name].metric,
    )


def test_a_copy_can_be_partitioned(name: str, copy_of: Copy) -> None:
    clips = read(name, copy_of(name))
    if clips.folds:
        assert set(clips.folds) == {example.id for example in clips.examples}
        assert sorted(set(clips.folds.values())) == ["1", "2", "3", "4", "5"]
        return
    parts = split_task(clips.examples, clips.task)
    assert parts.problem == ""
    sides = [set(part.recordings()) for part in (parts.train, parts.validation, parts.test)]
    assert not sides[0] & sides[2]
    assert not sides[1] & sides[2]
    assert not sides[0] & sides[1]


def test_ids_and_durations_are_those_of_a_scan(name: str, copy_of: Copy) -> None:
    for example in read(name, copy_of(name)).examples:
        assert example.id == hash_file(example.path)
        assert 0.09 < example.duration_s < 0.3


def test_a_second_reading_gives_the_same_from_the_index(name: str, copy_of: Copy) -> None:
    folder = copy_of(name)
    first = read(name, folder)
    kept = (folder / INDEX_NAME).read_bytes()
    assert read(name, folder) == first
    assert (folder / INDEX_NAME).read_bytes() == kept


def test_an_empty_copy_says_what_is_expected(name: str, copy_of: Copy, tmp_path: Path) -> None:
    folder = copy_of(name)
    empty = tmp_path / "others" / folder.name
    empty.mkdir(parents=True)
    clips = read(name, empty)
    assert clips.examples == ()
    assert clips.problem.startswith("broken copy: expected ")
    assert clips.task.label == known_datasets()[name].label


def test_a_copy_without_its_audio_is_a_problem(name: str, copy_of: Copy) -> None:
    folder = copy_of(name)
    for path in folder.rglob("*"):
        if path.suffix in (".wav", ".flac", ".mp3", ".au"):
            path.unlink()
    clips = read(name, folder)
    assert clips.examples == ()
    assert "missing" in clips.problem or "found none" in clips.problem


def test_no_copy_says_how_to_get_it(name: str, tmp_path: Path) -> None:
    clips = read(name, tmp_path / "nothing" / "here")
    assert f"`earmark datasets {name}` says how to get it" in clips.problem
    assert f"no copy of {name} in {tmp_path / 'nothing'}" in clips.problem
    without = load_clips(ClassificationTaskConfig(dataset=name), [], EvaluateConfig())
    assert "evaluate.datasets" in without.problem


def test_published_figures_are_fractions_with_a_source() -> None:
    figures = [figure for dataset in known_datasets().values() for figure in dataset.published]
    assert len(figures) > 40
    assert all(0.1 < figure.value < 1 for figure in figures)
