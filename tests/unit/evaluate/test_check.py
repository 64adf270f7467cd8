from pathlib import Path

import pytest

from earmark.config import ConfigError, decode_config
from earmark.evaluate.check import check_encoders, check_labels, check_questions, check_tasks
from earmark.evaluate.config import (
    CheckpointChoice,
    ClassificationTaskConfig,
    EvaluateConfig,
    ExternalChoice,
    QuestionTaskConfig,
)

LABELS = [
    {"domain": ("music",), "instrument": ("flute", "harp")},
    {"domain": ("speech",), "voice": ("low",)},
]


def test_tasks_that_fit_the_labels_pass() -> None:
    check_tasks(
        [ClassificationTaskConfig(name="a", label="voice", where={"domain": ("speech",)})], LABELS
    )
    check_tasks([], [])


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (ClassificationTaskConfig(name="a", label="instruments"), "Did you mean 'instrument'?"),
        (ClassificationTaskConfig(name="a", label="xyz"), "Valid here: domain, instrument, voice."),
        (
            ClassificationTaskConfig(name="a", label="voice", where={"domains": ("music",)}),
            "'domain'",
        ),
        (
            ClassificationTaskConfig(name="a", label="voice", where={"domain": ("speeches",)}),
            "'speech'",
        ),
        (
            ClassificationTaskConfig(name="a", label="instrument", metric="accuracy"),
            'metric = "map"',
        ),
    ],
)
def test_errors_name_the_nearest(task: ClassificationTaskConfig, words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        check_tasks([task], LABELS)
    assert words in str(raised.value)
    assert "'a'" in str(raised.value)


def test_clips_without_any_label_are_told_apart_from_a_misspelling() -> None:
    with pytest.raises(ConfigError, match="no labels at all"):
        check_tasks([ClassificationTaskConfig(name="a", label="voice")], [{}])


def test_two_tasks_of_one_name_are_refused() -> None:
    tasks = (
        ClassificationTaskConfig(name="a", label="voice"),
        ClassificationTaskConfig(name="a", label="domain"),
    )
    with pytest.raises(ConfigError, match="2 tasks are named 'a'"):
        EvaluateConfig(tasks=tasks)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"bootstrap": 0}, "bootstrap"),
        ({"baselines": ["random", "random"]}, "baselines names 'random' 2 times"),
        ({"probes": ["linear", "knn", "linear"]}, "probes names 'linear' 2 times"),
        ({"shots": [5, 1, 5, 5]}, "shots names 5 3 times. Name it once."),
        ({"regularization": [0.1, 0.1]}, "regularization names 0.1 2 times"),
        (
            {"regularization": [1.0, float("inf")]},
            "regularization[1] = inf: expected a finite number",
        ),
        ({"regularization": [float("nan")]}, "regularization"),
        ({"regularization": []}, "regularization"),
        ({"regularization": [-1.0]}, "regularization"),
        ({"tasks": [{"name": "a", "label": "b", "metric": "accurate"}]}, "metric"),
        ({"tasks": [{"name": "a", "labels": "b"}]}, "Did you mean 'label'?"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        decode_config(settings, EvaluateConfig)
    assert words in str(raised.value)


def test_foreign_tasks_ask_nothing_of_the_manifest(tmp_path: Path) -> None:
    table = tmp_path / "birds.csv"
    table.write_text("path,species,tape\na.wav,wren,1\n")
    tasks = [
        ClassificationTaskConfig(dataset="esc50"),
        ClassificationTaskConfig(dataset="nsynth", label="pitch", where={"velocity": ("100",)}),
        ClassificationTaskConfig(table=str(table), label="species", recording_column="tape"),
        ClassificationTaskConfig(label="voice"),
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
        check_tasks([decode_config(given, ClassificationTaskConfig)], LABELS)
    assert words in str(raised.value)


def test_two_tasks_of_one_title_are_refused() -> None:
    tasks = (
        ClassificationTaskConfig(dataset="gtzan"),
        ClassificationTaskConfig(dataset="gtzan", split="held-out"),
    )
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
    check_questions([QuestionTaskConfig(fields=("colour",))], labels)
    with pytest.raises(ConfigError, match=r"'color'.*Did you mean 'colour'"):
        check_questions([QuestionTaskConfig(fields=("color",))], labels)


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
        check_labels(decode_config(settings, EvaluateConfig), LABELS)
