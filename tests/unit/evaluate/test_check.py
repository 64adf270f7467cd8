from pathlib import Path

import pytest

from earmark.config import ConfigError, decode
from earmark.evaluate.check import check_encoders, check_labels, check_questions, check_tasks
from earmark.evaluate.config import (
    CheckpointChoice,
    EvaluateConfig,
    ExternalChoice,
    QuestionsConfig,
    TaskConfig,
)

LABELS = [
    {"domain": ("music",), "instrument": ("flute", "harp")},
    {"domain": ("speech",), "voice": ("low",)},
]


def test_tasks_that_fit_the_labels_pass() -> None:
    check_tasks([TaskConfig(name="a", label="voice", where={"domain": ("speech",)})], LABELS)
    check_tasks([], [])


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (TaskConfig(name="a", label="instruments"), "Did you mean 'instrument'?"),
        (TaskConfig(name="a", label="xyz"), "Valid here: domain, instrument, voice."),
        (TaskConfig(name="a", label="voice", where={"domains": ("music",)}), "'domain'"),
        (TaskConfig(name="a", label="voice", where={"domain": ("speeches",)}), "'speech'"),
        (TaskConfig(name="a", label="instrument", metric="accuracy"), 'metric = "map"'),
    ],
)
def test_errors_name_the_nearest(task: TaskConfig, words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        check_tasks([task], LABELS)
    assert words in str(raised.value)
    assert "'a'" in str(raised.value)


def test_clips_without_any_label_are_told_apart_from_a_misspelling() -> None:
    with pytest.raises(ConfigError, match="no labels at all"):
        check_tasks([TaskConfig(name="a", label="voice")], [{}])


def test_two_tasks_of_one_name_are_refused() -> None:
    tasks = TaskConfig(name="a", label="voice"), TaskConfig(name="a", label="domain")
    with pytest.raises(ConfigError, match="2 tasks are named 'a'"):
        EvaluateConfig(tasks=tasks)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"bootstrap": 0}, "bootstrap"),
        ({"baselines": ["random", "random"]}, "baselines names 'random' 2 times"),
        ({"probes": ["linear", "nearest", "linear"]}, "probes names 'linear' 2 times"),
        ({"shots": [5, 1, 5, 5]}, "shots names 5 3 times. Name it once."),
        ({"regularisation": [0.1, 0.1]}, "regularisation names 0.1 2 times"),
        (
            {"regularisation": [1.0, float("inf")]},
            "regularisation[1] = inf: expected a finite number",
        ),
        ({"regularisation": [float("nan")]}, "regularisation"),
        ({"regularisation": []}, "regularisation"),
        ({"regularisation": [-1.0]}, "regularisation"),
        ({"tasks": [{"name": "a", "label": "b", "metric": "accurate"}]}, "metric"),
        ({"tasks": [{"name": "a", "labels": "b"}]}, "Did you mean 'label'?"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        decode(settings, EvaluateConfig)
    assert words in str(raised.value)


def test_foreign_tasks_ask_nothing_of_the_manifest(tmp_path: Path) -> None:
    table = tmp_path / "birds.csv"
    table.write_text("path,species,tape\na.wav,wren,1\n")
    tasks = [
        TaskConfig(dataset="esc50"),
        TaskConfig(dataset="nsynth", label="pitch", where={"velocity": ("100",)}),
        TaskConfig(table=str(table), label="species", recording_column="tape"),
        TaskConfig(label="voice"),
    ]
    check_tasks(tasks, LABELS)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"dataset": "esc-50"}, "Did you mean 'esc50'? `earmark datasets` lists them"),
        ({"table": "bird.csv"}, "'a': table: "),
        ({"table": "birds.txt"}, "'a': table: "),
        ({"table": "empty.csv"}, "no row that can be read"),
        ({"label": "specie"}, "label = 'specie', but "),
        ({"path_column": "file"}, "Valid here: path, species."),
        ({"split_column": "split"}, "split_column = 'split'"),
        ({"recording_column": "tape"}, "recording_column = 'tape'"),
        ({"where": {"site": ["a"]}}, "where.site = 'site'"),
    ],
)
def test_what_a_foreign_task_names_must_be_there(
    settings: dict[str, object], words: str, tmp_path: Path
) -> None:
    (tmp_path / "birds.csv").write_text("path,species\na.wav,wren\n")
    (tmp_path / "birds.txt").write_text("path,species\na.wav,wren\n")
    (tmp_path / "empty.csv").write_text("path,species\n")
    given: dict[str, object] = {"name": "a", "label": "species", "table": "birds.csv", **settings}
    if "dataset" in settings:
        given["table"] = ""
    else:
        given["table"] = str(tmp_path / str(given["table"]))
    with pytest.raises(ConfigError) as raised:
        check_tasks([decode(given, TaskConfig)], LABELS)
    assert words in str(raised.value)


def test_two_tasks_of_one_title_are_refused() -> None:
    tasks = TaskConfig(dataset="gtzan"), TaskConfig(dataset="gtzan", split="held-out")
    with pytest.raises(ConfigError, match="2 tasks are named 'gtzan'"):
        EvaluateConfig(tasks=tasks)


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        (CheckpointChoice(path="/no/such/folder"), "evaluate.encoders.mine: .*not a folder"),
        (ExternalChoice(target="no_such:Mine"), "evaluate.encoders.mine: .*cannot be imported"),
        (ExternalChoice(target="earmark.records:Row"), "should be a class derived from"),
    ],
)
def test_encoders_that_are_nowhere_are_told_before_anything_is_done(
    choice: CheckpointChoice | ExternalChoice, told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        check_encoders(EvaluateConfig(encoders={"mine": choice}))


def test_questions_ask_of_fields_that_there_are() -> None:
    labels = [{"colour": ("red",)}]
    check_questions([QuestionsConfig(fields=("colour",))], labels)
    with pytest.raises(ConfigError, match=r"'color'.*Did you mean 'colour'"):
        check_questions([QuestionsConfig(fields=("color",))], labels)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"retrieval": [{"where": {"domian": ["music"]}}]}, "evaluate.retrieval, 'retrieval'"),
        ({"captioning": [{"where": {"domian": ["music"]}}]}, "evaluate.captioning, 'captioning'"),
        ({"questions": [{"where": {"domian": ["music"]}}]}, "evaluate.questions, 'questions'"),
        ({"tasks": [{"label": "domian"}]}, "evaluate.tasks, 'domian'"),
    ],
)
def test_every_sort_of_task_is_held_against_the_labels(
    settings: dict[str, object], words: str
) -> None:
    with pytest.raises(ConfigError, match=f"{words}.*Did you mean 'domain'"):
        check_labels(decode(settings, EvaluateConfig), LABELS)
