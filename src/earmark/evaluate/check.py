"""Tasks against the labels that there are: what a user misspelt, before anything is computed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from earmark.config import ConfigError, check_packages, import_target, suggest
from earmark.evaluate.config import (
    CheckpointChoice,
    ClassificationTaskConfig,
    EncoderChoice,
    EvaluateConfig,
    ExternalChoice,
    QuestionTaskConfig,
)
from earmark.evaluate.datasets.load import check_table
from earmark.evaluate.splits import in_task
from earmark.pretrain.checkpoint.folder import find_checkpoint
from earmark.pretrain.encoders.config import HuggingFaceConfig, check_model
from earmark.records import Labels


def check_evaluation(config: EvaluateConfig) -> None:
    """Check packages, device, models, encoders and tables, before anything is computed.

    Raises:
        ConfigError: a package, a device or a file is not there; the message names the setting.
    """
    check_packages(config, "evaluate")
    check_encoders(config)
    for place, task in enumerate(config.questions):
        check_model(f"evaluate.questions[{place}].model", task.model, "gpt2")
    for task in config.tasks:
        if task.table:
            check_table(task)
    if config.device not in ("auto", "cpu"):
        from earmark.pretrain.device import pick_device

        pick_device(config.device, setting="evaluate.device")


def check_encoders(config: EvaluateConfig) -> None:
    """Check that further encoders are where the settings say, before anything is computed.

    Raises:
        ConfigError: no checkpoint, or no such class; the encoder is named.
    """
    for name, choice in config.encoders.items():
        try:
            _check_encoder(choice)
        except ConfigError as error:
            raise ConfigError(f"evaluate.encoders.{name}: {error}") from None


def _check_encoder(choice: EncoderChoice) -> None:
    match choice:
        case CheckpointChoice():
            find_checkpoint(Path(choice.path))
        case ExternalChoice():
            from earmark.pretrain.encoders.base import Encoder

            import_target(choice.target, Encoder)
        case HuggingFaceConfig():
            pass  # its folder and its package are settings' own to check


def check_labels(config: EvaluateConfig, labels: Sequence[Labels]) -> None:
    """Check every task on the manifest's clips against the labels that there are.

    Raises:
        ConfigError: as `check_tasks` and `check_questions`, or a task on texts asks for clips with
            a label that none has.
    """
    check_tasks(config.tasks, labels)
    check_questions(config.questions, labels)
    known = {field for row in labels for field in row}
    for kind, tasks in (("retrieval", config.retrieval), ("captioning", config.captioning)):
        for task in tasks:
            for field in task.where:
                if field not in known:
                    hint = suggest(field, known) or " The clips have no labels at all."
                    raise ConfigError(
                        f"evaluate.{kind}, {task.name!r}: where names {field!r}, a label that no "
                        f"clip has.{hint}"
                    )


def check_questions(questions: Sequence[QuestionTaskConfig], labels: Sequence[Labels]) -> None:
    """Check that questions ask of label fields that some clip has. Raises ConfigError."""
    known = {field for row in labels for field in row}
    for task in questions:
        for field in (*task.fields, *task.where):
            if field not in known:
                raise ConfigError(
                    f"evaluate.questions, {task.name!r}: no clip has a label {field!r}."
                    f"{suggest(field, known)}"
                )


def check_tasks(tasks: Sequence[ClassificationTaskConfig], labels: Sequence[Labels]) -> None:
    """Check that tasks ask for what there is.

    That is a label that some clip of the manifest has, or a table with the columns that the task
    names; whether a copy of a named dataset is there is not asked.

    Raises:
        ConfigError: a table or a column of it is not there, a field exists nowhere or none of its
            `where` values does, or an accuracy is asked of clips with several values.
    """
    known: dict[str, set[str]] = defaultdict(set)
    for row in labels:
        for field, values in row.items():
            known[field].update(values)
    for task in tasks:
        if task.table:
            check_table(task)
        elif not task.dataset:
            _check_fields(task, known)
            _check_metric(task, labels)


def _check_fields(task: ClassificationTaskConfig, known: Mapping[str, set[str]]) -> None:
    for key, field in [("label", task.label), *(("where", field) for field in task.where)]:
        if field not in known:
            hint = suggest(field, known) or " The clips have no labels at all."
            raise ConfigError(
                f"evaluate.tasks, {task.title!r}: {key} names {field!r}, a label that no clip "
                f"has.{hint}"
            )
    for field, values in task.where.items():
        if not known[field].intersection(values):
            given = ", ".join(map(repr, values))
            hint = suggest(values[0], known[field])
            raise ConfigError(
                f"evaluate.tasks, {task.title!r}: where.{field} asks for {given}, which no clip "
                f"has.{hint}"
            )


def _check_metric(task: ClassificationTaskConfig, labels: Sequence[Labels]) -> None:
    if task.metric not in ("accuracy", "macro-accuracy"):
        return
    several = [row for row in labels if in_task(row, task) and len(set(row[task.label])) > 1]
    if several:
        raise ConfigError(
            f"evaluate.tasks, {task.title!r}: {task.metric} wants one value a clip, but "
            f"{len(several)} clips have several of {task.label!r}, such as "
            f'{", ".join(several[0][task.label])}. Use metric = "map" or "auto".'
        )
